package derive

import (
	"iter"
	"net/netip"
	"slices"

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

// isMade reports whether an RRset of a zone is just what ranges make at the name, as rules or as records, and no
// file has the same. A zone without layers has only what files or clients put there.
func isMade(z *zone.Zone, name dname.Name, t rr.Type) bool {
	l := z.Layers()
	if l.Static == nil || l.Made == nil && !z.HasRules() {
		return false
	}
	if isStatic, _ := commit.Above(z, name, t); isStatic {
		return false
	}
	if l.Made != nil {
		return commit.IsMade(z, name, t)
	}
	made, rule, _ := z.MadeAt(name)
	there := commit.ReadRRset(z, name, t)
	return rule != nil && there.Equal(commit.RRset{Owner: name, Type: made.Type, TTL: made.TTL, Data: [][]byte{made.Data}})
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
			if !madeAlike(was, now, yield) {
				return
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

// madeAlike yields the names whose addresses only ranges make, either before or now, although the zone
// may have the same records: what ranges make has changed, or what files have.
func madeAlike(was, now *zone.Zone, yield func(region) bool) bool {
	x, y := was.Layers(), now.Layers()
	if x.Made == y.Made && x.Static == y.Static && was.HasRulesOf(now) {
		return true
	}
	names := func(records iter.Seq[zone.Record]) bool {
		for name := range zone.Owners(records, rr.TypeA, rr.TypeAAAA) {
			for _, t := range [...]rr.Type{rr.TypeA, rr.TypeAAAA} {
				if isMade(was, name, t) != isMade(now, name, t) && !yield(region{apex: was.Apex(), name: name}) {
					return false
				}
			}
		}
		return true
	}
	for _, made := range [...]*zone.Zone{x.Made, y.Made} {
		if made != nil && !names(made.All()) {
			return false
		}
	}
	seen := map[string]bool{} // ranges mostly share their domain
	for _, t := range slices.Concat(was.Templates(), now.Templates()) {
		base := t.Base()
		if seen[base.Key()] || !base.IsAtOrBelow(was.Apex()) {
			continue
		}
		seen[base.Key()] = true
		if !names(was.Below(base)) || !names(now.Below(base)) {
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
