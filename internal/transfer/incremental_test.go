package transfer

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

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
			got, _, err := g.udp.Exchange(m, g.addr)
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
			var counted Kind
			await.That(t, k.what+": the count of the answer", func() bool {
				for i, n := range g.handler.Totals() {
					if n.Answers > before[i].Answers {
						counted = Kind(i)
						return true
					}
				}
				return false
			})
			return counted.String()
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
		if _, _, err := g.udp.Exchange(m, g.addr); err != nil {
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
