package dataset

import (
	"math/bits"
	"strconv"
)

// shuffle16 and unshuffle16 put 65,536 numbers in a mixed order and back: an odd
// factor modulo a power of two has an inverse.
func shuffle16(i int) int   { return (i*factor16 + 12345) & 0xffff }
func unshuffle16(n int) int { return (n - 12345) * inverse16 & 0xffff }

const (
	factor16  = 40503 // odd, near 2^16 divided by the golden ratio: neighbours land far apart
	inverse16 = 30599 // factor16 times it is 1 modulo 2^16; a test multiplies
)

// shuffle8 does the same for the addresses of a network, in an order of its own
// for each network; unshuffle8 is its inverse.
func shuffle8(network, i int) int {
	h := int(hash(uint64(network)))
	return (i*factor8 + h) & 0xff
}

func unshuffle8(network, n int) int {
	h := int(hash(uint64(network)))
	return (n - h) * inverse8 & 0xff
}

const (
	factor8  = 167
	inverse8 = 23 // see inverse16
)

const (
	apexV4 = "10.in-addr.arpa"
	apexV6 = "8.b.d.0.1.0.0.2.ip6.arpa"
)

// v4: record i is address i%per of network i/per, both in mixed order.
type v4 struct{ n, per int }

func newV4(n int) v4 {
	if n > 1<<16*200 {
		return v4{n, 256}
	}
	return v4{n, 200}
}

func (s v4) at(i int) address {
	net := shuffle16(i / s.per)
	return v4Address(10<<24 | uint32(net)<<8 | uint32(shuffle8(net, i%s.per)))
}

func (s v4) has(a address) bool {
	net := int(a.lo >> 8 & 0xffff)
	k := unshuffle8(net, int(a.lo&0xff))
	return k < s.per && unshuffle16(net)*s.per+k < s.n
}

func (s v4) zones(f func(z *Zone)) {
	f(&Zone{apexV4, func(f func(owner []byte, a address)) {
		var buf []byte
		for i := range s.n {
			a := s.at(i)
			buf = a.appendLabels(buf[:0], 3)
			f(buf, a)
		}
	}})
}

func (s v4) present(r *random) address { return s.at(r.below(s.n)) }

// missing returns, in turn about, a free address of a used network and one from
// anywhere. A /8 that is full has none: its neighbour 11/8 is asked for then.
func (s v4) missing(r *random) address {
	for range 1000 {
		a := v4Address(10<<24 | uint32(r.below(1<<24)))
		if r.below(2) == 0 {
			a = s.at(r.below(s.n))
			a.lo = a.lo&^0xff | uint64(r.below(256))
		}
		if !s.has(a) {
			return a
		}
	}
	return v4Address(11<<24 | uint32(r.below(1<<24)))
}

// v6: record i is address i%50 of network i/50; the networks are 0 to 3 of
// customers in mixed order.
type v6 struct{ n int }

const (
	perV6    = 50
	smallIDs = 4096 // small numbers, from 1, that are given to addresses
)

func v6Net(m int) uint64 {
	return 0x20010db8<<32 | uint64(shuffle16(m/4))<<16 | uint64(m%4)
}

// v6ID returns the interface identifier of address k of a network. Those with k of
// perV6 and more belong to no record.
func v6ID(net uint64, k int) uint64 {
	h := hash(net, uint64(k))
	switch k % 4 {
	case 0: // EUI-64 of a MAC address
		return h&0x00ffff0000ffffff | 0x020000fffe000000
	case 1:
		return h | 1<<63 // never a small number
	}
	// A factor prime to their count gives each number once.
	return 1 + (uint64(k)*2731+hash(net))%smallIDs
}

func (s v6) at(i int) address {
	net := v6Net(i / perV6)
	return address{hi: net, lo: v6ID(net, i%perV6), v6: true}
}

func (s v6) zones(f func(z *Zone)) {
	f(&Zone{apexV6, func(f func(owner []byte, a address)) {
		var buf []byte
		for i := range s.n {
			a := s.at(i)
			buf = a.appendLabels(buf[:0], 24)
			f(buf, a)
		}
	}})
}

func (s v6) present(r *random) address { return s.at(r.below(s.n)) }

