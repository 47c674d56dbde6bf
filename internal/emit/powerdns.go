package emit

import "strings"

var powerDNS = Target{
	Name: "powerdns", Program: "PowerDNS", Roles: []Role{Secondary, Resolver},
	text: func(p *printer) error {
		if p.Role == Resolver {
			p.recursor()
		} else {
			p.powerDNS()
		}
		return nil
	},
}

// powerDNS writes a script: the zones of PowerDNS are in a database, which its own
// tool writes whatever backend it is.
func (p *printer) powerDNS() {
	p.line("#!/bin/sh")
	p.head("#", "PowerDNS Authoritative Server", "A script, to be run where pdns_server runs, with a backend that holds zones in a database.")
	p.note("#", "pdns.conf needs `secondary=yes`. NOTIFY is taken from the primaries as it is.")
	if keys := p.keys(); len(keys) > 0 {
		p.note("#", "The secret of %s comes first, from a terminal that keeps no history:", plural(len(keys), "key"))
		for _, k := range keys {
			p.line("#\tpdnsutil import-tsig-key %s %s …", bare(k.Name), k.Algorithm)
		}
	}
	p.line("set -e")
	p.line("secondary() {")
	p.line("\tpdnsutil create-secondary-zone \"$@\" || pdnsutil change-secondary-zone-primary \"$@\"")
	p.line("}")
	var servers []string
	for _, s := range p.Servers {
		servers = append(servers, withColon(s))
	}
	for _, z := range p.Zones {
		p.line("")
		p.zoneNote("#", z)
		p.line("secondary %s '%s'", bare(z.Apex), strings.Join(servers, "' '"))
		if z.Key != nil {
			p.line("pdnsutil activate-tsig-key %s %s secondary", bare(z.Apex), bare(z.Key.Name))
		}
	}
}

func (p *printer) recursor() {
	p.head("#", "PowerDNS Recursor", "Goes into a file of its own, named in recursor.conf by `forward-zones-file=`.")
	if list := p.unsigned(); len(list) > 0 {
		p.note("#", "Where it validates, the file of `lua-config-file=` needs:")
		for _, n := range list {
			p.line("#\taddNTA(\"%s\", \"zone of ptrd\")", bare(n))
		}
	}
	var servers []string
	for _, s := range p.Servers {
		servers = append(servers, withColon(s))
	}
	p.line("")
	for _, z := range p.Zones {
		p.zoneNote("#", z)
		p.line("%s=%s", bare(z.Apex), strings.Join(servers, ", "))
	}
}
