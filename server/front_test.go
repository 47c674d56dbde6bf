package server

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone"
)

// frontServer serves the lab's zones to everybody for transfer, and to nobody else.
func frontServer(t *testing.T, edit func(*Options), keys ...*tsig.Key) *running {
	t.Helper()
	return serve(t, func(o *Options) {
		o.newAnswerer = nil
		set := zone.NewSet()
		policy := &answer.Policy{Keys: tsig.NewKeys(keys)}
		peers := &answer.ZonePolicy{Transfers: answer.Peers{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}}
		for _, text := range servertest.Zones {
			z := servertest.Zone(t, text)
			set = set.With([]*zone.Zone{z}, nil)
			policy.Zones = policy.Zones.With([]zone.MapChange[answer.ZonePolicy]{{Apex: z.Apex(), Value: peers}})
		}
		o.Views.Swap(&answer.View{Zones: set, Policy: policy})
		edit(o)
	}, "127.0.0.1")
}

// Handlers get what is theirs, with the key and without the TSIG record, and their
// answers of several messages are signed; one that holds a request answers later.
func TestHandlers(t *testing.T) {
	k := servertest.Key(t, "key.")
	var mu sync.Mutex
	seen := map[string]int{}
	later := make(chan *deferred.Request, 1)
	handler := func(name string) deferred.Handler {
		return workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) {
			mu.Lock()
			defer mu.Unlock()
			seen[name]++
			if at := strings.Index(string(r.Message), "hmac"); at >= 0 || (r.Key == nil) != (name == "notify") {
				t.Errorf("%s: key %v, message %x", name, r.Key, r.Message)
			}
			if h, _ := wire.ReadHeader(r.Message); h.Additionals != 1 || r.Question().Name.String() != "2.0.192.in-addr.arpa." {
				t.Errorf("%s: %+v, %v", name, h, r.Question())
			}
			switch name {
			case "transfer":
				if r.Zone() == nil || r.Zone().Serial() != 7 {
					t.Errorf("zone %v", r.Zone())
				}
				for i := range 3 {
					w := r.Begin(0)
					soa, _ := r.Zone().Get(r.Zone().Apex(), 6)
					it := soa.Data()
					it.Next()
					w.Record(wire.Answer, &wire.Owner{Name: r.Zone().Apex()}, 6, 1, uint32(i), it.Head, it.Tail)
					if err := r.Send(wire.AA, wire.RCodeNoError, 0, ""); err != nil {
						t.Error(err)
					}
				}
			case "update":
				r.Hold()
				later <- r
			default:
				if err := r.Fail(wire.RCodeRefused, wire.EDEProhibited, "not by you"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	s := frontServer(t, func(o *Options) {
		o.Transfer, o.Update, o.Notify = handler("transfer"), handler("update"), handler("notify")
	}, k)
	c := workertest.Dial(t, s.addr())
	ask := func(opcode int, qtype uint16, key *tsig.Key) *tsig.Verifier {
		m := servertest.Query("2.0.192.in-addr.arpa.", qtype, servertest.EDNS())
		m.Opcode = opcode
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var v *tsig.Verifier
		if key != nil {
			b, v = key.Request(b, s.group.Now().Unix())
		}
		c.Send(workertest.Framed(b))
		return v
	}
	receive := func(v *tsig.Verifier) *dns.Msg {
		b := c.Receive()
		if v != nil {
			var err error
			if b, err = v.Verify(b, s.group.Now().Unix()); err != nil {
				t.Fatal(err)
			}
		}
		m := new(dns.Msg)
		if err := m.Unpack(b); err != nil {
			t.Fatal(err)
		}
		return m
	}
	v := ask(dns.OpcodeQuery, dns.TypeAXFR, k)
	for i := range 3 {
		if m := receive(v); len(m.Answer) != 1 || m.Answer[0].Header().Ttl != uint32(i) || len(m.Question) != 1 || m.IsEdns0() == nil || !m.Authoritative {
			t.Errorf("message %d: %v", i, m)
		}
	}
	if m := receive(ask(dns.OpcodeNotify, dns.TypeSOA, nil)); m.Rcode != dns.RcodeRefused || m.Opcode != dns.OpcodeNotify || servertest.EDE(m) != wire.EDEProhibited {
		t.Errorf("NOTIFY: %v", m)
	}
	v = ask(dns.OpcodeUpdate, dns.TypeSOA, k)
	held := <-later
	await.That(t, "the handler's return", func() bool { return s.Totals().Deferred.Working == 1 })
	if err := held.Fail(wire.RCodeNoError, 0, ""); err != nil {
		t.Fatal(err)
	}
	held.End()
	if m := receive(v); m.Rcode != dns.RcodeSuccess || m.Opcode != dns.OpcodeUpdate {
		t.Errorf("UPDATE: %v", m)
	}
	await.That(t, "rest", func() bool { return s.Totals().Deferred.Working == 0 })
	if total := checkLaws(t, s.Server); total.Deferred.Replies != 5 || total.Respond[answer.CountDeferredTransfer] != 1 || total.Respond[answer.CountDeferredNotify] != 1 || total.Respond[answer.CountDeferredUpdate] != 1 {
		t.Errorf("%+v", total.Deferred)
	}
	if seen["transfer"] != 1 || seen["update"] != 1 || seen["notify"] != 1 {
		t.Error(seen)
	}
}

// A client has its share of the transfers at a time, and so have all together; the
// others wait, and nothing else waits for them.
func TestTransferLimits(t *testing.T) {
	block := make(chan struct{})
	var working, most int
	var mu sync.Mutex
	s := frontServer(t, func(o *Options) {
		o.Limits.Transfers, o.Limits.TransfersPer = 3, 2
		o.Transfer = workertest.HandlerFunc(func(ctx context.Context, r *deferred.Request) {
			mu.Lock()
			working++
			most = max(most, working)
			mu.Unlock()
			workertest.Wait(ctx, block)
			mu.Lock()
			working--
			mu.Unlock()
			r.Fail(wire.RCodeNoError, 0, "")
		})
		o.Notify = workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) { r.Fail(wire.RCodeNoError, 0, "") })
	})
	b, err := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeAXFR).Pack()
	if err != nil {
		t.Fatal(err)
	}
	var clients []*workertest.StreamClient
	for _, address := range []string{"127.0.0.2", "127.0.0.3"} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		conn, err := d.Dial("tcp", s.addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		c := &workertest.StreamClient{T: t, TCPConn: conn.(*net.TCPConn)}
		clients = append(clients, c)
		for i := range 4 {
			binary.BigEndian.PutUint16(b, uint16(i))
			c.Send(workertest.Framed(b))
		}
		want := []int{2, 3}[len(clients)-1]
		await.That(t, "transfers", func() bool {
			total := s.Totals()
			return total.Deferred.Transfers == want && total.Deferred.TransfersWaiting == 4*len(clients)-want
		})
	}
	notify := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA)
	notify.Opcode = dns.OpcodeNotify
	if b, err = notify.Pack(); err != nil {
		t.Fatal(err)
	}
	clients[0].Send(workertest.Framed(b))
	clients[0].Receive()
	close(block)
	for _, c := range clients {
		for range 4 {
			c.Receive()
		}
	}
	await.That(t, "rest", func() bool { return s.Totals().Deferred.Working == 0 })
	checkLaws(t, s.Server)
	if most != 3 {
		t.Errorf("%d transfers at a time, 3 are allowed", most)
	}
}
