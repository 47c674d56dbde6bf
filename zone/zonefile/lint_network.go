package zonefile

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// networks are the /24s and /64s that addresses lie in. The zero value has none.
type networks struct {
	last   dname.AddressKey // the one added last: addresses of one are mostly adjacent
	v4, v6 []uint64         // the first 64 bits of each, an IPv4 network's on the left; some are there twice
	isFull bool             // there were more than can be kept
}

// maxNetworks bounds the networks of a family, and their list at twice as many: a
// /8 of IPv4 is in it, and it takes 1 MiB.
const maxNetworks = 1 << 16

// add adds the network of an address.
func (n *networks) add(a dname.AddressKey) {
	list, last := &n.v6, n.last
	if a.Family == dname.InAddr {
		list = &n.v4
		a.Hi &^= 0xff << 32
	}
	if a.Lo = 0; a == last || n.isFull {
		return
	}
	n.last = a
	if len(*list) == 2*maxNetworks {
		slices.Sort(*list)
		*list = slices.Compact(*list)
		if len(*list) > maxNetworks {
			*list, n.isFull = nil, true
			return
		}
	}
	*list = append(*list, a.Hi)
}

// sort makes mayLieBelow possible.
func (n *networks) sort() {
	slices.Sort(n.v4)
	slices.Sort(n.v6)
}

// mayLieBelow reports whether one of the networks has the name of a prefix or one
// below it, or whether that is not known.
func (n *networks) mayLieBelow(name dname.Name) bool {
	p, _ := dname.ToPrefix(name)
	list, longest := n.v4, 24
	if p.Addr().Is6() {
		list, longest = n.v6, 64
	}
	if n.isFull || p.Bits() > longest {
		return n.isFull
	}
	octets := append(p.Addr().AsSlice(), 0, 0, 0, 0)
	first := binary.BigEndian.Uint64(octets)
	i, _ := slices.BinarySearch(list, first)
	return i < len(list) && list[i]-first <= math.MaxUint64>>p.Bits()
}
