package peer

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
`,
		}, {
			name: "bind.conf",
			zone: "zone \"$ZONE\" { type master; file \"$ZONES/$ZONE.zone\"; };\n",
		}},
		args:    []string{"--config-dir=$DIR"},
		reload:  []string{"pdns_control", "--config-dir=$DIR", "bind-reload-now", "$ZONE"},
		asked:   []string{"--version"},
		version: after("PowerDNS Authoritative Server"),
	}
}
