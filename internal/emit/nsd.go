package emit

import "fmt"

var nsd = Target{
	Name: "nsd", Program: "NSD", Roles: []Role{Secondary},
	KeyFile: "/etc/nsd/ptrd.keys", Directory: "/var/lib/nsd", HasFiles: true,
	text: func(p *printer) error {
		p.head("#", "NSD", "Goes into a file of /etc/nsd/nsd.conf.d, or one that nsd.conf includes.")
		p.keyNote("#", "", func(k *Key) string {
			return fmt.Sprintf("key:\n\tname: \"%s\"\n\talgorithm: %s\n\tsecret: \"…\"", bare(k.Name), k.Algorithm)
		})
		if len(p.keys()) > 0 {
			p.line("\ninclude: \"%s\"", p.KeyFile)
		}
		for _, z := range p.Zones {
			key := "NOKEY"
			if z.Key != nil {
				key = `"` + bare(z.Key.Name) + `"`
			}
			p.line("")
			p.zoneNote("#", z)
			p.line("zone:")
			p.line("\tname: \"%s\"", bare(z.Apex))
			p.line("\tzonefile: \"%s\"", p.fileName(z.Apex))
			for _, s := range p.Servers {
				p.line("\trequest-xfr: %s %s", at(s, "@"), key)
			}
			for _, s := range p.Servers {
				p.line("\tallow-notify: %v NOKEY", s.Addr())
				if z.Key != nil {
					p.line("\tallow-notify: %v %s", s.Addr(), key)
				}
			}
		}
		return nil
	},
}
