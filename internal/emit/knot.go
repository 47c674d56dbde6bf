package emit

import (
	"fmt"
	"strings"
)

var knot = Target{
	Name: "knot", Program: "Knot DNS", Roles: []Role{Secondary},
	KeyFile: "/etc/knot/ptrd.keys", HasFiles: true,
	text: func(p *printer) error {
		p.head("#", "Knot DNS", "Goes into a file that knot.conf includes, behind its own sections.")
		p.keyNote("#", "", func(k *Key) string {
			return fmt.Sprintf("key:\n  - id: \"%s\"\n    algorithm: %s\n    secret: \"…\"", bare(k.Name), k.Algorithm)
		})
		keys := p.keys()
		if len(keys) > 0 {
			p.line("\ninclude: \"%s\"", p.KeyFile)
		}
		var whole, hosts []string
		for _, s := range p.Servers {
			whole = append(whole, fmt.Sprintf("%q", at(s, "@")))
			hosts = append(hosts, fmt.Sprintf("\"%v\"", s.Addr()))
		}
		// A remote and the rule for its NOTIFY for each key, and for none.
		var plain bool
		for _, z := range p.Zones {
			plain = plain || z.Key == nil
		}
		if plain {
			keys = append([]*Key{nil}, keys...)
		}
		p.line("\nremote:")
		for _, k := range keys {
			p.line("  - id: \"%s\"", remoteID(k))
			p.line("    address: [%s]", strings.Join(whole, ", "))
			if k != nil {
				p.line("    key: \"%s\"", bare(k.Name))
			}
		}
		p.line("\nacl:")
		p.line("  - id: \"ptrd-notify\"")
		p.line("    address: [%s]", strings.Join(hosts, ", "))
		p.line("    action: notify")
		for _, k := range keys {
			if k != nil {
				p.line("  - id: \"%s-notify\"", remoteID(k))
				p.line("    address: [%s]", strings.Join(hosts, ", "))
				p.line("    key: \"%s\"", bare(k.Name))
				p.line("    action: notify")
			}
		}
		p.line("\nzone:")
		for _, z := range p.Zones {
			rules := `"ptrd-notify"`
			if z.Key != nil {
				rules += fmt.Sprintf(", \"%s-notify\"", remoteID(z.Key))
			}
			p.zoneNote("  #", z)
			p.line("  - domain: \"%s\"", bare(z.Apex))
			p.line("    file: \"%s\"", p.fileName(z.Apex))
			p.line("    master: \"%s\"", remoteID(z.Key))
			p.line("    acl: [%s]", rules)
		}
		return nil
	},
}

// remoteID names ptrd where it is asked with the key.
func remoteID(k *Key) string {
	if k == nil {
		return "ptrd"
	}
	return "ptrd-" + bare(k.Name)
}
