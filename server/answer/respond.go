package answer

import (
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Responder answers requests for one worker. It is not safe for concurrent use. It has all the
// memory that answers need, some 50 kilobytes, and reuses it.
type Responder struct {
	m      message
	w      wire.Writer
	answer zone.Answer
	zone   *zone.Zone // that the response is made from, for ZONEVERSION; nil: none
	key    [dname.MaxWire]byte
	plain  Plain
	going  [BatchSize]uint8 // of LookAhead: the requests of a batch whose lookup is not complete
	counts counts
	plains [plainKinds]uint64 // not yet in counts
	mixed  bool               // something but plain requests was counted since the last Publish
	stats  *Stats

	slip        uint32    // decides which responses over a rate limit are sent truncated
	lastLimited LimitNote // see LimitNote
}

// ResponderOptions is what a Responder needs.
type ResponderOptions struct {
	Stats *Stats // where Publish puts the counts; nil: a new one
}

// NewResponder returns a Responder.
func NewResponder(o ResponderOptions) *Responder {
	if o.Stats == nil {
		o.Stats = new(Stats)
	}
	return &Responder{stats: o.Stats}
}

// Stats returns the counters that Publish writes to.
func (r *Responder) Stats() *Stats { return r.stats }

// Respond answers one request. All transports, the tests and the fuzzers call it. buf[:n] has
// the request. The response is written over it and has at most len(buf) octets. Respond returns
// the length of the response, which is 0 unless the verdict is Answered; with Defer, buf[:n] is
// unchanged. It takes no lock, does no I/O and allocates nothing, except for an answer over TCP
// or TLS with more RRsets than a [zone.Answer] has room for.
func (r *Responder) Respond(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	p := q.Plain
	if p == nil {
		if q.Deferred != nil {
			return r.answerDeferred(q.Deferred, buf, n)
		}
		p = &r.plain
		for going := p.begin(v, buf, n); going; {
			going = p.step()
		}
	}
	length, verdict := r.respondPlain(v, q, p, buf), Answered
	isPlain := length != 0
	if !isPlain {
		r.m = message{qtype: CountTypeNone, end: wire.HeaderLen}
		r.zone = nil
		length, verdict = r.respond(v, q, buf, n)
	}
	if l := v.Policy.RateLimit; l != nil && verdict == Answered && q.Transport.IsDatagram() {
		if isPlain {
			r.m.cookieState, r.zone = cookieNone, p.descent.Zone()
		}
		if kind := r.overLimit(l, q, length); kind != rateNone {
			if isPlain {
				isPlain = false
				r.notePlain(v.Policy, q, p, buf)
			}
			length, verdict = r.limited(v, q, buf, length, kind)
		}
	}
	if isPlain {
		r.countPlain(p.kind)
		return length, verdict
	}
	if verdict == Defer && q.Transport.IsDatagram() {
		length, verdict = r.admit(v, q, buf, n)
	}
	r.mixed = true
	r.count(CountRequests + Counter(q.Transport))
	r.count(r.m.qtype)
	r.count(r.m.outcome)
	if verdict == Answered {
		r.count(countOfRCode(r.m.rcode))
	}
	if r.m.truncated {
		r.count(CountTruncated)
	}
	return length, verdict
}

func (r *Responder) respond(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	m, msg := &r.m, buf[:n]
	var ok bool

	// The header. What is not a request is dropped, so that two servers never answer
	// each other without end.
	if m.header, ok = wire.ReadHeader(msg); !ok {
		return r.drop(CountDropShort)
	}
	if m.header.Flags&wire.QR != 0 {
		return r.drop(CountDropResponse)
	}
	m.setLimit(v.Policy, q, len(buf))
	switch m.header.Flags.Opcode() {
	case wire.OpcodeQuery:
	case wire.OpcodeNotify, wire.OpcodeUpdate:
		return r.deferTo(CountDeferOther)
	default:
		// RFC 8906 §3.1.4: only the header is known, except for the meaning of RD.
		m.header.Flags &^= wire.RD
		return r.bare(v, buf, wire.RCodeNotImp, CountNotImp, 0)
	}

	// The question (RFC 9619 §4: at most one) and the records behind it. A query
	// has none in its answer and authority sections but the SOA of an IXFR (RFC
	// 1995 §3).
	if m.header.Questions > 1 || m.header.Questions == 1 && !m.readQuestion(msg) {
		return r.bare(v, buf, wire.RCodeFormErr, CountFormErr, 0)
	}
	if m.hasQuestion {
		m.qtype = countOfType(m.question.Type)
	}
	if m.header.Answers != 0 || m.header.Authorities != 0 && m.question.Type != rr.TypeIXFR || !m.readRecords(msg) {
		return r.bare(v, buf, wire.RCodeFormErr, CountFormErr, 0)
	}

	// EDNS (RFC 6891 §6.1.3: another version's options may look otherwise).
	if m.hasOPT {
		r.count(CountEDNS)
		m.setLimit(v.Policy, q, len(buf))
		if m.opt.Version != 0 {
			return r.fail(v, q, buf, wire.RCodeBadVers, CountBadVers, 0, "")
		}
		well := m.readOptions(v.Policy, q)
		if m.cookieState != cookieNone {
			r.count(CountCookieMalformed + Counter(m.cookieState-cookieMalformed))
		}
		if !well {
			return r.bare(v, buf, wire.RCodeFormErr, CountFormErr, 0)
		}
		if m.isDO() {
			r.count(CountDO)
		}
	}
	if m.tsig != 0 {
		return r.deferTo(CountDeferQuery)
	}

	// Cookies (RFC 7873 §5.2 and, for a query without a question, §5.4).
	if !m.hasQuestion {
		switch m.cookieState {
		case cookieClientOnly, cookieValid:
			return r.fail(v, q, buf, wire.RCodeNoError, CountCookieQuery, 0, "")
		case cookieInvalid:
			return r.fail(v, q, buf, wire.RCodeBadCookie, CountBadCookie, 0, "")
		}
		return r.bare(v, buf, wire.RCodeFormErr, CountFormErr, 0)
	}
	if v.Policy.RequireCookies == RequireAlways && q.Transport.IsDatagram() && m.isUnproven() {
		return r.fail(v, q, buf, wire.RCodeBadCookie, CountBadCookie, 0, "")
	}

	// Permissions for transfers are checked in the deferred lane, those of a key later.
	if t := m.question.Type; t == rr.TypeAXFR && !q.Transport.IsDatagram() || t == rr.TypeIXFR {
		return r.deferTo(CountDeferQuery)
	}
	if q.Key == nil && !v.Policy.Access.Allows(q.Client.Addr()) {
		return r.fail(v, q, buf, wire.RCodeRefused, CountProhibited, wire.EDEProhibited, "")
	}

	// QTYPEs that no zone can have (RFC 6895 §3.1). The response has the question, so that
	// the client can match it.
	switch m.question.Type {
	case rr.TypeOPT, rr.TypeTSIG, rr.TypeNXNAME: // NXNAME: RFC 9824 §3.5
		return r.fail(v, q, buf, wire.RCodeFormErr, CountFormErr, wire.EDEInvalidQueryType, "")
	case rr.TypeTKEY, rr.TypeMAILA, rr.TypeMAILB:
		return r.fail(v, q, buf, wire.RCodeNotImp, CountNotImp, wire.EDENotSupported, "")
	case rr.TypeAXFR: // RFC 5936 §4.2: not defined over UDP
		return r.fail(v, q, buf, wire.RCodeNotImp, CountNotImp, wire.EDENotSupported, "")
	}

	switch m.question.Class {
	case rr.ClassIN, rr.ClassANY:
		return r.resolve(v, q, buf)
	case rr.ClassCH:
		return r.identify(v, q, buf)
	}
	return r.fail(v, q, buf, wire.RCodeRefused, CountNotOurs, wire.EDENotAuthoritative, "class IN only")
}

func (r *Responder) drop(why Counter) (int, Verdict) {
	r.m.outcome = why
	return 0, Drop
}

func (r *Responder) deferTo(why Counter) (int, Verdict) {
	r.m.outcome = why
	return 0, Defer
}
