package synth

import (
	"encoding/binary"
	"net/netip"

	"github.com/ptrd/ptrd/zone/siphash"
)

// KeySize is the length of the key of a permutation in octets.
const KeySize = siphash.Size

// permutation is a permutation of numbers of some bits, which depends on a key. It is a
// Feistel network with SipHash as its round function; the two halves differ by one bit where
// their number is odd (as in FF1 of NIST SP 800-38G).
type permutation struct {
	key         siphash.Key
	upper, down int // bits of the two halves
	rounds      uint64
}

// newPermutation returns the permutation for the host part of the prefix. Prefixes with the
// same key have permutations that have nothing to do with each other.
func newPermutation(key []byte, p netip.Prefix) *permutation {
	width := p.Addr().BitLen() - p.Bits()
	base := siphash.New(key)
	context := append(p.Addr().AsSlice(), byte(p.Bits()))
	var own [siphash.Size]byte
	binary.LittleEndian.PutUint64(own[:8], base.Sum(append(context, 0)))
	binary.LittleEndian.PutUint64(own[8:], base.Sum(append(context, 1)))
	q := &permutation{key: siphash.New(own[:]), upper: width / 2, down: width - width/2, rounds: 12}
	if width < 32 {
		q.rounds = 32 // Halves of a few bits mix slowly.
	}
	return q
}

// round is the round function.
func (p *permutation) round(i, half uint64) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], half)
	binary.LittleEndian.PutUint64(b[8:], i)
	return p.key.Sum(b[:])
}

// mask returns the bits of the half that round i changes.
func (p *permutation) mask(i uint64) uint64 {
	if i%2 == 0 {
		return uint64(1)<<p.upper - 1
	}
	return uint64(1)<<p.down - 1
}

func (p *permutation) apply(n number) number {
	a, b := n.right(p.down).lo, n.lo&p.mask(1)
	for i := range p.rounds {
		a, b = b, (a^p.round(i, b))&p.mask(i)
	}
	return number{lo: a}.left(p.down).or(number{lo: b})
}

func (p *permutation) invert(n number) number {
	a, b := n.right(p.down).lo, n.lo&p.mask(1)
	for i := p.rounds; i > 0; i-- {
		a, b = (b^p.round(i-1, a))&p.mask(i-1), a
	}
	return number{lo: a}.left(p.down).or(number{lo: b})
}
