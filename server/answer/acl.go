package answer

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// ACL is an access list by prefix. The zero value allows all addresses. It is immutable.
type ACL struct {
	restricted bool
	all        bool // all addresses that are not in deny are allowed
	allow      prefixSet
	deny       prefixSet
}

// NewACL returns the list that allows the addresses in allow, or all if that is empty, except
// those in deny. A prefix of IPv6 does not match IPv4 addresses, `::/0` included.
func NewACL(allow, deny []netip.Prefix) ACL {
	return ACL{
		restricted: len(allow)+len(deny) > 0, all: len(allow) == 0,
		allow: newPrefixSet(allow), deny: newPrefixSet(deny),
	}
}

// Allows reports whether the address is allowed. An IPv4 address mapped into IPv6 counts as
// IPv4.
func (l *ACL) Allows(a netip.Addr) bool { return !l.restricted || l.allows(a) }

func (l *ACL) allows(a netip.Addr) bool {
	return (l.all || l.allow.contains(a)) && !l.deny.contains(a)
}

// prefixSet is a set of prefixes. They are compiled into sorted, disjoint ranges, so that a
// lookup costs one binary search.
type prefixSet struct{ v4, v6 []addrRange }

// addrRange is the addresses from first to last, both included.
type addrRange struct{ first, last addr128 }

// addr128 is an address as a number; an IPv4 address is a small one.
type addr128 struct{ hi, lo uint64 }

func (a addr128) less(b addr128) bool {
	return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo
}

func (a addr128) compare(b addr128) int {
	return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo))
}

// contains reports whether the address is in one of the prefixes.
func (s *prefixSet) contains(a netip.Addr) bool {
	if len(s.v4)+len(s.v6) == 0 {
		return false
	}
	n, is4 := number(a)
	list := s.v6
	if is4 {
		list = s.v4
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

// number returns the address as a number, and whether it is an IPv4 address.
func number(a netip.Addr) (n addr128, is4 bool) {
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		return addr128{lo: uint64(binary.BigEndian.Uint32(b[:]))}, true
	}
	b := a.As16()
	return addr128{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}, false
}

// newPrefixSet returns the set of the valid prefixes. Of two that overlap, one contains the
// other.
func newPrefixSet(prefixes []netip.Prefix) (s prefixSet) {
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
			s.v4 = append(s.v4, r)
		} else {
			s.v6 = append(s.v6, r)
		}
	}
	return prefixSet{disjoint(s.v4), disjoint(s.v6)}
}

// hostMask returns the number whose low n bits are set.
func hostMask(n int) addr128 {
	if n > 64 {
		return addr128{1<<(n-64) - 1, ^uint64(0)}
	}
	return addr128{lo: 1<<n - 1}
}

// disjoint sorts the ranges and removes those that others contain.
func disjoint(list []addrRange) []addrRange {
	slices.SortFunc(list, func(a, b addrRange) int {
		// Of two that begin at the same address, the larger one is first.
		return cmp.Or(a.first.compare(b.first), b.last.compare(a.last))
	})
	out := list[:0]
	for _, r := range list {
		if n := len(out); n == 0 || out[n-1].last.less(r.first) {
			out = append(out, r)
		}
	}
	return out
}
