package emit

import (
	"bytes"
	"fmt"
)

var iscDHCPD = Target{
	Name: "isc-dhcpd", Program: "ISC dhcpd", Roles: []Role{Updater}, KeyFile: "/etc/dhcp/ptrd.keys",
	text: func(p *printer) error {
		// It knows one address of each family, and no port.
		var v4, v6 string
		for _, s := range p.Servers {
			if s.Port() != 53 {
				return fmt.Errorf("%v: ISC dhcpd sends updates to port 53 only; let ptrd listen there, or give the address of a redirection by --server", s)
			}
			switch {
			case s.Addr().Is4() && v4 == "":
				v4 = s.Addr().String()
			case s.Addr().Is6() && v6 == "":
				v6 = s.Addr().String()
			}
		}
		zones, err := p.updatable("#")
		if err != nil {
			return err
		}
		for _, z := range zones {
			for n := z.Apex; !n.IsRoot(); n = n.Parent() {
				if l := n.Label(); l[0] == '_' || bytes.IndexByte(l, '/') >= 0 {
					return fmt.Errorf("zone %v: ISC dhcpd cannot read a name with the label %q; name the other zones", z.Apex, l)
				}
			}
		}
		p.note("#", "Beside it, these files need `ddns-update-style standard;`.")
		p.keyNote("#", "", keyClause)
		if len(p.keys()) > 0 {
			p.line("\ninclude \"%s\";", p.KeyFile)
		}
		for _, z := range zones {
			p.line("")
			p.zoneNote("#", z)
			p.line("zone %v {", z.Apex)
			if v4 != "" {
				p.line("\tprimary %s;", v4)
			}
			if v6 != "" {
				p.line("\tprimary6 %s;", v6)
			}
			if z.Key != nil {
				p.line("\tkey \"%s\";", bare(z.Key.Name))
			}
			p.line("}")
		}
		return nil
	},
}
