package emit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

var kea = Target{
	Name: "kea", Program: "Kea", Roles: []Role{Updater}, KeyFile: "/etc/kea/ptrd-keys.json",
	text: func(p *printer) error {
		zones, err := p.updatable("//")
		if err != nil {
			return err
		}
		var forward, reverse []Zone
		for _, z := range zones {
			if f, _, _ := dname.Tree(z.Apex); f == dname.Forward {
				forward = append(forward, z)
			} else {
				reverse = append(reverse, z)
			}
		}
		p.keyNote("//", ",", func(k *Key) string {
			return fmt.Sprintf("{\"name\": \"%s\", \"algorithm\": \"%s\", \"secret\": \"…\"}", bare(k.Name), strings.ToUpper(k.Algorithm))
		})
		suffix := "lan.example.com."
		if len(forward) > 0 {
			suffix = forward[0].Apex.String()
		}
		p.note("//", "Beside it, Dhcp4 in kea-dhcp4.conf, and Dhcp6 in kea-dhcp6.conf, need:")
		p.line("//\t\"dhcp-ddns\": {\"enable-updates\": true},")
		p.line("//\t\"ddns-qualifying-suffix\": \"%s\"", suffix)
		p.line("{\n\"DhcpDdns\": {")
		if len(p.keys()) > 0 {
			p.line("\t\"tsig-keys\": [\n\t\t<?include \"%s\"?>\n\t],", p.KeyFile)
		}
		p.keaDomains("forward-ddns", forward)
		p.Truncate(p.Len() - 1)
		p.line(",")
		p.keaDomains("reverse-ddns", reverse)
		p.line("}\n}")
		return nil
	},
}

func (p *printer) keaDomains(what string, zones []Zone) {
	p.line("\t\"%s\": {\n\t\t\"ddns-domains\": [", what)
	for i, z := range zones {
		p.zoneNote("\t\t\t//", z)
		p.line("\t\t\t{")
		p.line("\t\t\t\t\"name\": \"%v\",", z.Apex)
		if z.Key != nil {
			p.line("\t\t\t\t\"key-name\": \"%s\",", bare(z.Key.Name))
		}
		var servers []string
		for _, s := range p.Servers {
			servers = append(servers, fmt.Sprintf("{\"ip-address\": \"%v\", \"port\": %d}", s.Addr(), s.Port()))
		}
		p.line("\t\t\t\t\"dns-servers\": [%s]", strings.Join(servers, ", "))
		end := "}"
		if i < len(zones)-1 {
			end = "},"
		}
		p.line("\t\t\t%s", end)
	}
	p.line("\t\t]\n\t}")
}

// updatable writes the head of a text for a DHCP server, and returns the zones that
// one can write to. It makes the owner name of an address from its octets or nibbles and
// finds the zone above it, which for the parts of a /24 is the zone of the /24
// (RFC 2317).
func (p *printer) updatable(mark string) ([]Zone, error) {
	var zones []Zone
	var left []string
	for _, z := range p.Zones {
		if z.Prefix.IsValid() && dname.IsClassless(z.Prefix) || z.Apex.IsRoot() {
			left = append(left, bare(z.Apex))
		} else {
			zones = append(zones, z)
		}
	}
	if len(zones) == 0 {
		return nil, errors.New("none of the zones can be updated by a DHCP server: it makes names of whole octets or nibbles, such as 65.113.0.203.in-addr.arpa., and classless zones have others; name the zone of the /24 too")
	}
	p.Zones = zones
	where := map[string]string{
		"kea":       "The configuration of kea-dhcp-ddns, /etc/kea/kea-dhcp-ddns.conf.",
		"isc-dhcpd": "Goes into dhcpd.conf and dhcpd6.conf, or a file that they include.",
	}[p.target.Name]
	p.head(mark, p.target.Program, where)
	if len(left) > 0 {
		p.note(mark, "Left out: %s. The names that a DHCP server makes are of whole octets, and lie in the zone above.", strings.Join(left, ", "))
	}
	return zones, nil
}
