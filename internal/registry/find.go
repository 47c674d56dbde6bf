package registry

import (
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Find returns the zone that an operator designates: by its name or prefix, or by an address,
// prefix or name in it. about reports which owner names are meant; nil: all of the zone. isKnown
// reports whether there was a zone at an apex that is not in set.
func (z *Zones) Find(set *zone.Set, what string, isKnown func(apex dname.Name) (bool, error)) (apex dname.Name, about func(dname.Name) bool, err error) {
	var name dname.Name
	about = func(owner dname.Name) bool { return owner.Equal(name) }
	zones := z.o.Config.Zones
	if a, err := netip.ParseAddr(what); err == nil {
		a = a.WithZone("").Unmap()
		name = dname.FromAddr(a)
		longest := 0
		for i := range zones {
			if p := zones[i].Prefix; dname.IsClassless(p) && p.Contains(a) && p.Bits() > longest {
				name, _, _ = zones[i].Owner(a)
				longest = p.Bits()
			}
		}
	} else if p, err := netip.ParsePrefix(what); err == nil {
		if p != p.Masked() {
			return nil, nil, fmt.Errorf("prefix %v has host bits; write %v", p, p.Masked())
		}
		for i := range zones {
			switch item := &zones[i]; {
			case item.Prefix != p:
			case len(item.Apexes) > 1:
				return nil, nil, fmt.Errorf("prefix %v has %d zones, from %v to %v; name one of them", p, len(item.Apexes), item.Apexes[0], item.Apexes[len(item.Apexes)-1])
			default:
				return item.Apexes[0], nil, nil
			}
		}
		name, _ = dname.FromPrefix(dname.Boundary(p))
		about = In(p)
	} else {
		if name, err = dname.Parse(what); err != nil {
			return nil, nil, fmt.Errorf("%q is neither a zone, an address nor a prefix: %w", what, err)
		}
		known := set.Get(name) != nil
		if !known {
			known, err = isKnown(name)
		}
		if known || err != nil {
			return name, nil, err
		}
	}
	holder := set.Find(name)
	if holder == nil {
		return nil, nil, fmt.Errorf("no zone here holds %s; `ptrd status` lists those that are served", what)
	}
	return holder.Apex(), about, nil
}

// In returns a function that reports whether an owner name is the reverse name of an address in a prefix.
func In(p netip.Prefix) func(owner dname.Name) bool {
	return func(owner dname.Name) bool {
		a, ok := dname.ToAddr(owner)
		return ok && p.Contains(a)
	}
}

// Select returns the zones that an operator designates: one by an argument of Find, or all zones of
// a prefix that is not one zone, in canonical order.
func (z *Zones) Select(set *zone.Set, what string, isKnown func(apex dname.Name) (bool, error)) ([]dname.Name, error) {
	if p, err := netip.ParsePrefix(what); err == nil && p == p.Masked() {
		if list := z.within(set, p); len(list) > 0 {
			return list, nil
		}
	}
	apex, _, err := z.Find(set, what, isKnown)
	if err != nil {
		return nil, err
	}
	return []dname.Name{apex}, nil
}

// within returns the zone with a prefix, or else the zones with the prefixes in it, or else the one
// with the longest prefix around it; nil: there is none.
func (z *Zones) within(set *zone.Set, p netip.Prefix) (list []dname.Name) {
	var around []dname.Name
	longest := -1
	for one := range set.All() {
		switch own := z.PrefixOf(one.Apex()); {
		case own == p:
			return []dname.Name{one.Apex()}
		case !own.IsValid() || !own.Overlaps(p):
		case own.Bits() > p.Bits():
			list = append(list, one.Apex())
		case own.Bits() > longest:
			around, longest = []dname.Name{one.Apex()}, own.Bits()
		}
	}
	if list == nil {
		return around
	}
	return list
}

// PrefixOf returns the prefix whose reverse zone is at apex; not valid: none.
func (z *Zones) PrefixOf(apex dname.Name) netip.Prefix {
	if item := z.Item(apex); item != nil && dname.IsClassless(item.Prefix) {
		return item.Prefix
	}
	p, ok := dname.ToPrefix(apex)
	if !ok {
		p, _ = dname.ToClassless(apex)
	}
	return p
}
