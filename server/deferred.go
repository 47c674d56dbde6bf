package server

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// RespondDeferred answers, in the slow lane, what Respond deferred and no handler
// of the slow lane takes over: transfers, NOTIFY, UPDATE and signed requests, to
// all of which the answer is an honest no. It has the contract of Respond, which
// it never defers again; each worker of the slow lane has a Responder of its own.
func (r *Responder) RespondDeferred(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	r.m = message{end: wire.HeaderLen}
	r.zone = nil
	length, verdict := r.respondDeferred(v, q, buf, n)
	if verdict == Answered {
		r.count(r.m.outcome)
	}
	return length, verdict
}

func (r *Responder) respondDeferred(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	m, msg := &r.m, buf[:n]
	var ok bool
	if m.header, ok = wire.ReadHeader(msg); !ok || m.header.Flags&wire.QR != 0 {
		return 0, Drop
	}
	m.setLimit(v.Policy, q, len(buf))
	// RFC 1996 §3.7, RFC 2136 §2.3: one question, or one zone.
	if m.header.Questions != 1 || !m.readQuestion(msg) || !m.readRecords(msg) {
		return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
	}
	if m.hasOPT {
		m.setLimit(v.Policy, q, len(buf))
		if m.opt.Version != 0 {
			return r.fail(v, q, buf, wire.RCodeBadVers, CountSlowBadVers, 0, "")
		}
		if !m.readOptions(v.Policy, q) {
			return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
		}
	}
	if m.tsig != 0 {
		return r.badKey(v, q, buf, n)
	}
	// RFC 1996 §3.6 would let other types be notified of, and nobody does; RFC 2136
	// §3.1.1.
	if m.header.Flags.Opcode() != wire.OpcodeQuery && m.question.Type != rr.TypeSOA {
		return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
	}
	// RFC 5936 §2.2.1, RFC 2136 §3.1.1: not the apex of a zone of ours.
	if m.question.Class != rr.ClassIN || v.Zones.Get(m.question.Name) == nil {
		return r.fail(v, q, buf, wire.RCodeNotAuth, CountSlowNotAuth, wire.EDENotAuthoritative, "")
	}
	return r.fail(v, q, buf, wire.RCodeRefused, CountSlowRefused, wire.EDEProhibited, "")
}

// tsigFudge is the usual number of seconds that the clocks of two signers may
// differ (RFC 8945 §10).
const tsigFudge = 300

// badKey answers a request signed with a key that is not ours (RFC 8945 §5.2.1):
// NOTAUTH with an unsigned TSIG record that says BADKEY (§5.3.2).
func (r *Responder) badKey(v *View, q *Request, buf []byte, n int) (int, Verdict) {
	msg := buf[:n]
	rec, _ := wire.ReadRecord(msg, r.m.tsig)
	var room [dname.MaxWire]byte
	key := wire.AppendName(room[:0], msg, rec.Owner)
	algorithm := dname.FromWire(rec.Data) // RFC 8945 §4.2: not compressed
	rest := rec.Data[len(algorithm):]
	const macAt, afterMAC = 8, 10 // time signed, fudge, MAC size; then the MAC
	if key == nil || algorithm == nil || len(rest) < afterMAC {
		return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
	}
	mac := int(binary.BigEndian.Uint16(rest[macAt:]))
	if len(rest) < afterMAC+mac+6 {
		return r.bare(v, buf, wire.RCodeFormErr, CountSlowFormErr, 0)
	}
	data := make([]byte, 0, len(algorithm)+16)
	data = append(data, algorithm...)
	now := uint64(q.Now)
	data = binary.BigEndian.AppendUint16(data, uint16(now>>32))
	data = binary.BigEndian.AppendUint32(data, uint32(now))
	data = binary.BigEndian.AppendUint16(data, tsigFudge)
	data = binary.BigEndian.AppendUint16(data, 0)   // MAC size
	data = append(data, rest[afterMAC+mac:][:2]...) // original ID
	data = binary.BigEndian.AppendUint16(data, uint16(wire.RCodeBadKey))
	data = binary.BigEndian.AppendUint16(data, 0) // no other data

	r.begin(v.Policy, buf)
	r.writeOPT(v.Policy, q, wire.RCodeNotAuth, 0, "")
	r.w.Record(wire.Additional, &wire.Owner{Name: key}, rr.TypeTSIG, rr.ClassANY, 0, data, nil)
	return r.send(0, wire.RCodeNotAuth, CountSlowBadKey)
}
