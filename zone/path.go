package zone

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// path is a key without its labels.
type path struct {
	nibbles  int
	ordinary int    // entryPlain if no ordinary branch is taken
	octets   []byte // two nibbles each; the lower half of the last is zero if they are odd
}

const (
	entryPlain = 0xffff // no ordinary branch
	pathHeader = 4
)

// path returns the path of a key, a view of it.
func (k *key) path() path {
	if k.n&1 == 1 {
		k.b[k.n>>1] &= 0xf0
	}
	return path{k.n, min(k.ordinary, entryPlain), k.b[:(k.n+1)>>1]}
}

// appendPath appends what readPath reads: nibbles 2, depth of the ordinary branch 2,
// octets.
func appendPath(dst []byte, p path) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(p.nibbles))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(p.ordinary))
	return append(dst, p.octets...)
}

// readPath returns the path at the start of b, a view of it.
func readPath(b []byte) path {
	n := int(binary.LittleEndian.Uint16(b))
	return path{n, int(binary.LittleEndian.Uint16(b[2:])), b[pathHeader : pathHeader+(n+1)>>1]}
}

// common returns the number of nibbles at which the paths part: the first that
// differs, the end of the shorter, or an ordinary branch that only one takes.
func (p path) common(q path) int {
	n := commonNibbles(p.octets, q.octets, min(p.nibbles, q.nibbles))
	if p.ordinary != q.ordinary {
		n = min(n, p.ordinary, q.ordinary)
	}
	return n
}

// compare orders paths: a name before those below it, nibbles in ascending order,
// the ordinary branch last.
func (p path) compare(q path) int {
	n := p.common(q)
	switch {
	case p.ordinary != q.ordinary && n == min(p.ordinary, q.ordinary):
		return q.ordinary - p.ordinary
	case n == p.nibbles || n == q.nibbles:
		return p.nibbles - q.nibbles
	}
	return int(nibbleAt(p.octets, n)) - int(nibbleAt(q.octets, n))
}

// appendNibbles appends the nibbles from from to to, an octet each.
func (p path) appendNibbles(dst []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		dst = append(dst, nibbleAt(p.octets, i))
	}
	return dst
}

// holds reports whether q lies below p.
func (p path) holds(q path) bool {
	return q.nibbles > p.nibbles && p.common(q) == p.nibbles && (p.ordinary == q.ordinary || q.ordinary >= p.nibbles)
}

// clone returns a copy with octets of its own.
func (p path) clone() *path {
	p.octets = bytes.Clone(p.octets)
	return &p
}

// commonNibbles returns how many of the first n nibbles of a and b are equal.
func commonNibbles(a, b []byte, n int) int {
	i, octets := 0, (n+1)>>1
	a, b = a[:octets], b[:octets]
	for ; i+8 <= octets; i += 8 {
		if x := binary.BigEndian.Uint64(a[i:]) ^ binary.BigEndian.Uint64(b[i:]); x != 0 {
			return min(n, 2*i+bits.LeadingZeros64(x)>>2)
		}
	}
	for ; i < octets; i++ {
		if x := a[i] ^ b[i]; x != 0 {
			if x>>4 != 0 {
				return min(n, 2*i)
			}
			return min(n, 2*i+1)
		}
	}
	return n
}
