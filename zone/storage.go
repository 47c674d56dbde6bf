package zone

import (
	"encoding/binary"
	"math/bits"
)

// ref addresses a node, a value or a suffix in a zone's chunks: chunk number and
// offset in units of 4 octets. Chunk 0 begins with one unused unit, so that the
// zero ref is none.
type ref uint32

const (
	// A chunk holds at most 1 MiB, so that 16 GiB can be addressed, ten million
	// names take about 500 chunks, and the end of the last one wastes little. A
	// single value larger than that gets a longer chunk of its own.
	chunkShift = 18 // units of 4 octets in a chunk, as a power of two
	chunkUnits = 1 << chunkShift
	chunkSize  = chunkUnits * 4
	maxChunks  = 1 << (32 - chunkShift)
)

// storage is what a zone's refs point into. Chunks never move and nothing in
// them that a snapshot can reach is ever written again; only the newest zone of
// a storage appends, behind the ends that older ones know of. A chunk that nothing
// refers to any more is nil, and its number is given to a new one; older zones
// still have the old one at that place.
type storage struct {
	chunks [][]byte // shared by zones until one of them has another chunk
	*book
}

// book is what changes have to know of a storage, and queries have not.
type book struct {
	fills []fill // of the chunks
	areas [areas]area
	total int64  // octets of all chunks
	live  int64  // octets of what is referred to, as far as fills know
	loose int64  // octets that a sweep of all chunks might gain beyond that: suffixes given up, and names stored whole
	sweep *sweep // nil: none is under way
	room  *room
}

// fill is what is known of a chunk.
type fill struct {
	live      uint32 // octets that are referred to
	suffixes  bool   // holds suffixes: nobody knows which of them are referred to, and they count as live
	condemned bool   // is to be emptied, see sweep.go
}

// at returns the octets from r to the end of its chunk.
func (s *storage) at(r ref) []byte {
	return s.chunks[r>>chunkShift][uint(r&(chunkUnits-1))<<2:]
}

// size returns the octets of all chunks; a zone without data has none.
func (s *storage) size() int64 {
	if s.book == nil {
		return 0
	}
	return s.total
}

// A node is, at a ref:
//
//	header   4 octets, little endian
//	         bits  0–15  one for each nibble that has a child
//	         bit  16     has a branch of ordinary labels
//	         bit  17     has a value
//	         bit  18     is a zone cut: NS below the apex
//	         bit  19     has a DNAME
//	         bits 24–31  length of the run, in nibbles
//	run      the nibbles between parent and node, two an octet. They lie as in
//	         the key: a run that begins at an odd depth leaves the upper half of
//	         its first octet zero, so that whole octets are compared
//	leaf     (neither children nor branch): the value follows at once
//	other    padding to 4 octets, then refs of 4 octets: value, branch, children
//	         in the order of their nibbles, as far as they are there
//
// For instance 25.113.0.203.in-addr.arpa alone in the zone 113.0.203.in-addr.arpa
// besides its apex is a child of the root for nibble 1, a leaf whose run is the
// one nibble 9 at depth 1: header 00 00 02 01, run 09, value 01 …
const (
	bitOrdinary = 1 << 16
	bitValue    = 1 << 17
	bitCut      = 1 << 18
	bitDNAME    = 1 << 19
	maskInner   = 0x1ffff // any child or branch
	maxRun      = 255
)

// node is the decoded form, for changes.
type node struct {
	run      []byte // a nibble an octet
	flags    uint32 // bitCut, bitDNAME
	value    []byte // nil: none
	at       ref    // of the value, where it lies apart from the node and stays there
	ordinary ref
	children [16]ref
}

// runOctets returns how many octets a run takes that begins at depth.
func runOctets(depth, run int) int {
	if run == 0 {
		return 0
	}
	return (depth&1 + run + 1) >> 1
}

// decode reads the node at r, whose run begins at the given depth and is written
// to room. The value is a view of the storage.
func (s *storage) decode(r ref, depth int, room []byte) node {
	b := s.at(r)
	h := binary.LittleEndian.Uint32(b)
	run := int(h >> 24)
	n := node{flags: h & (bitCut | bitDNAME), run: room[:0]}
	for i := range run {
		n.run = append(n.run, nibbleAt(b[4:], depth&1+i))
	}
	off := 4 + runOctets(depth, run)
	if h&maskInner == 0 {
		n.value = valueAt(b[off:])
		return n
	}
	off = (off + 3) &^ 3
	next := func() ref {
		off += 4
		return ref(binary.LittleEndian.Uint32(b[off-4:]))
	}
	if h&bitValue != 0 {
		n.at = next()
		n.value = valueAt(s.at(n.at))
	}
	if h&bitOrdinary != 0 {
		n.ordinary = next()
	}
	for i := range n.children {
		if h>>i&1 != 0 {
			n.children[i] = next()
		}
	}
	return n
}

// nodeSize returns the octets that the node at r takes, without a value that
// lies apart from it.
func (s *storage) nodeSize(r ref, depth int) int {
	b := s.at(r)
	h := binary.LittleEndian.Uint32(b)
	off := 4 + runOctets(depth, int(h>>24))
	if h&maskInner == 0 {
		return (off + len(valueAt(b[off:])) + 3) &^ 3
	}
	return (off+3)&^3 + 4*bits.OnesCount32(h&(maskInner|bitValue))
}

// encode writes n, whose run begins at depth, and returns its ref. The run must
// be at most maxRun nibbles, and a node without children and branch must have a
// value.
func (w *writer) encode(n *node, depth int) ref {
	if len(n.run) > maxRun {
		panic("zone: run longer than 255 nibbles")
	}
	h := n.flags | uint32(len(n.run))<<24
	if n.value != nil {
		h |= bitValue
	}
	refs := 0
	if n.ordinary != 0 {
		h |= bitOrdinary
		refs++
	}
	for i, c := range n.children {
		if c != 0 {
			h |= 1 << i
			refs++
		}
	}
	off := 4 + runOctets(depth, len(n.run))
	vr := n.at
	size := off + len(n.value)
	if refs > 0 {
		if n.value != nil {
			if vr == 0 {
				var b []byte
				vr, b = w.alloc(len(n.value))
				copy(b, n.value)
			}
			refs++
		}
		size = (off+3)&^3 + 4*refs
	} else if n.value == nil {
		panic("zone: node without value and children")
	} else if vr != 0 {
		w.freeValue(vr, n.value)
	}
	r, b := w.alloc(size)
	binary.LittleEndian.PutUint32(b, h)
	for i, v := range n.run {
		p := depth&1 + i
		b[4+p>>1] |= v << (4 * (1 - p&1))
	}
	if refs == 0 {
		copy(b[off:], n.value)
		return r
	}
	off = (off + 3) &^ 3
	put := func(x ref) {
		if x != 0 {
			binary.LittleEndian.PutUint32(b[off:], uint32(x))
			off += 4
		}
	}
	put(vr)
	put(n.ordinary)
	for _, c := range n.children {
		put(c)
	}
	return r
}

// nibbleAt returns nibble i of octets that hold two each, the upper one first.
func nibbleAt(b []byte, i int) byte { return b[i>>1] >> (4 * (1 - i&1)) & 15 }
