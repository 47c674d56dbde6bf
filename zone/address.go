package zone

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// addresses are what a Builder has of the records at whole addresses whose RRset
// can be short, nearly all of a reverse zone: a slot in the zone's storage for
// each, and here its address in 8 octets (IPv4) or 16 (IPv6) and its tag in one
// or two.
type addresses struct {
	used   bool // the zone has room for whole addresses
	apex   prefix
	mask   prefixMask    // of the apex
	width  int           // nibbles of an address below the apex
	extra  uint          // of these that a pair has no room for
	lists  []addressList // by ascending extra nibbles
	list   int           // of the last address
	last   addr
	n      int
	tags   tags
	free   spare
	sorted []pair // room of the sorter
}

// addr is the nibbles of an address below the apex, from the top of hi on.
type addr struct{ hi, lo uint64 }

// addressList are the addresses with the same extra nibbles.
type addressList struct {
	extra uint64
	pairs pairs
}

// pairNibbles is how many nibbles of an IPv6 address a pair holds next to its ref.
const pairNibbles = 24

// maxLists is how many lists there may be: finding one and making one cost more
// with their number.
const maxLists = 1 << 10

// reset makes a an empty list for a zone.
func (a *addresses) reset(z *layout) {
	*a = addresses{lists: a.lists[:0], free: a.free, sorted: a.sorted, tags: tags{marks: a.tags.marks[:0], b: a.tags.b[:0]}}
	a.apex, a.mask = z.prefix, newPrefixMask(z.prefix.nibbles)
	a.width = int(addressNibbles(z.family)) - int(a.apex.nibbles)
	a.used = a.apex.is && a.width > 0
	a.extra = uint(max(0, a.width-pairNibbles))
}

// addr returns the nibbles of an owner; ok is false unless that is a whole address.
func (a *addresses) addr(owner dname.Name) (p addr, ok bool) {
	var k dname.AddressKey
	if !owner.Address(&k) || k.Family != a.apex.key.Family {
		return p, false
	}
	if k.Hi&a.mask.hi != a.apex.key.Hi || k.Lo&a.mask.lo != a.apex.key.Lo {
		return p, false
	}
	p.hi, p.lo = shiftLeft(k.Hi, k.Lo, 4*uint(a.apex.nibbles))
	return p, true
}

// common returns how many nibbles are equal, 32 if all are.
func (p addr) common(q addr) int {
	if x := p.hi ^ q.hi; x != 0 {
		return bits.LeadingZeros64(x) >> 2
	}
	return 16 + bits.LeadingZeros64(p.lo^q.lo)>>2
}

// isBefore reports whether p is less than q.
func (p addr) isBefore(q addr) bool { return p.hi < q.hi || p.hi == q.hi && p.lo < q.lo }

// path returns p as the path of a name; its octets lie in b.
func (p addr) path(nibbles int, b *[16]byte) path {
	binary.BigEndian.PutUint64(b[:], p.hi)
	binary.BigEndian.PutUint64(b[8:], p.lo)
	return path{nibbles, entryPlain, b[:(nibbles+1)>>1]}
}

