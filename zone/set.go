package zone

import (
	"iter"
	"maps"
	"math/bits"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// Set is the immutable collection of zones of one moment. Questions come by name;
// those for the name of a whole address, nearly all, as a number, by which the
// zones whose apex is a prefix can be found as well.
type Set struct {
	names    table[slot]       // all zones, by apex
	prefixes table[prefixSlot] // those whose apex is a prefix, by it
	count    int
	lengths  []int            // labels that apexes have, the most first
	crowded  map[string]*Zone // the rest of names, by key, see maxProbe
	masks    [3][]prefixMask  // of the lengths that prefixes have, the longest first, by family
	few      []fewSlot        // all zones whose apex is a prefix, the longest first, if they are few; else nil
	octets   int64            // of all zones
	hot      uint32           // see hotLevels
}

// fewSlot is a prefixSlot without a table.
type fewSlot struct {
	prefixSlot
	mask prefixMask
}

// maxFew is how many prefixes are compared one by one sooner than one is hashed.
const maxFew = 6

// table is a hash table of zones in pages, so that the exchange of one zone
// copies one page.
type table[S any] struct {
	pages []*page[S]
	mask  uint32 // slots - 1, a power of two less one
}

const pageSlots = 64

type page[S any] [pageSlots]S

// slot is a slot of the table by apex.
type slot struct {
	hash uint32
	zone *Zone // nil: the slot is free
}

func newTable[S any](zones int) table[S] {
	slots := max(pageSlots, 1<<bits.Len(uint(2*zones)))
	t := table[S]{pages: make([]*page[S], slots/pageSlots), mask: uint32(slots - 1)}
	for i := range t.pages {
		t.pages[i] = new(page[S])
	}
	return t
}

// slot returns slot i, counted on behind the last one.
func (t *table[S]) slot(i uint32) *S {
	i &= t.mask
	return &t.pages[i/pageSlots][i%pageSlots]
}

// exchange makes t a table of its own, slots of which were filled anew with zones:
// pages that none of them lies in are shared.
func (t *table[S]) exchange(zones []*Zone, find func(*Zone) uint32, fill func(*S, *Zone)) {
	t.pages = slices.Clone(t.pages)
	own := make(map[uint32]bool, len(zones))
	for _, z := range zones {
		i := find(z) & t.mask
		if !own[i/pageSlots] {
			copied := *t.pages[i/pageSlots]
			t.pages[i/pageSlots] = &copied
			own[i/pageSlots] = true
		}
		fill(t.slot(i), z)
	}
}

// NewSet returns a set without zones.
func NewSet() *Set { return newSet(0) }

func newSet(zones int) *Set {
	return &Set{names: newTable[slot](zones), prefixes: newTable[prefixSlot](zones)}
}

// slotOf returns the number of the slot with the apex, whose hash is h, or of the
// free one where it would be; ok is false if it is neither within maxProbe of its
// place, so that the zone, if there is one, is among the crowded ones.
func (s *Set) slotOf(h uint32, apex dname.Name) (i uint32, ok bool) {
	for i := h; i != h+maxProbe; i++ {
		if e := s.names.slot(i); e.zone == nil || e.hash == h && e.zone.apex.Equal(apex) {
			return i, true
		}
	}
	return 0, false
}

// maxProbe bounds the search for an apex. Hashes take octets for the same that differ
// in bit 5 alone, letters or not, so that a catalog could list any number of names
// with one hash. Where hashes differ, a search of this length is one in 100,000 in a
// table that is half full.
const maxProbe = 64

// prefixSlotOf returns the number of the slot with a prefix, or of the free one where
// it would be.
func (s *Set) prefixSlotOf(p *prefix) uint32 {
	for i := p.hash(); ; i++ {
		if e := s.prefixes.slot(i); e.zone == nil || e.isOf(p) {
			return i
		}
	}
}

// With returns the set with the given zones added or put in the place of the
// zones with the same apex, and those at the apexes in gone left out.
func (s *Set) With(zones []*Zone, gone []dname.Name) *Set {
	fresh := 0
	for _, z := range zones {
		if s.Get(z.apex) == nil {
			fresh++
		}
	}
	if fresh > 0 || len(gone) > 0 {
		n := newSet(max(s.count, (s.count+fresh)*5/4))
		n.insert(s.all(), gone)
		n.insert(slices.Values(zones), nil)
		n.derive()
		return n
	}
	n := *s
	for _, z := range zones {
		n.octets += z.size() - s.Get(z.apex).size()
	}
	inSlots := slices.DeleteFunc(slices.Clone(zones), func(z *Zone) bool {
		_, ok := s.slotOf(z.apexHash, z.apex)
		return !ok
	})
	n.names.exchange(inSlots, func(z *Zone) uint32 { i, _ := s.slotOf(z.apexHash, z.apex); return i }, func(e *slot, z *Zone) { e.zone = z })
	if len(inSlots) < len(zones) {
		n.crowded = maps.Clone(s.crowded)
		for _, z := range zones {
			if key := z.apex.Key(); n.crowded[key] != nil {
				n.crowded[key] = z
			}
		}
	}
	prefixes := slices.DeleteFunc(slices.Clone(zones), func(z *Zone) bool { return !z.prefix.is })
	n.prefixes.exchange(prefixes, func(z *Zone) uint32 { return s.prefixSlotOf(&z.prefix) }, (*prefixSlot).fill)
	n.derive()
	return &n
}

// derive computes what queries rely on from the zones.
func (s *Set) derive() {
	s.hot = s.hotLevels()
	s.few = nil
	if s.count > maxFew {
		return
	}
	for z := range s.all() {
		if p := &z.prefix; p.is {
			e := fewSlot{mask: newPrefixMask(p.nibbles)}
			e.fill(z)
			s.few = append(s.few, e)
		}
	}
	slices.SortFunc(s.few, func(a, b fewSlot) int { return int(b.mask.nibbles) - int(a.mask.nibbles) })
}

func (s *Set) insert(zones iter.Seq[*Zone], except []dname.Name) {
	skip := map[string]bool{}
	for _, a := range except {
		skip[a.Key()] = true
	}
	for z := range zones {
		if len(skip) > 0 && skip[z.apex.Key()] {
			continue
		}
		h := hashName(z.apex)
		if old := s.Get(z.apex); old == nil {
			s.count++
		} else {
			s.octets -= old.size()
		}
		s.octets += z.size()
		if i, ok := s.slotOf(h, z.apex); ok {
			*s.names.slot(i) = slot{h, z}
		} else {
			if s.crowded == nil {
				s.crowded = map[string]*Zone{}
			}
			s.crowded[z.apex.Key()] = z
		}
		if i, there := slices.BinarySearchFunc(s.lengths, z.apexLabels, func(a, b int) int { return b - a }); !there {
			s.lengths = slices.Insert(s.lengths, i, z.apexLabels)
		}
		if p := &z.prefix; p.is {
			s.prefixes.slot(s.prefixSlotOf(p)).fill(z)
			f := p.key.Family
			i, there := slices.BinarySearchFunc(s.masks[f], p.nibbles, func(m prefixMask, n uint8) int { return int(n) - int(m.nibbles) })
			if !there {
				s.masks[f] = slices.Insert(s.masks[f], i, newPrefixMask(p.nibbles))
			}
		}
	}
}

// hotLevels returns for how many nodes from the root on a walk need not expect to
// wait: those that the second-level cache of a core holds, because all of the
// zones fit into it, or because every other question comes by them, at 16 nodes a
// level and zone.
func (s *Set) hotLevels() uint32 {
	const octets, nodes = 256 << 10, 4096
	if s.octets <= octets {
		return 32 + 1
	}
	return uint32(max(0, bits.Len(uint(nodes/s.count))-1)) / 4
}

// Find returns the zone with the longest apex at or above name; nil if none.
func (s *Set) Find(name dname.Name) *Zone { return s.find(name, 0) }

// FindAbove returns the zone with the longest apex strictly above name, which
// answers for DS at name (RFC 4035 §3.1.4.1); nil if none.
func (s *Set) FindAbove(name dname.Name) *Zone { return s.find(name, 1) }

// find looks for an apex that leaves out at least skip labels of name, the longest
// first. Lengths that no apex has cost nothing.
func (s *Set) find(name dname.Name, skip int) *Zone {
	var o [dname.MaxLabels + 1]uint8
	n := dname.Offsets(name, &o)
	o[n] = uint8(len(name) - 1)
	for _, labels := range s.lengths {
		if labels > n-skip {
			continue
		}
		apex := name[o[n-labels]:]
		if z := s.Get(apex); z != nil {
			return z
		}
	}
	return nil
}

// Get returns the zone at apex; nil if none.
func (s *Set) Get(apex dname.Name) *Zone {
	h := hashName(apex)
	for i := h; ; i++ {
		e := s.names.slot(i)
		if e.zone == nil || e.hash == h && e.zone.apex.Equal(apex) {
			return e.zone
		}
		if i == h+maxProbe-1 {
			return s.getCrowded(apex)
		}
	}
}

// getCrowded returns the zone at apex if it is among the crowded ones.
func (s *Set) getCrowded(apex dname.Name) *Zone {
	var room [dname.MaxWire]byte
	return s.crowded[string(apex.AppendLower(room[:0]))]
}

// All yields the zones in canonical order of their apexes.
func (s *Set) All() iter.Seq[*Zone] {
	return slices.Values(slices.SortedFunc(s.all(), func(a, b *Zone) int { return dname.Compare(a.apex, b.apex) }))
}

func (s *Set) all() iter.Seq[*Zone] {
	return func(yield func(*Zone) bool) {
		for _, p := range s.names.pages {
			for i := range p {
				if p[i].zone != nil && !yield(p[i].zone) {
					return
				}
			}
		}
		for _, z := range s.crowded {
			if !yield(z) {
				return
			}
		}
	}
}

// Len returns the number of zones.
func (s *Set) Len() int { return s.count }
