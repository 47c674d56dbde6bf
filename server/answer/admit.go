package answer

import (
	"github.com/ptrd/ptrd/server/wire"
)

// admit decides, before anything is queued or verified, whether the request in
// buf[:n], which came over UDP, may go to the deferred lane. It notes in q whether the
// client is known. Where rates are limited it takes a token for the response: of a
// stranger's prefix as many a second as it may have errors, of a known client's as
// it may have responses in all, in buckets of their own.
//
// Over the limit an unsigned query may get TC, as any other. All else is dropped:
// TC means nothing to who sends an UPDATE or a NOTIFY, which is sent again, and a
// client that signs takes no response without a signature (RFC 8945 §5.3).
func (r *Responder) admit(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	m, l := &r.m, v.Policy.RateLimit
	q.Known = r.isKnown(v, q, buf[:n])
	if l == nil || m.cookieState == cookieValid || l.exempts && l.exempt.Allows(q.Client.Addr()) {
		return 0, Defer
	}
	kind := rateDeferred
	if q.Known {
		kind = rateKnown
	}
	interval := l.intervals[kind]
	if interval == 0 || l.table.take(l.table.key.sum(l.prefixOf(q.Client.Addr()), uint64(kind)), ticks(q.Elapsed), l.burst, interval, interval) {
		return 0, Defer
	}
	if l.logOnly {
		r.countLimited(q, kind)
		r.count(CountLimitLogOnly)
		return 0, Defer
	}
	if m.header.Flags.Opcode() == wire.OpcodeQuery && m.tsig == 0 {
		m.outcome = CountAnswered // of which a slipped response leaves out the records
		return r.limited(v, q, buf, n, kind)
	}
	r.countLimited(q, kind)
	r.count(CountLimitDropped)
	return r.drop(CountDropLimited)
}

// isKnown reports whether the client of the request in msg is known. It reads the
// cookie of NOTIFY and UPDATE, which respond left alone.
func (r *Responder) isKnown(v *View, q *Request, msg []byte) bool {
	m := &r.m
	if v.Policy.Known.has(q.Client.Addr(), q.Now) {
		return true
	}
	if v.Policy.Cookies != nil && !m.hasQuestion && m.header.Questions == 1 && m.readQuestion(msg) && m.readRecords(msg) && m.hasOPT && m.opt.Version == 0 {
		m.readOptions(v.Policy, q)
	}
	return m.cookieState == cookieValid
}

// limitDeferred applies the rate limits to a deferred request: to the answer in buf[:n],
// or, with the verdict Defer, to what a handler may send. A signed query counts as any
// other, an IXFR as an answer of full size, and an error as an error. An UPDATE or NOTIFY
// has used a token in admit; if the handler refuses it, Send of package deferred uses
// another one.
func (r *Responder) limitDeferred(s *Deferred, buf []byte, n int, verdict Verdict) (int, Verdict) {
	m, q, l := &r.m, &s.Request, s.View.Policy.RateLimit
	size := n + m.signs
	outcome := m.outcome
	if verdict == Defer {
		if outcome != CountDeferredTransfer {
			return n, verdict
		}
		m.outcome, r.zone, size = CountAnswered, s.zone, m.limit+m.signs
	}
	switch kind := r.overLimit(l, q, size); {
	case kind == rateNone:
		m.outcome = outcome
		return n, verdict
	case l.logOnly:
		r.countLimited(q, kind)
		r.count(CountLimitLogOnly)
		m.outcome = outcome
		return n, verdict
	case m.header.Flags.Opcode() == wire.OpcodeQuery:
		n, verdict = r.limited(s.View, q, buf[:m.limit], n, kind)
	default:
		r.countLimited(q, kind)
		r.count(CountLimitDropped)
		n, verdict = 0, Drop
	}
	m.outcome = CountDeferredLimited
	return n, verdict
}

// isRefusal reports whether a handler's response takes a token as an error. The
// RCODEs of prerequisites (RFC 2136 §2.2) are how clients find out what is there.
func isRefusal(c wire.RCode) bool {
	switch c {
	case wire.RCodeNoError, wire.RCodeNXDomain, wire.RCodeYXDomain, wire.RCodeNXRRSet, wire.RCodeYXRRSet:
		return false
	}
	return true
}

// mayRefuse takes the token for a refusal by a handler, and reports whether there
// was one.
func (r *Responder) mayRefuse(s *Deferred, n int) bool {
	l := s.View.Policy.RateLimit
	if l == nil || !s.Transport.IsDatagram() {
		return true
	}
	kind := r.overLimit(l, &s.Request, n)
	if kind == rateNone {
		return true
	}
	r.mixed = true
	r.countLimited(&s.Request, kind)
	if l.logOnly {
		r.count(CountLimitLogOnly)
		return true
	}
	r.count(CountLimitDropped)
	return false
}
