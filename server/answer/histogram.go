package answer

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// LatencyBuckets is the number of buckets of a Latency.
const LatencyBuckets = 24

// Latency is a histogram of times. Bucket i counts those below LatencyBound(i)
// that are in no lower bucket; the last one counts the longer ones as well.
type Latency struct {
	Buckets [LatencyBuckets]uint64
	Sum     time.Duration // of all times
}

// LatencyBound returns the upper bound of bucket i: 1024 ns times 2 to the i, up
// to 8.6 s. A factor of two is fine enough to see a change that matters, and the
// bucket is found by the position of a bit.
func LatencyBound(i int) time.Duration { return 1024 << i }

// Count returns how many times were observed.
func (l *Latency) Count() uint64 {
	var n uint64
	for _, b := range l.Buckets {
		n += b
	}
	return n
}

// Histogram is a Latency in the making. It has one writer.
type Histogram struct {
	buckets [LatencyBuckets]atomic.Uint64
	sum     atomic.Uint64 // nanoseconds
}

// Observe counts n requests that took d each: the requests of a batch are sent together and
// have the same time.
func (h *Histogram) Observe(d time.Duration, n int) {
	if n == 0 {
		return
	}
	d = max(d, 0)
	i := min(bits.Len64(uint64(d)>>10), LatencyBuckets-1)
	h.buckets[i].Add(uint64(n))
	h.sum.Add(uint64(d) * uint64(n))
}

func (h *Histogram) AddTo(l *Latency) {
	for i := range h.buckets {
		l.Buckets[i] += h.buckets[i].Load()
	}
	l.Sum += time.Duration(h.sum.Load())
}
