package answer

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"
)

// rateTable has token buckets by the hash of what they count, in memory of fixed size. All
// workers share it: the kernel may distribute the clients of a prefix over all workers, or give
// them all to one, so that a table for each worker with a share of the limit would be wrong.
//
// A bucket is one word: a tag and the time at which it will be full again.
//
//	63        44 43                               0
//	┌───────────┬──────────────────────────────────┐
//	│ tag       │ full at, in ticks of 128 ns      │
//	└───────────┴──────────────────────────────────┘
//
// Using a token of a bucket with r tokens a second adds 1/r seconds to that time. The distance
// from now is what the bucket lacks. For instance, at 100 a second with room for 200 tokens, a
// bucket that is full at now + 1.5 s lacks 150 tokens and has 50. A bucket whose time is past
// is full, which is the same as a missing bucket, so that none has to be removed.
//
// The time wraps in 26 days. After that, an old bucket may for some seconds seem to lack tokens,
// if it belongs to the same client and was not replaced meanwhile.
//
// A hash belongs to one set of four buckets, half a cache line. A new hash replaces the bucket
// that lacks least, so that the empty buckets, which stop a flood, stay until four of them
// share a set. Two clients would share a bucket if set and tag were equal: with 2^15 sets that
// is one pair in 2^35, and the hash has a secret key, so that an attacker cannot search for
// such a pair. If the table is too small for an attack, buckets are lost, and answers are sent
// that should have been limited. No client is limited because of others.
type rateTable struct {
	sets []rateSet
	key  rateKey
}

type rateSet [rateWays]atomic.Uint64

const (
	rateWays     = 4
	rateTimeBits = 44
	rateTimeMask = 1<<rateTimeBits - 1
	rateTickBits = 7 // log2 of the nanoseconds of a tick: 0.2 % off at 100,000 a second

	// rateHorizon is more than any bucket can lack, in ticks: 137 s. A time
	// farther ahead is one of the past.
	rateHorizon = 1 << 30
)

// ticks returns a span in ticks.
func ticks(d time.Duration) uint64 { return uint64(d) >> rateTickBits }

// newRateTable returns a table of at least n buckets.
func newRateTable(n int, seed [32]byte) *rateTable {
	t := &rateTable{sets: make([]rateSet, rateSets(n))}
	for i := range t.key {
		t.key[i] = binary.LittleEndian.Uint64(seed[8*i:])
	}
	return t
}

// rateSets returns how many sets hold n buckets or more: a power of two.
func rateSets(n int) int { return 1 << bits.Len(uint(n-1)/rateWays) }

// fits reports whether the table is what newRateTable would make for n buckets.
func (t *rateTable) fits(n int) bool { return len(t.sets) == rateSets(n) }

// buckets returns how many buckets there are.
func (t *rateTable) buckets() int { return len(t.sets) * rateWays }

// take uses tokens worth cost ticks of the bucket of h, which has room for burst ticks. It
// returns false, and changes nothing, if the bucket has less than one token, of interval ticks.
// now is in ticks.
func (t *rateTable) take(h, now, burst, interval, cost uint64) bool {
	set := &t.sets[h&uint64(len(t.sets)-1)]
	// Tags are equal where the bits that differ are all of the time.
	i, was := 0, set[0].Load()
	if was^h > rateTimeMask {
		i, was = 1, set[1].Load()
		if was^h > rateTimeMask {
			i, was = 2, set[2].Load()
			if was^h > rateTimeMask {
				i, was = 3, set[3].Load()
			}
		}
	}
	lack := lackOf(was, now)
	if was^h > rateTimeMask {
		if i, was = set.emptiest(now, h); was^h <= rateTimeMask {
			return t.take(h, now, burst, interval, cost) // another worker has put it there
		}
		lack = 0
	} else if lack+interval > burst {
		return false
	}
	if !set[i&(rateWays-1)].CompareAndSwap(was, h&^rateTimeMask|(now+lack+cost)&rateTimeMask) {
		return t.take(h, now, burst, interval, cost) // another worker was faster
	}
	return true
}

// emptiest returns the number of the bucket that lacks least, and its content; or
// that of h, which was not there a moment ago.
func (s *rateSet) emptiest(now, h uint64) (best int, content uint64) {
	least := uint64(rateTimeMask)
	for i := range s {
		b := s[i].Load()
		if b^h <= rateTimeMask {
			return i, b
		}
		if lack := lackOf(b, now); lack < least {
			best, content, least = i, b, lack
		}
	}
	return best, content
}

// lackOf returns what the bucket lacks, in ticks. A bucket that was never used is full, also
// when the time is about to wrap.
func lackOf(b, now uint64) uint64 {
	lack := (b - now) & rateTimeMask
	if lack > rateHorizon || b == 0 {
		return 0
	}
	return lack
}

// used returns how many buckets are not full.
func (t *rateTable) used(now uint64) (n int) {
	for i := range t.sets {
		for k := range t.sets[i] {
			if lackOf(t.sets[i][k].Load(), now) > 0 {
				n++
			}
		}
	}
	return n
}

// rateKey is the key of the hash: folded 64-bit products with secrets in their factors. It takes
// some twenty instructions, SipHash a hundred. It is sufficient, because hashes are never
// visible, and an attacker who found a collision could only make one prefix use the tokens of
// another until the next restart.
type rateKey [4]uint64

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// sum returns the hash of a prefix and of what else distinguishes buckets.
func (k *rateKey) sum(prefix, what uint64) uint64 {
	return fold(fold(prefix^k[0], what^k[1])^k[2], k[3])
}
