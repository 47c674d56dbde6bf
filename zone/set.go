package zone

import (
	"iter"
	"math/bits"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// Set is the immutable collection of zones of one moment: a hash table of their
// apexes in pages, so that the exchange of one zone copies one page.
type Set struct {
	pages  []*page
	mask   uint32 // slots - 1, a power of two less one
	count  int
	labels [2]uint64 // bit i: some apex has i labels
	most   int       // labels of the longest apex
}

const pageSlots = 64

type page [pageSlots]slot

type slot struct {
	hash uint32
	zone *Zone
}

// NewSet returns a set without zones.
func NewSet() *Set { return newSet(0) }

func newSet(zones int) *Set {
	slots := max(pageSlots, 1<<bits.Len(uint(2*zones)))
	s := &Set{pages: make([]*page, slots/pageSlots), mask: uint32(slots - 1)}
	for i := range s.pages {
		s.pages[i] = new(page)
	}
	return s
}

// hashStep goes on with one label; the hash of a name is made from its labels,
// the root's first, so that one walk gives those of all its ancestors (FNV-1a, the
// label's length beside its first octet). Bit 5 is set in every octet, so that case
// does not matter; what else that makes alike, the comparison tells apart.
func hashStep(h uint32, label []byte) uint32 {
	h ^= uint32(len(label)) << 8
	for _, c := range label {
		h = (h ^ uint32(c|0x20)) * 16777619
	}
	return h
}

const hashRoot = 2166136261

func hashName(n dname.Name) uint32 {
	var o [dname.MaxLabels + 1]uint8
	h := uint32(hashRoot)
	for i := dname.Offsets(n, &o) - 1; i >= 0; i-- {
		h = hashStep(h, n[o[i]:].Label())
	}
	return h
}

// get returns the zone with the hash and apex, and the number of its slot or of
// the free one where it would be.
func (s *Set) get(h uint32, apex dname.Name) (*Zone, uint32) {
	for i := (h ^ h>>15) & s.mask; ; i = (i + 1) & s.mask {
		e := &s.pages[i/pageSlots][i%pageSlots]
		if e.zone == nil || e.hash == h && e.zone.apex.Equal(apex) {
			return e.zone, i
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
	n := *s
	if fresh > 0 || len(gone) > 0 {
		n = *newSet(max(s.count, (s.count+fresh)*5/4))
		n.insert(s.all(), gone)
		n.insert(slices.Values(zones), nil)
		return &n
	}
	n.pages = slices.Clone(s.pages)
	var own map[uint32]bool
	for _, z := range zones {
		h := hashName(z.apex)
		_, i := s.get(h, z.apex)
		if !own[i/pageSlots] {
			copied := *n.pages[i/pageSlots]
			n.pages[i/pageSlots] = &copied
			if own == nil {
				own = map[uint32]bool{}
			}
			own[i/pageSlots] = true
		}
		n.pages[i/pageSlots][i%pageSlots].zone = z
	}
	return &n
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
		old, i := s.get(h, z.apex)
		if old == nil {
			s.count++
		}
		s.pages[i/pageSlots][i%pageSlots] = slot{h, z}
		s.labels[z.apexLabels/64] |= 1 << (z.apexLabels % 64)
		s.most = max(s.most, z.apexLabels)
	}
}

// Find returns the zone with the longest apex at or above name; nil if none.
func (s *Set) Find(name dname.Name) *Zone { return s.find(name, 0) }

// FindAbove returns the zone with the longest apex strictly above name, which
// answers for DS at name (RFC 4035 §3.1.4.1); nil if none.
func (s *Set) FindAbove(name dname.Name) *Zone { return s.find(name, 1) }

// find looks for an apex that leaves out at least skip labels of name. Lengths
// that no apex has cost nothing.
func (s *Set) find(name dname.Name, skip int) *Zone {
	var o [dname.MaxLabels + 1]uint8
	n := dname.Offsets(name, &o)
	o[n] = uint8(len(name) - 1)
	most := min(n-skip, s.most)
	if most < 0 { // nothing is above the root
		return nil
	}
	var best *Zone
	h := uint32(hashRoot)
	for have := 0; ; have++ {
		if s.labels[have>>6&1]>>(have&63)&1 != 0 {
			if z, _ := s.get(h, name[o[n-have]:]); z != nil {
				best = z
			}
		}
		if have >= most {
			return best
		}
		h = hashStep(h, name[o[n-have-1]:].Label())
	}
}

// Get returns the zone at apex; nil if none.
func (s *Set) Get(apex dname.Name) *Zone {
	z, _ := s.get(hashName(apex), apex)
	return z
}

// All yields the zones in canonical order of their apexes.
func (s *Set) All() iter.Seq[*Zone] {
	return slices.Values(slices.SortedFunc(s.all(), func(a, b *Zone) int { return dname.Compare(a.apex, b.apex) }))
}

func (s *Set) all() iter.Seq[*Zone] {
	return func(yield func(*Zone) bool) {
		for _, p := range s.pages {
			for i := range p {
				if p[i].zone != nil && !yield(p[i].zone) {
					return
				}
			}
		}
	}
}

// Len returns the number of zones.
func (s *Set) Len() int { return s.count }
