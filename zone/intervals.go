package zone

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// addressKey is the bits of an address from the left.
type addressKey struct{ hi, lo uint64 }

func (a addressKey) isBefore(b addressKey) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// last returns the last key that has the first bits of a.
func (a addressKey) last(bits int) addressKey {
	return addressKey{a.hi | ^uint64(0)>>bits, a.lo | ^uint64(0)>>max(bits-64, 0)}
}

// firstBits returns a with only its first bits.
func (a addressKey) firstBits(bits int) addressKey {
	return addressKey{a.hi &^ (^uint64(0) >> bits), a.lo &^ (^uint64(0) >> max(bits-64, 0))}
}

// common returns how many first bits a and b have in common.
func (a addressKey) common(b addressKey) int {
	if a.hi != b.hi {
		return bits.LeadingZeros64(a.hi ^ b.hi)
	}
	return 64 + bits.LeadingZeros64(a.lo^b.lo)
}

// next returns the key after a; ok is false behind the last.
func (a addressKey) next() (b addressKey, ok bool) {
	b = addressKey{a.hi, a.lo + 1}
	if b.lo == 0 {
		b.hi++
	}
	return b, b != addressKey{}
}

func keyOfAddr(a netip.Addr) (k addressKey) {
	for i, c := range a.AsSlice() {
		if i < 8 {
			k.hi |= uint64(c) << (56 - 8*i)
		} else {
			k.lo |= uint64(c) << (120 - 8*i)
		}
	}
	return k
}

// addr returns the address of a family.
func (a addressKey) addr(f dname.Family) netip.Addr {
	var b [16]byte
	for i := range 8 {
		b[i], b[8+i] = byte(a.hi>>(56-8*i)), byte(a.lo>>(56-8*i))
	}
	if f == dname.IP6 {
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

// none is the owner of addresses in no range.
const none = -1

// intervals divide all addresses among owners, such as ranges, of which the longest counts.
// Finding the owner of an address costs as much with ten thousand ranges as with one.
type intervals struct {
	// The addresses from starts[i] to the next belong to owners[i]. The first is the lowest address.
	starts []addressKey
	owners []int32

	open []openInterval // until all are added: those that hold the last start, the longest last

	nodes []intervalNode // the first is the root; none: there is one interval
	table []int32        // of all nodes: an owner, or the number of a node below as ^number-1
}

type openInterval struct {
	owner int32
	last  addressKey
}

// intervalNode divides the addresses that have the first bits of key by the bits behind. Starts of
// intervals that nodes above do not tell apart have these bits in common, however many they are, so
// that a node has two starts below at least, or is for one.
type intervalNode struct {
	key, mask     addressKey
	before, after int32  // the owners of lower and of higher addresses
	shift         uint8  // how far the bits behind are from the end of their half of the address
	isLow         bool   // the half is the lower one
	width         uint8  // of the bits behind
	table         uint32 // where the entries for their values begin
}

// add adds a range: all after those that begin before it, and longer ones at the same place.
func (v *intervals) add(at addressKey, bits int, owner int) {
	v.end(func(last addressKey) bool { return last.isBefore(at) })
	v.begin(at, int32(owner))
	v.open = append(v.open, openInterval{int32(owner), at.last(bits)})
}

// begin begins an interval.
func (v *intervals) begin(at addressKey, owner int32) {
	if len(v.starts) == 0 {
		v.starts, v.owners = []addressKey{{}}, []int32{none}
	}
	if n := len(v.starts); v.starts[n-1] == at {
		v.owners[n-1] = owner
		return
	}
	v.starts, v.owners = append(v.starts, at), append(v.owners, owner)
}

// end ends the ranges whose last address is so.
func (v *intervals) end(is func(last addressKey) bool) {
	for n := len(v.open) - 1; n >= 0 && is(v.open[n].last); n-- {
		next, ok := v.open[n].last.next()
		v.open = v.open[:n]
		owner := int32(none)
		if n > 0 {
			owner = v.open[n-1].owner
		}
		if ok {
			v.begin(next, owner)
		}
	}
}

// finish makes the nodes after all ranges are added.
func (v *intervals) finish() {
	v.end(func(addressKey) bool { return true })
	v.open = nil
	if len(v.starts) == 0 {
		v.begin(addressKey{}, none)
	}
	if len(v.starts) > 1 {
		v.node(1, len(v.starts))
	}
	v.nodes, v.table = slices.Clip(v.nodes), slices.Clip(v.table)
}

// mostWidth bounds the table of a node.
const mostWidth = 16

// node makes the node for the starts from lo up to hi, at least one, and returns its number.
func (v *intervals) node(lo, hi int) int32 {
	number := len(v.nodes)
	first, end := v.starts[lo], v.starts[hi-1]
	n := intervalNode{key: first, mask: addressKey{^uint64(0), ^uint64(0)}, before: v.owners[lo-1], after: v.owners[hi-1], table: uint32(len(v.table))}
	v.nodes = append(v.nodes, n)
	if hi-lo == 1 {
		v.table = append(v.table, v.owners[lo]) // of the start itself
		return int32(number)
	}
	// As wide as to leave few starts in an entry, within a half of the address.
	common := first.common(end)
	n.isLow = common >= 64
	width := min(bits.Len(uint(hi-lo-1))+1, mostWidth, 64-common&63)
	n.width, n.shift = uint8(width), uint8(64-common&63-width)
	n.mask = n.mask.firstBits(common)
	n.key = addressKey{first.hi & n.mask.hi, first.lo & n.mask.lo}
	v.nodes[number] = n
	v.table = append(v.table, make([]int32, 1<<width)...)
	owner := n.before
	for value := range uint64(1) << width {
		from := lo
		for lo < hi && n.value(v.starts[lo]) == value {
			lo++
		}
		entry := &v.table[uint64(n.table)+value]
		switch {
		case lo == from:
			*entry = owner
			continue
		case lo == from+1 && v.starts[from] == v.starts[from].firstBits(common+width):
			*entry = v.owners[from]
		default:
			below := ^v.node(from, lo) - 1
			v.table[uint64(n.table)+value] = below
		}
		owner = v.owners[lo-1]
	}
	return int32(number)
}

// value returns the bits that the node looks at.
func (n *intervalNode) value(k addressKey) uint64 {
	half := k.hi
	if n.isLow {
		half = k.lo
	}
	return half >> (n.shift & 63) & (1<<(n.width&63) - 1)
}

// owner returns the owner of an address.
func (v *intervals) owner(k addressKey) int {
	if len(v.nodes) == 0 {
		return int(v.owners[0])
	}
	for at := int32(0); ; {
		n := &v.nodes[at]
		if (k.hi^n.key.hi)&n.mask.hi|(k.lo^n.key.lo)&n.mask.lo != 0 {
			if k.isBefore(n.key) {
				return int(n.before)
			}
			return int(n.after)
		}
		entry := v.table[uint64(n.table)+n.value(k)]
		if entry >= none {
			return int(entry)
		}
		at = ^(entry + 1)
	}
}

// overlap reports whether an address whose first bits are those of k has an owner.
func (v *intervals) overlap(k addressKey, bits int) bool {
	if v.owner(k) >= 0 {
		return true
	}
	i, _ := slices.BinarySearchFunc(v.starts, k, func(a, b addressKey) int {
		switch {
		case a.isBefore(b):
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	last := k.last(bits)
	for ; i < len(v.starts) && !last.isBefore(v.starts[i]); i++ {
		if v.owners[i] >= 0 {
			return true
		}
	}
	return false
}
