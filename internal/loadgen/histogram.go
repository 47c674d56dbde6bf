package loadgen

import (
	"math"
	"math/bits"
	"time"
)

// A time lies in one of 2^subBits buckets of equal width for each power of two, so
// that no bucket is wider than 1/128 of the times in it. More would be precision
// that no machine repeats; less could hide a change of some percent.
const subBits = 7

// HistogramError is by how much a quantile can be too high, as a part of it; it is
// never too low.
const HistogramError = 1.0 / (1 << subBits)

// maxTime is the longest time that has a bucket of its own, some 18 minutes in ns.
const maxTime = 1<<40 - 1

const buckets = (40-subBits)<<subBits + 1<<subBits

// Histogram counts times. Quantiles of it are at most HistogramError too high;
// count, sum, least and greatest are exact. The zero value is empty. It has one writer, and
// no reader while that writes.
type Histogram struct {
	counts   [buckets]uint64
	n        uint64
	sum      float64 // ns
	min, max int64   // ns
}

// bucketOf returns the bucket of a time. Times below 256 ns have one each; for
// instance 1,000 ns = 0b1111101000 has three bits too many and goes, shifted by 2
// to 250, into bucket 2<<7 + 250, with 1,001 to 1,003 ns.
func bucketOf(t int64) int {
	shift := max(bits.Len64(uint64(t))-(subBits+1), 0)
	return shift<<subBits + int(t>>shift)
}

// boundOf returns the longest time in bucket i.
func boundOf(i int) int64 {
	shift := max(i>>subBits-1, 0)
	return int64(i-shift<<subBits+1)<<shift - 1
}

// Record counts a time; one below zero counts as zero.
func (h *Histogram) Record(d time.Duration) {
	t := max(int64(d), 0)
	if h.n == 0 || t < h.min {
		h.min = t
	}
	h.max = max(h.max, t)
	h.n++
	h.sum += float64(t)
	h.counts[bucketOf(min(t, maxTime))]++
}

// Merge adds the times of g.
func (h *Histogram) Merge(g *Histogram) {
	if g.n == 0 {
		return
	}
	if h.n == 0 || g.min < h.min {
		h.min = g.min
	}
	h.max = max(h.max, g.max)
	h.n += g.n
	h.sum += g.sum
	for i, c := range g.counts {
		h.counts[i] += c
	}
}

// Count returns how many times were recorded.
func (h *Histogram) Count() uint64 { return h.n }

// Min, Max and Mean are 0 if nothing was recorded.
func (h *Histogram) Min() time.Duration { return time.Duration(h.min) }

// Max returns the longest time.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Mean returns the arithmetic mean.
func (h *Histogram) Mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.n))
}

// Quantile returns the shortest time that at least the part q of all times do not
// exceed, at most HistogramError too high; 0 if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(math.Ceil(q*float64(h.n))), 1)
	var seen uint64
	for i, c := range h.counts {
		if seen += c; seen >= rank && c > 0 {
			// The last bucket also holds times beyond its bound.
			if i == buckets-1 {
				break
			}
			return time.Duration(min(boundOf(i), h.max))
		}
	}
	return h.Max()
}

// octaves calls f for each power of two of nanoseconds up to the longest time,
// beginning with the bucket of the shortest: how many times are below bound and
// not below its half.
func (h *Histogram) octaves(f func(bound int64, n uint64)) {
	if h.n == 0 {
		return
	}
	var sums [41]uint64
	for i, c := range h.counts {
		if c > 0 {
			sums[bits.Len64(uint64(boundOf(i)))] += c
		}
	}
	first, last := bits.Len64(uint64(h.min)), bits.Len64(uint64(min(h.max, maxTime)))
	for k := min(first, last); k <= last; k++ {
		f(1<<k, sums[k])
	}
}
