package server

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone"
)

// TestServeAnswersFromAZone asks a server with everything real over both
// transports.
func TestServeAnswersFromAZone(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		z := servertest.Zone(t, `$ORIGIN 113.0.203.in-addr.arpa.
@ 3600 IN SOA ns1.example.com. hostmaster.example.com. 1 7200 3600 1209600 3600
@ 3600 IN NS ns1.example.com.
25 3600 IN PTR mail.example.com.
`)
		r := serve(t, func(o *Options) {
			way(o)
			o.newAnswerer = nil
			o.Views.Swap(&answer.View{Zones: zone.NewSet().With([]*zone.Zone{z}, nil), Policy: new(answer.Policy)})
		}, "127.0.0.1")
		notify := servertest.Query("113.0.203.in-addr.arpa.", dns.TypeSOA, func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify })
		transfer := servertest.Query("113.0.203.in-addr.arpa.", dns.TypeAXFR)
		for _, transport := range []string{"udp", "tcp"} {
			client := dns.Client{Net: transport, Timeout: await.Patience}
			for _, c := range []struct {
				name  string
				query *dns.Msg
				rcode int
			}{
				{"existing name", servertest.Query("25.113.0.203.in-addr.arpa.", dns.TypePTR), dns.RcodeSuccess},
				{"no such name", servertest.Query("26.113.0.203.in-addr.arpa.", dns.TypePTR), dns.RcodeNameError},
				{"not ours", servertest.Query("example.com.", dns.TypeA), dns.RcodeRefused},
				{"notify", notify, -1},
				{"transfer", transfer, -1},
			} {
				answer, _, err := client.Exchange(c.query, r.addr().String())
				if err != nil {
					t.Errorf("%s over %s: %v", c.name, transport, err)
					continue
				}
				if c.rcode >= 0 && answer.Rcode != c.rcode || c.rcode < 0 && answer.Rcode == dns.RcodeSuccess {
					t.Errorf("%s over %s: %v", c.name, transport, answer)
				}
			}
		}
		response := workertest.FakeQuery(1, "a.example")
		response[2] = 0x80 // gets no answer
		if _, err := workertest.UDPClient(t, r.addr().Addr()).WriteToUDPAddrPort(response, r.addr()); err != nil {
			t.Fatal(err)
		}
		await.That(t, "the drop", func() bool { return r.Totals().Transports[answer.UDP].Dropped[answer.DropByRespond] == 1 })
		r.end()
		total := r.Totals()
		if total.Deferred.Done != 3 { // notify twice, the transfer over TCP
			t.Errorf("%d requests went through the deferred lane, want 3", total.Deferred.Done)
		}
		for _, c := range []struct {
			transport string
			respond   uint64
			received  *answer.TransportTotals
		}{{"udp", total.Respond[answer.CountRequests+answer.Counter(answer.UDP)], &total.Transports[answer.UDP]}, {"tcp", total.Respond[answer.CountRequests+answer.Counter(answer.TCP)], &total.Transports[answer.TCP]}} {
			d := &c.received.Dropped
			if want := c.received.Received - d[answer.DropPortZero] - d[answer.DropTooLong] - d[answer.DropNotUnicast] - d[answer.DropFault]; c.respond != want {
				t.Errorf("%s: Respond counted %d requests, the transport %d", c.transport, c.respond, want)
			}
		}
	})
}

func TestAddrsAreWhatIsBound(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		// The same address in two forms, and twice.
		o.Listen = Addrs{DNS: {
			netip.MustParseAddrPort("[::ffff:127.0.0.1]:0"), netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.2:0"),
		}}
	})
	addrs := s.Addrs()[DNS]
	if len(addrs) != 2 || addrs[0].Port() == 0 || addrs[0].Addr().String() != "127.0.0.1" || addrs[1].Addr().String() != "127.0.0.2" {
		t.Errorf("listening on %v", addrs)
	}
	if err := s.SetListeners(nil); err != nil || len(s.Addrs()[DNS]) != 0 {
		t.Errorf("%v, listening on %v", err, s.Addrs()[DNS])
	}
}
