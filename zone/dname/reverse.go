package dname

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The two trees of reverse names (RFC 1035 §3.5, RFC 3596 §2.5).
const (
	inAddrArpa = "\x07in-addr\x04arpa\x00"
	ip6Arpa    = "\x03ip6\x04arpa\x00"

	// HexDigits are the digits of nibble labels, as ptrd writes them.
	HexDigits = "0123456789abcdef"
)

// IP6Arpa returns ip6.arpa.
func IP6Arpa() Name { return Name(ip6Arpa) }

// OctetLabel returns the value of a label that is an octet of an IPv4 reverse
// name: decimal, 0 to 255, without leading zeros (`01` and `256` are not).
func OctetLabel(label []byte) (v byte, ok bool) {
	switch len(label) {
	case 1:
		if c := label[0] - '0'; c <= 9 {
			return c, true
		}
	case 2:
		a, b := label[0]-'0', label[1]-'0'
		if a-1 < 9 && b <= 9 {
			return a*10 + b, true
		}
	case 3:
		a, b, c := label[0]-'0', label[1]-'0', label[2]-'0'
		if a-1 < 2 && b <= 9 && c <= 9 {
			if n := int(a)*100 + int(b)*10 + int(c); n <= 255 {
				return byte(n), true
			}
		}
	}
	return 0, false
}

// NibbleLabel returns the value of a label that is a nibble of an IPv6 reverse
// name: one hexadecimal digit, in either case (RFC 3596 §2.5, RFC 4343).
func NibbleLabel(label []byte) (v byte, ok bool) {
	if len(label) != 1 {
		return 0, false
	}
	v = Nibble(label[0])
	return v & 15, v <= 15
}

// Nibble returns the nibble that an octet is the hexadecimal digit of, in either case;
// 0xf0 if it is none.
func Nibble(c byte) byte { return nibbles[c] }

var nibbles = func() (t [256]byte) {
	for c := range t {
		t[c] = 0xf0
	}
	for v := range byte(16) {
		t[HexDigits[v]] = v
		t[upper(HexDigits[v])] = v
	}
	return t
}()

func upper(c byte) byte {
	if c >= 'a' {
		c -= 'a' - 'A'
	}
	return c
}

// Family is the reverse tree that a name lies in.
type Family uint8

// The families of Tree.
const (
	Forward Family = iota // in neither tree
	InAddr                // at or below in-addr.arpa
	IP6                   // at or below ip6.arpa
)

// IsForward reports whether n lies in neither reverse tree.
func (n Name) IsForward() bool {
	family, _, _ := Tree(n)
	return family == Forward
}

// Tree returns the reverse tree that n lies in and how many labels below the
// tree's apex are octets or nibbles without a gap, counted from the apex; rest
// is the number of labels above (left of) those.
func Tree(n Name) (f Family, address, rest int) {
	var o [MaxLabels + 1]uint8
	total := Offsets(n, &o)
	if total < 2 {
		return Forward, 0, total
	}
	switch apex := n[o[total-2]:]; {
	case apex.Equal(Name(inAddrArpa)):
		f = InAddr
	case apex.Equal(Name(ip6Arpa)):
		f = IP6
	default:
		return Forward, 0, total
	}
	limit := 4
	if f == IP6 {
		limit = 32
	}
	i := total - 3 // index of the label just below the apex
	for ; i >= 0 && address < limit; i-- {
		label := n[o[i]:].Label()
		ok := false
		if f == InAddr {
			_, ok = OctetLabel(label)
		} else {
			_, ok = NibbleLabel(label)
		}
		if !ok {
			break
		}
		address++
	}
	return f, address, total - 2 - address
}

// FromAddr returns the reverse name of an address (RFC 1035 §3.5, RFC 3596
// §2.5). A 4-in-6 mapped address counts as IPv4.
func FromAddr(a netip.Addr) Name {
	a = a.Unmap()
	n, _ := FromPrefix(netip.PrefixFrom(a, a.BitLen()))
	return n
}

// FromPrefix returns the reverse name of a prefix on an octet (IPv4) or nibble
// (IPv6) boundary; ok is false for any other length. Host bits are ignored.
func FromPrefix(p netip.Prefix) (n Name, ok bool) {
	if !p.IsValid() || p.Bits()%Step(p) != 0 {
		return nil, false
	}
	n = make(Name, 0, 74)
	b := p.Addr().AsSlice()
	if p.Addr().Is4() {
		for i := p.Bits()/8 - 1; i >= 0; i-- {
			s := strconv.Itoa(int(b[i]))
			n = append(append(n, byte(len(s))), s...)
		}
		return append(n, inAddrArpa...), true
	}
	for i := p.Bits()/4 - 1; i >= 0; i-- {
		n = append(n, 1, HexDigits[b[i/2]>>(4*(1-i%2))&15])
	}
	return append(n, ip6Arpa...), true
}

// Step returns the number of bits between two boundaries on which p's family
// has names: 8 for IPv4, 4 for IPv6.
func Step(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 8
	}
	return 4
}

