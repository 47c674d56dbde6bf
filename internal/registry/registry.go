// Package registry knows which zones there are, what makes each of them, and the settings
// compiled from that: who may query, transfer and update a zone, which servers are
// notified of its changes, how much history is kept, and the primaries of a secondary.
//
// [New] compiles a configuration. [Zones.With] adds zones at run time, such as those that
// catalogs list, and removes others, at the cost of these zones alone. [Zones.Retain] adds
// those of an earlier snapshot to a new configuration. All return an immutable snapshot, a
// candidate that is served together with the data of its zones, or dropped where the data
// cannot be committed.
//
// [Zones.Find] finds the zone that an operator means, [Zones.Select] the zones, and [KnownClients] lists the clients that
// settings name.
//
// A new setting is a field of [Settings], compiled in settings.go; a new source of zones
// at run time is an [Owner], in the package of the source.
package registry

import (
	"sync/atomic"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/ranges"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Zone is one zone and its only owner: an item of `zones`, or an Owner.
type Zone struct {
	Apex  dname.Name
	Item  *config.Zone // nil: the owner is Owner
	Owner Owner        // nil: the owner is Item
	*Settings
}

// Owner is an owner of zones that are no items of `zones`.
type Owner interface {
	// Path returns the key path of the owner in the configuration, such as
	// `catalogs[0]`, or what else makes its zones.
	Path() string
	// Settings returns the settings of its zone at apex under another configuration;
	// nil: this has no such zone at run time.
	Settings(z *Zones, apex dname.Name) *Settings
}

// catalogOwner is the configuration as the owner of catalogs.
type catalogOwner struct{ *config.Catalog }

func (c catalogOwner) Path() string { return c.Catalog.Path }

// Settings returns nil: New compiles the catalogs of each configuration.
func (catalogOwner) Settings(*Zones, dname.Name) *Settings { return nil }

// Path returns the key path of the owner in the configuration, such as `zones[3]`.
func (z *Zone) Path() string {
	if z.Item != nil {
		return z.Item.Path
	}
	return z.Owner.Path()
}

// Options are what settings refer to.
type Options struct {
	Config *config.Config
	Before *Zones // whose counters go on; nil: none
	// Check returns what is wrong with a transferred zone. of is the catalog that it is,
	// or nil, and limit applies to its records.
	Check CheckFunc
	Files FileReader
}

// Zones is a snapshot of all zones. The nil Zones has none.
type Zones struct {
	o          Options
	keys       *tsig.Keys
	zones      *zone.Map[Zone]
	policies   *zone.Map[answer.ZonePolicy]
	restricted int // zones with an access list
	catalogs   map[string]*config.Catalog
	members    map[*config.MemberZones]*Settings
	hosted     *Settings // of all hosted zones
	ranges     *ranges.Ranges
}

// New compiles the zones of a configuration and its catalogs, without those that are added at
// run time.
func New(o Options) *Zones {
	before := o.Before
	o.Before = nil
	z := &Zones{o: o, keys: Keys(o.Config), catalogs: map[string]*config.Catalog{}, members: map[*config.MemberZones]*Settings{}, ranges: ranges.New(o.Config)}
	var list []*Zone
	var last *Settings
	for i := range o.Config.Zones {
		item := &o.Config.Zones[i]
		if i == 0 || !z.isAlike(item, &o.Config.Zones[i-1]) {
			last = z.itemSettings(item)
		}
		for _, apex := range item.Apexes {
			list = append(list, &Zone{Apex: apex, Item: item, Settings: last})
		}
	}
	for i := range o.Config.Catalogs {
		c := &o.Config.Catalogs[i]
		z.catalogs[c.Name.Key()] = c
		list = append(list, &Zone{Apex: c.Name, Owner: catalogOwner{c}, Settings: z.catalogSettings(c)})
		if f := c.Follow; f != nil {
			for _, m := range f.Settings() {
				z.members[m] = z.memberSettings(m)
			}
		}
	}
	z.hosted = z.hostedSettings(&o.Config.Route53)
	z.change(list, nil, before)
	return z
}

// With returns the zones with those in add added or replaced, as far as their owners have
// settings for them, and those at the apexes in gone left out. Counters of zones in before go
// on.
func (z *Zones) With(add []*Zone, gone []dname.Name, before *Zones) *Zones {
	n := *z
	list := make([]*Zone, 0, len(add))
	for _, one := range add {
		if s := one.Owner.Settings(z, one.Apex); s != nil {
			list = append(list, &Zone{Apex: one.Apex, Owner: one.Owner, Settings: s})
		}
	}
	n.change(list, gone, before)
	return &n
}

// Retain returns the zones of a new configuration with those that were added at run time to
// the zones in before, as far as it does not have these apexes itself.
func (z *Zones) Retain(before *Zones) *Zones {
	var list []*Zone
	for one := range before.All {
		if one.Owner != nil && z.Get(one.Apex) == nil {
			list = append(list, one)
		}
	}
	return z.With(list, nil, before)
}

// change adds and removes zones. The counters of zones that are in before go on.
func (z *Zones) change(add []*Zone, gone []dname.Name, before *Zones) {
	zones := make([]zone.MapChange[Zone], 0, len(gone)+len(add))
	var policies []zone.MapChange[answer.ZonePolicy]
	remove := func(apex dname.Name) {
		if old := z.zones.Get(apex); old != nil && old.access != nil {
			z.restricted--
		}
	}
	for _, apex := range gone {
		remove(apex)
		zones = append(zones, zone.MapChange[Zone]{Apex: apex})
		policies = append(policies, zone.MapChange[answer.ZonePolicy]{Apex: apex})
	}
	for _, one := range add {
		remove(one.Apex)
		if one.access != nil {
			z.restricted++
		}
		policy := one.policy
		if z.o.Config.Metrics.PerZone {
			policy = &answer.ZonePolicy{Access: one.access, Transfers: one.transfers, Queries: before.queries(one.Apex)}
		}
		zones = append(zones, zone.MapChange[Zone]{Apex: one.Apex, Value: one})
		policies = append(policies, zone.MapChange[answer.ZonePolicy]{Apex: one.Apex, Value: policy})
	}
	z.zones = z.zones.With(zones)
	z.policies = z.policies.With(policies)
}

// queries returns the counter of a zone's queries, a new one if there is none.
func (z *Zones) queries(apex dname.Name) *atomic.Uint64 {
	if z != nil {
		if p := z.policies.Get(apex); p != nil && p.Queries != nil {
			return p.Queries
		}
	}
	return new(atomic.Uint64)
}

// Ranges returns the ranges of addresses with names; nil: there are none.
func (z *Zones) Ranges() *ranges.Ranges {
	if z == nil {
		return nil
	}
	return z.ranges
}

// Hosted returns the settings of zones that the Route 53 API makes.
func (z *Zones) Hosted() *Settings { return z.hosted }

// Get returns the zone at apex; nil if there is none.
func (z *Zones) Get(apex dname.Name) *Zone {
	if z == nil {
		return nil
	}
	return z.zones.Get(apex)
}

// Item returns the item of `zones` that is the owner of the zone at apex; nil if none is.
func (z *Zones) Item(apex dname.Name) *config.Zone {
	if one := z.Get(apex); one != nil {
		return one.Item
	}
	return nil
}

// Config returns the configuration that the zones are compiled from.
func (z *Zones) Config() *config.Config { return z.o.Config }

// Followed returns the catalogs of other servers, in the order of the configuration.
func (z *Zones) Followed() (list []*config.Catalog) {
	for i := range z.o.Config.Catalogs {
		if c := &z.o.Config.Catalogs[i]; c.Follow != nil {
			list = append(list, c)
		}
	}
	return list
}

// Follow returns the settings of the followed catalog with the name whose dname.Name.Key is
// key; nil if there is none.
func (z *Zones) Follow(key string) *config.Follow {
	if c := z.catalogs[key]; c != nil {
		return c.Follow
	}
	return nil
}

// Members returns the settings of the zones that a followed catalog lists in these groups.
func (z *Zones) Members(of *config.Follow, groups []string) *Settings {
	return z.members[of.Of(groups)]
}

// All yields the zones in no order.
func (z *Zones) All(yield func(*Zone) bool) {
	if z != nil {
		z.zones.All(yield)
	}
}

// Len returns the number of zones.
func (z *Zones) Len() int { return z.zones.Len() }

// Keys returns the keys that requests are signed with.
func (z *Zones) Keys() *tsig.Keys { return z.keys }

// SetPolicies sets what p has of single zones. expires has the times at which copies of
// secondary zones expire, by dname.Name.Key, of those zones that were added since before.
func (z *Zones) SetPolicies(p *answer.Policy, expires map[string]*atomic.Int64) {
	var changes []zone.MapChange[answer.ZonePolicy]
	for key, at := range expires {
		apex := dname.FromWire([]byte(key))
		if own := z.policies.Get(apex); own == nil || own.Expires != at {
			next := answer.ZonePolicy{}
			if own != nil {
				next = *own
			}
			next.Expires = at
			changes = append(changes, zone.MapChange[answer.ZonePolicy]{Apex: apex, Value: &next})
		}
	}
	if len(changes) > 0 {
		z.policies = z.policies.With(changes)
	}
	p.Zones, p.HasZoneAccess, p.CountsZones = z.policies, z.restricted > 0, z.o.Config.Metrics.PerZone
}
