package emit

import (
	"fmt"
	"net/netip"
)

var bind = Target{
	Name: "bind", Program: "BIND", Roles: []Role{Secondary, Resolver},
	KeyFile: "/etc/bind/ptrd.keys", HasFiles: true,
	text: func(p *printer) error {
		if p.Role == Resolver {
			p.bindResolver()
		} else {
			p.bindSecondary()
		}
		return nil
	},
}

// keyClause is how BIND and ISC dhcpd write a key; ptrd reads it as `secret_file`.
func keyClause(k *Key) string {
	return fmt.Sprintf("key \"%s\" { algorithm %s; secret \"…\"; };", bare(k.Name), k.Algorithm)
}

func (p *printer) bindSecondary() {
	p.head("//", "BIND", "Goes into named.conf, or a file that it includes, such as /etc/bind/named.conf.local.")
	p.note("//", "NOTIFY is taken from the primaries as it is.")
	p.keyNote("//", "", keyClause)
	if len(p.keys()) > 0 {
		p.line("\ninclude \"%s\";", p.KeyFile)
	}
	for _, z := range p.Zones {
		p.line("")
		p.zoneNote("//", z)
		p.line("zone \"%s\" {", bare(z.Apex))
		p.line("\ttype secondary;")
		key := ""
		if z.Key != nil {
			key = fmt.Sprintf(" key \"%s\"", bare(z.Key.Name))
		}
		p.bindAddresses("primaries", p.Servers, key)
		p.line("\tfile \"%s\";", p.fileName(z.Apex))
		p.line("};")
	}
}

// bindAddresses writes a list of addresses, each with its port if it is not 53.
func (p *printer) bindAddresses(what string, list []netip.AddrPort, key string) {
	fmt.Fprintf(p, "\t%s {", what)
	for _, s := range list {
		fmt.Fprintf(p, " %s%s;", at(s, " port "), key)
	}
	p.line(" };")
}

// bindResolver writes static-stub zones, for which BIND asks the servers as it asks
// any authoritative one, and follows their referrals. Those know no port but 53; for
// another, forward zones have to do.
func (p *printer) bindResolver() {
	p.head("//", "BIND", "Goes into named.conf, or a file that it includes, such as /etc/bind/named.conf.local.")
	stub := true
	for _, s := range p.Servers {
		stub = stub && s.Port() == 53
	}
	if !stub {
		p.note("//", "static-stub zones, which would follow the delegations in the zones, know no port but 53.")
	}
	// Its own empty zones (RFC 6303) give way to these zones, and stay around them.
	if list := p.unsigned(); len(list) > 0 {
		p.note("//", "Beside it, where it validates, options (or the view) need:")
		p.line("//\tvalidate-except {")
		for _, n := range list {
			p.line("//\t\t\"%s\";", bare(n))
		}
		p.line("//\t};")
	}
	for _, z := range p.Zones {
		p.line("")
		p.zoneNote("//", z)
		p.line("zone \"%s\" {", bare(z.Apex))
		if stub {
			p.line("\ttype static-stub;")
			p.bindAddresses("server-addresses", p.Servers, "")
		} else {
			p.line("\ttype forward;")
			p.line("\tforward only;")
			p.bindAddresses("forwarders", p.Servers, "")
		}
		p.line("};")
	}
}
