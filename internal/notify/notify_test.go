package notify

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/eventlog"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

const apex = "2.0.192.in-addr.arpa."

var key = func() *tsig.Key {
	k, err := tsig.NewKey(tsig.KeyOptions{Name: dname.MustParse("key."), Algorithm: tsig.HMACSHA256, Secret: []byte("secret")})
	if err != nil {
		panic(err)
	}
	return k
}()

func record(t testing.TB, text string) zone.Record {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := dns.PackRR(r, buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	owner := dname.MustParse(r.Header().Name)
	return zone.Record{Owner: owner, Type: rr.Type(r.Header().Rrtype), TTL: r.Header().Ttl, Data: buf[len(owner)+10 : n]}
}

func build(t testing.TB, name string, serial int, lines ...string) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse(name))
	for _, line := range append([]string{fmt.Sprintf("%s 3600 IN SOA ns1.example.net. hostmaster.example.net. %d 7200 900 1209600 300", name, serial)}, lines...) {
		b.Add(record(t, line))
	}
	z, findings := b.Build()
	for _, f := range findings {
		if f.Severity == finding.Error {
			t.Fatal(f)
		}
	}
	return z
}

// secondary is a target of NOTIFY.
type secondary struct {
	t    testing.TB
	conn *net.UDPConn
	mu   sync.Mutex
	got  []*dns.Msg
	// reply makes the answer to a NOTIFY; nil: none is sent.
	reply func(m *dns.Msg, request []byte) []byte
}

func newSecondary(t testing.TB, reply func(m *dns.Msg, request []byte) []byte) *secondary {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &secondary{t: t, conn: conn, reply: reply}
	t.Cleanup(func() { conn.Close() })
	go s.run()
	return s
}

func (s *secondary) target() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (s *secondary) run() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(buf[:n]); err != nil {
			s.t.Error(err)
			continue
		}
		s.mu.Lock()
		s.got = append(s.got, m)
		s.mu.Unlock()
		if s.reply != nil {
			if b := s.reply(m, slices.Clone(buf[:n])); b != nil {
				s.conn.WriteToUDPAddrPort(b, from)
			}
		}
	}
}

func (s *secondary) messages() []*dns.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func reply(m *dns.Msg, rcode int) []byte {
	r := new(dns.Msg)
	r.SetRcode(m, rcode)
	r.Opcode = dns.OpcodeNotify
	b, err := r.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func good(m *dns.Msg, _ []byte) []byte { return reply(m, 0) }

// rig is a Notifier with a Store.
type rig struct {
	*Notifier
	t     testing.TB
	store *commit.Writer
	log   lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// byKey looks zones up by dname.Name.Key of the apex.
func byKey(zones map[string]*Zone) func(dname.Name) *Zone {
	return func(apex dname.Name) *Zone { return zones[apex.Key()] }
}

func newRig(t testing.TB, conf *Zone) *rig {
	t.Helper()
	g := &rig{t: t}
	g.store = commit.New(commit.Options{Published: func(b *zone.Batch) { g.Published(b) }})
	g.Notifier = New(Options{Set: g.store.Set, Log: slog.New(slog.NewTextHandler(&g.log, nil))})
	g.SetZones(byKey(map[string]*Zone{dname.MustParse(apex).Key(): conf}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return g
}

func (g *rig) publish(z *zone.Zone) {
	g.t.Helper()
	if err := g.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Base: g.store.Set().Get(z.Apex())}}}); err != nil {
		g.t.Fatal(err)
	}
}

// TestNotify: all targets get NOTIFY with our SOA, signed if they have a key;
// a target that answers gets no more messages.
func TestNotify(t *testing.T) {
	signed := newSecondary(t, func(m *dns.Msg, request []byte) []byte {
		keys := tsig.NewKeys([]*tsig.Key{key})
		at := len(request) - 10 - len(key.Name()) - (len("hmac-sha256") + 2 + 16 + 32)
		s, ok := keys.Verify(request, at, time.Now().Unix())
		if !ok || s.Err() != tsig.NoError {
			t.Errorf("the signature: %v, %v", ok, s)
			return nil
		}
		return s.Sign(reply(m, 0), time.Now().Unix())
	})
	plain := newSecondary(t, good)
	g := newRig(t, &Zone{Targets: []Target{{Address: signed.target(), Key: key}, {Address: plain.target(), Source: netip.MustParseAddr("127.0.0.1")}}})
	begin := time.Now()
	g.publish(build(t, apex, 7, apex+" 60 IN NS ns1.example.net."))
	await.That(t, "answers", func() bool { return g.totals.Answered.Load() == 2 })
	most := 1 + int(time.Since(begin)/firstTimeout) // of messages, if answers were late
	for _, s := range []*secondary{signed, plain} {
		got := s.messages()
		if len(got) == 0 || len(got) > most {
			t.Fatalf("%d messages, want 1 to %d", len(got), most)
		}
		m := got[0]
		soa, ok := m.Answer[0].(*dns.SOA)
		if !ok || soa.Serial != 7 || soa.Minttl != 300 || soa.Hdr.Name != apex || m.Opcode != dns.OpcodeNotify || m.Response || !m.Authoritative ||
			len(m.Question) != 1 || m.Question[0] != (dns.Question{Name: apex, Qtype: dns.TypeSOA, Qclass: dns.ClassINET}) || (m.IsTsig() != nil) != (s == signed) {
			t.Errorf("got %v", m)
		}
	}
	if n := int(g.totals.Sent.Load()); n < 2 || n > 2*most {
		t.Errorf("%d were sent, want 2 to %d", n, 2*most)
	}
}

