package answer

import (
	"github.com/ptrd/ptrd/server/wire"
)

// admit decides, before anything is queued or verified, whether the request in buf[:n], a
// datagram, may go to the deferred lane. It sets q.Known. If rates are limited, the response
// uses a token of a separate bucket: for unknown clients with the rate of errors, for known
// clients with the rate of all responses.
//
// An unsigned query over the limit may be answered with TC, as any other query. All other
// requests over the limit are dropped: TC has no meaning for UPDATE and NOTIFY, which are
// sent again, and a client that signs accepts no unsigned response (RFC 8945 §5.3).
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
	if !l.logOnly && m.header.Flags.Opcode() == wire.OpcodeQuery && m.tsig == 0 {
		m.outcome = CountAnswered // so that limited omits the records
		return r.limited(v, q, buf, n, kind)
	}
	if r.dropsLimited(l, q, kind) {
		return r.drop(CountDropLimited)
	}
	return 0, Defer
}

// isKnown reports whether the client of the request in msg is known. For NOTIFY and UPDATE it
// reads the cookie, which respond did not.
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

// limitDeferred applies the rate limits to a deferred request: to the answer in buf[:n], or,
// with the verdict Defer, to the answer of the handler. A signed query counts as a query, an
// IXFR as an answer of full size, and an error as an error. An UPDATE or NOTIFY has used a
// token in admit; if the handler refuses it, mayRefuse uses another one.
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
	case !l.logOnly && m.header.Flags.Opcode() == wire.OpcodeQuery:
		n, verdict = r.limited(s.View, q, buf[:m.limit], n, kind)
	case r.dropsLimited(l, q, kind):
		n, verdict = 0, Drop
	default:
		m.outcome = outcome
		return n, verdict
	}
	m.outcome = CountDeferredLimited
	return n, verdict
}

// isRefusal reports whether a handler's response counts as an error for the rate limits. The
// RCODEs of prerequisites (RFC 2136 §2.2) do not: clients use them to ask what exists.
func isRefusal(c wire.RCode) bool {
	switch c {
	case wire.RCodeNoError, wire.RCodeNXDomain, wire.RCodeYXDomain, wire.RCodeNXRRSet, wire.RCodeYXRRSet:
		return false
	}
	return true
}

// mayRefuse uses a token for a refusal by a handler, and reports whether there was one.
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
	return !r.dropsLimited(l, &s.Request, kind)
}
