package netlab

import (
	"fmt"
	"net/netip"
	"strings"
)

// program is software that a host can run. Another one is an entry in programs.
type program struct {
	executable string
	// configure returns the files of a host by name and the arguments. The program runs in
	// the directory with the files. With Host.Config, the file conf has that text instead.
	configure func(s *Scenario, h *Host, dir string) (files map[string]string, args []string)
	conf      string
	// privileged programs run as root and change to a user of their own.
	privileged bool
	// mail servers are awaited at port 25. They have users of their own, the directories that
	// they write to, and commands of the shell that they need before.
	mail  bool
	dirs  []string
	setup string
	// command is run in place of executable, in the package of which it is.
	command string
}

// programs are the software by the name that Host.Software has. The software "faulty" is in
// this process (faulty.go).
var programs = map[string]program{
	"nsd":     {executable: "nsd", conf: "nsd.conf", configure: configureNSD},
	"knot":    {executable: "knotd", conf: "knot.conf", configure: configureKnot},
	"bind":    {executable: "named", conf: "named.conf", configure: configureBIND},
	"ptrd":    {executable: "ptrd", conf: "config.yaml", configure: configurePtrd},
	"unbound": {executable: "unbound", conf: "unbound.conf", configure: configureUnbound},

	"postfix":   {executable: "postfix", conf: "main.cf", configure: configurePostfix, privileged: true, mail: true, setup: setupPostfix, command: "usr/lib/postfix/sbin/master"},
	"exim":      {executable: "exim4", conf: "exim.conf", configure: configureExim, privileged: true, mail: true, setup: setupExim},
	"opensmtpd": {executable: "smtpd", conf: "smtpd.conf", configure: configureOpenSMTPD, privileged: true, mail: true, setup: setupOpenSMTPD, dirs: []string{"/var/lib", "/var/spool", "/run"}},
}

// zoneFile returns the name of a zone's master file.
func zoneFile(apex string) string {
	if apex == "." {
		return "root.zone"
	}
	return strings.ReplaceAll(apex, "/", "%2f") + "zone"
}

// zoneFiles returns the master files of a host.
func (s *Scenario) zoneFiles(h *Host) map[string]string {
	files := make(map[string]string)
	for _, z := range s.served(h.Name) {
		if z.primary == nil {
			files[zoneFile(z.Apex)] = s.zoneText(z.Zone)
		}
	}
	return files
}

// each formats one line for each address.
func each(addrs []netip.Addr, format string) string {
	var b strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&b, format, a)
	}
	return b.String()
}

func configureNSD(s *Scenario, h *Host, dir string) (map[string]string, []string) {
	files := s.zoneFiles(h)
	var b strings.Builder
	fmt.Fprintf(&b, `server:
	server-count: 1
	tcp-count: 1000
	zonesdir: "%[1]s"
	database: ""
	zonelistfile: "%[1]s/zone.list"
	xfrdfile: "%[1]s/xfrd.state"
	xfrdir: "%[1]s"
	pidfile: "%[1]s/nsd.pid"
	username: ""
	rrl-ratelimit: 0
	rrl-whitelist-ratelimit: 0
%[2]sremote-control:
	control-enable: no
`, dir, each(h.Addrs(), "\tip-address: %s\n"))
	for _, z := range s.served(h.Name) {
		fmt.Fprintf(&b, "zone:\n\tname: \"%s\"\n\tzonefile: \"%s\"\n\tprovide-xfr: 0.0.0.0/0 NOKEY\n\tprovide-xfr: ::/0 NOKEY\n%s%s", z.Apex, zoneFile(z.Apex),
			each(z.primary, "\tallow-notify: %s NOKEY\n"), each(z.primary, "\trequest-xfr: AXFR %s NOKEY\n"))
	}
	files["nsd.conf"] = b.String()
	return files, []string{"-d", "-c", "nsd.conf"}
}