// TestBurst: the first of many changes is announced at once, the others together.
func TestBurst(t *testing.T) {
	s := newSecondary(t, good)
	g := newRig(t, &Zone{Targets: []Target{{Address: s.target()}}})
	var zones []*zone.Zone
	for serial := range 50 {
		zones = append(zones, build(t, apex, serial+1, apex+" 60 IN NS ns1.example.net."))
	}
	begin := time.Now()
	for _, z := range zones {
		g.publish(z)
	}
	most := 3 + int(time.Since(begin)/gap) // the first, one that was on its way, the last
	await.That(t, "the last", func() bool {
		got := s.messages()
		return len(got) > 0 && got[len(got)-1].Answer[0].(*dns.SOA).Serial == 50
	})
	await.That(t, "the answers", func() bool { return g.totals.Answered.Load() == g.totals.Sent.Load() })
	most += int(time.Since(begin) / firstTimeout) // if answers were late
	if n := len(s.messages()); n > most {
		t.Errorf("%d messages, want at most %d", n, most)
	}
}

// TestAnswers: what is an answer, and what is none. All cases wait for the second message at the same
// time.
func TestAnswers(t *testing.T) {
	var checks []func()
	for _, c := range []struct {
		what    string
		key     *tsig.Key
		reply   func(m *dns.Msg, request []byte) []byte
		refused bool
	}{
		{"another id", nil, func(m *dns.Msg, _ []byte) []byte { m.Id++; return reply(m, 0) }, false},
		{"another zone", nil, func(m *dns.Msg, _ []byte) []byte { m.Question[0].Name = "example."; return reply(m, 0) }, false},
		{"a request", nil, func(m *dns.Msg, request []byte) []byte { return request }, false},
		{"rubbish", nil, func(*dns.Msg, []byte) []byte { return []byte("rubbish") }, false},
		{"another opcode", nil, func(m *dns.Msg, _ []byte) []byte { b := reply(m, 0); b[2] &^= 0x78; return b }, false},
		{"REFUSED", nil, func(m *dns.Msg, _ []byte) []byte { return reply(m, dns.RcodeRefused) }, true},
		{"unsigned", key, good, true},
	} {
		s := newSecondary(t, c.reply)
		g := newRig(t, &Zone{Targets: []Target{{Address: s.target(), Key: c.key}}})
		g.publish(build(t, apex, 1, apex+" 60 IN NS ns1.example.net."))
		checks = append(checks, func() {
			if c.refused {
				await.That(t, c.what, func() bool { return g.totals.Refused.Load() >= 1 })
			} else { // no answer: it is sent again
				await.That(t, c.what, func() bool { return len(s.messages()) >= 2 })
			}
			if n := g.totals.Answered.Load(); n != 0 {
				t.Errorf("%s: counts as an answer", c.what)
			}
		})
	}
	for _, check := range checks {
		check()
	}
}

