package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

const apex = "2.0.192.in-addr.arpa."

func soa(serial zone.Serial) string {
	return fmt.Sprintf("%s 3600 IN SOA ns1.example.net. Hostmaster.example.net. %d 7200 900 1209600 300", apex, uint32(serial))
}

// record reads a record in presentation form.
func record(t testing.TB, text string) zone.Record {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return recordOf(t, r)
}

func recordOf(t testing.TB, r dns.RR) zone.Record {
	t.Helper()
	buf := make([]byte, dns.Len(r)+64)
	n, err := dns.PackRR(r, buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	owner := dname.MustParse(r.Header().Name)
	return zone.Record{Owner: owner, Type: rr.Type(r.Header().Rrtype), TTL: r.Header().Ttl, Data: buf[len(owner)+10 : n]}
}

// build makes a zone of records in presentation form.
func build(t testing.TB, lines ...string) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse(apex))
	for _, line := range lines {
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

// texts returns the records of a zone in one form, sorted.
func texts(z *zone.Zone) []string {
	var out []string
	for r := range z.All() {
		out = append(out, fmt.Sprintf("%v %d %v %x", r.Owner, r.TTL, r.Type, r.Data))
	}
	slices.Sort(out)
	return out
}

// fakeHistory is a History in memory.
type fakeHistory struct {
	mu    sync.Mutex
	steps []*zone.Changeset
	err   error
}

func (f *fakeHistory) Chain(_ dname.Name, from, to zone.Serial, most int) (list []*zone.Changeset, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.steps {
		if c.From == from || list != nil {
			list = append(list, c)
			if n += len(c.Removed) + len(c.Added); n > most {
				return nil, false, f.err
			}
		}
		if c.To == to {
			break
		}
	}
	return list, list != nil, f.err
}

// rig is a server with one zone that everybody on the loopback may have.
type rig struct {
	t       testing.TB
	views   answer.Views
	history fakeHistory
	handler *Handler
	server  *server.Server
	key     *tsig.Key
	addr    string
	apex    string // of the zone
	asked   uint64 // requests sent over TCP
}

func newRig(t testing.TB, z *zone.Zone) *rig {
	t.Helper()
	return newRigWith(t, z, func(*Options) {})
}

func newRigWith(t testing.TB, z *zone.Zone, edit func(*Options)) *rig {
	t.Helper()
	g := &rig{t: t, apex: z.Apex().String()}
	var err error
	if g.key, err = tsig.NewKey(tsig.KeyOptions{Name: dname.MustParse("key."), Algorithm: tsig.HMACSHA256, Secret: []byte("secret")}); err != nil {
		t.Fatal(err)
	}
	o := Options{History: &g.history}
	edit(&o)
	g.handler = New(o)
	g.serve(z)
	s, err := server.New(server.Options{
		Views:    &g.views,
		Limits:   server.Limits{TCPClients: 100, TCPClientsPer: 100, TCPIdle: time.Minute, TCPWrite: time.Minute, TCPPipeline: 16, Transfers: 16, TransfersPer: 16, TransferStall: time.Minute},
		Listen:   server.Addrs{server.DNS: {netip.MustParseAddrPort("127.0.0.1:0")}},
		Transfer: g.handler,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	g.addr, g.server = s.Addrs()[server.DNS][0].String(), s
	return g
}

// serve puts another content of the zone in force.
func (g *rig) serve(z *zone.Zone) {
	g.views.Swap(&answer.View{Zones: zone.NewSet().With([]*zone.Zone{z}, nil), Policy: &answer.Policy{
		Keys: tsig.NewKeys([]*tsig.Key{g.key}),
		Zones: new(zone.Map[answer.ZonePolicy]).With([]zone.MapChange[answer.ZonePolicy]{
			{Apex: z.Apex(), Value: &answer.ZonePolicy{Transfers: answer.Peers{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}}},
		}),
	}})
}

// dial opens a connection and sends a request.
func (g *rig) dial(m *dns.Msg, key *tsig.Key) (net.Conn, *tsig.Verifier) {
	g.t.Helper()
	b, err := m.Pack()
	if err != nil {
		g.t.Fatal(err)
	}
	var v *tsig.Verifier
	if key != nil {
		b, v = key.Request(b, time.Now().Unix())
	}
	g.asked++
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)); err != nil {
		g.t.Fatal(err)
	}
	return c, v
}

// receive reads a message of an answer.
func (g *rig) receive(c net.Conn, v *tsig.Verifier) (*dns.Msg, int) {
	g.t.Helper()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		g.t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		g.t.Fatal(err)
	}
	if v != nil {
		var err error
		if b, err = v.Verify(b, time.Now().Unix()); err != nil {
			g.t.Fatal(err)
		}
	}
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		g.t.Fatal(err)
	}
	return m, len(b)
}

