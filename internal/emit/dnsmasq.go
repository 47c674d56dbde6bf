package emit

var dnsmasq = Target{
	Name: "dnsmasq", Program: "dnsmasq", Roles: []Role{Resolver},
	text: func(p *printer) error {
		p.head("#", "dnsmasq", "Goes into a file of /etc/dnsmasq.d.")
		p.note("#", "dnsmasq asks ptrd, and follows no delegation to other servers.")
		p.line("")
		for _, z := range p.Zones {
			p.zoneNote("#", z)
			for _, s := range p.Servers {
				domain := "/" + bare(z.Apex) + "/"
				if z.Apex.IsRoot() {
					domain = ""
				}
				p.line("server=%s%s", domain, at(s, "#"))
			}
		}
		return nil
	},
}
