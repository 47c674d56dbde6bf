package config

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// Follow says how a catalog that others make is followed.
type Follow struct {
	Secondary  *Secondary // where the catalog is taken from
	Members    MemberZones
	Groups     []MemberGroup
	accept     rangeIndex  // of Accept
	Accept     []ZoneRange // what the catalog may list; nil: anything that is not at or below an item of `zones`
	MaxMembers int
}

// MemberZones is what holds for zones that are served because a catalog lists them.
type MemberZones struct {
	Secondary *Secondary
	Transfer  Transfer
	Access    *Access // nil: the global one alone
}

// MemberGroup is what holds for those that the catalog puts into a group.
type MemberGroup struct {
	Name string
	MemberZones
}

// defaultMaxMembers is more zones than a server has by anybody's hand. Each takes
// some KiB here, a file in the state directory, and a transfer from the primary.
const defaultMaxMembers = 100_000

// followKeys are the keys that only catalogs of others have.
var followKeys = []string{"members", "groups", "accept", "max_members"}

// followValues are their values; without a node where they are not given.
type followValues struct{ members, groups, accept, most value }

func (g *followValues) read(f *Follow, defaults *Defaults) {
	f.Members = MemberZones{Secondary: f.Secondary, Transfer: defaults.Transfer}
	f.MaxMembers = defaultMaxMembers
	if g.members.node != nil {
		g.members.memberZones(&f.Members)
	}
	if g.groups.node != nil {
		g.groups.pairs(func(name string, k, v value) {
			if name == "" || len(name) > maxGroup {
				k.fail("the name of a group has %d octets, must have 1 to %d", len(name), maxGroup)
				return
			}
			group := MemberGroup{name, f.Members}
			value{v.doc, v.node, v.path + "." + name}.memberZones(&group.MemberZones)
			f.Groups = append(f.Groups, group)
		})
	}
	if g.accept.node != nil {
		f.Accept = []ZoneRange{}
		g.accept.oneOrMore(func(v value) {
			if r, ok := v.zoneRange(); ok {
				f.accept.add(&r, len(f.Accept))
				f.Accept = append(f.Accept, r)
			}
		})
	}
	if g.most.node != nil {
		number(&f.MaxMembers, 1, 10_000_000, "zones")(g.most)
	}
}

// memberZones reads what is given and leaves the rest as it is.
func (v value) memberZones(m *MemberZones) {
	v.mapping(
		field{"secondary", func(v value) { m.Secondary = v.secondary() }},
		field{"transfer", func(v value) { v.transfer(&m.Transfer) }},
		field{"access", func(v value) {
			m.Access = &Access{}
			v.access(m.Access)
		}},
	)
}

// zoneRange reads a prefix or a name.
func (v value) zoneRange() (r ZoneRange, ok bool) {
	s, ok := v.scalar()
	if !ok {
		return r, false
	}
	if _, is := parsePrefix(s); is {
		r.Prefix = v.prefix(false)
		return r, r.Prefix.IsValid()
	}
	r.Name = v.zoneName()
	return r, r.Name != nil
}

// Of returns what holds for a zone with these groups: the first of ours that is
// among them, or what holds for all.
func (f *Follow) Of(groups []string) *MemberZones {
	for i := range f.Groups {
		if slices.Contains(groups, f.Groups[i].Name) {
			return &f.Groups[i].MemberZones
		}
	}
	return &f.Members
}

// Accepts reports whether Accept, where there is one, has the zone at apex.
func (f *Follow) Accepts(apex dname.Name) bool {
	return f.Accept == nil || len(f.accept.holding(apex, netip.Prefix{})) > 0
}

// MemberZone returns a zone that the catalog lists, as an item of `zones` would have
// it.
func (c *Catalog) MemberZone(apex dname.Name, groups []string) Zone {
	m := c.Follow.Of(groups)
	z := Zone{Path: c.Path, Pos: c.Pos, Name: apex, Origin: apex, Apexes: []dname.Name{apex}, Secondary: m.Secondary, Access: m.Access}
	z.Transfer = m.Transfer
	if p, ok := dname.ToPrefix(apex); ok {
		z.Prefix = p
	} else if p, ok := dname.ToClassless(apex); ok {
		z.Prefix = p
	}
	return z
}
