package answer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/wire"
)

// maxErrorGrowth is how many octets an answer without records may be longer than
// its request: a server cookie, an NSID of 15 octets, a keepalive, a zone version
// and an extended error with the longest of our texts, each with its head.
const maxErrorGrowth = 16 + 15 + 2 + 6 + 4 + 2 + 32

// FuzzRespond sends any octets over any transport, with a buffer that is larger
// than the request by a part of what is fed in. Whatever comes:
//
//   - a response is never answered, and what is deferred is left as it was;
//   - an answer decodes, is of the request's ID and opcode, and echoes its question
//     bit for bit or leaves it out;
//   - it is no longer than the transport, the client and the buffer allow;
//   - one without records is hardly longer than the request;
//   - only a request over a rate limit, which one of the servers has reached, gets none.
func FuzzRespond(f *testing.F) {
	for _, c := range respondCases(f) {
		f.Add(c.request, c.tcp, uint16(1232)) // c.name says what
	}
	l := casesLab(f)
	limited := casesLab(f)
	limited.view.Policy.RequireCookies = RequireAlways
	limited.view.Policy.UDPSize = 700
	flooded := rateLab(f, func(o *RateLimitOptions) { oneEach(o); o.Slip = 2 })
	flooded.view.Policy.RequireCookies = RequireLimited
	f.Fuzz(func(t *testing.T, request []byte, tcp bool, more uint16) {
		if len(request) > wire.MaxMessage {
			return
		}
		for _, l := range []*lab{l, limited, flooded} {
			l.request.Transport, l.request.Keepalive = UDP, 0
			if tcp {
				l.request.Transport, l.request.Keepalive = TCP, 100
			}
			buf := make([]byte, min(len(request)+int(more), wire.MaxMessage))
			n, v := l.Respond(l.view, &l.request, buf, copy(buf, request))
			if v == Defer {
				if n != 0 || !bytes.Equal(buf[:len(request)], request) {
					t.Fatalf("a deferred request was changed to % x", buf[:len(request)])
				}
				d := &Deferred{Request: l.request, View: l.view, Message: request}
				d.Request.Deferred = d
				n, v = l.Respond(l.view, &d.Request, buf, copy(buf, request))
				if v == Defer {
					t.Fatal("deferred twice")
				}
			}
			if v == Drop {
				if n != 0 {
					t.Fatalf("dropped with %d octets", n)
				}
				if len(request) >= wire.HeaderLen && request[2]&0x80 == 0 && (l != flooded || tcp || l.m.outcome != CountDropLimited && l.m.outcome != CountDeferredLimited) {
					t.Fatal("a request was dropped")
				}
				continue
			}
			if v == Answered {
				checkResponse(t, l, request, buf[:n])
			}
		}
	})
}

func checkResponse(t *testing.T, l *lab, request, response []byte) {
	t.Helper()
	if len(request) < wire.HeaderLen || request[2]&0x80 != 0 {
		t.Fatalf("% x was answered", request)
	}
	m := new(dns.Msg)
	if err := m.Unpack(response); err != nil {
		t.Fatalf("%v\nrequest  % x\nresponse % x", err, request, response)
	}
	if response[0] != request[0] || response[1] != request[1] || (response[2]^request[2])&0x78 != 0 || !m.Response {
		t.Fatalf("the header % x answers % x", response[:4], request[:4])
	}
	if m.RecursionAvailable || m.Zero || m.AuthenticatedData || m.CheckingDisabled {
		t.Fatalf("flags of %v", m.MsgHdr)
	}
	switch binary.BigEndian.Uint16(response[4:]) {
	case 0:
	case 1:
		q, next := wire.ReadQuestion(response, wire.HeaderLen)
		if next < 0 || len(request) < next || !bytes.Equal(request[wire.HeaderLen:next], response[wire.HeaderLen:next]) {
			t.Fatalf("question %v of % x", q, request)
		}
	default:
		t.Fatal("more than one question")
	}
	limit := wire.MaxMessage
	if l.request.Transport == UDP {
		limit = wire.MinUDP
		if m.IsEdns0() != nil {
			limit = l.view.Policy.udpSize()
		}
	}
	if len(response) > limit {
		t.Fatalf("%d octets, at most %d", len(response), limit)
	}
	records := len(m.Answer) + len(m.Ns)
	for _, r := range m.Extra {
		if r.Header().Rrtype != dns.TypeOPT && r.Header().Rrtype != dns.TypeTSIG {
			records++
		}
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError && m.Rcode != dns.RcodeYXDomain {
		if records != 0 {
			t.Fatalf("an error with records: %v", m)
		}
		if len(response) > len(request)+maxErrorGrowth {
			t.Fatalf("%d octets answer %d\n%v", len(response), len(request), m)
		}
	}
}
