package config

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Catalog is an item of `catalogs`: a zone that lists the zones that secondaries serve
// (RFC 9432).
type Catalog struct {
	Path     string           // key path, `catalogs[0]`
	Pos      finding.Position // of the item
	Name     dname.Name
	Transfer Transfer
	Entries  []CatalogEntry // what our own catalog lists
	Follow   *Follow        // for a catalog of another server; nil: our own
}

// CatalogEntry selects zones for a catalog.
type CatalogEntry struct {
	ZoneRange            // without prefix and name: all
	Groups    []string   // at most 255 octets each
	Owner     dname.Name // the catalog that the zones may move to; nil: none
}

// maxGroup is the maximum length of a group name in octets: a character-string.
const maxGroup = 255

// CatalogMember is a zone that a catalog lists.
type CatalogMember struct {
	Apex  dname.Name
	Entry *CatalogEntry
}

// MaxCatalogName is the maximum length of the name of a catalog, in octets: the labels of
// members and properties are added to it.
const MaxCatalogName = 216

// catalog reads one item of `catalogs`.
func (v value) catalog(defaults *Defaults) Catalog {
	c := Catalog{Path: v.path, Pos: v.pos(), Transfer: defaults.Transfer}
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `name`, such as `- {name: catalog.example, zones: all}`", v.describe())
		return c
	}
	var given followValues
	into := func(to *value) func(value) { return func(v value) { *to = v } }
	v.mapping(
		field{"name", func(v value) { c.Name = v.catalogName() }},
		field{"zones", func(v value) { c.Entries = v.catalogEntries() }},
		field{"transfer", func(v value) { v.transfer(&c.Transfer) }},
		field{"secondary", func(v value) { c.Follow = &Follow{Secondary: v.secondary()} }},
		field{"members", into(&given.members)},
		field{"groups", into(&given.groups)},
		field{"accept", into(&given.accept)},
		field{"max_members", into(&given.most)},
	)
	if !v.hasKey("name") {
		v.fail("the catalog has no `name`; give it a unique one, below a domain of yours or below invalid")
	}
	if c.Follow != nil {
		if v.hasKey("zones") {
			v.fail("a catalog with `secondary` lists the zones of its primaries; remove `zones`, or `secondary`")
		}
		given.read(c.Follow, defaults)
		return c
	}
	for _, key := range followKeys {
		if v.hasKey(key) {
			v.fail("`%s` is for catalogs of other servers; remove it, or give `secondary`", key)
		}
	}
	if !v.hasKey("zones") {
		v.fail("the catalog lists no zones; give `zones`: all, or a list of prefixes and names")
	}
	if len(c.Transfer.Allow) == 0 {
		v.fail("no client may transfer the catalog, so that it has no use; give `transfer` with the secondaries under `allow`")
	}
	return c
}

func (v value) catalogName() dname.Name {
	n := v.zoneName()
	switch {
	case n == nil:
	case n.IsRoot():
		v.fail("the root cannot be the name of a catalog, because it contains every name; give it a unique name")
	case len(n) > MaxCatalogName:
		v.fail("%v has %d octets, must be at most %d, because every zone in the catalog has a name below it, which is longer; give it a shorter name", n, len(n), MaxCatalogName)
	default:
		return n
	}
	return nil
}

// catalogEntries reads `all`, a prefix, a name, or a list of these and of mappings.
func (v value) catalogEntries() []CatalogEntry {
	list := distinct(v.each, func(v value) (e CatalogEntry, key rangeKey, ok bool) {
		e.Pos, e.path = v.pos(), v.path
		before := v.doc.errors()
		if v.isMapping() {
			v.mapping(
				field{"zone", func(v value) { v.catalogPart(&e) }},
				field{"group", func(v value) { e.Groups = v.groups() }},
				field{"coo", func(v value) { e.Owner = v.zoneName() }},
			)
			if !v.hasKey("zone") {
				v.fail("the entry has no `zone`; set it to all, a prefix or a name")
			}
		} else {
			v.catalogPart(&e)
		}
		return e, e.key(), v.doc.errors() == before
	})
	return append([]CatalogEntry{}, list...) // not nil
}

// catalogPart reads the zones of an entry.
func (v value) catalogPart(e *CatalogEntry) {
	s, ok := v.scalar()
	if !ok || s == "all" {
		return
	}
	r, _ := v.zoneRange()
	e.Prefix, e.Name = r.Prefix, r.Name
}