// TestTargets: the zone's name servers, with the addresses that the configuration or a
// zone of ours gives; not the primary, not ourselves, nobody twice.
func TestTargets(t *testing.T) {
	ns := func(name string) string { return apex + " 60 IN NS " + name }
	z := build(t, apex, 1, ns("ns1.example.net."), ns("given.example.org."), ns("Here.example.com."), ns("self.example.com."), ns("elsewhere.example.org."), ns("ns."+apex), "ns."+apex+" 60 IN A 192.0.2.53")
	forward := build(t, "example.com.", 1, "example.com. 60 IN NS ns1.example.net.", "here.example.com. 60 IN A 192.0.2.1", "here.example.com. 60 IN AAAA 2001:db8::1", "self.example.com. 60 IN A 192.0.2.9")
	set := zone.NewSet().With([]*zone.Zone{z, forward}, nil)
	given := netip.MustParseAddrPort("192.0.2.1:53")
	n := New(Options{IsOwn: func(a netip.Addr) bool { return a.String() == "192.0.2.9" }})
	conf := &Zone{Targets: []Target{{Address: given, Key: key}}, NameServers: true, Addresses: map[string][]netip.Addr{
		dname.MustParse("given.example.org.").Key(): {netip.MustParseAddr("198.51.100.1")}, dname.MustParse("ns1.example.net.").Key(): {netip.MustParseAddr("198.51.100.2")}}}
	n.SetZones(byKey(map[string]*Zone{z.Key(): conf}))
	var got []string
	for _, t := range n.targets(set, z) {
		got = append(got, t.Address.String())
	}
	slices.Sort(got)
	if want := []string{"192.0.2.1:53", "192.0.2.53:53", "198.51.100.1:53", "[2001:db8::1]:53"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	conf.NameServers = false
	if got := n.targets(set, z); len(got) != 1 || got[0].Key != key {
		t.Errorf("a hidden primary tells %v", got)
	}
	if got := n.targets(set, forward); got != nil {
		t.Errorf("of a zone without targets: %v", got)
	}
}

func FuzzAnswered(f *testing.F) {
	m := new(dns.Msg)
	m.SetNotify(apex)
	b := reply(m, 0)
	f.Add(b)             // an answer
	f.Add(b[:len(b)-1])  // cut short
	f.Add([]byte{11: 0}) // a header
	f.Fuzz(func(t *testing.T, data []byte) {
		n := New(Options{Log: slog.New(slog.DiscardHandler)})
		r := newRound(n)
		from := netip.MustParseAddrPort("192.0.2.1:53")
		k := taskKey{dname.MustParse(apex).Key(), from}
		_, v := key.Request(message(1, build(t, apex, 1, apex+" 60 IN NS ns1.example.net.")), 1)
		r.tasks[k] = &task{apex: dname.MustParse(apex), id: 1, tries: 1, verifier: v}
		r.handleAnswer(answer{from, data}, time.Unix(1, 0))
		if r.tasks[k] == nil {
			t.Fatalf("%x is a signed answer", data)
		}
	})
}

// One edit of many zones with three secondaries that do not answer is a line, and one
// with the number of the others, which names all three.
func TestDeadSecondariesAreFewLogLines(t *testing.T) {
	const zones = 1000
	conf, targets := &Zone{}, []string{}
	for range 3 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		a := c.LocalAddr().(*net.UDPAddr).AddrPort()
		conf.Targets = append(conf.Targets, Target{Address: a})
		targets = append(targets, a.String())
	}
	all, names := []zone.Change{}, map[string]*Zone{}
	changed := map[string]dname.Name{}
	for i := range zones {
		name := fmt.Sprintf("%d.%d.10.in-addr.arpa.", i%256, i/256)
		z := build(t, name, 1, name+" 3600 IN NS ns1.example.net.")
		all = append(all, zone.Change{Zone: z, Apex: z.Apex()})
		names[z.Key()], changed[z.Key()] = conf, z.Apex()
	}
	store := commit.New(commit.Options{})
	if err := store.Publish(&zone.Batch{Changes: all}); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	events := eventlog.New(slog.NewTextHandler(&log, nil))
	n := New(Options{Set: store.Set, Log: slog.New(events)})
	n.SetZones(byKey(names))
	r := newRound(n)
	defer r.close()
	now := time.Unix(1_800_000_000, 0)
	r.scheduleZones(changed, now)
	for n.Totals().Lost.Load() < 3*zones {
		now = now.Add(r.sendDue(now))
	}
	events.Close()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	suppressed := events.Totals()["warn"].Suppressed
	if len(lines) < 2 || len(lines) > 10 || suppressed != 3*zones-1 { // more than two where it took more than an interval
		t.Errorf("%d lines, %d records suppressed:\n%.2000s", len(lines), suppressed, log.String())
	}
	for _, a := range targets {
		if !strings.Contains(lines[len(lines)-1], a) {
			t.Errorf("%s is not in %s", a, lines[len(lines)-1])
		}
	}
}

// TestPublishedWithoutTargets: changes of zones that no server is notified of are not kept.
func TestPublishedWithoutTargets(t *testing.T) {
	n := New(Options{})
	with := dname.MustParse(apex)
	n.SetZones(func(a dname.Name) *Zone {
		if a.Equal(with) {
			return &Zone{}
		}
		return nil
	})
	var b zone.Batch
	for _, name := range []string{apex, "3.0.192.in-addr.arpa."} {
		z := build(t, name, 1, name+" 3600 IN NS ns1.example.net.", "1."+name+" 3600 IN PTR a.example.net.")
		b.Changes = append(b.Changes, zone.Change{Apex: z.Apex(), Zone: z})
	}
	n.Published(&b)
	if got, _ := n.removePending(); len(got) != 1 || got[with.Key()] == nil {
		t.Errorf("%d zones are kept, want that with targets", len(got))
	}
}
