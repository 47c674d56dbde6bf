package config

import (
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Catalog is an item of `catalogs`: a zone that lists zones, by which secondaries
// learn what they are to serve (RFC 9432).
type Catalog struct {
	Path     string          // key path, `catalogs[0]`
	Pos      source.Position // of the item
	Name     dname.Name
	Transfer Transfer
	Entries  []CatalogEntry // of a catalog that we make: what it lists
	Follow   *Follow        // of a catalog that others make; nil: we do
}

// CatalogEntry is a part of the zones that a catalog lists.
type CatalogEntry struct {
	ZoneRange            // neither a prefix nor a name: all
	Groups    []string   // at most 255 octets each
	Owner     dname.Name // the catalog that may take the zones over; nil: none
	Pos       source.Position
	path      string
}

// maxGroup is the longest name of a group in octets: one character-string.
const maxGroup = 255

// CatalogMember is a zone that a catalog lists.
type CatalogMember struct {
	Apex  dname.Name
	Entry *CatalogEntry
}

// MaxCatalogName is the longest name of a catalog, in octets: before it come a
// member's label and the name of a property.
const MaxCatalogName = 216

// catalog reads one item of `catalogs`.
func (v value) catalog(defaults *Defaults) Catalog {
	c := Catalog{Path: v.path, Pos: v.pos(), Transfer: defaults.Transfer}
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `name`, such as `- {name: catalog.example, zones: all}`", v.seen())
		return c
	}
	var given followValues
	keep := func(to *value) func(value) { return func(v value) { *to = v } }
	v.mapping(
		field{"name", func(v value) { c.Name = v.catalogName() }},
		field{"zones", func(v value) { c.Entries = v.catalogEntries() }},
		field{"transfer", func(v value) { v.transfer(&c.Transfer) }},
		field{"secondary", func(v value) { c.Follow = &Follow{Secondary: v.secondary()} }},
		field{"members", keep(&given.members)},
		field{"groups", keep(&given.groups)},
		field{"accept", keep(&given.accept)},
		field{"max_members", keep(&given.most)},
	)
	if !v.hasKey("name") {
		v.fail("the catalog has no `name`; give it one that nobody else uses, below a domain of yours or below invalid")
	}
	if c.Follow != nil {
		if v.hasKey("zones") {
			v.fail("the catalog lists what its primaries say; remove `zones`, or `secondary`")
		}
		given.read(c.Follow, defaults)
		return c
	}
	for _, key := range followKeys {
		if v.hasKey(key) {
			v.fail("`%s` is for catalogs that others make; remove it, or give `secondary`", key)
		}
	}
	if !v.hasKey("zones") {
		v.fail("the catalog lists nothing; give `zones`: all, or a list of prefixes and names")
	}
	if len(c.Transfer.Allow) == 0 {
		v.fail("nobody may transfer the catalog, so that nobody could follow it; give `transfer`, with those who may under `allow`")
	}
	return c
}

func (v value) catalogName() dname.Name {
	n := v.zoneName()
	switch {
	case n == nil:
	case n.IsRoot():
		v.fail("the root is no name of a catalog, which would be asked for every name there is; give it one that nobody else uses")
	case len(n) > MaxCatalogName:
		v.fail("%v has %d octets, and there is room for %d: the names in the catalog are longer than its own; give it a shorter one", n, len(n), MaxCatalogName)
	default:
		return n
	}
	return nil
}

// catalogEntries reads `all`, a prefix, a name, or a list of these and of mappings.
func (v value) catalogEntries() []CatalogEntry {
	list := distinct(v.each, func(v value) (e CatalogEntry, key rangeKey, ok bool) {
		e = CatalogEntry{Pos: v.pos(), path: v.path}
		before := v.doc.faults
		if v.isMapping() {
			v.mapping(
				field{"zone", func(v value) { v.catalogPart(&e) }},
				field{"group", func(v value) { e.Groups = v.groups() }},
				field{"coo", func(v value) { e.Owner = v.zoneName() }},
			)
			if !v.hasKey("zone") {
				v.fail("the entry names no zone; give `zone`: all, a prefix or a name")
			}
		} else {
			v.catalogPart(&e)
		}
		return e, e.key(), v.doc.faults == before
	})
	return append([]CatalogEntry{}, list...) // not nil
}

// catalogPart reads which zones an entry means.
func (v value) catalogPart(e *CatalogEntry) {
	s, ok := v.scalar()
	if !ok || s == "all" {
		return
	}
	e.ZoneRange, _ = v.zoneRange()
}

// groups reads the names of one group or several.
func (v value) groups() (list []string) {
	v.oneOrMore(func(v value) {
		switch s, ok := v.text(); {
		case !ok:
		case s == "" || len(s) > maxGroup:
			v.fail("the name of a group has %d octets, must have 1 to %d", len(s), maxGroup)
		default:
			list = append(list, s)
		}
	})
	return list
}

// Members returns the zones that a catalog of ours lists, in the order of the
// configuration, each with the last entry that means it. Catalogs are in none.
func (c *Catalog) Members(zones []Zone) (list []CatalogMember) {
	x := c.index()
	for i := range zones {
		z := &zones[i]
		for _, apex := range z.Apexes {
			if found := x.holding(apex, z.Prefix); len(found) > 0 {
				list = append(list, CatalogMember{apex, &c.Entries[slices.Max(found)]})
			}
		}
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

// acrossCatalogs notes what is wrong between catalogs, and between them and zones.
func (d *document) acrossCatalogs(catalogs []Catalog, zones []Zone) {
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
			d.note(c.Pos, c.Path, "the zone %v is made by %s already (%v); give the catalog a name of its own", c.Name, z.Path, z.Pos)
		}
		if other, twice := names.add(c.Name.Key(), c, &d.steps); twice {
			d.note(c.Pos, c.Path, "the catalog %v is %s already (%v); merge the two, or remove one", c.Name, other.Path, other.Pos)
		}
		d.vainEntries(c, zones)
		for _, m := range c.Members(zones) {
			if z := taken[m.Apex.Key()]; len(z.Transfer.Allow) == 0 {
				d.note(c.Pos, c.Path, "zone %v is listed, which %s lets nobody transfer (%v); give that or `defaults` the `transfer` that the catalog has", m.Apex, z.Path, z.Pos)
				break // mostly `defaults` lack it, and it concerns all
			}
		}
	}
}

// vainEntries notes the entries that mean no zone: secondaries would wait for it in
// vain, and a typing error would not be seen.
func (d *document) vainEntries(c *Catalog, zones []Zone) {
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
		switch e := &c.Entries[i]; {
		case used[i] || e.isAll():
		case e.Name != nil:
			d.note(e.Pos, e.path, "no zone of `zones` is %v or below it; correct the name, or remove the entry", e.Name)
		default:
			d.note(e.Pos, e.path, "no zone of `zones` is %v or a part of it; correct the prefix, or remove the entry", e.Prefix)
		}
	}
}
