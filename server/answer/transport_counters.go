package answer

import (
	"sync/atomic"
)

// DropReason is why a request got no answer.
type DropReason uint8

// The reasons.
const (
	DropByRespond    DropReason = iota // Respond's verdict; its counters have the reason
	DropPortZero                       // UDP from port 0: nothing to answer to
	DropTooLong                        // a datagram longer than any request may be
	DropNotUnicast                     // asked at a broadcast or multicast address: an answer would be one of many
	DropDeferredFull                   // deferred, and the deferred lane is full
	DropFault                          // answering it panicked
	NumDropReasons
)

func (r DropReason) String() string {
	return [NumDropReasons]string{"respond", "port_zero", "too_long", "not_unicast", "slow_lane_full", "fault"}[r]
}

// SendFailure is why an answer was not sent.
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

// TransportTotals count the requests of one transport. The package doc has the sums.
type TransportTotals struct {
	Received uint64
	Answered uint64 // an answer was made
	Deferred uint64 // handed to the deferred lane
	Dropped  [NumDropReasons]uint64
	Unsent   [NumSendFailures]uint64
	// Latency is the time from the arrival of a batch in the process until its
	// answers are handed to the kernel; on TCP and TLS, until they are ready to be.
	Latency Latency
}

// TransportStats are the part of a worker in TransportTotals.
type TransportStats struct {
	Received, Answered, Deferred atomic.Uint64
	Dropped                      [NumDropReasons]atomic.Uint64
	Unsent                       [NumSendFailures]atomic.Uint64
	Latency                      Histogram
}

func (c *TransportStats) AddTo(t *TransportTotals) {
	t.Received += c.Received.Load()
	t.Answered += c.Answered.Load()
	t.Deferred += c.Deferred.Load()
	for i := range c.Dropped {
		t.Dropped[i] += c.Dropped[i].Load()
	}
	for i := range c.Unsent {
		t.Unsent[i] += c.Unsent[i].Load()
	}
	c.Latency.AddTo(&t.Latency)
}

// CloseReason is why a connection of TCP or TLS ended.
type CloseReason uint8

// The reasons.
const (
	CloseByClient    CloseReason = iota // the client closed or reset it
	CloseIdle                           // no query in time, and no part of one
	CloseSlowQuery                      // a query, or a TLS handshake, begun and not delivered in time
	CloseSlowReader                     // an answer not taken in time
	CloseProtocol                       // what came was no request
	CloseShed                           // its place was needed, and it had made no progress for longest
	CloseTotalLimit                     // refused: too many connections, and the deferred lane works for each
	CloseClientLimit                    // refused: too many of this client
	CloseStop                           // the address was removed or the server stops
	CloseFault                          // answering a message of it panicked
	CloseHandshake                      // the two sides of a TLS handshake did not agree
	NumCloseReasons
)

func (r CloseReason) String() string {
	return [NumCloseReasons]string{"client", "idle", "slow_query", "slow_reader", "protocol", "shed", "total_limit", "client_limit", "stop", "fault", "handshake"}[r]
}
