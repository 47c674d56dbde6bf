package zone

import (
	"iter"
	"math/bits"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// place is a spot in the trie: in the run of a node, or at its end. Walks go
// nibble by nibble over places; lookups use find, which is faster.
type place struct {
	at    ref
	depth int // of the first nibble of the node's run
	used  int // nibbles of the run that lie behind
}

// next returns the nibbles that the trie goes on with, one bit each.
func (z *Zone) next(p place) uint32 {
	n := z.node(p.at, p.depth)
	if p.used < n.run() {
		return 1 << n.nibble(p.depth, p.used)
	}
	return n.children()
}

// step goes on with a nibble that next has.
func (z *Zone) step(p place, v byte) place {
	n := z.node(p.at, p.depth)
	if p.used < n.run() {
		p.used++
		return p
	}
	return place{n.ref(n.childIndex(uint64(v))), p.depth + n.run() + 1, 0}
}

// ordinary goes through the ordinary branch; ok is false if there is none here.
func (z *Zone) ordinary(p place) (q place, ok bool) {
	n := z.node(p.at, p.depth)
	if p.used < n.run() || !n.hasOrdinary() {
		return p, false
	}
	return place{n.ref(n.ordinaryIndex()), p.depth + n.run(), 0}, true
}

// value returns the value of the name at p, nil if it has none.
func (z *Zone) value(p place) []byte {
	n := z.node(p.at, p.depth)
	if p.used < n.run() {
		return nil
	}
	return z.valueOf(n)
}

// spot is a place at the end of a label.
type spot struct {
	place
	address  int  // labels that may still be octets or nibbles
	ordinary bool // the ordinary branch is behind
}

func (z *Zone) apexSpot() spot {
	return spot{place{at: z.root}, z.address, z.family == dname.Forward}
}

// child is a label below a spot.
type child struct {
	spot
	label []byte // in lower case
}

// octetOrder is the 256 octets in the canonical order of their labels (RFC 4034
// §6.1): 0, 1, 10, 100, 101, … A string, since that is a constant.
const octetOrder = "" +
	"\x00\x01\x0a\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x0b\x6e\x6f\x70\x71\x72\x73\x74\x75\x76\x77" +
	"\x0c\x78\x79\x7a\x7b\x7c\x7d\x7e\x7f\x80\x81\x0d\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x0e\x8c" +
	"\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x0f\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\x10\xa0\xa1\xa2" +
	"\xa3\xa4\xa5\xa6\xa7\xa8\xa9\x11\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\x12\xb4\xb5\xb6\xb7\xb8" +
	"\xb9\xba\xbb\xbc\xbd\x13\xbe\xbf\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7\x02\x14\xc8\xc9\xca\xcb\xcc\xcd" +
	"\xce\xcf\xd0\xd1\x15\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\x16\xdc\xdd\xde\xdf\xe0\xe1\xe2\xe3" +
	"\xe4\xe5\x17\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\x18\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9" +
	"\x19\xfa\xfb\xfc\xfd\xfe\xff\x1a\x1b\x1c\x1d\x03\x1e\x1f\x20\x21\x22\x23\x24\x25\x26\x27\x04\x28" +
	"\x29\x2a\x2b\x2c\x2d\x2e\x2f\x30\x31\x05\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x06\x3c\x3d\x3e" +
	"\x3f\x40\x41\x42\x43\x44\x45\x07\x46\x47\x48\x49\x4a\x4b\x4c\x4d\x4e\x4f\x08\x50\x51\x52\x53\x54" +
	"\x55\x56\x57\x58\x59\x09\x5a\x5b\x5c\x5d\x5e\x5f\x60\x61\x62\x63"

// octets returns where the octet labels below s begin, by their upper nibble,
// and which lower ones there are.
func (z *Zone) octets(s spot) (low [16]uint32, places [16]place) {
	for h := z.next(s.place); h != 0; h &= h - 1 {
		v := bits.TrailingZeros32(h)
		places[v] = z.step(s.place, byte(v))
		low[v] = z.next(places[v])
	}
	return low, places
}

// lastChild returns the child of s with the greatest label below bound; a nil
// bound bounds nothing. The label is written to room. ok is false if there is
// none.
func (z *Zone) lastChild(s spot, bound []byte, room []byte) (c child, ok bool) {
	if s.ordinary {
		return z.lastOrdinary(s, s.place, bound, room)
	}
	if s.address > 0 {
		c, ok = z.lastAddress(s, bound, room)
	}
	if p, has := z.ordinary(s.place); has {
		var second [dname.MaxLabel]byte
		if d, has := z.lastOrdinary(s, p, bound, second[:0]); has && (!ok || dname.CompareLabels(c.label, d.label) < 0) {
			// Not d itself is returned, or its room would have to be on the heap.
			return child{d.spot, append(room[:0], d.label...)}, true
		}
	}
	return c, ok
}

// lastAddress is lastChild among the octet or nibble labels.
func (z *Zone) lastAddress(s spot, bound, room []byte) (c child, ok bool) {
	c.spot = spot{address: s.address - 1}
	if z.family == dname.IP6 {
		for high := z.next(s.place); high != 0; {
			v := byte(bits.Len32(high) - 1)
			c.label = z.addressLabel(room[:0], v)
			if bound == nil || dname.CompareLabels(c.label, bound) < 0 {
				c.place = z.step(s.place, v)
				return c, true
			}
			high &^= 1 << v
		}
		return c, false
	}
	low, places := z.octets(s)
	for i := len(octetOrder) - 1; i >= 0; i-- {
		o := octetOrder[i]
		if low[o>>4]>>(o&15)&1 == 0 {
			continue
		}
		c.label = z.addressLabel(room[:0], o)
		if bound == nil || dname.CompareLabels(c.label, bound) < 0 {
			c.place = z.step(places[o>>4], o&15)
			return c, true
		}
	}
	return c, false
}

// lastOrdinary is lastChild among the ordinary labels, which begin at p.
func (z *Zone) lastOrdinary(s spot, p place, bound, room []byte) (c child, ok bool) {
	var path [4*dname.MaxLabel + 4]byte
	n := 0
	if bound != nil {
		var room2 [2*dname.MaxLabel + 2]byte
		if p, n, ok = z.before(p, appendLabelKey(room2[:0], bound), path[:]); !ok {
			return c, false
		}
	}
	for {
		if n&1 == 0 && n > 0 {
			if label, done := labelOfKey(room[:0], path[:n]); done {
				c.spot = spot{place: p, ordinary: true}
				c.label = label
				return c, true
			}
		}
		next := z.next(p)
		if next == 0 {
			return c, false
		}
		v := byte(bits.Len32(next) - 1)
		path[n] = v
		n++
		p = z.step(p, v)
	}
}

// before walks from p along the nibbles of bound, as far as they lead, and returns
// the place behind the last turn to a smaller nibble, the largest such, that it
// passed: all that lies there comes before bound. path[:n] are the nibbles on the
// way there. ok is false if there was no such turn.
func (z *Zone) before(p place, bound, path []byte) (q place, n int, ok bool) {
	var turn place
	var smaller uint32
	for i := range 2 * len(bound) {
		v := nibbleAt(bound, i)
		next := z.next(p)
		if less := next & (1<<v - 1); less != 0 {
			n, turn, smaller = i+1, p, less
		}
		path[i] = v
		if next>>v&1 == 0 {
			break
		}
		p = z.step(p, v)
	}
	if n == 0 {
		return p, 0, false
	}
	path[n-1] = byte(bits.Len32(smaller) - 1)
	return z.step(turn, path[n-1]), n, true
}

// appendLabelKey appends the octets of an ordinary label in a key.
func appendLabelKey(dst, label []byte) []byte {
	for _, c := range label {
		if c = dname.Lower(c); c <= 1 {
			dst = append(dst, 1)
			c++
		}
		dst = append(dst, c)
	}
	return append(dst, 0)
}

// labelOfKey reads the label that an even number of nibbles spell; done reports
// whether its end is the last octet.
func labelOfKey(dst []byte, path []byte) (label []byte, done bool) {
	for i := 0; i < len(path); i += 2 {
		c := path[i]<<4 | path[i+1]
		switch {
		case c == 0:
			return dst, true
		case c == 1 && i+2 < len(path):
			i += 2
			c = path[i]<<4 | path[i+1] - 1
		case c == 1:
			return dst, false
		}
		dst = append(dst, c)
	}
	return dst, false
}

// isLeaf reports whether nothing lies behind p.
func (z *Zone) isLeaf(p place) bool {
	n := z.node(p.at, p.depth)
	return p.used >= n.run() && n.isLeaf()
}

// children calls yield with each child of s in canonical order; labels are valid
// until the next one.
func (z *Zone) children(s spot, yield func(child) bool) {
	var room [dname.MaxLabel]byte
	if s.ordinary {
		var path [4*dname.MaxLabel + 4]byte
		z.ordinaryChildren(s.place, path[:0], room[:0], yield)
		return
	}
	var plain []child // few, in addition to address labels
	if p, ok := z.ordinary(s.place); ok {
		var path [4*dname.MaxLabel + 4]byte
		z.ordinaryChildren(p, path[:0], room[:0], func(c child) bool {
			c.label = slices.Clone(c.label)
			plain = append(plain, c)
			return true
		})
	}
	stopped := false
	z.addressChildren(s, func(c child) bool {
		for len(plain) > 0 && dname.CompareLabels(plain[0].label, c.label) < 0 {
			if stopped = !yield(plain[0]); stopped {
				return false
			}
			plain = plain[1:]
		}
		stopped = !yield(c)
		return !stopped
	})
	for _, c := range plain {
		if stopped || !yield(c) {
			return
		}
	}
}

func (z *Zone) addressChildren(s spot, yield func(child) bool) {
	if s.address == 0 {
		return
	}
	var room [3]byte
	below := spot{address: s.address - 1}
	if z.family == dname.IP6 {
		for high := z.next(s.place); high != 0; high &= high - 1 {
			v := byte(bits.TrailingZeros32(high))
			below.place = z.step(s.place, v)
			if !yield(child{below, z.addressLabel(room[:0], v)}) {
				return
			}
		}
		return
	}
	low, places := z.octets(s)
	for i := range len(octetOrder) {
		o := octetOrder[i]
		if low[o>>4]>>(o&15)&1 == 0 {
			continue
		}
		below.place = z.step(places[o>>4], o&15)
		if !yield(child{below, z.addressLabel(room[:0], o)}) {
			return
		}
	}
}

func (z *Zone) ordinaryChildren(p place, path, room []byte, yield func(child) bool) bool {
	if len(path)&1 == 0 && len(path) > 0 {
		if label, done := labelOfKey(room, path); done {
			return yield(child{spot{place: p, ordinary: true}, label})
		}
	}
	for next := z.next(p); next != 0; next &= next - 1 {
		v := byte(bits.TrailingZeros32(next))
		if !z.ordinaryChildren(z.step(p, v), append(path, v), room, yield) {
			return false
		}
	}
	return true
}

// names calls yield with each name that has a value, in canonical order; owner
// is valid until the next one. With after, which must be at or below the apex, it begins with
// the name that comes after it; nil: with the apex.
func (z *Zone) names(after dname.Name, yield func(owner dname.Name, value []byte) bool) {
	const all = -1
	var buf nameBuffer
	buf.reset(z.apex)
	if after == nil {
		z.namesAt(&buf, z.apexSpot(), yield)
		return
	}
	// path are the labels of after below the apex, from the top down.
	var path [][]byte
	for n := after; n != nil && n.Labels() > z.apexLabels; n = n.Parent() {
		path = append(path, n.Label())
	}
	slices.Reverse(path)
	// above is how many labels of path lead to s; all: what is at and below s comes after.
	var walk func(s spot, above int) bool
	walk = func(s spot, above int) bool {
		if above == all {
			return z.namesAt(&buf, s, yield)
		}
		more := true
		z.children(s, func(c child) bool {
			next := all
			if above < len(path) {
				switch order := dname.CompareLabels(c.label, path[above]); {
				case order < 0:
					return true
				case order == 0:
					next = above + 1
				}
			}
			old := buf.push(c.label)
			more = walk(c.spot, next)
			buf.pop(old)
			return more
		})
		return more
	}
	walk(z.apexSpot(), 0)
}

// namesAt is names for a spot and all below it, without after; buf has its name.
func (z *Zone) namesAt(buf *nameBuffer, s spot, yield func(owner dname.Name, value []byte) bool) bool {
	if v := z.value(s.place); v != nil && !yield(buf.name(), v) {
		return false
	}
	if z.isLeaf(s.place) { // nearly all are
		return true
	}
	more := true
	z.children(s, func(c child) bool {
		old := buf.push(c.label)
		more = z.namesAt(buf, c.spot, yield)
		buf.pop(old)
		return more
	})
	return more
}

// hashed calls yield with each NSEC3 owner in the order of the hashes.
func (z *Zone) hashed(yield func(owner dname.Name, value []byte) bool) {
	if z.nsec3 == 0 {
		return
	}
	var path [40]byte
	var walk func(p place, n int) bool
	walk = func(p place, n int) bool {
		if n == len(path) {
			var k key
			for _, v := range path {
				k.push(v)
			}
			return yield(z.hashOwner(k.b[:20]), z.value(p))
		}
		for next := z.next(p); next != 0; next &= next - 1 {
			path[n] = byte(bits.TrailingZeros32(next))
			if !walk(z.step(p, path[n]), n+1) {
				return false
			}
		}
		return true
	}
	walk(place{at: z.nsec3}, 0)
}

// hashOwner returns the owner name of the NSEC3 for a hash.
func (z *Zone) hashOwner(hash []byte) dname.Name {
	var buf nameBuffer
	buf.reset(z.apex)
	var label [32]byte
	hashLabel(label[:], hash)
	buf.push(label[:])
	return buf.name().Clone()
}

// hashLabel writes the label of an NSEC3 owner: base32hex in lower case (RFC
// 5155 §3).
func hashLabel(dst, hash []byte) {
	base32hex.Encode(dst, hash)
	for i, c := range dst {
		dst[i] = dname.Lower(c)
	}
}

// All yields every record of the zone in canonical order of owners (RFC 4034
// §6.1), the SOA first; RRSIGs follow the RRset they cover. A record is valid
// until the next one.
func (z *Zone) All() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if !z.IsAvailable() {
			return
		}
		nextHashed, stop := iter.Pull2(z.hashed)
		defer stop()
		hashOwner, hashValue, hashOK := nextHashed()
		records := recordYielder{z: z, yield: yield}
		more := true
		z.names(nil, func(owner dname.Name, value []byte) bool {
			for hashOK && dname.Compare(hashOwner, owner) < 0 {
				if more = records.name(hashOwner, hashValue); !more {
					return false
				}
				hashOwner, hashValue, hashOK = nextHashed()
			}
			if owner.Labels() == z.apexLabels {
				owner = z.apex
			}
			more = records.name(owner, value)
			return more
		})
		for more && hashOK {
			more = records.name(hashOwner, hashValue)
			hashOwner, hashValue, hashOK = nextHashed()
		}
	}
}

