package answer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/synth"
)

// bothRoads answers a request the plain way, where that has an answer, and the
// general one, and reports whether the plain one had.
func bothRoads(t *testing.T, l *lab, request []byte, room int) bool {
	t.Helper()
	answer := func(p *Plain) ([]byte, Verdict, counts) {
		buf := make([]byte, max(room, len(request)))
		q := l.request
		q.Plain = p
		before := l.counts
		n, verdict := l.Respond(l.view, &q, buf, copy(buf, request))
		l.settle()
		after := l.counts
		for i := range after {
			after[i] -= before[i]
		}
		return buf[:n], verdict, after
	}
	general, verdict, counted := answer(new(Plain))
	got, v, c := answer(nil)
	if !bytes.Equal(got, general) || v != verdict || c != counted {
		t.Errorf("request %x, room %d:\nthe plain way   %v %x\nthe general way %v %x", request, room, v, got, verdict, general)
	}
	ours := Responder{stats: new(Stats)}
	var p Plain
	buf := append(bytes.Clone(request), make([]byte, max(room-len(request), 0))...)
	for going := p.begin(l.view, buf, len(request)); going; {
		going = p.step()
	}
	return ours.respondPlain(l.view, &l.request, &p, buf) > 0
}

// plainLab has zones whose answers the plain way has to get right or to leave:
// SOA names of every relation, targets in arpa, a long one, and a signed zone.
func plainLab(t testing.TB) *lab {
	l := casesLab(t)
	long := strings.Repeat(strings.Repeat("l", 40)+".", 6)
	for _, text := range []string{`
$ORIGIN 1.10.in-addr.arpa.
@ 3600 SOA ns.example. host.ns.example. 7 7200 900 1209600 300
@ 3600 NS ns.example.
1.0 60 PTR a.example.
2.0 PTR x.1.10.in-addr.arpa.
3.0 PTR x.ARPA.
4.0 PTR .
5.0 PTR arpa.
6.0 PTR ` + long + `
7.0 CNAME 1.0
8.0 TXT x
9.0 PTR a.example.
9.0 PTR b.example.
1.10.0 PTR below.example.
11.0 NS ns.example.
x.12.0 PTR below.example.
13.0 DNAME example.
`, `
$ORIGIN 2.10.in-addr.arpa.
@ 3600 SOA a.b.example. b.example. 7 7200 900 1209600 7200
@ 3600 NS ns.example.
1.0 60 PTR a.example.
`, `
$ORIGIN 3.10.in-addr.arpa.
@ 3600 SOA . . 7 7200 900 1209600 300
@ 3600 NS ns.example.
`, `
$ORIGIN 4.10.in-addr.arpa.
@ 3600 SOA ns hostmaster 7 7200 900 1209600 300
@ 3600 NS ns
`, `
$ORIGIN 5.10.in-addr.arpa.
@ 3600 SOA NS.example. host.ns.example. 7 7200 900 1209600 300
@ 3600 NS ns.example.
*.1 PTR any.example.
`, `
$ORIGIN 6.10.in-addr.arpa.
@ 3600 SOA ns.example. ns.EXAMPLE. 7 7200 900 1209600 300
@ 3600 NS ns.example.
`, strings.ReplaceAll(signedZone, "signed.example.", "7.10.in-addr.arpa."), `
$ORIGIN 8.b.d.0.1.0.0.2.ip6.arpa.
@ 3600 SOA ns.example. ns.example. 7 7200 900 1209600 300
@ 3600 NS ns.example.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 3600 PTR one.example.net.
`, `
$ORIGIN 20.10.in-addr.arpa.
@ 3600 SOA ns.example. ns.example. 7 7200 900 1209600 300
@ 3600 NS ns.example.
1.0 PTR a.example.
2.0 TXT x
x.3.0 PTR below.example.
1 NS ns.example.
` + rule("10.20.0.0/23", "{dashed}.pool.example") + rule("10.20.2.0/24", "{hex}.arpa") + rule("10.20.3.0/25", "{dashed}."+long+"net"), `
$ORIGIN 21.10.in-addr.arpa.
@ 3600 SOA ns.example. ns.example. 7 7200 900 1209600 300
@ 3600 NS ns.example.
*.1 PTR any.example.
` + rule("10.21.0.0/23", "{dashed}.pool.example")} {

		l.view.Zones = l.view.Zones.With([]*zone.Zone{servertest.Zone(t, text)}, nil)
	}
	return l
}

// rule returns the record of a range, as text.
func rule(prefix, template string) string {
	r := synth.Rule{Prefix: netip.MustParsePrefix(prefix), TTL: 77, Template: template}
	data := r.Append(nil)
	return fmt.Sprintf("@ TYPE%d \\# %d %x\n", synth.Type, len(data), data)
}

