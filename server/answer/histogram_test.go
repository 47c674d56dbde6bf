package answer

import (
	"testing"
	"time"
)

func TestLatencyBuckets(t *testing.T) {
	for _, c := range []struct {
		d      time.Duration
		bucket int
	}{
		{-1, 0}, {0, 0}, {1023, 0}, {1024, 1}, {2047, 1}, {2048, 2},
		{time.Second, 20}, {LatencyBound(22) - 1, 22}, {LatencyBound(22), 23}, {time.Hour, 23},
	} {
		var h Histogram
		h.Observe(c.d, 3)
		var l Latency
		h.AddTo(&l)
		if l.Buckets[c.bucket] != 3 || l.Count() != 3 || l.Sum != 3*max(c.d, 0) {
			t.Errorf("%v: %+v, want bucket %d", c.d, l, c.bucket)
		}
		if c.d < LatencyBound(c.bucket) != (c.bucket < LatencyBuckets-1 || c.d < LatencyBound(LatencyBuckets-1)) {
			t.Errorf("%v is not below the bound %v of its bucket", c.d, LatencyBound(c.bucket))
		}
	}
}
