package zone

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// Set is the immutable collection of zones of one moment: a hash table of their
// apexes in pages, so that the exchange of one zone copies one page.
type Set struct {
	pages   []*page
	mask    uint32 // slots - 1, a power of two less one
	count   int
	lengths []int // labels that apexes have, the most first
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

// hashName hashes a name, eight octets at a time. Bit 5 is set in every octet, so
// that case does not matter; what else that makes alike, the comparison tells
// apart.
func hashName(n dname.Name) uint32 {
	const fold = 0x2020_2020_2020_2020
	h := uint64(len(n))
	if len(n) < 8 {
		for _, c := range n {
			h = h<<8 | uint64(c|0x20)
		}
		return uint32(mix(h))
	}
	last := binary.LittleEndian.Uint64(n[len(n)-8:]) // may overlap the one before
	for ; len(n) > 8; n = n[8:] {
		h = mix(h ^ (binary.LittleEndian.Uint64(n) | fold))
	}
	return uint32(mix(h ^ (last | fold)))
}

// mix spreads every bit over the lower half: a multiplication by an odd number
// with as many ones as zeros, and the upper half folded back.
func mix(h uint64) uint64 {
	h *= 0x9e37_79b9_7f4a_7c15
	return h ^ h>>32
}

// get returns the zone with the hash and apex, and the number of its slot or of
// the free one where it would be.
func (s *Set) get(h uint32, apex dname.Name) (*Zone, uint32) {
	for i := h & s.mask; ; i = (i + 1) & s.mask {
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
		if i, there := slices.BinarySearchFunc(s.lengths, z.apexLabels, func(a, b int) int { return b - a }); !there {
			s.lengths = slices.Insert(s.lengths, i, z.apexLabels)
		}
	}
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
		if z, _ := s.get(hashName(apex), apex); z != nil {
			return z
		}
	}
	return nil
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