// transfer asks and reads the answer to its end; messages that are not as they have to
// be fail the test.
func (g *rig) transfer(m *dns.Msg, key *tsig.Key) (all []dns.RR, messages int) {
	g.t.Helper()
	c, v := g.dial(m, key)
	defer c.Close()
	soas, incremental := 0, false
	for {
		got, size := g.receive(c, v)
		messages++
		if got.Rcode != 0 || !got.Authoritative || got.Id != m.Id || len(got.Answer) == 0 || len(got.Ns) != 0 || len(got.Question) != 1 ||
			(got.IsEdns0() != nil) != (m.IsEdns0() != nil) || got.Truncated || size > messageSize+512 {
			g.t.Fatalf("message %d of %d octets: %v", messages, size, got)
		}
		for _, r := range got.Answer {
			all = append(all, r)
			if s, ok := r.(*dns.SOA); ok {
				if soas++; soas > 1 && s.Serial == all[0].(*dns.SOA).Serial && (!incremental || soas%2 == 0) {
					return all, messages
				}
				incremental = incremental || len(all) == 2
			}
		}
		if len(all) == 1 && m.Question[0].Qtype == dns.TypeIXFR {
			return all, messages
		}
	}
}

// drain asks for the zone that is served and reads the octets of the answer until the
// last record of a message is an SOA that is not the first.
func (g *rig) drain(signed bool) (octets int) {
	g.t.Helper()
	m := new(dns.Msg)
	m.SetAxfr(g.apex)
	var key *tsig.Key
	if signed {
		key = g.key
	}
	c, _ := g.dial(m, key)
	defer c.Close()
	in := bufio.NewReaderSize(c, 1<<17)
	buf := make([]byte, 1<<16)
	for soas := 0; soas < 2; {
		if _, err := io.ReadFull(in, buf[:2]); err != nil {
			g.t.Fatal(err)
		}
		b := buf[:binary.BigEndian.Uint16(buf)]
		if _, err := io.ReadFull(in, b); err != nil {
			g.t.Fatal(err)
		}
		octets += len(b)
		soas += bytes.Count(b, []byte("\x00\x06\x00\x01\x00\x00\x0e\x10")) // type, class, TTL
	}
	return octets
}

func axfr() *dns.Msg {
	m := new(dns.Msg)
	m.SetAxfr(apex)
	m.RecursionDesired = false
	return m
}

func ixfr(from zone.Serial) *dns.Msg {
	m := new(dns.Msg)
	m.SetIxfr(apex, uint32(from), "ns.example.", "mbox.example.")
	return m
}

// zoneOf builds a zone of what an AXFR had.
func zoneOf(t testing.TB, all []dns.RR) *zone.Zone {
	t.Helper()
	if len(all) < 2 || all[0].String() != all[len(all)-1].String() {
		t.Fatalf("%d records, the first and last is not one SOA", len(all))
	}
	b := zone.NewBuilder(dname.MustParse(apex))
	for _, r := range all[:len(all)-1] {
		b.Add(recordOf(t, r))
	}
	z, findings := b.Build()
	for _, f := range findings {
		if f.Severity == finding.Error {
			t.Fatal(f)
		}
	}
	return z
}

func sameZone(t testing.TB, what string, got, want *zone.Zone) {
	t.Helper()
	if got.Digest() != want.Digest() || got.Serial() != want.Serial() || !slices.Equal(texts(got), texts(want)) {
		t.Errorf("%s: the zone that came is another\ngot  %q\nwant %q", what, texts(got), texts(want))
	}
}

