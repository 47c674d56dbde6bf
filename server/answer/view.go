package answer

import (
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
)

// View is the zones and the policy for them, from which a batch of queries is answered. It is
// immutable.
type View struct {
	Zones  *zone.Set
	Policy *Policy
}

// Views has the current View. A reader loads it once for each batch.
type Views struct{ p atomic.Pointer[View] }

// Load returns the current view.
func (v *Views) Load() *View { return v.p.Load() }

// Swap replaces the view for every batch that begins afterwards.
func (v *Views) Swap(w *View) { v.p.Store(w) }

// Request is what Respond needs to know about a message besides its octets.
type Request struct {
	Client      netip.AddrPort
	Local       netip.AddrPort // the address asked, also on wildcard listeners
	Transport   Transport
	Known       bool          // of a deferred datagram: by a client that is known, see Known
	WithoutALPN bool          // of a TLS connection: its client did not agree on ALPN, which queries do not need (RFC 7858) and transfers do
	Keepalive   uint16        // idle timeout to advertise on TCP and TLS, in units of 100 ms; 0 asks the client to close (RFC 7828 §3.1)
	Now         int64         // Unix seconds, read once a batch
	Elapsed     time.Duration // since any fixed moment, by a clock that is never set, read once a batch; on UDP, where rates are limited
	Key         *tsig.Key     // that the request is signed with; nil: it is not, or that is not known yet
	Plain       *Plain        // what was looked up ahead with the same View; nil: nothing was
	Deferred    *Deferred     // of a request that Respond deferred before; nil: it is new
}

// Verdict is what to do with a request.
type Verdict uint8

// The verdicts.
const (
	Answered Verdict = iota // the buffer holds a response
	Drop                    // no response
	Defer                   // the request, unchanged, goes to the deferred lane
)

// String returns the verdict's name in logs.
func (v Verdict) String() string {
	if v <= Defer {
		return [...]string{"answered", "dropped", "deferred"}[v]
	}
	return "verdict " + strconv.Itoa(int(v))
}
