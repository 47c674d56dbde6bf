package config

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// Follow configures how ptrd follows a catalog of another server.
type Follow struct {
	Secondary  *Secondary // the primaries of the catalog
	Members    MemberZones
	Groups     []MemberGroup
	accept     rangeIndex  // of Accept
	Accept     []ZoneRange // the zones that the catalog may list; nil: all that are not at or below an item of `zones`
	MaxMembers int
}

// MemberZones has the settings of zones that a catalog lists.
type MemberZones struct {
	Secondary *Secondary
	Transfer  Transfer
	Access    *Access // nil: only the global one
}

// MemberGroup has the settings of zones that are in a group of the catalog.
type MemberGroup struct {
	Name string
	MemberZones
}

// defaultMaxMembers is more than anyone configures by hand. Each member needs some KiB of
// memory, a file in the state directory, and a transfer from the primary.
const defaultMaxMembers = 100_000

// followKeys lists the keys for catalogs of other servers.
var followKeys = []string{"members", "groups", "accept", "max_members"}

// followValues has their values, without a node if they are missing.
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
				k.fail("the group name has %d octets, must have 1 to %d; choose another name", len(name), maxGroup)
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

// memberZones reads the keys that are present and leaves the rest unchanged.
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
	r.Pos, r.path = v.pos(), v.path
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

// Of returns the settings of a zone with these groups: those of the first configured group
// that is among them, or else those of all members.
func (f *Follow) Of(groups []string) *MemberZones {
	for i := range f.Groups {
		if slices.Contains(groups, f.Groups[i].Name) {
			return &f.Groups[i].MemberZones
		}
	}
	return &f.Members
}

// Accepts reports whether Accept allows the zone at apex.
func (f *Follow) Accepts(apex dname.Name) bool {
	return f.Accept == nil || len(f.accept.holding(apex, netip.Prefix{})) > 0
}

// Settings returns all that Of may return.
func (f *Follow) Settings() []*MemberZones {
	list := []*MemberZones{&f.Members}
	for i := range f.Groups {
		list = append(list, &f.Groups[i].MemberZones)
	}
	return list
}
