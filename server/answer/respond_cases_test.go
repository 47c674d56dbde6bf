package answer

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/zone"
)

// respondCase is one kind of request, which the allocation test, the benchmark,
// the fuzzer and the test of the counters share.
type respondCase struct {
	name    string
	tcp     bool
	request []byte
	outcome Counter
}

// respondCases are requests to casesLab, at least one for each kind of answer.
func respondCases(t testing.TB) []respondCase {
	type in struct {
		name    string
		q       *dns.Msg
		outcome Counter
	}
	cookie := servertest.EDNS(servertest.Option(10, "0102030405060708"))
	var out []respondCase
	for _, c := range []in{
		{"v4 PTR", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"v6 PTR", servertest.Query("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", dns.TypePTR), CountAnswered},
		{"PTR with EDNS", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS()), CountAnswered},
		{"PTR with a cookie", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, cookie), CountAnswered},
		{"PTR with every option", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(append(optionList(), servertest.Option(19, ""), servertest.Option(12, "0000"))...)), CountAnswered},
		{"several PTRs", servertest.Query("11.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"NODATA", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypeA), CountNoData},
		{"NXDOMAIN", servertest.Query("12.2.0.192.in-addr.arpa.", dns.TypePTR), CountNXDomain},
		{"v6 NXDOMAIN", servertest.Query("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", dns.TypePTR), CountNXDomain},
		{"empty non-terminal", servertest.Query("8.b.d.0.1.0.0.2.ip6.arpa.", dns.TypeNS), CountAnswered},
		{"referral with glue", servertest.Query("1.0/25.2.0.192.in-addr.arpa.", dns.TypePTR, dnssec), CountReferral},
		{"alias into another zone", servertest.Query("30.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"alias to a referral", servertest.Query("20.2.0.192.in-addr.arpa.", dns.TypePTR), CountReferral},
		{"alias to NXDOMAIN", servertest.Query("31.2.0.192.in-addr.arpa.", dns.TypePTR), CountNXDomain},
		{"alias to elsewhere", servertest.Query("32.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"alias loop", servertest.Query("33.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"alias into a closed zone", servertest.Query("36.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"DNAME", servertest.Query("x.40.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"YXDOMAIN", servertest.Query(strings.Repeat("very-long-label-very-long-label.", 3)+"41.2.0.192.in-addr.arpa.", dns.TypePTR), CountYXDomain},
		{"wildcard", servertest.Query("a.b.wild.example.", dns.TypeTXT), CountAnswered},
		{"ANY", servertest.Query("wild.example.", dns.TypeANY), CountAnswered},
		{"class ANY", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }), CountAnswered},
		{"SRV with addresses", servertest.Query("_x._tcp.wild.example.", dns.TypeSRV), CountAnswered},
		{"truncated", servertest.Query("many.128-255.2.0.192.in-addr.arpa.", dns.TypePTR), CountAnswered},
		{"signed NXDOMAIN", servertest.Query("nope.signed.example.", dns.TypeA, dnssec), CountNXDomain},
		{"signed NODATA", servertest.Query("signed.example.", dns.TypeTXT, dnssec), CountNoData},
		{"signed SOA", servertest.Query("signed.example.", dns.TypeSOA, dnssec), CountAnswered},
		{"DS at an apex", servertest.Query("128-255.2.0.192.in-addr.arpa.", dns.TypeDS), CountNoData},
		{"not ours", servertest.Query("example.com.", dns.TypeA, servertest.EDNS()), CountNotOurs},
		{"class HS", servertest.Query("example.com.", dns.TypeA, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassHESIOD }), CountNotOurs},
		{"closed zone", servertest.Query("36.closed.example.", dns.TypePTR, servertest.EDNS()), CountProhibited},
		{"zone without data", servertest.Query("1.broken.example.", dns.TypePTR, servertest.EDNS()), CountUnavailable},
		{"version.bind", servertest.Query("version.bind.", dns.TypeTXT, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), CountIdentity},
		{"id.server", servertest.Query("id.server.", dns.TypeTXT, servertest.EDNS(), func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), CountIdentity},
		{"cookie alone", servertest.Query(".", dns.TypeNS, cookie, func(m *dns.Msg) { m.Question = nil }), CountCookieQuery},
		{"bad cookie alone", servertest.Query(".", dns.TypeNS, servertest.EDNS(servertest.Option(10, "01020304050607080102030405060708")), func(m *dns.Msg) { m.Question = nil }), CountBadCookie},
		{"no question", servertest.Query(".", dns.TypeNS, func(m *dns.Msg) { m.Question = nil }), CountFormErr},
		{"EDNS version 1", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, ednsAs(1, 1232, 0)), CountBadVers},
		{"QTYPE NXNAME", servertest.Query("10.2.0.192.in-addr.arpa.", 128, servertest.EDNS()), CountFormErr},
		{"QTYPE MAILA", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypeMAILA, servertest.EDNS()), CountNotImp},
		{"unknown opcode", servertest.Query(".", dns.TypeNS, opcode15), CountNotImp},
		{"NOTIFY", servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA, func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), CountDeferOther},
		{"TSIG", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, func(m *dns.Msg) { m.SetTsig("key.", dns.HmacSHA256, 300, servertest.Now) }), CountDeferQuery},
		{"a response", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, func(m *dns.Msg) { m.Response = true }), CountDropResponse},
	} {
		b, err := c.q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, respondCase{name: c.name, request: b, outcome: c.outcome})
		if c.name == "truncated" || c.name == "PTR with every option" {
			out = append(out, respondCase{name: c.name + ", TCP", tcp: true, request: b, outcome: c.outcome})
		}
	}
	axfr, err := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeAXFR).Pack()
	if err != nil {
		t.Fatal(err)
	}
	return append(out,
		respondCase{name: "AXFR", tcp: true, request: axfr, outcome: CountDeferQuery},
		respondCase{name: "half a header", request: axfr[:7], outcome: CountDropShort},
	)
}

