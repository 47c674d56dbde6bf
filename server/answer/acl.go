package answer

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// ACL is an access list by prefix; the zero value lets everybody in. It is
// immutable.
//
// The prefixes are compiled into ranges of addresses that are let in, disjoint
// and sorted, so that a question costs one binary search however long the lists
// were.
type ACL struct {
	restricted bool
	v4, v6     []addrRange
}

// addrRange is the addresses from first to last, both included.
type addrRange struct{ first, last addr128 }

// addr128 is an address as a number; an IPv4 address is a small one.
type addr128 struct{ hi, lo uint64 }

func (a addr128) less(b addr128) bool {
	return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo
}

func (a addr128) next() addr128 {
	a.lo++
	if a.lo == 0 {
		a.hi++
	}
	return a
}

func (a addr128) previous() addr128 {
	if a.lo == 0 {
		a.hi--
	}
	a.lo--
	return a
}

// NewACL returns the list that refuses the addresses in deny and then lets those
// in allow in, or everybody where allow is empty. A prefix of IPv6 says nothing
// about IPv4 addresses, `::/0` included.
func NewACL(allow, deny []netip.Prefix) ACL {
	if len(allow) == 0 && len(deny) == 0 {
		return ACL{}
	}
	if len(allow) == 0 {
		allow = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	a4, a6 := ranges(allow)
	d4, d6 := ranges(deny)
	return ACL{restricted: true, v4: subtract(a4, d4), v6: subtract(a6, d6)}
}

// Allows reports whether the address is let in. An IPv4 address mapped into IPv6
// counts as IPv4.
func (l *ACL) Allows(a netip.Addr) bool { return !l.restricted || l.contains(a) }

// contains reports whether the address is in one of the ranges.
func (l *ACL) contains(a netip.Addr) bool {
	n, is4 := number(a)
	list := l.v6
	if is4 {
		list = l.v4
	}
	lo, hi := 0, len(list) // the first range that ends at or behind n
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); list[mid].last.less(n) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(list) && !n.less(list[lo].first)
}

// number returns the address as a number, and whether it is of IPv4.
func number(a netip.Addr) (n addr128, is4 bool) {
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		return addr128{lo: uint64(binary.BigEndian.Uint32(b[:]))}, true
	}
	b := a.As16()
	return addr128{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}, false
}

// ranges returns the prefixes as sorted, disjoint ranges. Of two prefixes that
// meet one contains the other.
func ranges(prefixes []netip.Prefix) (v4, v6 []addrRange) {
	for _, p := range prefixes {
		if !p.IsValid() {
			continue
		}
		bits := p.Bits()
		if p.Addr().Is4In6() {
			bits = max(bits-96, 0)
		}
		n, is4 := number(p.Addr())
		width := 128
		if is4 {
			width = 32
		}
		host := hostMask(width - bits)
		r := addrRange{addr128{n.hi &^ host.hi, n.lo &^ host.lo}, addr128{n.hi | host.hi, n.lo | host.lo}}
		if is4 {
			v4 = append(v4, r)
		} else {
			v6 = append(v6, r)
		}
	}
	return disjoint(v4), disjoint(v6)
}

// hostMask returns the number whose low n bits are set.
func hostMask(n int) addr128 {
	if n > 64 {
		return addr128{1<<(n-64) - 1, ^uint64(0)}
	}
	return addr128{lo: 1<<n - 1}
}

func disjoint(list []addrRange) []addrRange {
	slices.SortFunc(list, func(a, b addrRange) int {
		switch {
		case a.first.less(b.first):
			return -1
		case b.first.less(a.first):
			return 1
		case b.last.less(a.last): // the larger of two with one beginning first
			return -1
		case a.last.less(b.last):
			return 1
		}
		return 0
	})
	out := list[:0]
	for _, r := range list {
		if n := len(out); n == 0 || out[n-1].last.less(r.first) {
			out = append(out, r)
		}
	}
	return out
}

// subtract returns what of list is not in gone, both sorted and disjoint.
func subtract(list, gone []addrRange) []addrRange {
	var out []addrRange
	for _, r := range list {
		for len(gone) > 0 && gone[0].last.less(r.first) {
			gone = gone[1:] // and before all that follow in list
		}
		for _, g := range gone {
			if r.last.less(g.first) {
				break
			}
			if r.first.less(g.first) {
				out = append(out, addrRange{r.first, g.first.previous()})
			}
			if !g.last.less(r.last) {
				r.first, r.last = addr128{lo: 1}, addr128{} // nothing is left
				break
			}
			r.first = g.last.next()
		}
		if !r.last.less(r.first) {
			out = append(out, r)
		}
	}
	return out
}
