package main

import (
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// apex reads an argument that is the name or the prefix of a zone. The zone of a prefix has
// the name that it has in the configuration, if there is one.
func (g *globals) apex(what string) (dname.Name, error) {
	p, err := netip.ParsePrefix(what)
	if err != nil {
		n, err := dname.Parse(what)
		if err != nil {
			return nil, usagef("%q is neither a zone name nor a prefix: %v", what, err)
		}
		return n, nil
	}
	if p != p.Masked() {
		return nil, usagef("prefix %v has host bits; write %v", p, p.Masked())
	}
	names := g.apexes(p)
	switch {
	case names != nil:
	case dname.IsClassless(p):
		names = []dname.Name{dname.FromClassless(p, dname.Range)}
	default:
		for _, part := range dname.Split(p) {
			n, _ := dname.FromPrefix(part) // Split gives boundaries only
			names = append(names, n)
		}
	}
	if len(names) > 1 {
		return nil, usagef("prefix %v is %d zones; give one of them: %s", p, len(names), shortList(names))
	}
	return names[0], nil
}

// apexes returns the zones of the item with this prefix in the configuration; nil: there is
// none.
func (g *globals) apexes(p netip.Prefix) []dname.Name {
	cfg, err := g.load()
	if err != nil {
		return nil
	}
	for i := range cfg.Zones {
		if cfg.Zones[i].Prefix == p {
			return cfg.Zones[i].Apexes
		}
	}
	return nil
}

func shortList(names []dname.Name) string {
	const most = 4
	var s []string
	for i, n := range names {
		if i == most {
			s = append(s, "…")
			break
		}
		s = append(s, n.String())
	}
	return strings.Join(s, ", ")
}