// casesLab is what respondCases ask: closedLab with more zones, access lists,
// counters of zones, cookies and an identity.
func casesLab(t testing.TB) *lab {
	l := closedLab(t)
	for _, text := range []string{`
$ORIGIN 8.b.d.0.1.0.0.2.ip6.arpa.
@ 3600 SOA ns1.example.net. hostmaster.example.net. 7 7200 900 1209600 300
@ 3600 NS ns1.example.net.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 3600 PTR one.example.net.
`, `
$ORIGIN wild.example.
@ 3600 SOA ns1 hostmaster 7 7200 900 1209600 300
@ 3600 NS ns1
ns1 3600 A 192.0.2.53
* 3600 TXT "any name"
_x._tcp 3600 SRV 0 0 1 ns1
`, signedZone} {
		l.view.Zones = l.view.Zones.With([]*zone.Zone{servertest.Zone(t, text)}, nil)
	}
	k, err := NewCookies([][]byte{make([]byte, 16), []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	p := l.view.Policy
	p.Cookies, p.NSID, p.Version, p.Server = k, []byte("ns1.example.net"), "ptrd", "ns1.example.net"
	p.Access = NewACL(nil, []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")})
	l.countZone("2.0.192.in-addr.arpa.")
	return l
}

// signedZone has the records of a signed zone, with signatures that nobody has
// made: the server does not look into them.
const signedZone = `
$ORIGIN signed.example.
$TTL 3600
@ SOA ns1.example.net. hostmaster.example.net. 7 7200 900 1209600 300
@ RRSIG SOA 13 2 3600 20370101000000 20200101000000 1 signed.example. AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
@ NS ns1.example.net.
@ RRSIG NS 13 2 3600 20370101000000 20200101000000 1 signed.example. AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
@ DNSKEY 256 3 13 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
@ RRSIG DNSKEY 13 2 3600 20370101000000 20200101000000 1 signed.example. AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
@ 300 NSEC a.signed.example. NS SOA RRSIG NSEC DNSKEY
@ 300 RRSIG NSEC 13 2 300 20370101000000 20200101000000 1 signed.example. AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
a A 192.0.2.1
a RRSIG A 13 3 3600 20370101000000 20200101000000 1 signed.example. AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
a 300 NSEC signed.example. A RRSIG NSEC
a 300 RRSIG NSEC 13 3 300 20370101000000 20200101000000 1 signed.example. AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
`

func TestRespondCases(t *testing.T) {
	l := casesLab(t)
	for _, c := range respondCases(t) {
		c.prepare(l)
		before := l.counts[c.outcome]
		l.raw(c.request)
		if l.counts[c.outcome] != before+1 {
			_, want := c.outcome.Name()
			_, got := l.m.outcome.Name()
			t.Errorf("%s: outcome %s, want %s", c.name, got, want)
		}
	}
}

func (c *respondCase) prepare(l *lab) {
	l.request.Transport, l.request.Keepalive = UDP, 0
	if c.tcp {
		l.request.Transport, l.request.Keepalive = TCP, 100
	}
}

// run is what the allocation test and the benchmark measure: one request copied
// into the buffer and answered there.
func (c *respondCase) run(l *lab, buf []byte) (int, Verdict) {
	return l.Respond(l.view, &l.request, buf, copy(buf, c.request))
}

func TestRespondAllocatesNothing(t *testing.T) {
	if servertest.RaceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	l := casesLab(t)
	buf := make([]byte, 65535)
	for _, c := range respondCases(t) {
		c.prepare(l)
		if n := testing.AllocsPerRun(20, func() { c.run(l, buf) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	if n := testing.AllocsPerRun(20, l.Publish); n != 0 {
		t.Errorf("Publish: %v allocations", n)
	}
}

func BenchmarkRespond(b *testing.B) {
	l := casesLab(b)
	buf := make([]byte, 65535)
	for _, c := range respondCases(b) {
		b.Run(c.name, func(b *testing.B) {
			c.prepare(l)
			b.ReportAllocs()
			for b.Loop() {
				c.run(l, buf)
			}
		})
	}
}