func configureKnot(s *Scenario, h *Host, dir string) (map[string]string, []string) {
	files := s.zoneFiles(h)
	var remotes string // the primaries of secondary zones, by the name of the zone
	for _, z := range s.served(h.Name) {
		if z.primary != nil {
			remotes += fmt.Sprintf("  - id: %q\n    address: %s\n", z.Apex, z.primary[0])
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `server:
    rundir: "%[1]s"
%[2]s    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    dbus-event: none
log:
  - target: stderr
    any: info
database:
    storage: "%[1]s/db"
control:
    listen: "%[1]s/ctl"
acl:
  - id: all
    address: [0.0.0.0/0, "::/0"]
    action: [transfer, notify]
remote:
  - id: unused
    address: 127.0.0.1
%[3]stemplate:
  - id: default
    storage: "%[1]s"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    acl: all
zone:
`, dir, each(h.Addrs(), "    listen: \"%s@53\"\n"), remotes)
	for _, z := range s.served(h.Name) {
		fmt.Fprintf(&b, "  - domain: \"%s\"\n    file: \"%s\"\n", z.Apex, zoneFile(z.Apex))
		if z.primary != nil {
			fmt.Fprintf(&b, "    master: \"%s\"\n", z.Apex)
		}
	}
	files["knot.conf"] = b.String()
	return files, []string{"-c", "knot.conf"}
}

func configureBIND(s *Scenario, h *Host, dir string) (map[string]string, []string) {
	files := s.zoneFiles(h)
	var v4, v6 string
	for _, a := range h.Addrs() {
		if a.Is4() {
			v4 += a.String() + "; "
		} else {
			v6 += a.String() + "; "
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `options {
	directory "%[1]s";
	pid-file none;
	session-keyfile "%[1]s/session.key";
	lock-file none;
	listen-on { %[2]s};
	listen-on-v6 { %[3]s};
	recursion no;
	allow-transfer { any; };
	notify no;
	dnssec-validation no;
	empty-zones-enable no;
};
controls { };
`, dir, v4, v6)
	for _, z := range s.served(h.Name) {
		role := "primary;"
		if z.primary != nil {
			role = fmt.Sprintf("secondary; primaries { %s; };", z.primary[0])
		}
		fmt.Fprintf(&b, "zone \"%s\" { type %s file \"%s\"; };\n", z.Apex, role, zoneFile(z.Apex))
	}
	files["named.conf"] = b.String()
	return files, []string{"-g", "-n", "1", "-c", "named.conf"}
}

func configurePtrd(s *Scenario, h *Host, _ string) (map[string]string, []string) {
	files := s.zoneFiles(h)
	var b strings.Builder
	b.WriteString("listen:\n  admin: \"\"\n  dns:\n")
	for _, a := range h.Addrs() {
		fmt.Fprintf(&b, "    - %q\n", netip.AddrPortFrom(a, 53))
	}
	b.WriteString("state_dir: state\ndefaults:\n  transfer:\n    allow: [0.0.0.0/0, \"::/0\"]\nzones:\n")
	for _, z := range s.served(h.Name) {
		if z.primary != nil {
			fmt.Fprintf(&b, "  - {name: %q, secondary: {primaries: [%s]}}\n", z.Apex, z.primary[0])
			continue
		}
		fmt.Fprintf(&b, "  - {name: %q, file: %q}\n", z.Apex, zoneFile(z.Apex))
	}
	files["config.yaml"] = b.String()
	return files, []string{"serve", "--config", "config.yaml"}
}

// configureUnbound makes a resolver that begins at the root of the lab and caches as little as
// possible, so that a change is seen at once.
func configureUnbound(s *Scenario, h *Host, dir string) (map[string]string, []string) {
	modules := "iterator"
	if s.Anchors != nil {
		modules = "validator iterator"
	}
	return map[string]string{"root.hints": s.hints(), "unbound.conf": fmt.Sprintf(`server:
	username: ""
	chroot: ""
	directory: "%[1]s"
	pidfile: ""
	use-syslog: no
	num-threads: 1
	module-config: "%[3]s"
	root-hints: "root.hints"
	access-control: 0.0.0.0/0 allow
	access-control: ::/0 allow
	cache-max-ttl: 5
	cache-max-negative-ttl: 1
	rrset-roundrobin: no
	infra-host-ttl: 1
	infra-cache-max-rtt: 1000
%[2]sremote-control:
	control-enable: no
`, dir, each(h.Addrs(), "\tinterface: %s\n")+lines("\ttrust-anchor: \"%s\"", s.Anchors), modules)}, []string{"-d", "-p", "-c", "unbound.conf"}
}