// next returns the first address that does not come before a name in the order of
// the trie; ok is false if all do.
func (p path) next() (q addr, ok bool) {
	var b [16]byte
	copy(b[:], p.octets)
	q = addr{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
	if p.ordinary == entryPlain {
		return q, true
	}
	// All addresses with these first nibbles come before.
	low := ^uint64(0)
	if n := 4 * uint(p.ordinary); n < 64 {
		q = addr{q.hi | low>>n, low}
	} else if n < 128 {
		q.lo |= low >> (n - 64)
	}
	if q.lo++; q.lo == 0 {
		q.hi++
	}
	return q, q.hi|q.lo != 0
}

// room returns how many octets the run of a leaf at p takes at most: its parent
// is at least where p and the last address part.
func (a *addresses) room(p addr) int {
	if a.n == 0 {
		return runOctets(0, a.width)
	}
	c := p.common(a.last) + 1
	return runOctets(c, a.width-c)
}

// accepts reports whether there is a list for p, and makes it the one that add adds
// to. Should the extra nibbles be too many different ones, there is none.
func (a *addresses) accepts(p addr) bool {
	extra := p.hi >> (64 - 4*a.extra)
	if a.n > 0 && a.lists[a.list].extra == extra {
		return true
	}
	at, there := slices.BinarySearchFunc(a.lists, extra, func(l addressList, extra uint64) int { return cmp.Compare(l.extra, extra) })
	if !there {
		if len(a.lists) == maxLists {
			return false
		}
		a.lists = slices.Insert(a.lists, at, addressList{extra: extra, pairs: pairs{narrow: a.apex.key.Family == dname.InAddr}})
	}
	a.list = at
	return true
}

// add takes the address of the record in a new slot.
func (a *addresses) add(p addr, slot ref, tag Tag) {
	x := pair{first: p.hi | uint64(slot)}
	if a.apex.key.Family == dname.IP6 {
		hi, lo := shiftLeft(p.hi, p.lo, 4*a.extra)
		x = pair{hi, lo | uint64(slot)}
	}
	a.lists[a.list].pairs.add(x, &a.free)
	a.tags.add(slot, tag)
	a.last = p
	a.n++
}

// ascend calls yield with each address in ascending order, records of the same one
// in the order they were added in, and empties the lists.
func (a *addresses) ascend(pause *pauser, yield func(addr, ref)) {
	s := sorter{pause: pause, free: &a.free, room: a.sorted}
	for i := range a.lists {
		l := &a.lists[i]
		s.ascend(&l.pairs, func(x pair) {
			if a.apex.key.Family == dname.InAddr {
				yield(addr{hi: x.first &^ (1<<32 - 1)}, ref(x.first))
				return
			}
			p := addr{x.first, x.second &^ (1<<32 - 1)}
			if down := 4 * a.extra; down > 0 {
				p = addr{l.extra<<(64-down) | p.hi>>down, p.hi<<(64-down) | p.lo>>down}
			}
			yield(p, ref(x.second))
		})
	}
	a.lists, a.sorted = a.lists[:0], s.room
}

// tags holds the tags of the records in slots. Refs ascend and tags mostly grow by
// the same amount from record to record, so that most take one octet:
//
//	1–127      the ref is so much larger, the tag grew as the last time
//	0          by as much as the two varints that follow, unsigned and signed
//
// Every stride-th is written out, in marks.
type tags struct {
	marks []mark
	b     [][]byte
	n     int
	ref   ref
	tag   Tag
	step  Tag
}

type mark struct {
	ref ref
	at  uint32 // in the block
	tag Tag
	in  int // block
}

const (
	tagStride  = 64
	tagBlock   = 16 << 10
	firstBlock = 128
	longestTag = 1 + 5 + binary.MaxVarintLen64
)

func (t *tags) add(r ref, tag Tag) {
	if t.n%tagStride == 0 {
		last := len(t.b) - 1
		if last < 0 || len(t.b[last]) > tagBlock-tagStride*longestTag {
			last++
			size := tagBlock
			if last == 0 {
				size = firstBlock
			}
			if t.b = slices.Grow(t.b, 1)[:last+1]; t.b[last] == nil {
				t.b[last] = make([]byte, 0, size)
			}
			t.b[last] = t.b[last][:0]
		}
		t.marks = append(t.marks, mark{r, uint32(len(t.b[last])), tag, last})
		t.step = 0
	} else {
		last := len(t.b) - 1
		b := t.b[last]
		if d, step := r-t.ref, tag-t.tag; d < 128 && step == t.step {
			b = append(b, byte(d))
		} else {
			b = append(b, 0)
			b = binary.AppendUvarint(b, uint64(d))
			b = binary.AppendVarint(b, int64(step))
			t.step = step
		}
		t.b[last] = b
	}
	t.ref, t.tag = r, tag
	t.n++
}

// of returns the tag of the record in a slot, and how many records in slots came
// before.
func (t *tags) of(r ref) (tag Tag, before int) {
	i, there := slices.BinarySearchFunc(t.marks, r, func(m mark, r ref) int { return cmp.Compare(m.ref, r) })
	if !there {
		i--
	}
	m := t.marks[i]
	at, step := m.ref, Tag(0)
	tag, before = m.tag, i*tagStride
	for b := t.b[m.in][m.at:]; at != r; before++ {
		d := uint64(b[0])
		b = b[1:]
		if d == 0 {
			var n int
			d, n = binary.Uvarint(b)
			b = b[n:]
			s, n := binary.Varint(b)
			b = b[n:]
			step = Tag(s)
		}
		at += ref(d)
		tag += step
	}
	return tag, before
}
