package zone

import (
	"github.com/ptrd/ptrd/zone/dname"
)

// key is the path of a name through a zone's trie, in nibbles from the apex
// down.
//
// Octet labels of IPv4 reverse names are two nibbles, nibble labels of IPv6 ones
// are one; see [Zone] for where they are allowed. Every other label is ordinary:
// from the first ordinary label on, all labels are, each its octets in lower
// case and a zero octet as its end (in the labels themselves, octet 0 is written
// 1 1 and octet 1 is written 1 2, which keeps the canonical order). The first
// ordinary label of a zone with address labels lies behind the ordinary branch
// of its parent's node, which takes no nibble.
type key struct {
	n        int // nibbles
	ordinary int // depth of the ordinary branch; noOrdinary: none is taken
	labels   int // below the apex
	ends     [dname.MaxLabels + 2]uint16
	// Two nibbles an octet. A run that is compared to its end may read maxRun
	// nibbles behind the key's.
	b [maxKey + maxRun/2 + 8]byte
}

const maxKey = 2 * dname.MaxWire // octets: each of an ordinary label may take two

const noOrdinary = 1 << 30

func (k *key) nibble(i int) byte { return nibbleAt(k.b[:], i) }

func (k *key) push(v byte) {
	if k.n&1 == 0 {
		k.b[k.n>>1] = v << 4
	} else {
		k.b[k.n>>1] = k.b[k.n>>1]&0xf0 | v
	}
	k.n++
}

func (k *key) pushOctet(c byte) {
	if k.n&1 == 0 {
		k.b[k.n>>1] = c
		k.n += 2
		return
	}
	k.push(c >> 4)
	k.push(c & 15)
}

func (k *key) reset(z *layout) {
	k.n, k.labels, k.ordinary = 0, 0, noOrdinary
	k.ends[0] = 0
	if z.family == dname.Forward {
		k.ordinary = 0
	}
}

// setHash makes k the key of an NSEC3 hash in its trie.
func (k *key) setHash(hash []byte) {
	k.reset(&layout{})
	k.n = 2 * copy(k.b[:], hash)
}

// add appends one label below what the key has.
func (k *key) add(z *layout, label []byte) {
	if k.ordinary == noOrdinary {
		if k.labels < z.address {
			if z.family == dname.InAddr {
				if v, ok := dname.OctetLabel(label); ok {
					k.pushOctet(v)
					k.close()
					return
				}
			} else if v, ok := dname.NibbleLabel(label); ok {
				k.push(v)
				k.close()
				return
			}
		}
		k.ordinary = k.n
	}
	for _, c := range label {
		if c = dname.Lower(c); c <= 1 {
			k.pushOctet(1)
			c++
		}
		k.pushOctet(c)
	}
	k.pushOctet(0)
	k.close()
}

func (k *key) close() {
	k.labels++
	k.ends[k.labels] = uint16(k.n)
}

// cut shortens the key to its first labels.
func (k *key) cut(labels int) {
	k.labels = labels
	k.n = int(k.ends[labels])
	if k.ordinary != 0 && k.ordinary >= k.n {
		k.ordinary = noOrdinary
	}
	if k.n&1 == 1 {
		k.b[k.n>>1] &= 0xf0
	}
}

// copyFrom makes k a copy of m without the room that m does not use.
func (k *key) copyFrom(m *key) {
	k.n, k.labels, k.ordinary = m.n, m.labels, m.ordinary
	copy(k.ends[:k.labels+1], m.ends[:m.labels+1])
	copy(k.b[:(k.n+1)>>1], m.b[:(m.n+1)>>1])
}

// layout describes which labels below an apex are address labels.
type layout struct {
	prefix     prefix // of the apex, where it is one
	apex       dname.Name
	id         string // the apex's Key
	apexHash   uint32
	apexLabels int
	family     dname.Family
	address    int // labels below the apex that may be octets or nibbles
}

// newLayout returns the layout of the zone at apex: below in-addr.arpa and
// ip6.arpa as many labels as an address still has; below a classless apex (RFC
// 2317), or any other ordinary label, one octet.
func newLayout(apex dname.Name) layout {
	f, address, rest := dname.Tree(apex)
	l := layout{prefix: prefixOf(apex), apex: apex, id: apex.Key(), apexLabels: apex.Labels(), family: f}
	switch {
	case f == dname.Forward:
	case rest > 0:
		l.address = 1
	case f == dname.InAddr:
		l.address = 4 - address
	default:
		l.address = 32 - address
	}
	l.apexHash = hashName(apex)
	return l
}

