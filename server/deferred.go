package server

import (
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// RespondDeferred is the front of the slow lane: it answers into buf what Respond
// deferred, or with the verdict Defer names in s the handler whose turn it is. It
// verifies signatures, signs what it answers, and checks who may transfer a zone;
// who may notify and update, the handlers know. What buf has behind its length, up
// to its capacity, is room for a signature.
func (r *Responder) RespondDeferred(s *SlowRequest, buf []byte) (int, Verdict) {
	r.m = message{end: wire.HeaderLen}
	r.zone = nil
	length, verdict := r.respondDeferred(s, buf, copy(buf, s.Message))
	if verdict == Drop {
		return 0, Drop
	}
	if s.Transport == UDP && s.View.Policy.RateLimit != nil {
		length, verdict = r.limitDeferred(s, buf, length, verdict)
	}
	if r.m.outcome < CountSlowFormErr { // a query, answered as any other
		r.m.outcome = CountSlowAnswered
	}
	r.count(r.m.outcome)
	r.mixed = true
	if verdict == Answered && s.signer != nil {
		length = len(s.signer.Sign(buf[:length], s.Now))
	}
	return length, verdict
}

func (r *Responder) respondDeferred(s *SlowRequest, buf []byte, n int) (int, Verdict) {
	m, q, v, msg := &r.m, &s.Request, s.View, buf[:n]
	var ok bool
	if m.header, ok = wire.ReadHeader(msg); !ok || m.header.Flags&wire.QR != 0 {
		return 0, Drop
	}
	m.setLimit(v.Policy, q, len(buf))
	// RFC 1996 §3.7, RFC 2136 §2.3: one question, or one zone.
	if m.header.Questions != 1 || !m.readQuestion(msg) || !m.readRecords(msg) {
		return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
	}
	s.question, _ = wire.ReadQuestion(s.Message, wire.HeaderLen)
	m.setLimit(v.Policy, q, len(buf))
	if m.tsig != 0 {
		if s.signer, ok = v.Policy.Keys.Verify(msg, m.tsig, q.Now); !ok {
			return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
		}
		m.limit = s.roomIn(m.limit, m.end)
		m.signs = s.signer.Len()
		if fault := s.signer.Err(); fault != tsig.NoError {
			s.why = "TSIG " + fault.String()
			return r.fail(v, q, buf, s.signer.RCode(), countOfTSIG(fault), 0, "")
		}
		// From here on the request is what was signed.
		q.Key = s.signer.Key()
		if q.Transport == UDP {
			v.Policy.Known.learn(q.Client.Addr(), q.Key, s.signer.Time(), q.Now)
		}
		n = m.tsig
		m.tsig = 0
		m.header.Additionals--
		m.header.Put(buf)
	}
	if m.hasOPT {
		if m.opt.Version != 0 {
			return r.fail(v, q, buf, wire.RCodeBadVers, CountSlowBadVers, 0, "")
		}
		if !m.readOptions(v.Policy, q) {
			return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
		}
	}
	s.keep(m, buf[:n])
	switch m.header.Flags.Opcode() {
	case wire.OpcodeNotify, wire.OpcodeUpdate:
		return r.respondWriter(s, buf)
	}
	if t := m.question.Type; t == rr.TypeIXFR || t == rr.TypeAXFR && q.Transport != UDP {
		return r.respondTransfer(s, buf)
	}
	// What was counted already, when it was deferred, is not counted again.
	saved := r.counts
	limit := m.limit
	r.m = message{qtype: CountTypeNone, end: wire.HeaderLen, signs: m.signs}
	length, verdict := r.respond(v, q, buf[:limit], n)
	r.counts = saved
	return length, verdict
}

// respondWriter is for NOTIFY and UPDATE.
func (r *Responder) respondWriter(s *SlowRequest, buf []byte) (int, Verdict) {
	m, q, v := &r.m, &s.Request, s.View
	// RFC 1996 §3.6 would let other types be notified of, and nobody does; RFC 2136
	// §3.1.1.
	if m.question.Type != rr.TypeSOA {
		return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
	}
	isUpdate := m.header.Flags.Opcode() == wire.OpcodeUpdate
	handler, outcome := s.lane.notify, CountSlowNotify
	if isUpdate {
		handler, outcome = s.lane.update, CountSlowUpdate
	}
	if handler != nil {
		m.outcome, s.handler = outcome, handler
		return 0, Defer
	}
	if m.question.Class != rr.ClassIN || v.Zones.Get(m.question.Name) == nil {
		return r.fail(v, q, buf, wire.RCodeNotAuth, CountSlowNotAuth, wire.EDENotAuthoritative, "")
	}
	return r.fail(v, q, buf, wire.RCodeRefused, CountSlowRefused, wire.EDEProhibited, "")
}

// respondTransfer is for AXFR and IXFR (RFC 5936 §2.2.1 and §5, and RFC 9103 §7.1 for
// those over TLS).
func (r *Responder) respondTransfer(s *SlowRequest, buf []byte) (int, Verdict) {
	m, q, v := &r.m, &s.Request, s.View
	z := v.Zones.Get(m.question.Name)
	if z == nil || m.question.Class != rr.ClassIN {
		s.why = "no zone of that name is served"
		return r.fail(v, q, buf, wire.RCodeNotAuth, CountSlowNotAuth, wire.EDENotAuthoritative, "")
	}
	if !v.Policy.mayTransfer(z, q) {
		s.why = "the zone's transfer list has no such address and key"
		return r.fail(v, q, buf, wire.RCodeRefused, CountSlowRefused, wire.EDEProhibited, "")
	}
	if q.TLS != nil && !q.TLS.isDNS {
		s.why = "the TLS connection was opened without ALPN"
		return r.fail(v, q, buf, wire.RCodeRefused, CountSlowRefused, wire.EDEProhibited, "transfers over TLS need ALPN dot")
	}
	if !z.IsAvailable() {
		s.why = "the zone has no valid data yet"
		return r.fail(v, q, buf, wire.RCodeServFail, CountSlowServFail, wire.EDENotReady, "zone has no valid data yet")
	}
	if s.lane.transfers.handler == nil {
		s.why = "transfers are not served here"
		return r.fail(v, q, buf, wire.RCodeNotImp, CountSlowNotImp, wire.EDENotSupported, "")
	}
	m.outcome, s.zone = CountSlowTransfer, z
	return 0, Defer
}

// countOfTSIG returns the counter of a fault.
func countOfTSIG(e tsig.Error) Counter {
	switch e {
	case tsig.BadKey:
		return CountSlowBadKey
	case tsig.BadTime:
		return CountSlowBadTime
	case tsig.BadTrunc:
		return CountSlowBadTrunc
	}
	return CountSlowBadSig
}
