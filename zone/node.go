package zone

import (
	"encoding/binary"
	"math/bits"
)

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
//	inner    padding to 4 octets, then refs of 4 octets: value, branch, children
//	         in the order of their nibbles, as far as they exist
//
// For example, 25.113.0.203.in-addr.arpa as the only name below the apex
// 113.0.203.in-addr.arpa is a child of the root for nibble 1, a leaf whose run is
// the one nibble 9 at depth 1: header 00 00 02 01, run 09, value 01 …
//
// This file is the only one that knows the layout: read a node with [storage.node],
// or its header alone, and write it with [writer.encode].

// header is the first word of a node.
type header uint32

const (
	maskChildren = 1<<16 - 1
	bitOrdinary  = 1 << 16
	bitValue     = 1 << 17
	bitCut       = 1 << 18
	bitDNAME     = 1 << 19
	maskFlags    = bitCut | bitDNAME
	runShift     = 24

	maskInner = maskChildren | bitOrdinary // any of them: not a leaf
	maskRefs  = maskInner | bitValue       // one ref each in an inner node
	maxRun    = 1<<(32-runShift) - 1
	maxRefs   = 18 // bits of maskRefs

	headerSize = 4
	refSize    = 4
)

// Fails to compile if a flag overlaps the run.
const _ = uint(1<<runShift - 1 - (maskRefs | maskFlags))

func (h header) run() int               { return int(h >> runShift) }
func (h header) isLeaf() bool           { return h&maskInner == 0 }
func (h header) hasValue() bool         { return h&bitValue != 0 }
func (h header) hasOrdinary() bool      { return h&bitOrdinary != 0 }
func (h header) hasChild(v uint64) bool { return h>>v&1 != 0 }

// children returns the nibbles that have a child, one bit each.
func (h header) children() uint32 { return uint32(h & maskChildren) }

// refs returns how many refs an inner node has.
func (h header) refs() int { return bits.OnesCount32(uint32(h & maskRefs)) }

// ordinaryIndex and childIndex return the position among the refs, where that of the
// value, if there is one, is 0.
func (h header) ordinaryIndex() int { return int(h / bitValue & 1) }
func (h header) childIndex(v uint64) int {
	return bits.OnesCount32(uint32(h & (1<<v - 1 | bitOrdinary | bitValue)))
}

// nodeView is a node in its chunk. It is small enough for the compiler to keep it in
// registers.
type nodeView struct {
	b []byte // from the header to the end of the chunk
	header
	body uint32 // offset of what follows the run: the value of a leaf, or padding and refs
}

// node returns the node at r, whose run begins at the given depth.
func (s *storage) node(r ref, depth int) nodeView {
	b := s.at(r)
	h := header(binary.LittleEndian.Uint32(b))
	return nodeView{b, h, uint32(headerSize + runOctets(depth, h.run()))}
}

// refsAt returns the offset of the refs of an inner node.
func (n nodeView) refsAt() int { return align(int(n.body)) }

// ref returns one of the refs of an inner node.
func (n nodeView) ref(i int) ref {
	return ref(binary.LittleEndian.Uint32(n.b[n.refsAt()+refSize*i:]))
}

// nibble returns a nibble of the run, which begins at the given depth.
func (n nodeView) nibble(depth, i int) byte { return nibbleAt(n.b[headerSize:], depth&1+i) }

// valueOf returns the value of a node and what follows it; nil if it has none.
func (s *storage) valueOf(n nodeView) []byte {
	switch {
	case !n.hasValue():
		return nil
	case n.isLeaf():
		return n.b[n.body:]
	}
	return s.at(n.ref(0))
}

// isAlike reports whether m has the same header and the same run.
func (n nodeView) isAlike(m nodeView) bool {
	return n.header == m.header && string(n.b[:n.body]) == string(m.b[:m.body])
}

// size returns the octets that the node takes, without a value that lies apart
// from it.
func (n nodeView) size() int {
	if n.isLeaf() {
		return align(int(n.body) + len(valueAt(n.b[n.body:])))
	}
	return n.refsAt() + refSize*n.refs()
}

// align returns the next multiple of the unit of refs.
func align(n int) int { return (n + 3) &^ 3 }

// runOctets returns how many octets a run takes that begins at depth.
func runOctets(depth, run int) int {
	if run == 0 {
		return 0
	}
	return (depth&1 + run + 1) >> 1
}

// nibbleAt returns nibble i of octets that hold two each, the upper one first.
func nibbleAt(b []byte, i int) byte { return b[i>>1] >> (4 * (1 - i&1)) & 15 }

// node is the decoded form, for changes.
type node struct {
	run      []byte // a nibble an octet
	flags    uint32 // bitCut, bitDNAME
	value    []byte // nil: none
	at       ref    // of the value, where it lies apart from the node and stays there
	ordinary ref
	children [16]ref
}

// decode reads the node at r, whose run begins at the given depth and is written
// to room. The value is a view of the storage.
func (s *storage) decode(r ref, depth int, room []byte) node {
	v := s.node(r, depth)
	n := node{flags: uint32(v.header & maskFlags), run: room[:0]}
	for i := range v.run() {
		n.run = append(n.run, v.nibble(depth, i))
	}
	if v.hasValue() {
		n.value = valueAt(s.valueOf(v))
	}
	if v.isLeaf() {
		return n
	}
	if v.hasValue() {
		n.at = v.ref(0)
	}
	if v.hasOrdinary() {
		n.ordinary = v.ref(v.ordinaryIndex())
	}
	for c := v.children(); c != 0; c &= c - 1 {
		i := bits.TrailingZeros32(c)
		n.children[i] = v.ref(v.childIndex(uint64(i)))
	}
	return n
}

// encode writes n, whose run begins at depth, and returns its ref. The run must
// be at most maxRun nibbles, and a node without children and branch must have a
// value.
func (w *writer) encode(n *node, depth int) ref {
	if len(n.run) > maxRun {
		panic("zone: run longer than 255 nibbles")
	}
	h := header(n.flags) | header(len(n.run))<<runShift
	if n.value != nil {
		h |= bitValue
	}
	if n.ordinary != 0 {
		h |= bitOrdinary
	}
	for i, c := range n.children {
		if c != 0 {
			h |= 1 << i
		}
	}
	if h&maskRefs == 0 {
		panic("zone: node without value and children")
	}
	off := headerSize + runOctets(depth, len(n.run))
	at, size := n.at, off+len(n.value)
	switch {
	case h.isLeaf() && at != 0:
		w.freeValue(at, n.value)
	case !h.isLeaf():
		if n.value != nil && at == 0 {
			var b []byte
			at, b = w.alloc(len(n.value))
			copy(b, n.value)
		}
		off = align(off)
		size = off + refSize*h.refs()
	}
	r, b := w.alloc(size)
	binary.LittleEndian.PutUint32(b, uint32(h))
	for i, v := range n.run {
		p := depth&1 + i
		b[headerSize+p>>1] |= v << (4 * (1 - p&1))
	}
	if h.isLeaf() {
		copy(b[off:], n.value)
		return r
	}
	put := func(x ref) {
		if x != 0 {
			binary.LittleEndian.PutUint32(b[off:], uint32(x))
			off += refSize
		}
	}
	put(at)
	put(n.ordinary)
	for _, c := range n.children {
		put(c)
	}
	return r
}