// After yields the records of all names that come after a name at or below the apex, which need
// not exist, in the order of All, without those of NSEC3. A record is valid until the next one.
// So a walk can go on in a later version of the zone. It reads the labels next to each label of
// the name, which are few in a reverse zone.
func (z *Zone) After(owner dname.Name) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if !z.IsAvailable() {
			return
		}
		records := recordYielder{z: z, yield: yield}
		z.names(owner, records.name)
	}
}

// Below yields the records of a name and of all names below it, in the order of All, without those
// of NSEC3. A record is valid until the next one. It costs the way to the name and what it yields.
func (z *Zone) Below(owner dname.Name) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if !z.IsAvailable() || !owner.IsAtOrBelow(z.apex) {
			return
		}
		s, ok := z.spotAt(owner, owner.Labels()-z.apexLabels)
		if !ok {
			return
		}
		records := recordYielder{z: z, yield: yield}
		var buf nameBuffer
		buf.reset(owner)
		z.namesAt(&buf, s, records.name)
	}
}

// Owners yields the owner names of records in the order of All, each once. If types are given, only
// records of these count. A name is valid until the next one.
func Owners(records iter.Seq[Record], types ...rr.Type) iter.Seq[dname.Name] {
	return func(yield func(dname.Name) bool) {
		var last dname.Name
		for r := range records {
			if len(types) > 0 && !slices.Contains(types, r.Type) || last.Equal(r.Owner) {
				continue
			}
			if last = append(last[:0], r.Owner...); !yield(last) {
				return
			}
		}
	}
}

