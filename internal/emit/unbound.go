package emit

var unbound = Target{
	Name: "unbound", Program: "Unbound", Roles: []Role{Resolver},
	text: func(p *printer) error {
		p.head("#", "Unbound", "Goes into a file of /etc/unbound/unbound.conf.d, or one that unbound.conf includes.")
		s, unsigned := p.specials(), p.unsigned()
		if p.isLocal() || len(s.within)+len(s.below)+len(unsigned) > 0 {
			p.line("\nserver:")
		}
		if p.isLocal() {
			p.note("\t#", "ptrd is on this machine.")
			p.line("\tdo-not-query-localhost: no")
		}
		if len(s.within)+len(s.below) > 0 {
			p.note("\t#", "Unbound answers for these by itself (RFC 6303) unless told not to.")
		}
		for _, n := range s.within {
			p.line("\tlocal-zone: \"%v\" nodefault", n)
		}
		for _, n := range s.below { // all around it stays as it is
			p.line("\tlocal-zone: \"%v\" transparent", n)
		}
		if len(unsigned) > 0 {
			p.note("\t#", "Nobody above vouches for these.")
		}
		for _, n := range unsigned {
			p.line("\tdomain-insecure: \"%v\"", n)
		}
		for _, z := range p.Zones {
			p.line("")
			p.zoneNote("#", z)
			p.line("stub-zone:")
			p.line("\tname: \"%v\"", z.Apex)
			for _, s := range p.Servers {
				p.line("\tstub-addr: %s", at(s, "@"))
			}
		}
		return nil
	},
}
