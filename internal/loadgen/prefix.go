package loadgen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Prefix asks for the PTR records of random addresses in a prefix. It takes no
// memory, however large the prefix is.
type Prefix struct {
	prefix netip.Prefix
	seed   uint64
	octets [256]string // octets as labels in wire form
}

// NewPrefix returns the Source of a prefix, whose addresses the seed decides.
func NewPrefix(p netip.Prefix, seed uint64) (*Prefix, error) {
	if !p.IsValid() || p.Addr().Is4In6() {
		return nil, fmt.Errorf("prefix %v has no reverse names; write an IPv4 or IPv6 prefix", p)
	}
	s := &Prefix{prefix: p.Masked(), seed: seed}
	for i := range s.octets {
		text := strconv.Itoa(i)
		s.octets[i] = string(rune(len(text))) + text
	}
	return s, nil
}

func (p *Prefix) cursor(worker, _ int) cursor {
	return &prefixCursor{Prefix: p, rand: rand.NewPCG(p.seed, uint64(worker)), base: p.prefix.Addr().As16()}
}

type prefixCursor struct {
	*Prefix
	rand *rand.PCG
	base [16]byte
}

// appendQuestion appends the reverse name of a random address (RFC 1035 §3.5, RFC 3596 §2.5).
func (c *prefixCursor) appendQuestion(dst []byte) []byte {
	const hex = "0123456789abcdef"
	a := c.address()
	if c.prefix.Addr().Is4() {
		for i := 15; i >= 12; i-- {
			dst = append(dst, c.octets[a[i]]...)
		}
		dst = append(dst, inAddrArpa...)
	} else {
		for i := 15; i >= 0; i-- {
			dst = append(dst, 1, hex[a[i]&15], 1, hex[a[i]>>4])
		}
		dst = append(dst, ip6Arpa...)
	}
	return append(dst, byte(rr.TypePTR>>8), byte(rr.TypePTR))
}

// The wire form of the two trees.
const (
	inAddrArpa = "\x07in-addr\x04arpa\x00"
	ip6Arpa    = "\x03ip6\x04arpa\x00"
)

// address returns a random address of the prefix, in the form of As16.
func (c *prefixCursor) address() [16]byte {
	var word uint64
	a := c.base
	first := c.prefix.Bits() // of the random bits
	if c.prefix.Addr().Is4() {
		first += 96
	}
	for i := 15; i >= first/8; i-- {
		if word <= 0xff { // used up; a 1 goes in front of the bits that are left
			word = c.rand.Uint64() | 1<<63
		}
		b := byte(word)
		word >>= 8
		if i == first/8 {
			b &= 0xff >> (first % 8)
		}
		a[i] |= b
	}
	return a
}

// String returns what is asked, for the report.
func (p *Prefix) String() string { return "random addresses in " + p.prefix.String() }

// longestQuestion is the room that a question may take: a name, its type and class.
const longestQuestion = dname.MaxWire + 4
