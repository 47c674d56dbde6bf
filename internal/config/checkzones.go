package config

import (
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/zone/finding"
)

// checkZones reports conflicts between items of `zones`.
func (d *document) checkZones(zones []Zone) {
	apexes := map[string]*Zone{} // by dname.Name.Key
	var prefixes prefixIndex[*Zone]
	for i := range zones {
		z := &zones[i]
		var other *Zone
		for _, apex := range z.Apexes {
			if first, twice := apexes[apex.Key()]; twice && first != other {
				other = first
				d.broken[z.Pos] = true
				d.report(z.Pos, z.Path, "the zone %v is in %s already (%v); merge the two items, or remove one", apex, other.Path, other.Pos)
			}
			apexes[apex.Key()] = z
		}
		if z.Prefix.IsValid() && z.Apexes != nil {
			prefixes.add(z.Prefix, z)
		}
	}
	for i := range zones {
		d.reportMisplaced(&zones[i], &prefixes)
		d.reportMisnamed(&zones[i], &prefixes)
	}
}

// checkDirectories reports files that two items of `zones_from` select.
func (d *document) checkDirectories(list []ZonesFrom) {
	var seen unique[Directory, finding.Position]
	for i := range list {
		z := &list[i]
		if pos, twice := seen.add(z.Directory, z.Pos, &d.steps); twice {
			d.report(z.Pos, z.Path, "%s/%s is in `zones_from` already (%v); remove one of the two", z.Directory.Path, z.Pattern, pos)
		}
	}
}

// reportMisplaced reports addresses of an item that belong to a narrower item.
func (d *document) reportMisplaced(z *Zone, prefixes *prefixIndex[*Zone]) {
	for _, p := range z.PTR {
		owner := prefixes.longest(netip.PrefixFrom(p.Addr, p.Addr.BitLen()))
		if len(owner) > 0 && owner[0].Prefix != z.Prefix {
			d.report(p.Pos, fmt.Sprintf("%s.ptr[%q]", z.Path, p.Addr), "%v belongs to the zone of %v, which is %s (%v); move it there", p.Addr, owner[0].Prefix, owner[0].Path, owner[0].Pos)
		}
	}
}

// reportMisnamed reports delegations of a prefix to another name than that of the item
// with this prefix.
func (d *document) reportMisnamed(z *Zone, prefixes *prefixIndex[*Zone]) {
	for _, cut := range z.Delegate {
		var child *Zone
		named := false
		for _, c := range prefixes.at[cut.Prefix] {
			child = c
			named = named || c.Name.Equal(cut.Name)
		}
		if child != nil && !named {
			d.report(cut.Pos, z.Path+".delegate", "%v is delegated to the name %v, but the zone of that prefix, %s (%v), is named %v; give both the same `style`, `label` or `name`",
				cut.Prefix, cut.Name, child.Path, child.Pos, child.Name)
		}
	}
}
