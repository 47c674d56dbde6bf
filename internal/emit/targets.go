package emit

import (
	"bytes"
	"fmt"
)

// bindKey is the form of keys in named.conf and in dhcpd.conf.
const bindKey = `key "%[1]s" { algorithm %[2]s; secret "%[4]s"; };`

// The targets. Each has a template NAME.tmpl, and if Resolver is its second role,
// NAME-resolver.tmpl.
var (
	bind = Target{
		Name: "bind", Program: "BIND", Roles: []Role{Secondary, Resolver},
		Key: bindKey, Mark: "//", KeyFile: "/etc/bind/ptrd.keys", HasFiles: true,
	}
	dnsmasq  = Target{Name: "dnsmasq", Program: "dnsmasq", Roles: []Role{Resolver}}
	iscDHCPD = Target{
		Name: "isc-dhcpd", Program: "ISC dhcpd", Roles: []Role{Updater},
		Key: bindKey, Mark: "#", KeyFile: "/etc/dhcp/ptrd.keys", check: checkForDHCPD,
	}
	kea = Target{
		Name: "kea", Program: "Kea", Roles: []Role{Updater},
		Key: `{"name": "%[1]s", "algorithm": "%[3]s", "secret": "%[4]s"}`, Mark: "//", KeyFile: "/etc/kea/ptrd-keys.json",
	}
	knot = Target{
		Name: "knot", Program: "Knot DNS", Roles: []Role{Secondary},
		Key: "key:\n  - id: \"%[1]s\"\n    algorithm: %[2]s\n    secret: \"%[4]s\"", Mark: "#",
		KeyFile: "/etc/knot/ptrd.keys", HasFiles: true,
	}
	nsd = Target{
		Name: "nsd", Program: "NSD", Roles: []Role{Secondary},
		Key: "key:\n\tname: \"%[1]s\"\n\talgorithm: %[2]s\n\tsecret: \"%[4]s\"", Mark: "#",
		KeyFile: "/etc/nsd/ptrd.keys", Directory: "/var/lib/nsd", HasFiles: true,
	}
	powerDNS = Target{
		Name: "powerdns", Program: "PowerDNS", Roles: []Role{Secondary, Resolver},
		Key: "pdnsutil import-tsig-key %[1]s %[2]s %[4]s", Mark: "#",
	}
	ptrd = Target{
		Name: "ptrd", Program: "ptrd", Roles: []Role{Secondary},
		Key: "- name: \"%[1]s\"\n  algorithm: %[2]s\n  secret: \"%[4]s\"", Mark: "#",
	}
	resolved = Target{Name: "systemd-resolved", Program: "systemd-resolved", Roles: []Role{Resolver}, HasLink: true}
	unbound  = Target{Name: "unbound", Program: "Unbound", Roles: []Role{Resolver}}
)

// Targets returns all of them, sorted by name.
func Targets() []Target {
	return []Target{bind, dnsmasq, iscDHCPD, kea, knot, nsd, powerDNS, ptrd, resolved, unbound}
}

func checkForDHCPD(p *printer) error {
	for _, s := range p.Servers {
		if s.Port() != 53 {
			return fmt.Errorf("%v: ISC dhcpd sends updates to port 53 only; let ptrd listen there, or give the address of a redirection by --server", s)
		}
	}
	for _, z := range p.Zones {
		for n := z.Apex; !n.IsRoot(); n = n.Parent() {
			if l := n.Label(); l[0] == '_' || bytes.IndexByte(l, '/') >= 0 {
				return fmt.Errorf("zone %v: ISC dhcpd cannot read a name with the label %q; name the other zones", z.Apex, l)
			}
		}
	}
	return nil
}