// awkward has whatever is no plain answer: glue, occluded data, a wildcard, an alias,
// an unknown type, names in odd case, a large RRset.
func awkward(t testing.TB, serial zone.Serial) *zone.Zone {
	lines := []string{
		soa(serial), apex + " 3600 IN NS ns1.example.net.", apex + " 3600 IN NS ns." + apex, "ns." + apex + " 60 IN A 192.0.2.53",
		"10." + apex + " 300 IN PTR Host10.Example.COM.", "10." + apex + " 300 IN TXT \"a\" \"b\"",
		"*." + apex + " 300 IN PTR dynamic.example.com.", "20." + apex + " 60 IN CNAME 20.0-31." + apex,
		"64-127." + apex + " 86400 IN NS ns.64-127." + apex, "ns.64-127." + apex + " 60 IN AAAA 2001:db8::53", // glue
		"70.64-127." + apex + " 60 IN PTR occluded.example.com.",
		"30." + apex + " 60 IN TYPE65280 \\# 3 010203", "31." + apex + " 60 IN DNAME below.example.com.", "x.31." + apex + " 60 IN TXT occluded",
		"32." + apex + " 60 IN SRV 1 2 3 Host10.Example.COM.", "33." + apex + " 60 IN MX 5 mail.host10.example.com.",
	}
	for i := range 3 {
		lines = append(lines, fmt.Sprintf("40.%s 60 IN TXT %s", apex, strings.Repeat(fmt.Sprintf(" \"%d%s\"", i, strings.Repeat("x", 200)), 60)))
	}
	return build(t, lines...)
}

