package zone

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone/dname"
)

// prefix is an apex that is nothing but a prefix.
type prefix struct {
	key     dname.AddressKey // the rest 0
	nibbles uint8
	is      bool
}

// prefixOf returns the prefix of an apex; is is not set for any other apex, those
// of RFC 2317 among them.
func prefixOf(apex dname.Name) (p prefix) {
	net, ok := dname.ToPrefix(apex)
	if !ok {
		return p
	}
	a := net.Addr().AsSlice()
	p.nibbles, p.is = uint8(net.Bits()/4), true
	if len(a) == 4 {
		p.key = dname.AddressKey{Hi: uint64(binary.BigEndian.Uint32(a)) << 32, Family: dname.InAddr}
	} else {
		p.key = dname.AddressKey{Hi: binary.BigEndian.Uint64(a), Lo: binary.BigEndian.Uint64(a[8:]), Family: dname.IP6}
	}
	return p
}

// prefixMask is the bits of the prefixes of one length.
type prefixMask struct {
	hi, lo  uint64
	nibbles uint8
}

func newPrefixMask(nibbles uint8) prefixMask {
	n := 4 * uint(nibbles)
	return prefixMask{^(uint64(1)<<(64-min(n, 64)) - 1), ^(uint64(1)<<(128-max(n, 64)) - 1), nibbles}
}

// prefixSlot is a slot of the table by prefix. A cache line of 64 octets holds what
// a walk needs of the zone itself, so that a question for a PTR reads only it on
// its way to the trie, however many zones there are.
type prefixSlot struct {
	hi, lo    uint64 // the prefix
	nibbles   uint8
	family    dname.Family
	available bool // the zone has data
	root      ref
	zone      *Zone     // nil: the slot is free
	ttls      [2]uint32 // the first of the zone's table
	// The chunk of a zone that has but one; else nil. It is the last, as an object of
	// this size begins 8 octets behind the start of a line, and so it is the
	// capacity, which is never read, that lies in the next one.
	chunks [1][]byte
}

func newPrefixSlot(z *Zone) prefixSlot {
	p := &z.prefix
	e := prefixSlot{hi: p.key.Hi, lo: p.key.Lo, nibbles: p.nibbles, family: p.key.Family, available: z.IsAvailable(), root: z.root, zone: z}
	copy(e.ttls[:], z.ttls)
	if len(z.chunks) == 1 {
		e.chunks[0] = z.chunks[0]
	}
	return e
}

func (e *prefixSlot) key() string  { return keyOf(e.zone) }
func (e *prefixSlot) home() uint32 { return e.zone.prefix.hash() }

// isOf reports whether the slot is that of the prefix.
func (e *prefixSlot) isOf(p *prefix) bool {
	return e.hi == p.key.Hi && e.lo == p.key.Lo && e.nibbles == p.nibbles && e.family == p.key.Family
}

// chunkTable returns the chunks of the zone.
func (e *prefixSlot) chunkTable() [][]byte {
	if e.chunks[0] != nil {
		return e.chunks[:]
	}
	return e.zone.chunks
}

// ttl returns entry i of the zone's table of TTLs.
func (e *prefixSlot) ttl(i uint8) uint32 {
	if int(i) < len(e.ttls) {
		return e.ttls[i]
	}
	return e.zone.ttls[i]
}

// addressNibbles returns the nibbles of an address.
func addressNibbles(f dname.Family) uint32 {
	if f == dname.IP6 {
		return 32
	}
	return 8
}
