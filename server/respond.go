package server

import (
	"github.com/ptrd/ptrd/zone"
)

// Responder answers requests for one worker; not for use by two at a time.
type Responder struct {
	answer zone.Answer
	counts counts
	stats  *Stats
}

// ResponderOptions is what a Responder needs.
type ResponderOptions struct {
	Stats *Stats // where Publish puts the counts; nil: a new one
}

// NewResponder returns a Responder. It is some ten kilobytes large, because
// everything that an answer needs is kept from one request to the next.
func NewResponder(o ResponderOptions) *Responder {
	if o.Stats == nil {
		o.Stats = new(Stats)
	}
	return &Responder{stats: o.Stats}
}

// Stats returns the counters that Publish writes to.
func (r *Responder) Stats() *Stats { return r.stats }

// Respond is the only door: UDP, TCP, the tests and the fuzzers go through it.
// buf[:n] holds the request; the response is written over it and is at most
// len(buf) octets long. It returns the length of the response and the verdict;
// the length is 0 unless the verdict is Answered, and on Defer buf[:n] is
// unchanged. It takes no lock, allocates nothing and does no I/O.
func (r *Responder) Respond(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	r.count(CountDropShort)
	return 0, Drop
}

// RespondDeferred answers, in the slow lane, what Respond deferred. The slow
// lane has Responders of its own, one for each of its workers.
func (r *Responder) RespondDeferred(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	return 0, Drop
}
