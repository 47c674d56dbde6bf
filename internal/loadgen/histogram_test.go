package loadgen

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQuantiles compares with sorted samples of random size and spread.
func TestQuantiles(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var h, a, b Histogram
		samples := make([]time.Duration, 1+random.IntN(2000))
		spread := random.Float64() * 39 * math.Ln2
		for i := range samples {
			samples[i] = time.Duration(math.Exp(random.Float64() * spread))
			if random.IntN(20) == 0 {
				samples[i] = 0
			}
			h.Record(samples[i])
			if i%3 == 0 {
				a.Record(samples[i])
			} else {
				b.Record(samples[i])
			}
		}
		a.Merge(&b)
		if a != h {
			t.Fatalf("seed %d: the parts of a histogram do not make it", seed)
		}
		slices.Sort(samples)
		n := len(samples)
		if h.Min() != samples[0] || h.Max() != samples[n-1] || h.Count() != uint64(n) {
			t.Fatalf("seed %d: min %v, max %v, count %d", seed, h.Min(), h.Max(), h.Count())
		}
		for _, q := range []float64{0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1, random.Float64()} {
			exact := samples[max(int(math.Ceil(q*float64(n))), 1)-1]
			got := h.Quantile(q)
			if got < exact || float64(got) > float64(exact)*(1+HistogramError) {
				t.Fatalf("seed %d: quantile %v of %d is %d, exactly %d", seed, q, n, got, exact)
			}
		}
		var sum uint64
		h.octaves(func(bound int64, n uint64) {
			var want uint64
			for _, s := range samples {
				if int64(s) < bound && (int64(s) >= bound/2) {
					want++
				}
			}
			if n != want {
				t.Fatalf("seed %d: %d below %d, want %d", seed, n, bound, want)
			}
			sum += n
		})
		if sum != uint64(n) {
			t.Fatalf("seed %d: the octaves have %d of %d times", seed, sum, n)
		}
	}
}

func TestBuckets(t *testing.T) {
	last := -1
	for _, v := range []int64{0, 1, 127, 128, 255, 256, 257, 258, 1000, 1003, 1004, 1 << 20, maxTime - 1, maxTime} {
		i := bucketOf(v)
		if i < last || i >= buckets || boundOf(i) < v || i > 0 && boundOf(i-1) >= v {
			t.Errorf("%d is in bucket %d, behind %d and up to %d", v, i, boundOf(max(i-1, 0)), boundOf(i))
		}
		last = i
	}
	if got := bucketOf(1000); got != 2<<7+250 || boundOf(got) != 1003 {
		t.Errorf("1000 ns are in bucket %d up to %d ns, the comment says otherwise", got, boundOf(got))
	}
	if bucketOf(maxTime) != buckets-1 {
		t.Errorf("the longest time is in bucket %d of %d", bucketOf(maxTime), buckets)
	}
}

func TestHistogramEnds(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Max() != 0 {
		t.Error("an empty histogram has times")
	}
	h.octaves(func(int64, uint64) { t.Error("an empty histogram has octaves") })
	h.Record(-5)
	h.Record(2 * maxTime)
	if h.Min() != 0 || h.Max() != 2*maxTime || h.Quantile(1) != 2*maxTime || h.Quantile(0.5) != 0 || h.Mean() != maxTime {
		t.Errorf("min %v, max %v, p100 %v, p50 %v, mean %v", h.Min(), h.Max(), h.Quantile(1), h.Quantile(0.5), h.Mean())
	}
}
