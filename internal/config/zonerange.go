package config

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// ZoneRange selects the zones in a prefix, or at or below a name; without either, all zones.
type ZoneRange struct {
	Prefix netip.Prefix // invalid: see Name
	Name   dname.Name
	Pos    finding.Position
	path   string
}

// isAll reports whether the range selects all zones.
func (r *ZoneRange) isAll() bool { return r.Name == nil && !r.Prefix.IsValid() }

// rangeKey is equal for equal ranges.
type rangeKey struct {
	prefix netip.Prefix
	name   nameKey // empty: none
}

func (r *ZoneRange) key() rangeKey {
	if r.Name == nil {
		return rangeKey{prefix: r.Prefix}
	}
	return rangeKey{name: nameKey(r.Name.Key())}
}

func (k rangeKey) String() string {
	switch {
	case k.name != "":
		return k.name.String()
	case k.prefix.IsValid():
		return k.prefix.String()
	}
	return "all"
}

// rangeIndex finds the ranges that contain a zone. The zero value is empty.
type rangeIndex struct {
	all      []int // indices of ranges
	names    map[string][]int
	prefixes prefixIndex[int]
}

// indexOf returns the index of ranges.
func indexOf(list []ZoneRange) (x rangeIndex) {
	for i := range list {
		x.add(&list[i], i)
	}
	return x
}

// add adds the range with index i.
func (x *rangeIndex) add(r *ZoneRange, i int) {
	switch {
	case r.isAll():
		x.all = append(x.all, i)
	case r.Name == nil:
		x.prefixes.add(r.Prefix, i)
	default:
		if x.names == nil {
			x.names = map[string][]int{}
		}
		x.names[r.Name.Key()] = append(x.names[r.Name.Key()], i)
	}
}

// holding returns the indices of the ranges that contain the zone at apex, in no
// particular order. A classless zone has the prefix p, which its name may not show.
func (x *rangeIndex) holding(apex dname.Name, p netip.Prefix) []int {
	found := slices.Clone(x.all)
	if len(x.names) > 0 {
		for key := apex.Key(); key != ""; key = key[1+int(key[0]):] { // the apex, its parent, …, the root
			found = append(found, x.names[key]...)
		}
	}
	if own, ok := dname.ToPrefix(apex); ok {
		p = own
	} else if own, ok := dname.ToClassless(apex); ok && !p.IsValid() {
		p = own
	}
	if p.IsValid() {
		for indices := range x.prefixes.covering(p) {
			found = append(found, indices...)
		}
	}
	return found
}

// reportUnused reports a range that selects no zone, which is probably a typing error.
func (d *document) reportUnused(r *ZoneRange) {
	switch {
	case r.isAll():
	case r.Name != nil:
		d.report(r.Pos, r.path, "no zone is at or below %v; correct the name, or remove the entry", r.Name)
	default:
		d.report(r.Pos, r.path, "no zone is in %v; correct the prefix, or remove the entry", r.Prefix)
	}
}
