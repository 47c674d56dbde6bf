//go:build bench

package bench

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
)

// questions is how many different ones a benchmark asks in turn: enough that the
// names asked for do not lie in the caches next to a core.
const questions = 1 << 14

// answerCase is one kind of answer.
type answerCase struct {
	name     string
	view     *answer.View // nil: the floor
	requests [][]byte

	// What the responses have.
	rcode              int
	answers, authority int // records, without signatures; authority -1: not looked at
	referral           bool
	signatures         bool
}

// answerCases returns the cases of a family.
func (f *family) answerCases(tb testing.TB) []answerCase {
	tb.Helper()
	large := view(load(tb, f.apex, f.path(tb)), f.kinds(tb, false))
	signed := view(f.kinds(tb, true))
	var present, missing []string
	f.set.Questions(2*questions, func(q dataset.Question) {
		if q.Target == "" {
			missing = append(missing, q.Name)
		} else if len(present) < questions {
			present = append(present, q.Name)
		}
	})
	below := func(part string) []string {
		var list []string
		for i := range 256 {
			list = append(list, f.below(i)+"."+part+"."+f.kindsApex)
		}
		return list
	}
	pack := func(names []string, qtype uint16, edns, do bool) [][]byte { return pack(tb, names, qtype, edns, do) }
	return []answerCase{
		{name: "floor", requests: pack(present, dns.TypePTR, false, false)},
		{name: "name", view: large, requests: pack(present, dns.TypePTR, false, false), answers: 1},
		{name: "name-edns", view: large, requests: pack(present, dns.TypePTR, true, false), answers: 1},
		{name: "nxdomain", view: large, requests: pack(missing, dns.TypePTR, false, false), rcode: dns.RcodeNameError, authority: 1},
		{name: "nodata", view: large, requests: pack(present, dns.TypeTXT, false, false), authority: 1},
		{name: "wildcard", view: large, requests: pack(below("1"), dns.TypePTR, false, false), answers: 1},
		{name: "referral", view: large, requests: pack(below("2"), dns.TypePTR, false, false), authority: 2, referral: true},
		{name: "cname", view: large, requests: pack(below("3"), dns.TypePTR, false, false), answers: 3},
		{name: "signed-name", view: signed, requests: pack(below("6"), dns.TypePTR, true, true), answers: 1, signatures: true},
		{name: "signed-nxdomain", view: signed, requests: pack(below("7"), dns.TypePTR, true, true), rcode: dns.RcodeNameError, authority: -1, signatures: true},
		{name: "signed-nodata", view: signed, requests: pack(below("6"), dns.TypeTXT, true, true), authority: 2, signatures: true},
	}
}

func view(zones ...*zone.Zone) *answer.View {
	return &answer.View{Zones: zone.NewSet().With(zones, nil), Policy: &answer.Policy{}}
}

// pack returns requests in wire form.
func pack(tb testing.TB, names []string, qtype uint16, edns, do bool) [][]byte {
	tb.Helper()
	out := make([][]byte, len(names))
	for i, n := range names {
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(n), qtype)
		m.RecursionDesired = false
		if edns {
			m.SetEdns0(1232, do)
		}
		b, err := m.Pack()
		if err != nil {
			tb.Fatal(err)
		}
		out[i] = b
	}
	return out
}

// responder answers requests as a worker does: it makes its counts visible once a
// batch.
type responder struct {
	*answer.Responder
	request answer.Request
	buf     []byte
	n       int
}

func newResponder() *responder {
	return &responder{
		Responder: answer.NewResponder(answer.ResponderOptions{}),
		request: answer.Request{
			Client: netip.MustParseAddrPort("198.51.100.7:53535"), Local: netip.MustParseAddrPort("203.0.113.1:53"), Now: 1_700_000_000,
		},
		buf: make([]byte, 65535),
	}
}

// batch is after how many answers a worker publishes its counts at full load.
const batch = 64

// answer answers one request and returns the response.
func (r *responder) answer(c *answerCase, request []byte) []byte {
	n := copy(r.buf, request)
	if c.view == nil {
		r.buf[2] |= 0x80 // QR
		return r.buf[:n]
	}
	n, _ = r.Respond(c.view, &r.request, r.buf, n)
	if r.n++; r.n%batch == 0 {
		r.Publish()
	}
	return r.buf[:n]
}

// TestAnswerCases: the benchmarks measure what their names say.
func TestAnswerCases(t *testing.T) {
	for _, f := range families(t) {
		for _, c := range f.answerCases(t) {
			if c.view == nil {
				continue
			}
			r := newResponder()
			if len(c.requests) < 256 {
				t.Errorf("%s/%s: only %d requests", f.name, c.name, len(c.requests))
			}
			for _, request := range c.requests {
				m := new(dns.Msg)
				if err := m.Unpack(r.answer(&c, request)); err != nil {
					t.Fatalf("%s/%s: %v", f.name, c.name, err)
				}
				answers, answerSigs := count(m.Answer)
				authority, authoritySigs := count(m.Ns)
				if m.Rcode != c.rcode || answers != c.answers || c.authority >= 0 && authority != c.authority ||
					m.Authoritative == c.referral || (answerSigs+authoritySigs > 0) != c.signatures {
					t.Fatalf("%s/%s is not what it says:\n%v", f.name, c.name, m)
				}
			}
		}
	}
}

// count returns the number of records, and of signatures among them apart.
func count(list []dns.RR) (records, signatures int) {
	for _, r := range list {
		if r.Header().Rrtype == dns.TypeRRSIG {
			signatures++
		} else {
			records++
		}
	}
	return records, signatures
}

// BenchmarkAnswer measures a request copied into the buffer and answered there. The
// difference to its floor is what answering costs.
func BenchmarkAnswer(b *testing.B) {
	for _, f := range families(b) {
		b.Run(f.name, func(b *testing.B) {
			for _, c := range f.answerCases(b) {
				b.Run(c.name, func(b *testing.B) {
					r := newResponder()
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						r.answer(&c, c.requests[i])
						if i++; i == len(c.requests) {
							i = 0
						}
					}
				})
			}
		})
	}
}
