package peer

import (
	"fmt"
	"os"
	"path/filepath"
)

// powerDNS: with the bind backend; one thread receives and answers. Its caches are as they
// come.
func powerDNS() *Peer {
	return &Peer{
		Name: "PowerDNS", program: "pdns_server", control: "pdns_control",
		files: []config{{
			name: "pdns.conf",
			head: `launch=bind
bind-config=$DIR/bind.conf
local-address=127.0.0.1
local-port=$PORT
reuseport=yes
receiver-threads=1
distributor-threads=1
socket-dir=$DIR
daemon=no
guardian=no
write-pid=no
setuid=
setgid=
chroot=
loglevel=3
log-dns-queries=no
disable-syslog=yes
disable-axfr=yes
version-string=anonymous
security-poll-suffix=
max-tcp-connections=200
max-tcp-connections-per-client=0
max-tcp-transactions-per-conn=0
tcp-idle-timeout=60
${ROLE}`,
		}, {
			name: "bind.conf",
			zone: "zone \"$ZONE\" { type master; file \"$ZONES/$ZONE.zone\"; };\n",
		}},
		roles:   map[Role]role{Ranges: {head: "enable-lua-records=shared\n"}},
		prepare: powerDNSRanges,
		args:    []string{"--config-dir=$DIR"},
		reload:  []string{"pdns_control", "--config-dir=$DIR", "bind-reload-now", "$ZONE"},
		asked:   []string{"--version"},
		version: after("PowerDNS Authoritative Server"),
	}
}

// powerDNSRanges writes zones with Lua records, where names are to be made: there is one for each
// label below the apex.
func powerDNSRanges(s *Site) error {
	if s.Role != Ranges {
		return nil
	}
	for _, zone := range s.Apexes {
		last, line := 127, "*.%d 3600 LUA PTR \"createReverse('dyn-%%5%%.example.net')\"\n"
		if isIP6(zone) {
			last, line = 7, "*.%x 3600 LUA PTR \"createReverse6('dyn-%%34%%-%%35%%-%%36%%-%%37%%-%%38%%-%%39%%-%%40%%-%%41%%.example.net')\"\n"
		}
		name := zone + ".zone"
		text, err := os.ReadFile(filepath.Join(s.Zones, name))
		if err != nil {
			return err
		}
		for i := range last + 1 {
			text = fmt.Appendf(text, line, i)
		}
		if err := os.WriteFile(filepath.Join(s.Dir, name), text, 0o644); err != nil {
			return err
		}
	}
	bind := config{name: "bind.conf", zone: "zone \"$ZONE\" { type master; file \"$DIR/$ZONE.zone\"; };\n"}
	return bind.write(s)
}