// ToPrefix returns the prefix that a reverse name stands for: all of its labels
// below in-addr.arpa or ip6.arpa are octets or nibbles. ok is false for every
// other name, classless ones (RFC 2317) among them.
func ToPrefix(n Name) (p netip.Prefix, ok bool) {
	f, address, rest := Tree(n)
	if f == Forward || rest != 0 {
		return netip.Prefix{}, false
	}
	if f == InAddr {
		var a [4]byte
		for i := address - 1; i >= 0; i, n = i-1, n.Parent() {
			a[i], _ = OctetLabel(n.Label())
		}
		return netip.PrefixFrom(netip.AddrFrom4(a), address*8), true
	}
	var a [16]byte
	for i := address - 1; i >= 0; i, n = i-1, n.Parent() {
		v, _ := NibbleLabel(n.Label())
		a[i/2] |= v << (4 * (1 - i%2))
	}
	return netip.PrefixFrom(netip.AddrFrom16(a), address*4), true
}

// ToAddr returns the address of a complete reverse name: four octets or 32
// nibbles, nothing else in front.
func ToAddr(n Name) (netip.Addr, bool) {
	p, ok := ToPrefix(n)
	if !ok || !p.IsSingleIP() {
		return netip.Addr{}, false
	}
	return p.Addr(), true
}

// Split returns the prefixes on octet or nibble boundaries that together make
// up p, in ascending order: p itself where it is on one, else the next longer
// boundary's (a /22 gives four /24, a /46 four /48). Host bits are cleared. At
// most 128 come back.
func Split(p netip.Prefix) []netip.Prefix {
	p = p.Masked()
	step := Step(p)
	bits := (p.Bits() + step - 1) / step * step
	count := 1 << (bits - p.Bits())
	out := make([]netip.Prefix, 0, count)
	for i := range count {
		a := p.Addr().AsSlice()
		// the varying bits lie within one octet: below bit position bits
		a[(max(bits, 1)-1)/8] |= byte(i << ((8 - bits%8) % 8))
		addr, _ := netip.AddrFromSlice(a)
		out = append(out, netip.PrefixFrom(addr, bits))
	}
	return out
}

// Boundary returns the longest prefix on an octet or nibble boundary that
// contains p (a /26 gives its /24, a /46 its /44).
func Boundary(p netip.Prefix) netip.Prefix {
	step := Step(p)
	return netip.PrefixFrom(p.Addr(), p.Bits()/step*step).Masked()
}

// IsClassless reports whether p is a part of an IPv4 /24 that has no name of
// its own: /25 to /31 (RFC 2317).
func IsClassless(p netip.Prefix) bool {
	return p.IsValid() && p.Addr().Is4() && p.Bits() > 24 && p.Bits() < 32
}

// Style is a way to name a classless part of a /24.
type Style uint8

// The styles: `64-127`, which RIPE takes; `64/26` of RFC 2317 §4; `64-26` of
// RFC 4183.
const (
	Range Style = iota
	Slash
	RFC4183
)

// ParseStyle reads `range`, `slash` or `rfc4183`.
func ParseStyle(s string) (Style, bool) {
	switch s {
	case "range":
		return Range, true
	case "slash":
		return Slash, true
	case "rfc4183":
		return RFC4183, true
	}
	return 0, false
}

func (s Style) String() string { return [...]string{"range", "slash", "rfc4183"}[s] }

// ClasslessLabel returns the label of a classless prefix in the given style. It
// panics if the prefix is not a classless one.
func ClasslessLabel(p netip.Prefix, s Style) string {
	if !IsClassless(p) {
		panic(fmt.Sprintf("dname: %v is not a classless prefix", p))
	}
	first := int(p.Masked().Addr().As4()[3])
	switch s {
	case Slash:
		return fmt.Sprintf("%d/%d", first, p.Bits())
	case RFC4183:
		return fmt.Sprintf("%d-%d", first, p.Bits())
	}
	return fmt.Sprintf("%d-%d", first, first+1<<(32-p.Bits())-1)
}

// FromClassless returns the name of a classless prefix: its label in the given
// style under the name of its /24.
func FromClassless(p netip.Prefix, s Style) Name {
	parent, _ := FromPrefix(Boundary(p))
	n, _ := parent.Prepend([]byte(ClasslessLabel(p, s)))
	return n
}

// ToClassless returns the prefix that a classless name stands for, in any of
// the styles (`_` is taken for `/` too), read as a range where it could be
// both; ok is false for every other name, free labels among them.
func ToClassless(n Name) (p netip.Prefix, ok bool) {
	if n.IsRoot() {
		return p, false
	}
	parent, ok := ToPrefix(n.Parent())
	if !ok || !parent.Addr().Is4() || parent.Bits() != 24 {
		return netip.Prefix{}, false
	}
	label := string(n.Label())
	i := strings.IndexAny(label, "-/_")
	if i < 0 {
		return netip.Prefix{}, false
	}
	a, ok1 := OctetLabel([]byte(label[:i]))
	b, ok2 := OctetLabel([]byte(label[i+1:]))
	if !ok1 || !ok2 {
		return netip.Prefix{}, false
	}
	base := parent.Addr().As4()
	base[3] = a
	addr := netip.AddrFrom4(base)
	if label[i] == '-' {
		for bits := 25; bits < 32; bits++ {
			if p = netip.PrefixFrom(addr, bits); p.Masked() == p && int(a)+1<<(32-bits)-1 == int(b) {
				return p, true
			}
		}
	}
	if b > 24 && b < 32 {
		if p = netip.PrefixFrom(addr, int(b)); p.Masked() == p {
			return p, true
		}
	}
	return netip.Prefix{}, false
}