// recordYielder yields records. Its state is reused, so that none costs an
// allocation.
type recordYielder struct {
	z     *Zone
	yield func(Record) bool
	room  []byte // for RDATA that lies in two pieces
}

// name yields the records of one name, the SOA before all others.
func (t *recordYielder) name(owner dname.Name, value []byte) bool {
	if value[0] != formSets {
		s := t.z.short(value)
		return t.set(owner, &s)
	}
	apex := len(owner) == len(t.z.apex)
	if apex {
		if s := t.z.set(value, rr.TypeSOA); s.Exists() && !t.set(owner, &s) {
			return false
		}
	}
	var s RRset
	for it := iterate(value); it.next(&s); {
		if !(apex && s.Type == rr.TypeSOA) && !t.set(owner, &s) {
			return false
		}
	}
	return true
}

func (t *recordYielder) set(owner dname.Name, s *RRset) bool {
	for it := s.Data(); it.Next(); {
		d := it.Head
		if len(it.Tail) > 0 {
			t.room = append(append(t.room[:0], it.Head...), it.Tail...)
			d = t.room
		}
		if !t.yield(Record{Owner: owner, Type: s.Type, TTL: s.TTL, Data: d}) {
			return false
		}
	}
	for it := s.SigData(); it.Next(); {
		if !t.yield(Record{Owner: owner, Type: rr.TypeRRSIG, TTL: s.SigTTL, Data: it.Head}) {
			return false
		}
	}
	return true
}
