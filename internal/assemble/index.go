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

// index knows how the zones of a configuration lie to each other.
type index struct {
	zones   map[string]ref
	cuts    map[string][]ref  // by the parent's key: the zones right below it, in canonical order
	aliases map[string][]part // by the key of the zone that has the addresses' names: classless zones, longest prefix first
}

// part is a classless zone of the configuration.
type part struct {
	ref
	prefix netip.Prefix
}

func newIndex(cfg *config.Config) *index {
	x := &index{map[string]ref{}, map[string][]ref{}, map[string][]part{}}
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
				x.aliases[key] = append(x.aliases[key], part{child, prefix})
			}
		}
	}
	for _, list := range x.cuts {
		slices.SortFunc(list, func(a, b ref) int { return dname.Compare(a.apex, b.apex) })
	}
	for _, list := range x.aliases {
		slices.SortFunc(list, func(a, b part) int {
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

// home returns the zone in which the addresses of a classless zone have their own
// names: a larger classless zone that it is named below, or else the one that the
// /24 lies in.
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

// ownerIn returns the owner name of an address in the zone home; ok is false if
// another zone has it.
func (x *index) ownerIn(home ref, a netip.Addr) (dname.Name, bool) {
	owner, ok := ownerOf(home.item, a)
	if !ok {
		return nil, false
	}
	at, ok := x.find(owner)
	return owner, ok && at.apex.Equal(home.apex)
}

// children makes, in the zone at parent, the delegations of the zones below it
// and the CNAMEs that lead into classless ones. built gives zones that are done
// already, nil where there is none.
func (m *maker) children(x *index, built func(dname.Name) *zone.Zone) {
	key := m.apex.Key()
	for _, child := range x.cuts[key] {
		if m.isCut(child.apex) {
			continue // the item's own `delegate` says how
		}
		list, ttl := nameServersOf(child, built(child.apex))
		if len(list) > 0 {
			m.cut(RuleChildZone, child.apex, list, ttl)
		}
	}
	home := ref{m.item, m.apex}
	for _, c := range x.aliases[key] {
		m.aliases(RuleChildAlias, c.prefix, c.apex, seconds(-1, m.item.TTL), c.item.Pos, func(a netip.Addr) (dname.Name, bool) {
			return x.ownerIn(home, a)
		})
	}
}

// nameServersOf returns the name servers of a zone of ours and the TTL of its
// NS: as the zone z says or, where it has no data yet, as the configuration.
func nameServersOf(child ref, z *zone.Zone) (list []nameServer, ttl uint32) {
	list, ttl = configured(child.item.NameServers), seconds(-1, child.item.NSTTL)
	if z == nil || !z.IsAvailable() {
		return list, ttl
	}
	set, ok := z.Get(child.apex, rr.TypeNS)
	if !ok {
		return list, ttl
	}
	known := map[string][]netip.Addr{}
	for _, ns := range list {
		known[ns.name.Key()] = ns.addresses
	}
	list = nil
	for it := set.Data(); it.Next(); {
		name := dname.FromWire(append(append([]byte(nil), it.Head...), it.Tail...))
		ns := nameServer{name: name, pos: child.item.Pos, addresses: known[name.Key()]}
		if own := addressesIn(z, name); len(own) > 0 {
			ns.addresses = own
		}
		list = append(list, ns)
	}
	slices.SortFunc(list, func(a, b nameServer) int { return dname.Compare(a.name, b.name) })
	return list, set.TTL
}

// addressesIn returns the addresses that the zone holds at name.
func addressesIn(z *zone.Zone, name dname.Name) (list []netip.Addr) {
	for _, t := range []rr.Type{rr.TypeA, rr.TypeAAAA} {
		set, ok := z.Get(name, t)
		if !ok {
			continue
		}
		for it := set.Data(); it.Next(); {
			if a, ok := netip.AddrFromSlice(append(append([]byte(nil), it.Head...), it.Tail...)); ok {
				list = append(list, a)
			}
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}