func plainRequests(t testing.TB) (requests [][]byte) {
	var names []string
	for _, a := range []string{
		"192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.30", "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.7",
		"10.1.0.8", "10.1.0.9", "10.1.0.10", "10.1.0.11", "10.1.0.12", "10.1.0.13", "10.1.0.99", "10.1.255.255", "10.2.0.1", "10.2.0.2", "10.3.0.1",
		"10.4.0.1", "10.5.0.1", "10.5.1.1", "10.6.0.1", "10.7.0.1", "10.9.0.1", "11.0.0.1", "2001:db8::1", "2001:db8::2", "2001:db9::1", "2001:db8:8000::",
		"10.20.0.0", "10.20.0.1", "10.20.0.2", "10.20.0.3", "10.20.1.1", "10.20.2.1", "10.20.3.1", "10.20.3.129", "10.20.255.255", "10.21.0.1", "10.21.1.1", "10.21.2.1",
	} {
		names = append(names, dname.FromAddr(netip.MustParseAddr(a)).String())
	}
	names = append(names, "1.10.in-addr.arpa.", "01.0.1.10.in-addr.arpa.", "1.0.1.10.in-addr.arpa.example.", "8.b.d.0.1.0.0.2.ip6.arpa.")
	for _, n := range names {
		for _, n := range []string{n, strings.ToUpper(n)} {
			for _, o := range []func(*dns.Msg){
				func(*dns.Msg) {}, servertest.EDNS(), dnssec, ednsAs(0, 512, 0), ednsAs(0, 0, 0), ednsAs(0, 65535, 0), ednsAs(1, 1232, 0),
				servertest.EDNS(servertest.Option(3, "")), func(m *dns.Msg) { m.RecursionDesired = false }, func(m *dns.Msg) { m.CheckingDisabled, m.AuthenticatedData = true, true },
				func(m *dns.Msg) { m.Opcode = 4 }, func(m *dns.Msg) { m.Response = true }, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY },
				func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeCNAME }, func(m *dns.Msg) { m.Truncated, m.Zero, m.Authoritative = true, true, true },
			} {
				b, err := servertest.Query(n, dns.TypePTR, o).Pack()
				if err != nil {
					t.Fatal(err)
				}
				requests = append(requests, b)
			}
		}
	}
	return requests
}

// The plain way gives the octets, verdicts and counts of the general one, over
// both transports and however little room there is; and it is taken.
func TestPlainAndGeneralAgree(t *testing.T) {
	l := plainLab(t)
	taken := 0
	for _, request := range plainRequests(t) {
		for _, q := range []Transport{UDP, TCP} {
			l.request.Transport = q
			for _, room := range []int{4096, 65535, len(request) + 11, len(request) + 30, len(request) + 60, len(request) + 90} {
				if bothRoads(t, l, request, room) {
					taken++
				}
			}
			for _, cut := range []int{1, 2, 5, 11, 12} {
				bothRoads(t, l, request[:len(request)-cut], 4096)
			}
			bothRoads(t, l, append(bytes.Clone(request), 0), 4096)
		}
	}
	if taken < 1000 {
		t.Errorf("the plain way was taken %d times only", taken)
	}
}

// Octets changed at random: what is no longer plain is found to be so.
func TestPlainAndGeneralAgreeOnDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	l := plainLab(t)
	for _, request := range plainRequests(t) {
		for range 8 {
			b := bytes.Clone(request)
			for range 1 + rng.IntN(2) {
				b[rng.IntN(len(b))] = byte(rng.Uint32())
			}
			bothRoads(t, l, b, 4096)
		}
	}
}

func FuzzPlain(f *testing.F) {
	l := plainLab(f)
	for i, request := range plainRequests(f) {
		if i%7 == 0 {
			f.Add(request, i%2 == 0, uint16(1232))
		}
	}
	f.Fuzz(func(t *testing.T, request []byte, tcp bool, room uint16) {
		l.request.Transport = UDP
		if tcp {
			l.request.Transport = TCP
		}
		if len(request) <= wire.MaxMessage {
			bothRoads(t, l, request, int(room))
		}
	})
}

// An access list, of the server and of a zone, and counters of zones.
func TestPlainWayAndPolicy(t *testing.T) {
	l := plainLab(t)
	l.countZone("1.10.in-addr.arpa.")
	request, err := servertest.Query("1.0.1.10.in-addr.arpa.", dns.TypePTR).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if !bothRoads(t, l, request, 4096) {
		t.Error("not plain")
	}
	if n := l.view.Policy.Zones.Get(dname.MustParse("1.10.in-addr.arpa.")).Queries.Load(); n != 3 {
		t.Errorf("%d queries counted for the zone, 3 were answered", n)
	}
	nobody := NewACL(nil, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	l.view.Policy.setZone("1.10.in-addr.arpa.", ZonePolicy{Access: &nobody})
	if bothRoads(t, l, request, 4096) {
		t.Error("the zone's access list is passed by")
	}
	l.view.Policy.Zones, l.view.Policy.HasZoneAccess, l.view.Policy.CountsZones = nil, false, false
	l.view.Policy.Access = nobody
	if bothRoads(t, l, request, 4096) {
		t.Error("the access list is passed by")
	}
}

// BenchmarkPlain is what a PTR, or the lack of one, takes where no access list
// and no counters of zones are set.
func BenchmarkPlain(b *testing.B) {
	l := plainLab(b)
	l.view.Policy = &Policy{}
	for _, c := range []struct{ name, address string }{
		{"v4", "10.1.0.1"}, {"v6", "2001:db8::1"}, {"v4 no name", "10.1.255.255"}, {"v6 no name", "2001:db8::2"},
	} {
		request, err := servertest.Query(dname.FromAddr(netip.MustParseAddr(c.address)).String(), dns.TypePTR).Pack()
		if err != nil {
			b.Fatal(err)
		}
		for _, road := range []struct {
			name  string
			plain *Plain
		}{{"plain", nil}, {"general", new(Plain)}} {
			b.Run(c.name+"/"+road.name, func(b *testing.B) {
				buf := make([]byte, 4096)
				l.request.Plain = road.plain
				for b.Loop() {
					l.Respond(l.view, &l.request, buf, copy(buf, request))
				}
			})
		}
	}
}