func TestAXFR(t *testing.T) {
	single := build(t, soa(1), apex+" 3600 IN NS ns1.example.net.")
	var many []string
	many = append(many, soa(2), apex+" 3600 IN NS ns1.example.net.")
	for i := range 5000 {
		many = append(many, fmt.Sprintf("%d.%d.%s 3600 IN PTR host%d.dept%d.example.com.", i%250, i/250, apex, i, i%7))
	}
	large := []string{soa(3), apex + " 3600 IN NS ns1.example.net.",
		"5." + apex + " 60 IN TXT" + strings.Repeat(" \""+strings.Repeat("y", 255)+"\"", 200)} // 51,200 octets, more than messageSize
	for _, c := range []struct {
		what string
		zone *zone.Zone
	}{
		{"two records", single}, {"awkward data", awkward(t, 7)}, {"5000 names", build(t, many...)},
		{"a serial behind the wrap", awkward(t, 0)}, {"a large record", build(t, large...)},
	} {
		g := newRig(t, c.zone)
		for _, key := range []*tsig.Key{nil, g.key} {
			for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
				if c.what == "a large record" && qtype == dns.TypeIXFR {
					continue
				}
				m := axfr()
				if qtype == dns.TypeIXFR { // there is no history
					m = ixfr(c.zone.Serial() - 1)
				}
				if key != nil {
					m.SetEdns0(1232, true)
				}
				if c.what == "a large record" {
					largeTransfer(t, g, m, key, c.zone)
					continue
				}
				all, messages := g.transfer(m, key)
				sameZone(t, c.what, zoneOf(t, all), c.zone)
				if len(all) > 5000 && (messages < 5 || messages > 20) {
					t.Errorf("%s: %d messages", c.what, messages)
				}
			}
		}
		got := g.handler.Totals()
		for deadline := time.Now().Add(10 * time.Second); got[Full].Answers+got[FullByIXFR].Answers < g.asked && time.Now().Before(deadline); {
			got = g.handler.Totals() // counted after the last message was sent
		}
		if want := uint64(c.zone.Stats().Records + 1); got[Full].Records != 2*want || got[Full].Answers != 2 || got[Broken].Answers != 0 {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

// largeTransfer has a message larger than the others.
func largeTransfer(t *testing.T, g *rig, m *dns.Msg, key *tsig.Key, want *zone.Zone) {
	c, v := g.dial(m, key)
	var all []dns.RR
	largest := 0
	for len(all) < 2 || all[len(all)-1].Header().Rrtype != dns.TypeSOA {
		got, size := g.receive(c, v)
		all, largest = append(all, got.Answer...), max(largest, size)
	}
	sameZone(t, "a large record", zoneOf(t, all), want)
	if largest < 51200 {
		t.Errorf("the largest message has %d octets", largest)
	}
}

// TestSnapshot: what is sent is the zone of one moment, however often another is put
// in force while it is sent.
func TestSnapshot(t *testing.T) {
	var lines []string
	for i := range 30000 {
		lines = append(lines, fmt.Sprintf("%d.%d.%s 3600 IN PTR a-long-name-of-a-host-%d.department-%d.example.com.", i%250, i/250, apex, i, i%1000))
	}
	ns := apex + " 3600 IN NS ns1.example.net."
	first := build(t, append([]string{soa(1), ns}, lines...)...)
	second := build(t, append([]string{soa(2), ns}, lines[:15000]...)...)
	g := newRig(t, first)
	c, v := g.dial(axfr(), g.key)
	got, _ := g.receive(c, v)
	g.serve(second)
	all := got.Answer
	for all[len(all)-1].Header().Rrtype != dns.TypeSOA {
		got, _ = g.receive(c, v)
		all = append(all, got.Answer...)
	}
	if err := v.End(); err != nil {
		t.Error(err)
	}
	sameZone(t, "the first", zoneOf(t, all), first)
	all, _ = g.transfer(axfr(), nil)
	sameZone(t, "the second", zoneOf(t, all), second)
}

// apply plays the answer to an IXFR back on the zone of the client (RFC 1995 §4).
func apply(t testing.TB, have *zone.Zone, all []dns.RR) *zone.Zone {
	t.Helper()
	if len(all) == 1 {
		return have
	}
	if _, ok := all[1].(*dns.SOA); !ok {
		return zoneOf(t, all)
	}
	for i := 1; i < len(all)-1; {
		c := &zone.Changeset{Apex: have.Apex()}
		list := &c.Removed
		soas := 0
		for ; i < len(all)-1; i++ {
			if _, ok := all[i].(*dns.SOA); ok {
				if soas++; soas == 2 {
					list = &c.Added
				} else if soas == 3 {
					break
				}
			}
			*list = append(*list, recordOf(t, all[i]))
		}
		next, err := have.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		have = next
	}
	return have
}

// TestRandomIXFR changes a zone at random, over the wrap of serials, and transfers the
// difference from each of the last versions by TCP and UDP.
func TestRandomIXFR(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	versions := []*zone.Zone{build(t, soa(0xffff_fff0), apex+" 3600 IN NS ns1.example.net.")}
	g := newRig(t, versions[0])
	seen := map[Kind]uint64{}
	for step := range 60 {
		have := versions[len(versions)-1]
		c := &zone.Changeset{Apex: have.Apex(), From: have.Serial(), To: have.Serial() + 1 + zone.Serial(random.IntN(3))}
		c.Removed = append(c.Removed, record(t, soa(c.From)))
		c.Added = append(c.Added, record(t, soa(c.To)))
		changed := map[int]bool{}
		for range random.IntN(8) {
			host := random.IntN(12)
			if changed[host] {
				continue
			}
			changed[host] = true
			owner := dname.MustParse(fmt.Sprintf("%d.%s", host, apex))
			set, there := have.Get(owner, rr.TypePTR)
			if there {
				for it := set.Data(); it.Next(); {
					c.Removed = append(c.Removed, zone.Record{Owner: owner, Type: rr.TypePTR, TTL: set.TTL, Data: append(slices.Clone(it.Head), it.Tail...)})
				}
			}
			for n := range random.IntN(3) {
				c.Added = append(c.Added, record(t, fmt.Sprintf("%v %d IN PTR host%d-%d.example.com.", owner, 60*(1+step%2), random.IntN(4), n)))
			}
		}
		if step == 30 { // more than fits in a datagram
			for i := range 90 {
				c.Added = append(c.Added, record(t, fmt.Sprintf("%d.%s 60 IN PTR a-host-with-a-rather-long-name-%d.example.com.", 100+i, apex, i)))
			}
		}
		next, err := have.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		g.history.mu.Lock()
		g.history.steps = append(g.history.steps, c)
		if n := len(g.history.steps); n > 40 {
			g.history.steps = g.history.steps[n-40:]
		}
		g.history.mu.Unlock()
		g.serve(next)
		versions = append(versions, next)
		for range 4 {
			old := versions[random.IntN(len(versions))]
			all, _ := g.transfer(ixfr(old.Serial()), []*tsig.Key{nil, g.key}[random.IntN(2)])
			sameZone(t, fmt.Sprintf("step %d, from %d by TCP", step, old.Serial()), apply(t, old, all), next)
			m := ixfr(old.Serial())
			m.SetEdns0(1232, false)
			got, _, err := new(dns.Client).Exchange(m, g.addr)
			if err != nil || got.Rcode != 0 || len(got.Answer) == 0 || got.Truncated {
				t.Fatalf("step %d, from %d by UDP: %v\n%v", step, old.Serial(), err, got)
			}
			if len(got.Answer) > 1 || old == next {
				sameZone(t, fmt.Sprintf("step %d, from %d by UDP", step, old.Serial()), apply(t, old, got.Answer), next)
			} else if got.Answer[0].(*dns.SOA).Serial != uint32(next.Serial()) {
				t.Errorf("step %d: the SOA is %v", step, got.Answer[0])
			}
		}
	}
	for k, n := range g.handler.Totals() {
		seen[Kind(k)] = n.Answers
	}
	for k, least := range map[Kind]uint64{FullByIXFR: 1, Incremental: 20, Current: 20} {
		if seen[k] < least {
			t.Errorf("%v: %d answers, the test is to have at least %d", k, seen[k], least)
		}
	}
}

// TestIXFRKinds: which answer an IXFR gets.
func TestIXFRKinds(t *testing.T) {
	ns := apex + " 3600 IN NS ns1.example.net."
	ptr := func(host int, target string) string {
		return fmt.Sprintf("%d.%s 60 IN PTR %s.example.com.", host, apex, target)
	}
	step := func(from, to zone.Serial, removed, added []string) *zone.Changeset {
		c := &zone.Changeset{Apex: dname.MustParse(apex), From: from, To: to}
		for _, s := range append([]string{soa(from)}, removed...) {
			c.Removed = append(c.Removed, record(t, s))
		}
		for _, s := range append([]string{soa(to)}, added...) {
			c.Added = append(c.Added, record(t, s))
		}
		return c
	}
	var sent atomic.Uint64
	g := newRigWith(t, build(t, soa(10), ns, ptr(1, "b")), func(o *Options) {
		o.Sent = func(z *zone.Zone, client netip.Addr, _ Kind) {
			if sent.Add(1); z.Serial() != 10 || !client.IsLoopback() {
				t.Errorf("serial %d was sent to %v", z.Serial(), client)
			}
		}
	})
	a, b, c := ptr(1, "a"), ptr(1, "b"), ptr(2, "c")
	chain := []*zone.Changeset{
		step(6, 7, nil, []string{a}),
		step(7, 8, []string{a}, []string{b}), // the first is undone
		step(8, 9, nil, []string{c}),
		step(9, 10, []string{c}, nil), // likewise
	}
	var large []string
	for i := range 60 {
		large = append(large, fmt.Sprintf("%d.%s 60 IN PTR %s.example.com.", 100+i, apex, strings.Repeat("x", 50)))
	}
	for _, k := range []struct {
		what    string
		chain   []*zone.Changeset
		err     error
		from    zone.Serial
		tcp     string
		udp     string
		records int // over TCP
	}{
		{"the same serial", chain, nil, 10, "soa", "soa", 1},
		{"a newer one", chain, nil, 11, "soa", "soa", 1},
		{"half a turn away, which is neither", chain, nil, 10 + 1<<31, "axfr_by_ixfr", "soa", 4},
		{"one step", chain, nil, 9, "ixfr", "ixfr", 5},
		{"two that undo each other", chain, nil, 8, "ixfr", "ixfr", 4},
		{"all of them", chain, nil, 6, "ixfr", "ixfr", 5},
		{"steps that have nothing in common", []*zone.Changeset{step(8, 9, []string{a}, nil), step(9, 10, nil, []string{b})}, nil, 8, "ixfr", "ixfr", 8},
		{"before the history", chain, nil, 5, "axfr_by_ixfr", "soa", 4},
		{"an error of the history", chain, io.ErrUnexpectedEOF, 9, "axfr_by_ixfr", "soa", 4},
		{"more than a datagram", []*zone.Changeset{step(9, 10, large, nil)}, nil, 9, "ixfr", "soa", 64},
		{"more than the zone", []*zone.Changeset{step(8, 9, nil, large), step(9, 10, large[:58], nil)}, nil, 8, "ixfr", "ixfr", 6},
		{"more than the zone, and not undone", []*zone.Changeset{step(9, 10, append(large, large...), nil)}, nil, 9, "axfr_by_ixfr", "soa", 4},
	} {
		g.history.mu.Lock()
		g.history.steps, g.history.err = k.chain, k.err
		g.history.mu.Unlock()
		before := g.handler.Totals()
		kind := func() string {
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
				for i, n := range g.handler.Totals() {
					if n.Answers > before[i].Answers {
						return Kind(i).String()
					}
				}
			}
			return "none"
		}
		all, _ := g.transfer(ixfr(k.from), nil)
		if got := kind(); got != k.tcp || len(all) != k.records {
			t.Errorf("%s by TCP: %s of %d records, want %s of %d\n%v", k.what, got, len(all), k.tcp, k.records, all)
		}
		before = g.handler.Totals()
		if n := sent.Swap(0); n != 1 {
			t.Errorf("%s by TCP: reported %d times", k.what, n)
		}
		m := ixfr(k.from)
		m.SetEdns0(1232, false)
		if _, _, err := new(dns.Client).Exchange(m, g.addr); err != nil {
			t.Fatal(k.what, err)
		}
		if got := kind(); got != k.udp {
			t.Errorf("%s by UDP: %s, want %s", k.what, got, k.udp)
		}
		// An SOA is the end for a client that is up to date only.
		if has := k.udp == "ixfr" || k.tcp == "soa"; (sent.Swap(0) == 1) != has {
			t.Errorf("%s by UDP: reported %v", k.what, !has)
		}
	}
}

// TestMalformedIXFR: an IXFR says which serial the client has (RFC 1995 §3).
func TestMalformedIXFR(t *testing.T) {
	g := newRig(t, awkward(t, 7))
	for what, edit := range map[string]func(*dns.Msg){
		"no SOA":             func(m *dns.Msg) { m.Ns = nil },
		"the SOA of another": func(m *dns.Msg) { m.Ns[0].Header().Name = "example." },
		"another type": func(m *dns.Msg) {
			m.Ns[0] = &dns.NS{Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeNS, Class: 1}, Ns: "a."}
		},
		"another class":         func(m *dns.Msg) { m.Ns[0].Header().Class = dns.ClassCHAOS },
		"two SOAs":              func(m *dns.Msg) { m.Ns = append(m.Ns, m.Ns[0]) },
		"the SOA as the answer": func(m *dns.Msg) { m.Answer, m.Ns = m.Ns, nil },
	} {
		m := ixfr(6)
		edit(m)
		c, _ := g.dial(m, nil)
		if got, _ := g.receive(c, nil); got.Rcode != dns.RcodeFormatError {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func FuzzClientSerial(f *testing.F) {
	good, err := ixfr(7).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)                  // a serial
	f.Add(good[:len(good)-1])    // cut short
	f.Add([]byte{11: 0})         // a header alone
	f.Add(append(good, good...)) // more than it says
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) < 12 {
			return // the server has read the header
		}
		got, ok := clientSerial(msg)
		if !ok {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(msg); err != nil {
			return // what follows is none of ours
		}
		if s, isSOA := m.Ns[0].(*dns.SOA); !isSOA || s.Serial != uint32(got) {
			t.Fatalf("serial %d of %v", got, m)
		}
	})
}

