package server

import "github.com/ptrd/ptrd/server/answer"

// CloseReason says why a connection of TCP or TLS ended.
type CloseReason uint8

// The reasons.
const (
	CloseByClient    CloseReason = iota // the client closed or reset it
	CloseIdle                           // no query in time, and no part of one
	CloseSlowQuery                      // a query, or a TLS handshake, begun and not delivered in time
	CloseSlowReader                     // an answer not taken in time
	CloseProtocol                       // what came was no request
	CloseShed                           // its place was needed, and it had made no progress for longest
	CloseTotalLimit                     // refused: too many connections, and the slow lane works for each
	CloseClientLimit                    // refused: too many of this client
	CloseStop                           // the address was removed or the server stops
	CloseFault                          // answering a message of it panicked
	CloseHandshake                      // the two sides of a TLS handshake did not agree
	NumCloseReasons
)

func (r CloseReason) String() string {
	return [NumCloseReasons]string{"client", "idle", "slow_query", "slow_reader", "protocol", "shed", "total_limit", "client_limit", "stop", "fault", "handshake"}[r]
}

// Totals are the counters of a Server, summed over its workers.
type Totals struct {
	Respond       [answer.NumCounters]uint64
	Transports    [answer.NumTransports]answer.TransportTotals
	KernelDropped uint64 // datagrams that overflowed a socket's receive buffer
	Accepted      uint64 // connections of TCP and TLS
	Open          int
	Closed        [NumCloseReasons]uint64
	AcceptErrors  uint64
	Slow          SlowTotals
	Faults        uint64 // panics beyond those of single requests
	LogLost       uint64 // sampled queries that the log was too slow for
}

// SlowTotals count what the slow lane does.
type SlowTotals struct {
	Waiting int // in the queue
	Working int // in the hands of a worker
	Done    uint64
	Replies uint64 // messages made; a transfer is many
	Unsent  uint64 // of Replies: messages that were not sent
	Full    uint64 // requests turned away because the queue was full
	Latency answer.Latency

	Transfers        int // of Working: transfers
	TransfersWaiting int // of Working: transfers that wait for their turn
}

// RateBuckets returns how many buckets the rate limits have, and how many of them
// are not full; none where there are no limits. It reads all of them: 0.1 ms for
// 100,000.
func (s *Server) RateBuckets() (all, used int) {
	v := s.views.Load()
	if v == nil || v.Policy.RateLimit == nil {
		return 0, 0
	}
	return v.Policy.RateLimit.Buckets(s.now().Sub(s.began))
}

// Totals returns the sums. It costs some microseconds and disturbs no worker.
func (s *Server) Totals() Totals {
	var t Totals
	s.lanes.addTo(&t)
	s.conns.addTo(&t)
	s.slow.addTo(&t)
	t.Faults = s.faults.count.Load()
	t.LogLost = s.queryLog.lost.Load()
	return t
}
