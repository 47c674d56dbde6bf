package registry

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Part is a zone that an operator designates, or some names in it.
type Part struct {
	Apex  dname.Name
	About func(owner dname.Name) bool // reports whether a name is meant; nil: all are

	// Where not all names are meant, either the one that is, or the prefix whose addresses they are.
	Name   dname.Name
	Prefix netip.Prefix
}

// Find returns the one zone that an operator designates: by its name or prefix, or by an address,
// prefix or name in it. isKnown, if not nil, reports whether there was a zone at an apex that is not
// in set.
func (z *Zones) Find(set *zone.Set, what string, isKnown func(apex dname.Name) (bool, error)) (Part, error) {
	list, err := z.Select(set, what, isKnown)
	if err == nil && len(list) > 1 && list[0].About == nil {
		return Part{}, naming.Several(what, len(list), list[0].Apex, list[len(list)-1].Apex)
	}
	if err != nil {
		return Part{}, err
	}
	return list[0], nil
}

// Whole is Find for all of the zone, in place of Select.
func (z *Zones) Whole(set *zone.Set, what string, isKnown func(apex dname.Name) (bool, error)) ([]Part, error) {
	part, err := z.Find(set, what, isKnown)
	return []Part{{Apex: part.Apex}}, err
}

// Select returns the zones that an operator designates: one by an argument of Find, or all zones of
// a prefix that is not one zone, in canonical order. Before these is the zone around the prefix, if it
// has names there.
func (z *Zones) Select(set *zone.Set, what string, isKnown func(apex dname.Name) (bool, error)) ([]Part, error) {
	arg, err := naming.ParseArgument(what)
	if err != nil {
		return nil, err
	}
	part := Part{About: func(owner dname.Name) bool { return owner.Equal(arg.Name) }, Prefix: arg.Prefix}
	switch {
	case arg.Address.IsValid():
		arg.Name = z.Owner(arg.Address)
	case arg.Prefix.IsValid():
		if list := z.within(set, arg.Prefix); len(list) > 0 {
			return list, nil
		}
		arg.Name, _ = dname.FromPrefix(dname.Boundary(arg.Prefix))
		part.About = z.In(nil, arg.Prefix)
	default:
		known := set.Get(arg.Name) != nil
		if !known && isKnown != nil {
			known, err = isKnown(arg.Name)
		}
		if known || err != nil {
			return []Part{{Apex: arg.Name}}, err
		}
	}
	holder := set.Find(arg.Name)
	if holder == nil {
		return nil, fmt.Errorf("no zone here holds %s; `ptrd status` lists those that are served", what)
	}
	part.Apex = holder.Apex()
	if !part.Prefix.IsValid() {
		part.Name = arg.Name
	}
	return []Part{part}, nil
}

// Owner returns the reverse name of an address, in the classless zone that has it.
func (z *Zones) Owner(a netip.Addr) dname.Name {
	name, longest := dname.FromAddr(a), 0
	zones := z.o.Config.Zones
	for i := range zones {
		if p := zones[i].Prefix; dname.IsClassless(p) && p.Contains(a) && p.Bits() > longest {
			name, _, _ = zones[i].Owner(a)
			longest = p.Bits()
		}
	}
	return name
}

// Unbuilt returns a set of these zones without their data.
func (z *Zones) Unbuilt() *zone.Set {
	var list []*zone.Zone
	for one := range z.All {
		list = append(list, zone.Unavailable(one.Apex, "not built"))
	}
	return zone.NewSet().With(list, nil)
}

// In returns a function that reports whether an owner name in the zone at apex stands for an address
// in a prefix.
func (z *Zones) In(apex dname.Name, p netip.Prefix) func(owner dname.Name) bool {
	item := z.Item(apex)
	if item == nil {
		item = &config.Zone{}
	}
	return func(owner dname.Name) bool {
		of, ok := item.AddressesOf(owner)
		return ok && of.IsSingleIP() && p.Contains(of.Addr())
	}
}

// within returns the zones of a prefix, or else the one with the longest prefix around it and the
// zones with the prefixes in it.
func (z *Zones) within(set *zone.Set, p netip.Prefix) (list []Part) {
	var exact, around []Part
	longest := -1
	for one := range set.All() {
		part := Part{Apex: one.Apex()}
		own, item := z.PrefixOf(part.Apex), z.Item(part.Apex)
		switch {
		case own == p, item != nil && item.Prefix == p:
			exact = append(exact, part)
		case !own.IsValid() || !own.Overlaps(p):
		case own.Bits() > p.Bits():
			list = append(list, part)
		case own.Bits() > longest:
			part.About, part.Prefix = z.In(part.Apex, p), p
			around, longest = []Part{part}, own.Bits()
		}
	}
	if exact != nil {
		return exact
	}
	return slices.Concat(around, list)
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
