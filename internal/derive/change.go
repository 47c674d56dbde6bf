package derive

import (
	"iter"
	"net/netip"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// world is all zones of one moment: a snapshot, with some zones replaced.
type world struct {
	set     *zone.Set
	changed map[string]*zone.Zone // by key; all of them are in set
}

// after returns the world as some changes leave it.
func after(set *zone.Set, lists ...[]zone.Change) world {
	w := world{set, map[string]*zone.Zone{}}
	var others []zone.Change // a set for those that only replace zones would cost more than they do
	for _, changes := range lists {
		for _, c := range changes {
			if c.Zone == nil || set.Get(c.Apex) == nil {
				others = append(others, c)
			} else {
				w.changed[c.Zone.Key()] = c.Zone
			}
		}
	}
	w.set = set.After(others)
	return w
}

// now returns a zone of the set, which may be nil, as it is in this world.
func (w *world) now(z *zone.Zone) *zone.Zone {
	if z != nil {
		if changed, ok := w.changed[z.Key()]; ok {
			return changed
		}
	}
	return z
}

func (w *world) get(apex dname.Name) *zone.Zone  { return w.now(w.set.Get(apex)) }
func (w *world) find(name dname.Name) *zone.Zone { return w.now(w.set.Find(name)) }

// addresses appends what counts of the addresses of a name: those of its zone, which is returned.
func (w *world) addresses(list []address, name dname.Name) (*zone.Zone, []address) {
	z := w.find(name)
	if z == nil || !z.IsAvailable() || z.IsOccluded(name) {
		return nil, list
	}
	for set := range z.RRsets(name) {
		if set.Type != rr.TypeA && set.Type != rr.TypeAAAA || isMade(z, name, set.Type) { // rules make the PTRs as well
			continue
		}
		for it := set.Data(); it.Next(); {
			if a, ok := netip.AddrFromSlice(it.Head); ok {
				list = append(list, address{a, set.TTL})
			}
		}
	}
	return z, list
}

// isMade reports whether an RRset of a zone is the one made by rules, and no file has the same.
func isMade(z *zone.Zone, name dname.Name, t rr.Type) bool {
	if !commit.IsMade(z, name, t) {
		return false
	}
	isStatic, _ := commit.Above(z, name, t)
	return !isStatic
}

// address is one of a name, with the TTL of its record.
type address struct {
	netip.Addr
	ttl uint32
}

// region is a part of a forward zone: a name, or all names at and below it.
type region struct {
	apex, name dname.Name
	below      bool
	around     *zone.Zone // the zone as it is in the snapshot, if names of it go to or come from a zone below it
}

// regions yields the parts of forward zones whose names may have other addresses after some changes
// of the zones in before.
func (r *Rules) regions(before, next *world, changes []zone.Change, pause func()) iter.Seq[region] {
	return func(yield func(region) bool) {
		for i := range changes {
			c := &changes[i]
			was, now := before.get(c.Apex), c.Zone
			if (was == nil) != (now == nil) {
				// Names of the zone around it are, or were, those of the zone.
				if up := before.set.FindAbove(c.Apex); up != nil && r.concerns(up.Apex()) && !yield(region{up.Apex(), c.Apex, true, up}) {
					return
				}
			}
			if !r.concerns(c.Apex) || was == now {
				continue
			}
			if was == nil || now == nil || !was.IsAvailable() || !now.IsAvailable() {
				if !yield(region{apex: c.Apex, name: c.Apex, below: true}) {
					return
				}
				continue
			}
			if x, y := was.Layers(), now.Layers(); x.Made != y.Made || x.Static != y.Static {
				// An address that rules make counts if a file has it too, or if they no longer make it.
				for _, made := range [...]*zone.Zone{x.Made, y.Made} {
					if made != nil && !addressesOf(made, was, now, yield) {
						return
					}
				}
			}
			sets := []*zone.Changeset{}
			for j := range c.Steps {
				sets = append(sets, c.Steps[j].Changeset)
			}
			if len(sets) == 0 {
				sets = append(sets, zone.Diff(was, now, pause))
			}
			for _, s := range sets {
				if !touched(s, yield) {
					return
				}
			}
		}
	}
}

// addressesOf yields the names of a made layer whose addresses only rules make, either before or now.
func addressesOf(made, was, now *zone.Zone, yield func(region) bool) bool {
	for r := range made.All() {
		isAddress := r.Type == rr.TypeA || r.Type == rr.TypeAAAA
		if isAddress && isMade(was, r.Owner, r.Type) != isMade(now, r.Owner, r.Type) && !yield(region{apex: made.Apex(), name: r.Owner}) {
			return false
		}
	}
	return true
}

// touched yields what a changeset touches. Where a zone cut or a DNAME comes or goes, so do all
// names below it.
func touched(c *zone.Changeset, yield func(region) bool) bool {
	for _, list := range [...][]zone.Record{c.Removed, c.Added} {
		for i := range list {
			part := region{apex: c.Apex, name: list[i].Owner}
			switch list[i].Type {
			case rr.TypeA, rr.TypeAAAA:
			case rr.TypeNS:
				if part.name.Equal(c.Apex) {
					continue
				}
				part.below = true
			case rr.TypeDNAME:
				part.below = true
			default:
				continue
			}
			if !yield(part) {
				return false
			}
		}
	}
	return true
}

// hasAddress reports whether a name of a zone has address records.
func hasAddress(z *zone.Zone, name dname.Name) bool {
	for set := range z.RRsets(name) {
		if set.Type == rr.TypeA || set.Type == rr.TypeAAAA {
			return true
		}
	}
	return false
}

// owners yields the names of a region that have address records before or after, each at least
// once. A name is valid until the next one.
func (part *region) owners(before, next *world) iter.Seq[dname.Name] {
	return func(yield func(dname.Name) bool) {
		if !part.below {
			yield(part.name)
			return
		}
		was, now := before.get(part.apex), next.get(part.apex)
		for i, z := range [...]*zone.Zone{was, now} {
			if z == nil || i == 1 && z == was {
				continue
			}
			for owner := range zone.Owners(z.Below(part.name), rr.TypeA, rr.TypeAAAA) {
				if i == 1 && was != nil && hasAddress(was, owner) {
					continue // it was among the first ones
				}
				if !yield(owner) {
					return
				}
			}
		}
	}
}