// missing returns three times in four a free address of a used network, else one
// of a network of the /32 that may not be used.
func (s v6) missing(r *random) address {
	net := v6Net(r.below((s.n + perV6 - 1) / perV6))
	if r.below(4) == 0 {
		net = 0x20010db8<<32 | uint64(r.below(1<<16))<<16 | uint64(4+r.below(1<<16-4))
	}
	return address{hi: net, lo: v6ID(net, perV6+r.below(smallIDs-perV6)), v6: true}
}

// many: zone j is a /24 of 1.0.0.0 to 223.255.255.0.
type many struct{ n int }

const networks = 223 << 16

// network returns the /24 of zone j, as an address.
func (s many) network(j int) uint32 {
	// The factor is prime to networks, so that each comes once.
	hi, lo := bits.Mul64(uint64(j), 9_030_841)
	_, rest := bits.Div64(hi, lo, networks)
	return uint32(rest)<<8 + 1<<24
}

// size returns how many records a zone has.
func (s many) size(net uint32) int { return 20 + int(hash(uint64(net), 1)%61) }

func (s many) at(net uint32, k int) address {
	return v4Address(net | uint32(shuffle8(int(net>>8), k)))
}

func (s many) zones(f func(z *Zone)) {
	for j := range s.n {
		net := s.network(j)
		apex := string(v4Address(net>>8).appendLabels(nil, 3)) + ".in-addr.arpa"
		f(&Zone{apex, func(f func(owner []byte, a address)) {
			var buf []byte
			for k := range s.size(net) {
				a := s.at(net, k)
				buf = a.appendLabels(buf[:0], 1)
				f(buf, a)
			}
		}})
	}
}

func (s many) present(r *random) address {
	net := s.network(r.below(s.n))
	return s.at(net, r.below(s.size(net)))
}

func (s many) missing(r *random) address {
	net := s.network(r.below(s.n))
	n := s.size(net)
	return s.at(net, n+r.below(256-n))
}

// The ranges of the sets made4 and made6, each a half of the zone.
const (
	Made4 = "10.0.0.0/9"
	Made6 = "2001:db8::/33"
)

// made is the part of another shape that is in Made4 or Made6, with names made of the address.
type made struct{ shape }

// half returns the bit that addresses of the other half have.
func (a *address) half() (word *uint64, bit uint64) {
	if a.v6 {
		return &a.hi, 1 << 31
	}
	return &a.lo, 1 << 23
}

func (s made) zones(f func(z *Zone)) {
	s.shape.zones(func(z *Zone) {
		f(&Zone{z.Apex, func(f func(owner []byte, a address)) {
			z.Records(func(owner []byte, a address) {
				if word, bit := a.half(); *word&bit == 0 {
					a.made = true
					f(owner, a)
				}
			})
		}})
	})
}

func (s made) present(r *random) address {
	for {
		a := s.shape.present(r)
		if word, bit := a.half(); *word&bit == 0 {
			a.made = true
			return a
		}
	}
}

func (s made) missing(r *random) address {
	a := s.present(r)
	word, bit := a.half()
	*word |= bit
	return a
}

// address is an address of either family.
type address struct {
	hi, lo uint64
	v6     bool
	made   bool // its name is made of it
}

func v4Address(ip uint32) address { return address{lo: uint64(ip)} }

const hexDigits = "0123456789abcdef"

// appendLabels appends the first n labels of the reverse name.
func (a address) appendLabels(b []byte, n int) []byte {
	for i := range n {
		if i > 0 {
			b = append(b, '.')
		}
		switch {
		case !a.v6:
			b = strconv.AppendUint(b, a.lo>>(8*i)&255, 10)
		case i < 16:
			b = append(b, hexDigits[a.lo>>(4*i)&15])
		default:
			b = append(b, hexDigits[a.hi>>(4*(i-16))&15])
		}
	}
	return b
}

// reverse returns the whole reverse name.
func (a address) reverse() string {
	if a.v6 {
		return string(append(a.appendLabels(nil, 32), ".ip6.arpa"...))
	}
	return string(append(a.appendLabels(nil, 4), ".in-addr.arpa"...))
}