// A transfer that panics gives back all that it has, and its client learns that no more
// comes: however many did, the next one is made.
func TestPanicsKeepNoTransferFromBeingMade(t *testing.T) {
	z := build(t, soa(3), apex+" 60 IN NS ns.example.", "1."+apex+" 60 IN PTR host.example.")
	var faulty atomic.Bool // the next pause panics
	g := newRigWith(t, z, func(o *Options) {
		o.Pause = func() func() {
			return func() {
				if faulty.CompareAndSwap(true, false) {
					panic("asked to")
				}
			}
		}
	})
	for _, ask := range []func() *dns.Msg{axfr, func() *dns.Msg { return ixfr(1) }} {
		const many = 40 // more than there are places, and turns to compute
		for range many {
			faulty.Store(true)
			c, _ := g.dial(ask(), nil)
			if n, err := io.Copy(io.Discard, c); n > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("%d octets of an answer, %v", n, err)
			}
		}
		if all, _ := g.transfer(ask(), nil); len(all) < 3 {
			t.Errorf("%d records", len(all))
		}
	}
	await(t, "rest", func() bool { return g.server.Totals().Deferred.Working == 0 })
	if total := g.server.Totals(); total.Deferred.Transfers != 0 || total.Deferred.TransfersWaiting != 0 || total.Closed[answer.CloseFault] != 80 {
		t.Errorf("%+v, closed %v", total.Deferred, total.Closed)
	}
}

// await fails the test unless the condition becomes true.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !condition(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
