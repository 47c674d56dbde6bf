package answer

import (
	"encoding/binary"
	"math"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// bare answers with a header and, if the request had a valid one, an OPT record whose only
// option is the extended error ede (0: none). So the answer to a malformed request is not
// longer than the request.
func (r *Responder) bare(v *View, buf []byte, c wire.RCode, outcome Counter, ede uint16) (int, Verdict) {
	r.w.Reset(buf, r.m.limit, wire.HeaderLen, nil)
	if r.m.hasOPT {
		r.w.OPT(uint16(v.Policy.udpSize()), c, r.m.opt.Flags&wire.DO)
		if ede != 0 {
			r.w.EDE(ede, "")
		}
	}
	return r.send(0, c, outcome)
}

// fail answers with header, question and OPT record, but no records, and with
// the extended error ede and its text (0 and no text: none).
func (r *Responder) fail(v *View, q *Request, buf []byte, c wire.RCode, outcome Counter, ede uint16, text string) (int, Verdict) {
	r.begin(v.Policy, buf)
	return r.finish(v.Policy, q, 0, c, outcome, ede, text)
}

// begin starts the response behind the question, and reserves room for the OPT record and its
// options. The extended error is not included: it is written only if there is room at the end.
func (r *Responder) begin(p *Policy, buf []byte) {
	m := &r.m
	r.w.Reset(buf, m.limit, m.end, m.question.Name)
	if !m.hasOPT {
		return
	}
	n := wire.OPTLen
	if m.cookieState > cookieMalformed {
		n += 4 + len(m.cookie)
	}
	if m.wantKeepalive {
		n += 4 + 2
	}
	if m.wantVersion {
		n += 4 + zoneVersionLen
	}
	if m.wantExpire {
		n += 4 + expireLen
	}
	if m.wantPadding {
		n += 4
	}
	if m.wantNSID && n+4+len(p.NSID) > m.limit-m.end {
		m.wantNSID = false
	}
	if m.wantNSID {
		n += 4 + len(p.NSID)
	}
	r.w.Reserve(n)
}

// zoneVersionLen is the length of a ZONEVERSION option's data of type SOA-SERIAL
// (RFC 9660 §2.1 and §3): label count, type 0, serial.
const zoneVersionLen = 1 + 1 + 4

// finish writes the OPT record with its options and the header. f holds those of
// AA and TC that are to be set.
func (r *Responder) finish(p *Policy, q *Request, f wire.Flags, c wire.RCode, outcome Counter, ede uint16, text string) (int, Verdict) {
	r.writeOPT(p, q, c, ede, text)
	return r.send(f, c, outcome)
}

// writeOPT writes the OPT record of the response, if the request had one.
func (r *Responder) writeOPT(p *Policy, q *Request, c wire.RCode, ede uint16, text string) {
	m := &r.m
	if !m.hasOPT {
		return
	}
	r.w.OPT(uint16(p.udpSize()), c, m.opt.Flags&wire.DO) // RFC 6891 §6.1.4: other flags are clear
	if m.cookieState > cookieMalformed {
		r.w.Option(wire.OptionCookie, m.cookie[:], nil)
	}
	if m.wantNSID {
		r.w.Option(wire.OptionNSID, p.NSID, nil)
	}
	if m.wantKeepalive {
		var b [2]byte
		binary.BigEndian.PutUint16(b[:], q.Keepalive)
		r.w.Option(wire.OptionKeepalive, b[:], nil)
	}
	if m.wantVersion && r.zone != nil {
		// RFC 9660 §3.2: of the zone that encloses the QNAME, if it is served here, even
		// if a chain of aliases leads into another zone.
		var b [zoneVersionLen]byte
		b[0] = uint8(r.zone.ApexLabels())
		binary.BigEndian.PutUint32(b[2:], uint32(r.zone.Serial()))
		r.w.Option(wire.OptionZoneVersion, b[:], nil)
	}
	if left, ok := r.expire(p, q); ok && c == wire.RCodeNoError {
		var b [expireLen]byte
		binary.BigEndian.PutUint32(b[:], left)
		r.w.Option(wire.OptionExpire, b[:], nil)
	}
	if ede != 0 || text != "" { // RFC 8914 §4.1: 0 is an error that only the text describes
		r.w.EDE(ede, text)
	}
	if m.wantPadding {
		r.w.Padding(padBlock, m.signs)
	}
}

// padBlock is what the lengths of encrypted responses are multiples of, for clients
// that pad their queries (RFC 7830 §4, RFC 8467 §4.1).
const padBlock = 468

// expireLen is the length of an EXPIRE option's data (RFC 7314 §2).
const expireLen = 4

// expire returns the seconds of the EXPIRE option, which SOA answers and transfers have. For
// a primary zone they are the EXPIRE of the SOA (RFC 7314 §3.2), for a secondary one the
// remaining time (§3.1).
func (r *Responder) expire(p *Policy, q *Request) (left uint32, ok bool) {
	m, z := &r.m, r.zone
	if !m.wantExpire || z == nil || len(m.question.Name) != len(z.Apex()) {
		return 0, false
	}
	switch m.question.Type {
	case rr.TypeSOA, rr.TypeIXFR, rr.TypeAXFR:
	default:
		return 0, false
	}
	if own := p.Zones.Of(z); own != nil && own.Expires != nil {
		return uint32(min(max(own.Expires.Load()-q.Now, 0), math.MaxUint32)), true
	}
	set, ok := z.Get(z.Apex(), rr.TypeSOA)
	if !ok {
		return 0, false
	}
	it := set.Data()
	it.Next()
	d := it.Head
	if len(it.Tail) > 0 {
		d = it.Tail
	}
	return binary.BigEndian.Uint32(d[len(d)-8:]), true // before MINIMUM
}

// send fills in the header: ID, OPCODE and RD are the request's (RFC 1035 §4.1.1);
// RA is never set; AD and CD are clear in an authoritative answer (RFC 4035 §3.1.6),
// and so is Z.
func (r *Responder) send(f wire.Flags, c wire.RCode, outcome Counter) (int, Verdict) {
	m := &r.m
	f |= wire.QR | m.header.Flags&wire.RD
	f = f.WithOpcode(m.header.Flags.Opcode()).WithRCode(c)
	m.truncated = f&wire.TC != 0
	m.rcode, m.outcome = c, outcome
	return r.w.Finish(m.header.ID, f), Answered
}
