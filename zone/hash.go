package zone

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/ptrd/ptrd/zone/dname"
)

// hashKey is a secret of this process. Names and prefixes come from the makers of
// catalogs and, in questions, from anywhere: with a hash that they know, they could
// give all of theirs one place in a table. The order of a table is not seen outside:
// neither chunks nor anything that is written depends on it. It is never changed.
var hashKey = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}

// hashName hashes a name, sixteen octets at a time. Bit 5 is set in every octet, so
// that case does not matter. It makes other octets equal too, which the comparison of
// names tells apart.
func hashName(n dname.Name) uint32 {
	const fold = 0x2020_2020_2020_2020
	h := hashKey[0] ^ uint64(len(n))
	if len(n) < 8 {
		w := uint64(0)
		for _, c := range n {
			w = w<<8 | uint64(c|0x20)
		}
		return uint32(mix(w^hashKey[1], h))
	}
	le := binary.LittleEndian
	last := le.Uint64(n[len(n)-8:]) // words may overlap those before
	if len(n) < 16 {
		return uint32(mix(le.Uint64(n)|fold^hashKey[1], last|fold^h))
	}
	before := le.Uint64(n[len(n)-16:])
	for ; len(n) > 16; n = n[16:] {
		h = mix(le.Uint64(n)|fold^hashKey[1], le.Uint64(n[8:])|fold^h)
	}
	return uint32(mix(before|fold^hashKey[1], last|fold^h))
}

// hash hashes a prefix.
func (p *prefix) hash() uint32 {
	return uint32(mix(p.key.Hi^uint64(p.nibbles)<<8^uint64(p.key.Family)^hashKey[0], p.key.Lo^hashKey[1]))
}

// mix multiplies two words and folds the product. Without knowing one of the factors, which
// words give equal results cannot be predicted, as in wyhash.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
