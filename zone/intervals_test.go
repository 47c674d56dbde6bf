package zone

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The owner of an address is the longest range that holds it, for ranges as they come: nested, next
// to each other, all in one corner, at both ends of all addresses.
func TestIntervals(t *testing.T) {
	type ranged struct {
		at   addressKey
		bits int
	}
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() uint64 {
		return [...]uint64{0, ^uint64(0), rng.Uint64(), rng.Uint64() & rng.Uint64() & rng.Uint64(), 0x20010db8 << 32}[rng.IntN(5)]
	}
	for range 300 {
		var list []ranged
		shared := addressKey{word(), word()}
		common := rng.IntN(129)
		for range 1 + rng.IntN(200) {
			a := addressKey{word(), word()}
			if rng.IntN(10) > 0 {
				rest := a.firstBits(common)
				a = shared.firstBits(common).or(addressKey{a.hi ^ rest.hi, a.lo ^ rest.lo})
			}
			bits := rng.IntN(129)
			if rng.IntN(2) == 0 {
				bits = min(common+rng.IntN(20), 128)
			}
			r := ranged{a.firstBits(bits), bits}
			if !slices.Contains(list, r) {
				list = append(list, r)
			}
		}
		slices.SortFunc(list, func(a, b ranged) int {
			switch {
			case a.at.isBefore(b.at):
				return -1
			case b.at.isBefore(a.at):
				return 1
			}
			return a.bits - b.bits
		})
		var v intervals
		for i, r := range list {
			v.add(r.at, r.bits, i)
		}
		v.finish()
		check := func(k addressKey) {
			want, longest := none, -1
			for i, r := range list {
				if k.firstBits(r.bits) == r.at && r.bits > longest {
					want, longest = i, r.bits
				}
			}
			if got := v.owner(k); got != want {
				t.Fatalf("%x: %d, want %d, of %v", k, got, want, list)
			}
			bits := rng.IntN(129)
			overlaps := slices.ContainsFunc(list, func(r ranged) bool {
				return r.at.firstBits(bits) == k.firstBits(bits) || k.firstBits(min(bits, r.bits)) == r.at
			})
			if got := v.overlap(k.firstBits(bits), bits); got != overlaps {
				t.Fatalf("%x/%d overlaps: %v, want %v, of %v", k, bits, got, overlaps, list)
			}
		}
		for _, r := range list {
			last := r.at.last(r.bits)
			check(r.at)
			check(last)
			if next, ok := last.next(); ok {
				check(next)
			}
			check(addressKey{r.at.hi - 1 + min(r.at.lo, 1), r.at.lo - 1})
			check(r.at.or(addressKey{word(), word()}))
		}
		for range 20 {
			check(addressKey{word(), word()})
		}
		if size := len(v.table); size > 64*len(v.starts) {
			t.Errorf("%d entries for %d starts", size, len(v.starts))
		}
	}
}

func (a addressKey) or(b addressKey) addressKey { return addressKey{a.hi | b.hi, a.lo | b.lo} }