// fill makes k the key of name, which is at or below the apex.
func (z *layout) fill(k *key, name dname.Name) {
	k.reset(z)
	front := name[:len(name)-len(z.apex)]
	if z.family == dname.IP6 && z.fillNibbles(k, front) {
		return
	}
	var o [dname.MaxLabels + 1]uint8
	n := 0
	for i := 0; i < len(front); i += 1 + int(front[i]) {
		o[n] = uint8(i)
		n++
	}
	for n--; n >= 0; n-- {
		k.add(z, name[o[n]:].Label())
	}
}

// fillNibbles is fill for what nearly every name of an IPv6 reverse zone is:
// nibble labels only, no more than an address has. It reports whether front is
// that; if not, k is as it was.
func (z *layout) fillNibbles(k *key, front []byte) bool {
	labels := len(front) / 2
	if len(front)&1 == 1 || labels > z.address {
		return false
	}
	for i := 0; i < len(front); i += 2 {
		if front[i] != 1 {
			return false
		}
	}
	bad, at, i := byte(0), 0, len(front)-1
	for ; i > 2; i -= 4 {
		high, low := dname.Nibble(front[i]), dname.Nibble(front[i-2])
		bad |= high | low
		k.b[at] = high<<4 | low
		at++
	}
	if i > 0 {
		high := dname.Nibble(front[i])
		bad |= high
		k.b[at] = high << 4
	}
	if bad > 15 {
		return false
	}
	for j := 1; j <= labels; j++ {
		k.ends[j] = uint16(j)
	}
	k.n, k.labels = labels, labels
	return true
}

// nameBuffer builds a name from the apex down.
type nameBuffer struct {
	start int
	b     [dname.MaxWire]byte
}

func (n *nameBuffer) reset(apex dname.Name) {
	n.start = len(n.b) - len(apex)
	copy(n.b[n.start:], apex)
}

// push puts a label in front and returns what pop wants to take it away again.
func (n *nameBuffer) push(label []byte) int {
	old := n.start
	n.start -= 1 + len(label)
	n.b[n.start] = byte(len(label))
	copy(n.b[n.start+1:], label)
	return old
}

func (n *nameBuffer) pop(old int) { n.start = old }

func (n *nameBuffer) name() dname.Name { return dname.Name(n.b[n.start:]) }

// name returns the name of a key, in lower case.
func (z *layout) name(k *key) dname.Name {
	var buf nameBuffer
	buf.reset(z.apex)
	var label [dname.MaxLabel]byte
	for i := range k.labels {
		from, to := int(k.ends[i]), int(k.ends[i+1])
		if k.ordinary > from {
			v := k.nibble(from)
			if z.family == dname.InAddr {
				v = v<<4 | k.nibble(from+1)
			}
			buf.push(z.addressLabel(label[:0], v))
			continue
		}
		out := label[:0]
		for j := from; j < to-2; j += 2 {
			c := k.nibble(j)<<4 | k.nibble(j+1)
			if c == 1 {
				j += 2
				c = k.nibble(j)<<4 | k.nibble(j+1) - 1
			}
			out = append(out, c)
		}
		buf.push(out)
	}
	return buf.name().Clone()
}

// addressLabel appends the label of an octet or nibble.
func (z *layout) addressLabel(dst []byte, v byte) []byte {
	if z.family == dname.IP6 {
		return append(dst, dname.HexDigits[v])
	}
	if v >= 100 {
		dst = append(dst, '0'+v/100)
	}
	if v >= 10 {
		dst = append(dst, '0'+v/10%10)
	}
	return append(dst, '0'+v%10)
}

// hasWildcard reports whether a label of the key is `*`.
func hasWildcard(b []byte, nibbles, ordinary int) bool {
	start := true
	for i := ordinary; i+3 < nibbles; i += 2 {
		c := nibbleAt(b, i)<<4 | nibbleAt(b, i+1)
		if start && c == '*' && nibbleAt(b, i+2)|nibbleAt(b, i+3) == 0 {
			return true
		}
		start = c == 0
	}
	return false
}
