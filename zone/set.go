package zone

import (
	"iter"
	"math/bits"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// Set is the immutable collection of zones of one moment. Questions come by name;
// those for the name of a whole address, nearly all, as a number, by which the
// zones whose apex is a prefix can be found as well.
type Set struct {
	names    table[slot, *slot]             // all zones, by apex
	prefixes table[prefixSlot, *prefixSlot] // those whose apex is a prefix, by it
	count    int
	lengths  []int           // labels that apexes have, the most first
	masks    [3][]prefixMask // of the lengths that prefixes have, the longest first, by family
	few      []fewSlot       // all zones whose apex is a prefix, the longest first, if they are few; else nil
	octets   int64           // of all zones
	hot      uint32          // see hotLevels
	counts   lengthCounts
}

// lengthCounts counts the zones of each length, so that lengths and masks are computed
// only when a length appears or disappears.
type lengthCounts struct {
	labels  [dname.MaxLabels + 1]int32
	nibbles [3][maxNibbles + 1]int32 // by family
}

// maxNibbles is the number of nibbles of the longest prefix.
const maxNibbles = 32

// fewSlot is a prefixSlot without a table.
type fewSlot struct {
	prefixSlot
	mask prefixMask
}

// maxFew is how many prefixes are compared one by one sooner than one is hashed.
const maxFew = 6

// slot is a slot of the table by apex.
type slot struct {
	hash uint32
	zone *Zone // nil: the slot is free
}

func (e *slot) key() string  { return keyOf(e.zone) }
func (e *slot) home() uint32 { return e.hash }

// keyOf returns the key of a zone's apex; empty if there is no zone.
func keyOf(z *Zone) string {
	if z == nil {
		return ""
	}
	return z.id
}

// NewSet returns a set without zones.
func NewSet() *Set {
	// A Descent searches a page of prefixes to the first free slot, so there is always one.
	return &Set{names: newTable[slot, *slot](pageSlots), prefixes: newTable[prefixSlot, *prefixSlot](pageSlots - 1)}
}

// With returns the set with the given zones added or put in the place of the
// zones with the same apex, and those at the apexes in gone left out. Its cost is that
// of these zones and of a copy of the tables' directories, 8 octets for some 20 zones.
func (s *Set) With(zones []*Zone, gone []dname.Name) *Set {
	n := *s
	n.names.begin()
	n.prefixes.begin()
	for _, apex := range gone {
		if z := n.Get(apex); z != nil {
			n.add(z, -1)
			n.names.remove(z.apexHash, z.id, maxTableBits(n.count))
			if z.prefix.is {
				n.prefixes.remove(z.prefix.hash(), z.id, maxTableBits(n.count))
			}
		}
	}
	for _, z := range zones {
		if old := n.Get(z.apex); old != nil {
			n.add(old, -1)
		}
		n.add(z, 1)
		n.names.put(slot{z.apexHash, z}, maxTableBits(n.count))
		if z.prefix.is {
			n.prefixes.put(newPrefixSlot(z), maxTableBits(n.count))
		}
	}
	if n.counts != s.counts || len(n.prefixes.crowded) != len(s.prefixes.crowded) {
		n.findLengths()
	}
	n.hot = n.hotLevels()
	n.findFew()
	return &n
}

// add counts a zone, or with -1 no longer counts it.
func (s *Set) add(z *Zone, n int32) {
	s.count += int(n)
	s.octets += int64(n) * z.size()
	s.counts.labels[z.apexLabels] += n
	if p := &z.prefix; p.is {
		s.counts.nibbles[p.key.Family][p.nibbles] += n
	}
}

// findLengths computes lengths and masks from the counts.
func (s *Set) findLengths() {
	s.lengths, s.masks = nil, [3][]prefixMask{}
	for labels, n := range slices.Backward(s.counts.labels[:]) {
		if n > 0 {
			s.lengths = append(s.lengths, labels)
		}
	}
	if len(s.prefixes.crowded) > 0 {
		return // without masks, all zones are searched by name
	}
	for f := range s.counts.nibbles {
		for nibbles, n := range slices.Backward(s.counts.nibbles[f][:]) {
			if n > 0 {
				s.masks[f] = append(s.masks[f], newPrefixMask(uint8(nibbles)))
			}
		}
	}
}

// findFew lists the zones whose apex is a prefix, if all zones are few.
func (s *Set) findFew() {
	s.few = nil
	if s.count > maxFew {
		return
	}
	for e := range s.prefixes.all {
		s.few = append(s.few, fewSlot{*e, newPrefixMask(e.nibbles)})
	}
	slices.SortFunc(s.few, func(a, b fewSlot) int { return int(b.mask.nibbles) - int(a.mask.nibbles) })
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
	p := s.names.page(h)
	for i := range uint32(pageSlots) {
		e := &p.slots[(h+i)%pageSlots]
		if e.zone == nil || e.hash == h && e.zone.apex.Equal(apex) {
			return e.zone
		}
	}
	return s.getCrowded(apex)
}

// getCrowded returns the zone at apex if its page had no room for it. It is not inlined
// because its buffer would be part of the frame of Get.
//
//go:noinline
func (s *Set) getCrowded(apex dname.Name) *Zone {
	var lower [dname.MaxWire]byte
	return s.names.crowded[string(apex.AppendLower(lower[:0]))].zone
}

// All yields the zones in canonical order of their apexes.
func (s *Set) All() iter.Seq[*Zone] {
	zones := make([]*Zone, 0, s.count)
	for e := range s.names.all {
		zones = append(zones, e.zone)
	}
	slices.SortFunc(zones, func(a, b *Zone) int { return dname.Compare(a.apex, b.apex) })
	return slices.Values(zones)
}

// Bytes returns how much memory the data of all zones take.
func (s *Set) Bytes() int64 { return s.octets }

// Len returns the number of zones.
func (s *Set) Len() int { return s.count }
