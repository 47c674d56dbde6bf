package loadgen

import "math/bits"

const second = 1_000_000_000 // ns

// maxRate is a query each nanosecond.
const maxRate = second

// schedule says which queries of the run are one worker's and when they are due.
// Query number n of the run is due n/rate seconds after its start and belongs to
// worker n modulo workers, so that the workers together send evenly.
type schedule struct {
	rate            uint64 // 0: always due
	worker, workers uint64
	count           uint64 // queries of the run; 0 means no bound
	taken           uint64 // queries that this worker has taken
}

// more reports whether the worker has a query left.
func (s *schedule) more() bool {
	return s.count == 0 || s.taken*s.workers+s.worker < s.count
}

// due returns the time, in ns after the start, of the next query of an open loop.
func (s *schedule) due() int64 {
	hi, lo := bits.Mul64(s.taken*s.workers+s.worker, second)
	if hi >= s.rate {
		return 1<<63 - 1
	}
	t, _ := bits.Div64(hi, lo, s.rate)
	return int64(min(t, 1<<63-1))
}

// missed returns how many queries were due before the end, in ns after the start,
// and not taken.
func (s *schedule) missed(end int64) uint64 {
	if s.rate == 0 || end <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(end), s.rate)
	n, rest := bits.Div64(hi, lo, second) // rate is at most second, so the quotient fits
	if rest > 0 {
		n++
	}
	if s.count > 0 {
		n = min(n, s.count)
	}
	if n <= s.worker {
		return 0
	}
	mine := (n - s.worker + s.workers - 1) / s.workers
	return mine - min(mine, s.taken)
}
