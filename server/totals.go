package server

import (
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/stream"
	"github.com/ptrd/ptrd/server/worker"
)

// Totals are the counters of a Server, summed over its workers.
type Totals struct {
	worker.Totals
	stream.ConnTotals
	Deferred deferred.Totals
}

// RateBuckets returns how many buckets the rate limits have, and how many of them
// are not full; none where there are no limits. It reads all of them: 0.1 ms for
// 100,000.
func (s *Server) RateBuckets() (all, used int) {
	v := s.group.Views.Load()
	if v == nil || v.Policy.RateLimit == nil {
		return 0, 0
	}
	return v.Policy.RateLimit.Buckets(s.group.Now().Sub(s.group.Began))
}

// Totals returns the sums. It costs some microseconds and disturbs no worker.
func (s *Server) Totals() Totals {
	var t Totals
	s.group.AddTo(&t.Totals)
	s.conns.AddTo(&t.ConnTotals, &t.Transports)
	s.lane.AddTo(&t.Deferred)
	return t
}
