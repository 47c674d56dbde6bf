package server

import (
	"sync/atomic"
)

// DropReason says why a request got no answer.
type DropReason uint8

// The reasons.
const (
	DropByRespond  DropReason = iota // Respond's verdict; its own counters say more
	DropPortZero                     // UDP from port 0: nothing to answer to
	DropTooLong                      // a datagram longer than any request may be
	DropNotUnicast                   // asked at a broadcast or multicast address: an answer would be one of many
	DropSlowFull                     // deferred, and the slow lane is full
	DropFault                        // answering it panicked
	NumDropReasons
)

func (r DropReason) String() string {
	return [NumDropReasons]string{"respond", "port_zero", "too_long", "not_unicast", "slow_lane_full", "fault"}[r]
}

// SendFailure says why an answer was not sent.
type SendFailure uint8

// The failures.
const (
	SendRefused     SendFailure = iota // an ICMP error or a reset: the client is gone
	SendForbidden                      // a packet filter of this host
	SendNoBuffer                       // the kernel has no room at the moment
	SendUnreachable                    // no route
	SendTooLong                        // larger than the interface takes
	SendTimeout                        // TCP and TLS: the client does not read
	SendOther
	NumSendFailures
)

func (f SendFailure) String() string {
	return [NumSendFailures]string{"refused", "forbidden", "no_buffer", "unreachable", "too_long", "timeout", "other"}[f]
}

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

// TransportTotals count the requests of one transport. The package doc says
// which add up to which.
type TransportTotals struct {
	Received uint64
	Answered uint64 // an answer was made
	Deferred uint64 // handed to the slow lane
	Dropped  [NumDropReasons]uint64
	Unsent   [NumSendFailures]uint64
	// Latency is the time from the arrival of a batch in the process until its
	// answers are handed to the kernel; on TCP and TLS, until they are ready to be.
	Latency Latency
}

// Totals are the counters of a Server, summed over its workers.
type Totals struct {
	Respond       [NumCounters]uint64
	Transports    [numTransports]TransportTotals
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
	Latency Latency

	Transfers        int // of Working: transfers
	TransfersWaiting int // of Working: transfers that wait for their turn
}

// transportCounters are a lane's part of TransportTotals.
type transportCounters struct {
	received, answered, deferred atomic.Uint64
	dropped                      [NumDropReasons]atomic.Uint64
	unsent                       [NumSendFailures]atomic.Uint64
	latency                      histogram
}

func (c *transportCounters) addTo(t *TransportTotals) {
	t.Received += c.received.Load()
	t.Answered += c.answered.Load()
	t.Deferred += c.deferred.Load()
	for i := range c.dropped {
		t.Dropped[i] += c.dropped[i].Load()
	}
	for i := range c.unsent {
		t.Unsent[i] += c.unsent[i].Load()
	}
	c.latency.addTo(&t.Latency)
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
