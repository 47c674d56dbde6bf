package emit

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// specialPrefixes are those whose reverse zones a resolver has itself (RFC 6303 §4, RFC 7793
// §2.1), because they differ between networks.
var specialPrefixes = [...]string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
	"192.168.0.0/16", "198.51.100.0/24", "203.0.113.0/24", "255.255.255.255/32",
	"::/128", "::1/128", "2001:db8::/32", "fd00::/8", "fe80::/10",
}

// specialNames are such forward zones (RFC 6761, RFC 7686, RFC 8375).
var specialNames = [...]string{"home.arpa.", "invalid.", "localhost.", "onion.", "test."}

// special returns the apexes of the zones that resolvers have themselves.
func special() []dname.Name {
	var list []dname.Name
	for _, s := range specialPrefixes {
		for _, p := range dname.Split(netip.MustParsePrefix(s)) {
			n, _ := dname.FromPrefix(p) // never fails after Split
			list = append(list, n)
		}
	}
	for _, s := range specialNames {
		list = append(list, dname.MustParse(s))
	}
	return list
}

// specials are the special zones that affect zones of ptrd.
type specials struct {
	Within []dname.Name // special zones at or below a zone of ptrd, without duplicates
	Below  []dname.Name // zones of ptrd below a special zone; not those in Within or below another one of Below
}

func (p *printer) specials() (s specials) {
	all := special()
	for _, z := range p.Zones {
		for _, n := range all {
			if n.IsAtOrBelow(z.Apex) && !covers(s.Within, n) {
				s.Within = append(s.Within, n)
			}
		}
	}
	var below []dname.Name
	for _, z := range p.Zones {
		if covers(all, z.Apex) && !covers(s.Within, z.Apex) {
			below = append(below, z.Apex)
		}
	}
	s.Below = topmost(below)
	return s
}

// unsigned returns the zones that a validating resolver must be configured to treat as
// insecure: the special ones, or all with Options.Unsigned. Zones below one of them are
// omitted.
func (p *printer) unsigned() []dname.Name {
	all := special()
	var list []dname.Name
	for _, z := range p.Zones {
		if p.Unsigned || covers(all, z.Apex) {
			list = append(list, z.Apex)
		}
	}
	return topmost(list)
}

// covers reports whether n is at or below a name of the list.
func covers(list []dname.Name, n dname.Name) bool { return slices.ContainsFunc(list, n.IsAtOrBelow) }

// topmost returns the names of the list that are not below another, in their order.
func topmost(list []dname.Name) []dname.Name {
	in := make(map[string]bool, len(list)) // by dname.Name.Key
	for _, n := range list {
		in[n.Key()] = true
	}
	var out []dname.Name
	for _, n := range list {
		above := n
		for !above.IsRoot() {
			if above = above.Parent(); in[above.Key()] {
				break
			}
		}
		if n.IsRoot() || !in[above.Key()] {
			out = append(out, n)
		}
	}
	return out
}