// groups reads one or more group names.
func (v value) groups() (list []string) {
	v.oneOrMore(func(v value) {
		switch s, ok := v.text(); {
		case !ok:
		case s == "" || len(s) > maxGroup:
			v.fail("the group name has %d octets, must have 1 to %d; choose another name", len(s), maxGroup)
		default:
			list = append(list, s)
		}
	})
	return list
}

// Members returns the zones that our own catalog lists, of the configuration and of hosted
// ones, each with the last entry that selects it. Catalogs are not members.
func (c *Catalog) Members(zones []Zone, hosted []dname.Name) (list []CatalogMember) {
	x := c.index()
	add := func(apex dname.Name, prefix netip.Prefix) {
		if found := x.holding(apex, prefix); len(found) > 0 {
			list = append(list, CatalogMember{apex, &c.Entries[slices.Max(found)]})
		}
	}
	for i := range zones {
		for _, apex := range zones[i].Apexes {
			add(apex, zones[i].Prefix)
		}
	}
	for _, apex := range hosted {
		add(apex, netip.Prefix{})
	}
	return list
}

func (c *Catalog) index() *rangeIndex {
	x := &rangeIndex{}
	for i := range c.Entries {
		x.add(&c.Entries[i].ZoneRange, i)
	}
	return x
}

// checkCatalogs reports conflicts between catalogs, and between catalogs and zones.
func (d *document) checkCatalogs(cfg *Config) {
	catalogs, zones := cfg.Catalogs, cfg.Zones
	if len(catalogs) == 0 {
		return
	}
	taken := map[string]*Zone{}
	for i := range zones {
		for _, apex := range zones[i].Apexes {
			taken[apex.Key()] = &zones[i]
		}
	}
	var names unique[string, *Catalog]
	for i := range catalogs {
		c := &catalogs[i]
		if c.Name == nil {
			continue
		}
		if z := taken[c.Name.Key()]; z != nil {
			d.report(c.Pos, c.Path, "the zone %v is in %s already (%v); give the catalog another name", c.Name, z.Path, z.Pos)
		}
		if other, twice := names.add(c.Name.Key(), c, &d.steps); twice {
			d.report(c.Pos, c.Path, "the catalog %v is in %s already (%v); merge the two, or remove one", c.Name, other.Path, other.Pos)
		}
		hosts := cfg.Listen.Route53 != nil
		hasAll := slices.ContainsFunc(c.Entries, func(e CatalogEntry) bool { return e.isAll() })
		switch {
		case !hosts && len(cfg.ZonesFrom) == 0: // otherwise there are zones that are not known here
			d.reportUnusedEntries(c, zones)
		case hosts && hasAll && len(cfg.Route53.Transfer.Allow) == 0:
			d.report(c.Pos, c.Path, "hosted zones are in the catalog, but `route53` allows no transfer; give it or `defaults` the `transfer` of the catalog, or list prefixes and names under `zones`")
		}
		for i := range cfg.ZonesFrom {
			if z := &cfg.ZonesFrom[i]; hasAll && len(z.options.Transfer.Allow) == 0 {
				d.report(c.Pos, c.Path, "the zones of %s are in the catalog, but %s allows no transfer (%v); give it or `defaults` the `transfer` of the catalog", z.Directory.Path, z.Path, z.Pos)
			}
		}
		for _, m := range c.Members(zones, nil) {
			if z := taken[m.Apex.Key()]; len(z.Transfer.Allow) == 0 {
				d.report(c.Pos, c.Path, "zone %v is in the catalog, but %s allows no transfer (%v); give the zone or `defaults` the `transfer` of the catalog", m.Apex, z.Path, z.Pos)
				break // usually `defaults` lacks it, which concerns all zones
			}
		}
	}
}

// reportUnusedEntries reports the entries that select no zone, which are probably typing
// errors.
func (d *document) reportUnusedEntries(c *Catalog, zones []Zone) {
	x := c.index()
	used := make([]bool, len(c.Entries))
	for i := range zones {
		for _, apex := range zones[i].Apexes {
			for _, j := range x.holding(apex, zones[i].Prefix) {
				d.steps++
				used[j] = true
			}
		}
	}
	for i := range c.Entries {
		if !used[i] {
			d.reportUnused(&c.Entries[i].ZoneRange)
		}
	}
}
