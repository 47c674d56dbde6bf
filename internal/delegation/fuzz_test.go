package delegation_test

import (
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// seeds are the responses of a correct server and of wrong ones, without header and question.
func seeds() (out [][]byte) {
	for _, m := range []dns.Msg{
		{MsgHdr: dns.MsgHdr{Authoritative: true}, Answer: []dns.RR{record("x.example." + soa)}},
		{MsgHdr: dns.MsgHdr{Authoritative: true}, Answer: []dns.RR{record("x.example. NS ns.x.example.")}, Extra: []dns.RR{record("ns.x.example. A 100.0.3.1"), record("ns.x.example. AAAA 2a00::1")}},
		{Ns: []dns.RR{record("x.example. NS ns.x.example."), record("x.example. NS ns.other.")}, Extra: []dns.RR{record("ns.x.example. A 100.0.3.1"), record("ns.other. A 100.0.3.2")}},
		{Ns: []dns.RR{record(". NS a.root.")}},
		{MsgHdr: dns.MsgHdr{Authoritative: true, Rcode: dns.RcodeNameError}, Ns: []dns.RR{record("example." + soa)}},
		{MsgHdr: dns.MsgHdr{Authoritative: true}, Answer: []dns.RR{record("x.example. CNAME y.example.")}},
		{MsgHdr: dns.MsgHdr{Authoritative: true}, Answer: []dns.RR{record("example. DNAME example.test."), record("x.example. CNAME x.example.test.")}},
		{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeFormatError}},
		{MsgHdr: dns.MsgHdr{Truncated: true}},
	} {
		m.Compress = true
		m.Response = true
		m.SetQuestion("x.example.", dns.TypeNS)
		b, err := m.Pack()
		if err != nil {
			panic(err)
		}
		out = append(out, append(b[2:12:12], b[12+11+4:]...))
	}
	return out
}

// crafted returns a response to a request: its ID and question, and for the rest octets of
// data, of which a flag octet, a response code octet, and the counts come first.
func crafted(request, data []byte) []byte {
	question := request[12 : 12+len(dname.FromWire(request[12:]))+4]
	b := append([]byte{}, request[:2]...)
	b = append(b, 0x80|data[0]&^0x78, data[1], 0, 1)
	b = append(b, data[4:10]...)
	b = append(b, question...)
	return append(b, data[10:]...)
}

// FuzzRead reads crafted responses: what is trusted is in the zone of the server.
func FuzzRead(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, uint16(dns.TypeNS))
	}
	f.Fuzz(func(t *testing.T, data []byte, qtype uint16) {
		if len(data) < 10 {
			return
		}
		q := delegation.Question{Name: dname.MustParse("x.example"), Type: rr.Type(qtype)}
		request := new(dns.Msg).SetQuestion("x.example.", qtype)
		wire, err := request.Pack()
		if err != nil {
			t.Fatal(err)
		}
		response := crafted(wire, data)
		if why := delegation.Accept(wire, response); why != "" {
			t.Fatalf("not accepted: %s", why)
		}
		m := &dns.Msg{}
		if len(response) > dns.MaxMsgSize || m.Unpack(response) != nil {
			return
		}
		zone := dname.MustParse("example")
		r := delegation.Read(&delegation.Fact{Question: q, Outcome: delegation.Answered, Msg: m}, zone)
		if r.Cut != nil && (!r.Cut.IsAtOrBelow(zone) || r.Cut.Equal(zone) || !q.Name.IsAtOrBelow(r.Cut)) {
			t.Errorf("cut %v", r.Cut)
		}
		for _, g := range r.Glue {
			if !g.Name.IsAtOrBelow(zone) || !g.Addr.IsValid() {
				t.Errorf("glue %v", g)
			}
		}
		for _, record := range r.Records {
			if owner := delegation.NameOf(record.Header().Name); !owner.Equal(q.Name) || record.Header().Rrtype != qtype {
				t.Errorf("record %v", record)
			}
		}
		if a := r.Alias; r.Kind == delegation.AliasTo && (!a.Owner.IsAtOrBelow(zone) || !q.Name.IsAtOrBelow(a.Owner) || dname.FromWire(a.Target) == nil) {
			t.Errorf("alias %v", a)
		}
		for _, record := range append(append(m.Answer, m.Ns...), m.Extra...) {
			if name := record.Header().Name; !strings.EqualFold(name, ".") {
				if n, err := dname.Parse(name); err != nil || n.IsRoot() {
					t.Errorf("the name %q: %v", name, err)
				}
			}
		}
	})
}

// FuzzWalk walks to a zone whose server answers with crafted responses, one after another.
// Whatever they are, the walk ends within its bounds.
func FuzzWalk(f *testing.F) {
	all := seeds()
	for i, s := range all {
		f.Add(s, all[(i+1)%len(all)], all[(i+2)%len(all)])
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		if min(len(a), len(b), len(c)) < 10 || max(len(a), len(b), len(c)) > 60000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			turn := 0
			next := func(request []byte) []byte {
				mu.Lock()
				defer mu.Unlock()
				turn++
				return crafted(request, [][]byte{a, b, c}[turn%3])
			}
			n, _ := small()
			defer n.Wait()
			n.Add(hostile, &delegationtest.Host{
				UDP: func(request []byte) []delegationtest.Datagram {
					return []delegationtest.Datagram{{Data: next(request)}}
				},
				TCP: func(conn net.Conn) {
					if request, err := delegationtest.ReadMessage(conn); err == nil {
						delegationtest.WriteMessage(conn, next(request))
					}
				},
			})
			o := options(n)
			o.Limits = delegation.Limits{Messages: 300, Time: 30 * time.Second}
			w := delegation.New(o).Walk(t.Context(), dname.MustParse("x.example"))
			if _, sent := n.Sent(""); sent > 300 {
				t.Errorf("%d messages", sent)
			}
			if w.Took > 31*time.Second {
				t.Errorf("took %v", w.Took)
			}
			if len(w.Levels) > 30 || len(w.Aliases) > delegation.MaxAliases {
				t.Errorf("%d levels, %d aliases", len(w.Levels), len(w.Aliases))
			}
		})
	})
}
