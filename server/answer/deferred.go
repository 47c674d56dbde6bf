package answer

import (
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// Kind is what a deferred request asks for.
type Kind uint8

// The kinds. All but queries have a handler.
const (
	KindQuery Kind = iota
	KindNotify
	KindUpdate
	KindTransfer
	NumKinds
)

// Deferred is a request that Respond deferred, with what Respond learns about it the second
// time.
type Deferred struct {
	Request
	View    *View          // that was current when the request arrived
	Message []byte         // the request; after the second Respond without its TSIG record
	Handled [NumKinds]bool // the kinds that have a handler; others are refused
	Kind    Kind           // set with the verdict Defer: which handler must answer
	Why     string         // why the request was refused, for the log

	question wire.Question
	zone     *zone.Zone   // to be transferred
	m        message      // what was read of the request
	signer   *tsig.Signer // of the answer; nil: it is not signed
}

// Zone returns the zone to be transferred.
func (d *Deferred) Zone() *zone.Zone { return d.zone }

// Question returns the question, or the zone section of an UPDATE. Its name is valid
// as long as Message is.
func (d *Deferred) Question() wire.Question { return d.question }

// Signer returns what signs the answer; nil if it is not signed.
func (d *Deferred) Signer() *tsig.Signer { return d.signer }

// store stores what was read of the request, whose signed part is message.
func (d *Deferred) store(m *message, message []byte) {
	d.m = *m
	d.Message = append(d.Message[:0], message...) // the question stays where it is
	d.m.opt.Options = nil
}

// roomIn returns how many octets a message of the answer may have, so that it is within the
// limit with its signature. If the name of the key leaves no room for the question, the
// answer exceeds the limit.
func (d *Deferred) roomIn(limit, end int) int {
	if d.signer == nil {
		return limit
	}
	return min(max(limit-d.signer.Len(), end+wire.OPTLen), wire.MaxMessage-d.signer.Len())
}

// Begin begins the next message of an answer in buf and returns the writer for its records,
// which is used until Finish. The message has the question, and room is reserved for the OPT
// record, which every message has if the request had one (RFC 5936 §2.2.5 allows it, and dig
// warns about messages without), and for the signature. Without them it has at most limit
// octets, or as many as the client accepts, if that is less or limit is 0.
func (r *Responder) Begin(d *Deferred, buf []byte, limit int) *wire.Writer {
	end := d.m.end
	copy(buf, d.Message[:end])
	r.m, r.zone = d.m, d.zone
	r.m.question.Name = buf[wire.HeaderLen : end-questionEnd]
	if limit > 0 {
		r.m.limit = min(r.m.limit, limit)
	}
	r.begin(d.View.Policy, buf)
	return &r.w
}

// Finish finishes the message that Begin began, with those of AA and TC that are to be
// set, and the extended error ede and its text (0 and no text: none). It returns the length; false if
// the message is a refusal that is over a rate limit, and must not be sent.
func (r *Responder) Finish(d *Deferred, f wire.Flags, c wire.RCode, ede uint16, text string) (n int, ok bool) {
	n, _ = r.finish(d.View.Policy, &d.Request, f, c, CountDeferredAnswered, ede, text)
	return n, !isRefusal(c) || r.mayRefuse(d, n)
}

// answerDeferred answers a deferred request, or returns Defer and sets s.Kind to the handler
// that must answer it. It verifies and makes signatures, and checks who may transfer a zone;
// the handlers check who may notify and update. The octets of buf between its length and its
// capacity are for a signature.
func (r *Responder) answerDeferred(s *Deferred, buf []byte, n int) (int, Verdict) {
	r.m = message{end: wire.HeaderLen}
	r.zone = nil
	length, verdict := r.respondDeferred(s, buf, n)
	if verdict == Drop {
		return 0, Drop
	}
	if s.Transport.IsDatagram() && s.View.Policy.RateLimit != nil {
		length, verdict = r.limitDeferred(s, buf, length, verdict)
	}
	if r.m.outcome < CountDeferredFormErr { // a query
		r.m.outcome = CountDeferredAnswered
	}
	r.count(r.m.outcome)
	r.mixed = true
	if verdict == Answered && s.signer != nil {
		length = len(s.signer.Sign(buf[:length], s.Now))
	}
	return length, verdict
}

func (r *Responder) respondDeferred(s *Deferred, buf []byte, n int) (int, Verdict) {
	m, q, v, msg := &r.m, &s.Request, s.View, buf[:n]
	var ok bool
	if m.header, ok = wire.ReadHeader(msg); !ok || m.header.Flags&wire.QR != 0 {
		return 0, Drop
	}
	m.setLimit(v.Policy, q, len(buf))
	// RFC 1996 §3.7, RFC 2136 §2.3: one question, or one zone.
	if m.header.Questions != 1 || !m.readQuestion(msg) || !m.readRecords(msg) {
		return r.bare(v, buf, wire.RCodeFormErr, CountDeferredFormErr, 0)
	}
	s.question, _ = wire.ReadQuestion(s.Message, wire.HeaderLen)
	m.setLimit(v.Policy, q, len(buf))
	if m.tsig != 0 {
		if s.signer, ok = v.Policy.Keys.Verify(msg, m.tsig, q.Now); !ok {
			return r.bare(v, buf, wire.RCodeFormErr, CountDeferredFormErr, 0)
		}
		m.limit = s.roomIn(m.limit, m.end)
		m.signs = s.signer.Len()
		if fault := s.signer.Err(); fault != tsig.NoError {
			s.Why = "TSIG " + fault.String()
			return r.fail(v, q, buf, s.signer.RCode(), countOfTSIG(fault), 0, "")
		}
		// From here on, the TSIG record is no longer part of the request.
		q.Key = s.signer.Key()
		if q.Transport.IsDatagram() {
			v.Policy.Known.learn(q.Client.Addr(), q.Key, s.signer.Time(), q.Now)
		}
		n = m.tsig
		m.tsig = 0
		m.header.Additionals--
		m.header.Put(buf)
	}
	if m.hasOPT {
		if m.opt.Version != 0 {
			return r.fail(v, q, buf, wire.RCodeBadVers, CountDeferredBadVers, 0, "")
		}
		if !m.readOptions(v.Policy, q) {
			return r.bare(v, buf, wire.RCodeFormErr, CountDeferredFormErr, 0)
		}
	}
	s.store(m, buf[:n])
	switch m.header.Flags.Opcode() {
	case wire.OpcodeNotify, wire.OpcodeUpdate:
		return r.respondWriter(s, buf)
	}
	if t := m.question.Type; t == rr.TypeIXFR || t == rr.TypeAXFR && !q.Transport.IsDatagram() {
		return r.respondTransfer(s, buf)
	}
	// The query was counted when it was deferred.
	saved := r.counts
	limit := m.limit
	r.m = message{qtype: CountTypeNone, end: wire.HeaderLen, signs: m.signs}
	length, verdict := r.respond(v, q, buf[:limit], n)
	r.counts = saved
	return length, verdict
}

// respondWriter answers NOTIFY and UPDATE, or defers to their handlers.
func (r *Responder) respondWriter(s *Deferred, buf []byte) (int, Verdict) {
	m, q, v := &r.m, &s.Request, s.View
	// RFC 1996 §3.6 allows other types in NOTIFY, which no server uses; RFC 2136 §3.1.1.
	if m.question.Type != rr.TypeSOA {
		return r.bare(v, buf, wire.RCodeFormErr, CountDeferredFormErr, 0)
	}
	kind, outcome := KindNotify, CountDeferredNotify
	if m.header.Flags.Opcode() == wire.OpcodeUpdate {
		kind, outcome = KindUpdate, CountDeferredUpdate
	}
	if s.Handled[kind] {
		m.outcome, s.Kind = outcome, kind
		return 0, Defer
	}
	if m.question.Class != rr.ClassIN || v.Zones.Get(m.question.Name) == nil {
		return r.fail(v, q, buf, wire.RCodeNotAuth, CountDeferredNotAuth, wire.EDENotAuthoritative, "")
	}
	return r.fail(v, q, buf, wire.RCodeRefused, CountDeferredRefused, wire.EDEProhibited, "")
}

// respondTransfer answers AXFR and IXFR, or defers to their handler (RFC 5936 §2.2.1 and §5; RFC
// 9103 §7.1 for TLS).
func (r *Responder) respondTransfer(s *Deferred, buf []byte) (int, Verdict) {
	m, q, v := &r.m, &s.Request, s.View
	z := v.Zones.Get(m.question.Name)
	if z == nil || m.question.Class != rr.ClassIN {
		s.Why = "no zone of that name is served"
		return r.fail(v, q, buf, wire.RCodeNotAuth, CountDeferredNotAuth, wire.EDENotAuthoritative, "")
	}
	if !v.Policy.mayTransfer(z, q) {
		s.Why = "`transfer.allow` of the zone lists neither this address nor key"
		return r.fail(v, q, buf, wire.RCodeRefused, CountDeferredRefused, wire.EDEProhibited, "")
	}
	if q.WithoutALPN {
		s.Why = "the TLS connection was opened without ALPN"
		return r.fail(v, q, buf, wire.RCodeRefused, CountDeferredRefused, wire.EDEProhibited, "transfers over TLS need ALPN dot")
	}
	if !z.IsAvailable() {
		s.Why = "the zone has no valid data yet"
		return r.fail(v, q, buf, wire.RCodeServFail, CountDeferredServFail, wire.EDENotReady, "zone has no valid data yet")
	}
	if !s.Handled[KindTransfer] {
		s.Why = "transfers are not served here"
		return r.fail(v, q, buf, wire.RCodeNotImp, CountDeferredNotImp, wire.EDENotSupported, "")
	}
	m.outcome, s.Kind, s.zone = CountDeferredTransfer, KindTransfer, z
	return 0, Defer
}

// countOfTSIG returns the counter of a fault.
func countOfTSIG(e tsig.Error) Counter {
	switch e {
	case tsig.BadKey:
		return CountDeferredBadKey
	case tsig.BadTime:
		return CountDeferredBadTime
	case tsig.BadTrunc:
		return CountDeferredBadTrunc
	}
	return CountDeferredBadSig
}
