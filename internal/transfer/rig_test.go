package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

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
	udp     dns.Client
}

func newRig(t testing.TB, z *zone.Zone) *rig {
	t.Helper()
	return newRigWith(t, z, func(*Options) {})
}

func newRigWith(t testing.TB, z *zone.Zone, edit func(*Options)) *rig {
	t.Helper()
	g := &rig{t: t, apex: z.Apex().String(), udp: dns.Client{Timeout: await.Patience}}
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
	c.SetDeadline(time.Now().Add(await.Patience))
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
