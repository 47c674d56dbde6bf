package assemble

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// ref is one zone of the configuration.
type ref struct {
	item *config.Zone
	apex dname.Name
}

// index has the zones of a configuration and their relations.
type index struct {
	zones   map[string]ref
	cuts    map[string][]ref           // by the parent's key: its child zones, in canonical order
	aliases map[string][]classlessZone // by the key of the zone that has the addresses' names; longest prefix first
}

// classlessZone is a classless zone of the configuration (RFC 2317).
type classlessZone struct {
	ref
	prefix netip.Prefix
}

func newIndex(cfg *config.Config) *index {
	x := &index{map[string]ref{}, map[string][]ref{}, map[string][]classlessZone{}}
	for i := range cfg.Zones {
		for _, apex := range cfg.Zones[i].Apexes {
			x.zones[apex.Key()] = ref{&cfg.Zones[i], apex}
		}
	}
	for _, child := range x.zones {
		if parent, ok := x.above(child.apex); ok {
			key := parent.apex.Key()
			x.cuts[key] = append(x.cuts[key], child)
		}
		if prefix, ok := classlessPart(child.item); ok {
			if home, ok := x.home(child, prefix); ok {
				key := home.apex.Key()
				x.aliases[key] = append(x.aliases[key], classlessZone{child, prefix})
			}
		}
	}
	for _, list := range x.cuts {
		slices.SortFunc(list, func(a, b ref) int { return dname.Compare(a.apex, b.apex) })
	}
	for _, list := range x.aliases {
		slices.SortFunc(list, func(a, b classlessZone) int {
			return cmp.Or(cmp.Compare(b.prefix.Bits(), a.prefix.Bits()), dname.Compare(a.apex, b.apex))
		})
	}
	return x
}

// find returns the zone with the longest apex at or above name.
func (x *index) find(name dname.Name) (ref, bool) {
	for {
		if r, ok := x.zones[name.Key()]; ok || name.IsRoot() {
			return r, ok
		}
		name = name.Parent()
	}
}

// above returns the zone with the longest apex strictly above name.
func (x *index) above(name dname.Name) (ref, bool) {
	if name.IsRoot() {
		return ref{}, false
	}
	return x.find(name.Parent())
}

// home returns the zone in which the addresses of a classless zone have their own names: a larger
// classless zone above it, or else the zone that the /24 lies in.
func (x *index) home(child ref, prefix netip.Prefix) (ref, bool) {
	if up, ok := x.above(child.apex); ok {
		if p, ok := classlessPart(up.item); ok && p.Bits() < prefix.Bits() && p.Contains(prefix.Addr()) {
			return up, true
		}
	}
	name, _ := dname.FromPrefix(dname.Boundary(prefix))
	home, ok := x.find(name)
	return home, ok && !home.apex.Equal(child.apex)
}

// ownerIn returns the owner name of an address in the zone home; ok is false if the name lies in
// another zone.
func (x *index) ownerIn(home ref, a netip.Addr) (dname.Name, bool) {
	owner, ok := ownerOf(home.item, a)
	if !ok {
		return nil, false
	}
	at, ok := x.find(owner)
	return owner, ok && at.apex.Equal(home.apex)
}

// nameServersOf returns the name servers of a zone of the configuration and the TTL of its NS: those
// in z, the zone as it is, or, where it has no data yet, those of the configuration.
func nameServersOf(child ref, z *zone.Zone) (list []config.NameServer, ttl uint32) {
	list, ttl = child.item.NameServers, seconds(-1, child.item.NSTTL)
	if z == nil || !z.IsAvailable() {
		return list, ttl
	}
	set, ok := z.Get(child.apex, rr.TypeNS)
	if !ok {
		return list, ttl
	}
	known := map[string][]netip.Addr{}
	for _, ns := range list {
		known[ns.Name.Key()] = ns.Addresses
	}
	list = nil
	for name := range set.Values() {
		name := dname.Name(name)
		ns := config.NameServer{Name: name, Pos: child.item.Pos, Addresses: known[name.Key()]}
		if own := addressesIn(z, name); len(own) > 0 {
			ns.Addresses = own
		}
		list = append(list, ns)
	}
	slices.SortFunc(list, func(a, b config.NameServer) int { return dname.Compare(a.Name, b.Name) })
	return list, set.TTL
}

// addressesIn returns the addresses that the zone has at name.
func addressesIn(z *zone.Zone, name dname.Name) (list []netip.Addr) {
	for _, t := range []rr.Type{rr.TypeA, rr.TypeAAAA} {
		set, ok := z.Get(name, t)
		if !ok {
			continue
		}
		for data := range set.Values() {
			if a, ok := netip.AddrFromSlice(data); ok {
				list = append(list, a)
			}
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}
