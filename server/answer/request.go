package answer

import (
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// message is what a Responder reads of a request and needs for the response, which is written
// over it.
type message struct {
	header      wire.Header
	question    wire.Question // Name is a view of the buffer, which the response leaves in its place
	hasQuestion bool
	end         int // offset behind the question, or behind the header without one

	hasOPT bool
	opt    wire.EDNS // Options are gone once writing has begun
	tsig   int       // offset of the TSIG record; 0: none
	signs  int       // octets of the TSIG record that follows the response

	wantNSID, wantKeepalive, wantVersion, wantExpire, wantPadding bool

	cookie      cookie
	cookieState cookieState

	limit     int // octets of the largest response
	rcode     wire.RCode
	truncated bool
	qtype     Counter // of the group qtype
	outcome   Counter // of the group outcome, or slow
}

// readQuestion reads the question; false if there is none that is well-formed.
func (m *message) readQuestion(msg []byte) bool {
	q, next := wire.ReadQuestion(msg, wire.HeaderLen)
	if next < 0 {
		return false
	}
	m.question, m.hasQuestion, m.end = q, true, next
	return true
}

// readRecords reads the records behind the question, of which only OPT and TSIG matter, and
// reports whether the whole message is well-formed:
//
//   - an OPT record is in the additional section, once, at the root (RFC 6891 §6.1.1);
//   - a TSIG record is the last one (RFC 8945 §5.1);
//   - nothing follows the last record.
func (m *message) readRecords(msg []byte) bool {
	off := m.end
	for range int(m.header.Answers) + int(m.header.Authorities) {
		var rec wire.Record
		if rec, off = wire.ReadRecord(msg, off); off < 0 || rec.Type == rr.TypeOPT || rec.Type == rr.TypeTSIG {
			return false
		}
	}
	for range m.header.Additionals {
		rec, next := wire.ReadRecord(msg, off)
		if next < 0 || m.tsig != 0 {
			return false
		}
		off = next
		switch rec.Type {
		case rr.TypeOPT:
			if m.hasOPT || msg[rec.Owner] != 0 {
				return false
			}
			m.hasOPT, m.opt = true, wire.EDNSOf(rec)
		case rr.TypeTSIG:
			m.tsig = rec.Owner
		}
	}
	return off == len(msg)
}

// readOptions reads the options of the OPT record and reports whether they are well-formed.
// Unknown options are ignored (RFC 6891 §6.1.2). So are client subnets, on which no answer
// depends (RFC 7871 §7.2.1), and padding on unencrypted transports (RFC 7830 §6).
func (m *message) readOptions(p *Policy, q *Request) bool {
	it := wire.IterOptions(m.opt.Options)
	for it.Next() {
		switch it.Code {
		case wire.OptionNSID:
			m.wantNSID = len(p.NSID) > 0
		case wire.OptionKeepalive:
			m.wantKeepalive = !q.Transport.IsDatagram() // RFC 7828 §3.2.1
		case wire.OptionPadding:
			m.wantPadding = q.Transport.isEncrypted()
		case wire.OptionZoneVersion:
			m.wantVersion = true
		case wire.OptionExpire:
			m.wantExpire = true
		case wire.OptionCookie:
			// RFC 7873 §5.2: the first one counts.
			if p.Cookies != nil && m.cookieState == cookieNone {
				m.cookieState = p.Cookies.check(it.Data, q.Client.Addr(), q.Now, &m.cookie)
			}
		}
	}
	return !it.Malformed() && m.cookieState != cookieMalformed
}

// isDO reports whether the client asks for DNSSEC records.
func (m *message) isDO() bool { return m.hasOPT && m.opt.Flags&wire.DO != 0 }

// isUnproven reports whether the client sent a cookie that does not prove its address.
func (m *message) isUnproven() bool {
	return m.cookieState == cookieClientOnly || m.cookieState == cookieInvalid
}

// setLimit sets the size of the largest response.
func (m *message) setLimit(p *Policy, q *Request, room int) {
	m.limit = responseLimit(p, q, m.hasOPT, m.opt.UDPSize, room)
}

// responseLimit returns the size of the largest response: what the transport, the
// client (RFC 6891 §6.2.3: less than 512 counts as 512), our policy (RFC 9715 §3.1)
// and the buffer allow.
func responseLimit(p *Policy, q *Request, hasOPT bool, udpSize uint16, room int) int {
	limit := wire.MaxMessage
	if q.Transport.IsDatagram() {
		limit = wire.MinUDP
		if hasOPT {
			limit = min(max(int(udpSize), wire.MinUDP), p.udpSize())
		}
	}
	return min(limit, room)
}
