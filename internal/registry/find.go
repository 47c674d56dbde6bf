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
		about = func(owner dname.Name) bool {
			a, ok := dname.ToAddr(owner)
			return ok && p.Contains(a)
		}
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
