package main

import (
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// apex reads an argument that names a zone: its name, or its prefix, for nobody
// has to reverse an address. A zone of the configuration has the name that it has
// there; without a configuration a prefix is no error.
func (g *globals) apex(what string) (dname.Name, error) {
	p, err := netip.ParsePrefix(what)
	if err != nil {
		n, err := dname.Parse(what)
		if err != nil {
			return nil, usagef("%q is neither the name of a zone nor a prefix: %v", what, err)
		}
		return n, nil
	}
	if p != p.Masked() {
		return nil, usagef("prefix %v has bits set behind its length; write %v", p, p.Masked())
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
		return nil, usagef("prefix %v has %d zones; name one of them: %s", p, len(names), shortList(names))
	}
	return names[0], nil
}

// apexes returns the zones that the configuration makes of exactly this prefix;
// nil if there is no configuration or it makes none.
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
