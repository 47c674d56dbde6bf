package synth

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// Names finds the addresses of names of the templates that have one base. Ranges whose templates differ
// in the prefix only cost as much as one.
type Names struct {
	groups []group
	above  int // groups of the bases above this one
	left   []int
}

// MaxForms is with how many templates a name is compared, those that differ in the prefix only
// counted as one: those whose base is above it, in one domain or in several that contain each other.
// Without a limit the zone, which may come from another server, would decide what a query costs.
const MaxForms = 64

// FindNames returns the Names of the bases of templates, by [dname.Name.Key]. left are the indexes of the
// templates above [MaxForms], whose names are not found: long bases come last. Templates may be nil.
func FindNames(templates []*Template) (bases map[string]*Names, left []int) {
	bases = map[string]*Names{}
	members := map[string][]int{}
	for i, t := range templates {
		if t == nil {
			continue
		}
		members[t.base.Key()] = append(members[t.base.Key()], i)
	}
	order := slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		return cmp.Or(len(a)-len(b), strings.Compare(a, b))
	})
	for _, key := range order {
		n := &Names{}
		for name := dname.Name(key); n.above == 0 && !name.IsRoot(); {
			name = name.Parent()
			if up := bases[string(name)]; up != nil {
				n.above = up.above + len(up.groups)
			}
		}
		n.addAll(templates, members[key])
		bases[key], left = n, append(left, n.left...)
	}
	return bases, left
}

// group is templates that differ in the prefix only, or a single one.
type group struct {
	template *Template
	mask     number // the bits of the prefixes
	// members has the index of a template for the bits of its prefix that a name shows from
	// which some labels in front are missing: their number is the index here.
	members []map[number]member
	known   []number // the bits that such a name shows
}

type member struct {
	template int
	fixed    number
}

// addAll adds templates of which no two can make the same name (see [Meet]), by their indexes.
func (n *Names) addAll(templates []*Template, list []int) {
	type key struct {
		text       string
		size, bits int
		shown      number
	}
	all := map[key][]int{}
	var order []key
	for _, i := range list {
		t := templates[i]
		if t.permutation != nil {
			n.add(t, templates, []int{i})
			continue
		}
		k := key{t.text, t.prefix.Addr().BitLen(), t.prefix.Bits(), t.shown}
		if all[k] == nil {
			order = append(order, k)
		}
		all[k] = append(all[k], i)
	}
	for _, k := range order {
		members := all[k]
		if len(members) > 1 {
			first := templates[members[0]]
			// Bits of the prefixes that names do not show come from the member.
			common, err := compile(k.text, first.prefix, number{}, first.mask.and(k.shown.not()))
			if err == nil {
				n.add(common, templates, members)
				continue
			}
		}
		for _, i := range members {
			n.add(templates[i], templates, []int{i})
		}
	}
}

func (n *Names) add(t *Template, templates []*Template, members []int) {
	if n.above+len(n.groups) == MaxForms {
		n.left = append(n.left, members...)
		return
	}
	g := group{template: t, mask: templates[members[0]].mask}
	known := number{}
	for i := len(t.labels); i >= 0; i-- {
		if i < len(t.labels) {
			for j := range t.labels[i] {
				if p := &t.labels[i][j]; p.permuted {
					known = ones(t.prefix.Addr().BitLen())
				} else if p.radix > 0 {
					known = known.or(ones(p.width).left(p.shift))
				}
			}
		}
		g.known = append(g.known, known)
	}
	slices.Reverse(g.known)
	for skip, known := range g.known {
		if skip > 0 && known.xor(g.known[skip-1]).and(g.mask).isZero() {
			g.members = append(g.members, g.members[skip-1]) // The label shows no bits of the prefixes.
			continue
		}
		byBits := map[number]member{}
		for _, i := range members {
			fixed := templates[i].fixed
			byBits[fixed.and(known).and(g.mask)] = member{i, fixed}
		}
		g.members = append(g.members, byBits)
	}
	n.groups = append(n.groups, g)
}

// Find returns what a name at or below the base of the templates is to them; if it is the name
// of an address, the address and the index of its template.
func (n *Names) Find(name dname.Name) (a netip.Addr, template int, m Match) {
	for i := range n.groups {
		g := &n.groups[i]
		value, skip, match := g.template.find(name)
		if match == None || skip >= len(g.members) {
			m = max(m, match)
			continue
		}
		found, ok := g.members[skip][value.and(g.mask).and(g.known[skip])]
		switch {
		case ok && match == Exact:
			return value.or(found.fixed).address(g.template.prefix.Addr().BitLen()), found.template, Exact
		case ok:
			m = Above
		}
	}
	return a, 0, m
}
