package answer

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// closedLab serves labZones, closed.example only to 192.0.2.0/24, and
// broken.example without data.
func closedLab(t testing.TB) *lab {
	l := newLab(t, servertest.Zones...)
	l.view.Zones = l.view.Zones.With([]*zone.Zone{zone.Unavailable(dname.MustParse("broken.example."), "no file"), zone.Expired(dname.MustParse("old.example."), "no primary")}, nil)
	acl := NewACL(prefixes("192.0.2.0/24"), nil)
	l.view.Policy.setZone("CLOSED.example.", ZonePolicy{Access: &acl})
	return l
}

const soa7 = "2.0.192.in-addr.arpa. 300 IN SOA ns1.example.net. hostmaster.example.net. 7 7200 900 1209600 300\n"

func TestAnswers(t *testing.T) {
	l := closedLab(t)
	for _, c := range []struct {
		what, name string
		qtype      uint16
		want       string
		ede        int
	}{
		{"a PTR, the target in its own case", "10.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n10.2.0.192.in-addr.arpa. 3600 IN PTR Mail.Example.NET.\n", -1},
		{"the case of the question", "10.2.0.192.iN-aDDr.aRPa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n10.2.0.192.iN-aDDr.aRPa. 3600 IN PTR Mail.Example.NET.\n", -1},
		{"NODATA", "10.2.0.192.in-addr.arpa.", dns.TypeA, "NOERROR aa\nauthority:\n" + soa7, -1},
		{"NXDOMAIN", "12.2.0.192.in-addr.arpa.", dns.TypePTR, "NXDOMAIN aa\nauthority:\n" + soa7, -1},
		{"a referral with glue", "1.0/25.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR\nauthority:\n0/25.2.0.192.in-addr.arpa. 3600 IN NS ns.child.0/25.2.0.192.in-addr.arpa.\n0/25.2.0.192.in-addr.arpa. 3600 IN NS ns1.example.net.\n" +
				"additional:\nns.child.0/25.2.0.192.in-addr.arpa. 3600 IN A 192.0.2.53\nns.child.0/25.2.0.192.in-addr.arpa. 3600 IN AAAA 2001:db8::53\n", -1},
		{"an alias to below a cut keeps AA", "20.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n20.2.0.192.in-addr.arpa. 3600 IN CNAME 20.0/25.2.0.192.in-addr.arpa.\n" +
				"authority:\n0/25.2.0.192.in-addr.arpa. 3600 IN NS ns.child.0/25.2.0.192.in-addr.arpa.\n0/25.2.0.192.in-addr.arpa. 3600 IN NS ns1.example.net.\n" +
				"additional:\nns.child.0/25.2.0.192.in-addr.arpa. 3600 IN A 192.0.2.53\nns.child.0/25.2.0.192.in-addr.arpa. 3600 IN AAAA 2001:db8::53\n", -1},
		{"an alias into another zone of ours", "30.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n30.2.0.192.in-addr.arpa. 3600 IN CNAME 30.128-255.2.0.192.in-addr.arpa.\n30.128-255.2.0.192.in-addr.arpa. 600 IN PTR host30.example.net.\n", -1},
		{"the RCODE is that of the last link", "31.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NXDOMAIN aa\nanswer:\n31.2.0.192.in-addr.arpa. 3600 IN CNAME nowhere.128-255.2.0.192.in-addr.arpa.\n" +
				"authority:\n128-255.2.0.192.in-addr.arpa. 60 IN SOA ns1.example.net. hostmaster.example.net. 9 7200 900 1209600 60\n", -1},
		{"an alias to elsewhere", "32.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n32.2.0.192.in-addr.arpa. 3600 IN CNAME outside.example.org.\n", -1},
		{"a loop of two", "33.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n33.2.0.192.in-addr.arpa. 3600 IN CNAME 34.2.0.192.in-addr.arpa.\n34.2.0.192.in-addr.arpa. 3600 IN CNAME 33.2.0.192.in-addr.arpa.\n", -1},
		{"a loop of one", "35.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n35.2.0.192.in-addr.arpa. 3600 IN CNAME 35.2.0.192.in-addr.arpa.\n", -1},
		{"an alias into a zone closed to the client", "36.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n36.2.0.192.in-addr.arpa. 3600 IN CNAME 36.closed.example.\n", -1},
		{"an alias into a zone without data", "37.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n37.2.0.192.in-addr.arpa. 3600 IN CNAME 37.broken.example.\n", -1},
		{"a DNAME", "x.40.2.0.192.in-addr.arpa.", dns.TypePTR,
			"NOERROR aa\nanswer:\n40.2.0.192.in-addr.arpa. 3600 IN DNAME target.128-255.2.0.192.in-addr.arpa.\nx.40.2.0.192.in-addr.arpa. 3600 IN CNAME x.target.128-255.2.0.192.in-addr.arpa.\nx.target.128-255.2.0.192.in-addr.arpa. 600 IN PTR dname.example.net.\n", -1},
		{"the zone of a client that may", "36.closed.example.", dns.TypePTR, "REFUSED\n", wire.EDEProhibited},
		{"a zone without data", "1.broken.example.", dns.TypePTR, "SERVFAIL\n", wire.EDENotReady},
		{"a zone that has expired", "1.old.example.", dns.TypePTR, "SERVFAIL\n", wire.EDEInvalidData},
		{"not ours", "example.com.", dns.TypeA, "REFUSED\n", wire.EDENotAuthoritative},
		{"the root", ".", dns.TypeNS, "REFUSED\n", wire.EDENotAuthoritative},
		{"DS at the apex of a child: the parent answers", "128-255.2.0.192.in-addr.arpa.", dns.TypeDS, "NOERROR aa\nauthority:\n" + soa7, -1},
	} {
		got := l.must(servertest.Query(c.name, c.qtype, servertest.EDNS()))
		if s := summary(got); s != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.what, s, c.want)
		}
		if e := servertest.EDE(got); e != c.ede {
			t.Errorf("%s: extended error %d, want %d", c.what, e, c.ede)
		}
	}
}

func TestTooLongAlias(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	got := l.must(servertest.Query(strings.Repeat("very-long-label-very-long-label.", 3)+"41.2.0.192.in-addr.arpa.", dns.TypePTR))
	if got.Rcode != dns.RcodeYXDomain || !got.Authoritative || len(got.Answer) != 1 || got.Answer[0].Header().Rrtype != dns.TypeDNAME {
		t.Errorf("got\n%s", summary(got))
	}
}

func TestDSIsTheParents(t *testing.T) {
	const child = "$ORIGIN 128-255.2.0.192.in-addr.arpa.\n$TTL 600\n@ SOA ns1.example.net. h.example.net. 9 7200 900 1209600 60\n@ NS ns1.example.net.\n"
	const parent = "$ORIGIN 2.0.192.in-addr.arpa.\n$TTL 600\n@ SOA ns1.example.net. h.example.net. 8 7200 900 1209600 60\n@ NS ns1.example.net.\n128-255 NS ns1.example.net.\n128-255 DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
	const name = "128-255.2.0.192.in-addr.arpa."
	l := newLab(t, child)
	got := l.must(servertest.Query(name, dns.TypeDS))
	if !strings.Contains(summary(got), "NOERROR aa\nauthority:\n128-255.2.0.192.in-addr.arpa. 60 IN SOA") {
		t.Errorf("without the parent: got\n%s", summary(got))
	}
	l = newLab(t, child, parent)
	got = l.must(servertest.Query(name, dns.TypeDS))
	if want := "NOERROR aa\nanswer:\n128-255.2.0.192.in-addr.arpa. 600 IN DS 1 13 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF\n"; summary(got) != want {
		t.Errorf("with the parent: got\n%swant\n%s", summary(got), want)
	}
	acl := NewACL(prefixes("192.0.2.0/24"), nil)
	l.view.Policy.setZone("2.0.192.in-addr.arpa.", ZonePolicy{Access: &acl})
	if got = l.must(servertest.Query(name, dns.TypeDS)); len(got.Answer) != 0 || got.Rcode != dns.RcodeSuccess || len(got.Ns) != 1 {
		t.Errorf("with the parent closed to the client: got\n%s", summary(got))
	}
}

// A chain longer than the bound is cut there.
func TestChainIsBounded(t *testing.T) {
	text := "$ORIGIN c.example.\n$TTL 60\n@ SOA ns.c h.c 1 1 1 1 1\n@ NS ns.example.\n"
	for i := range 40 {
		text += string(rune('a'+i/10)) + string(rune('0'+i%10)) + " CNAME " + string(rune('a'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + "\n"
	}
	l := newLab(t, text)
	got := l.must(servertest.Query("a0.c.example.", dns.TypeA))
	if len(got.Answer) != 1+maxAliases || got.Rcode != dns.RcodeSuccess {
		t.Errorf("%d records, want %d; %s", len(got.Answer), 1+maxAliases, dns.RcodeToString[got.Rcode])
	}
}

func TestAccess(t *testing.T) {
	l := closedLab(t)
	l.request.Client = netip.MustParseAddrPort("192.0.2.9:1000")
	if got := l.must(servertest.Query("36.2.0.192.in-addr.arpa.", dns.TypePTR)); len(got.Answer) != 2 {
		t.Errorf("a client that may see both zones got\n%s", summary(got))
	}
	l.view.Policy.Access = NewACL(nil, prefixes("192.0.2.9/32"))
	for _, q := range []*dns.Msg{servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS()), servertest.Query("example.com.", dns.TypeA, servertest.EDNS())} {
		if got := l.must(q); got.Rcode != dns.RcodeRefused || got.Authoritative || servertest.EDE(got) != wire.EDEProhibited {
			t.Errorf("a client that may see nothing got\n%s", got)
		}
	}
}

func TestIdentity(t *testing.T) {
	l := newLab(t)
	l.view.Policy.Version, l.view.Policy.Server = "ptrd test", "one.example"
	ch := func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }
	for name, want := range map[string]string{
		"version.bind.": "ptrd test", "VERSION.server.": "ptrd test", "id.server.": "one.example", "hostname.bind.": "one.example",
	} {
		got := l.must(servertest.Query(name, dns.TypeTXT, ch))
		if s, want := summary(got), "NOERROR aa\nanswer:\n"+name+" 0 CH TXT \""+want+"\"\n"; s != want {
			t.Errorf("got\n%swant\n%s", s, want)
		}
	}
	for _, c := range []struct {
		name  string
		qtype uint16
	}{{"authors.bind.", dns.TypeTXT}, {"version.bind.", dns.TypeA}, {".", dns.TypeTXT}} {
		if got := l.must(servertest.Query(c.name, c.qtype, ch, servertest.EDNS())); got.Rcode != dns.RcodeRefused {
			t.Errorf("%s: got\n%s", c.name, summary(got))
		}
	}
	l.view.Policy.Version = strings.Repeat("x", 300)
	if got := l.must(servertest.Query("version.bind.", dns.TypeTXT, ch)); len(got.Answer[0].(*dns.TXT).Txt[0]) != 254 {
		t.Errorf("got\n%s", summary(got))
	}
	l.view.Policy = &Policy{}
	if got := l.must(servertest.Query("version.bind.", dns.TypeTXT, ch)); got.Rcode != dns.RcodeRefused {
		t.Errorf("without an identity: got\n%s", summary(got))
	}
}

func TestTruncation(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	const name = "many.128-255.2.0.192.in-addr.arpa."
	size := func(n uint16) func(*dns.Msg) { return func(m *dns.Msg) { m.SetEdns0(n, false) } }
	for _, c := range []struct {
		what      string
		transport Transport
		udpSize   int
		q         *dns.Msg
		whole     bool
		limit     int
	}{
		{"512 octets without EDNS", UDP, 0, servertest.Query(name, dns.TypePTR), false, 512},
		{"as much as the client takes", UDP, 0, servertest.Query(name, dns.TypePTR, size(1000)), true, 1000},
		{"less than 512 counts as 512", UDP, 0, servertest.Query(name, dns.TypePTR, size(100)), false, 512},
		{"as much as we send", UDP, 560, servertest.Query(name, dns.TypePTR, size(4096)), false, 560},
		{"TCP", TCP, 0, servertest.Query(name, dns.TypePTR), true, 65535},
		{"TCP has nothing to do with sizes of UDP", TCP, 512, servertest.Query(name, dns.TypePTR, size(512)), true, 65535},
	} {
		l.request.Transport, l.view.Policy.UDPSize = c.transport, c.udpSize
		b, err := c.q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := l.raw(b)
		if len(raw) > c.limit {
			t.Errorf("%s: %d octets", c.what, len(raw))
		}
		got, _ := l.send(b)
		if got.Truncated == c.whole || c.whole && len(got.Answer) != 13 || !c.whole && len(got.Answer) != 0 {
			t.Errorf("%s: got %d records\n%s", c.what, len(got.Answer), summary(got))
		}
		if (got.IsEdns0() != nil) != (c.q.IsEdns0() != nil) {
			t.Errorf("%s: OPT %v", c.what, got.IsEdns0())
		}
	}
}

// RFC 6891 §6.2.3: what fits into 512 octets is sent whole, whatever the client
// says it takes.
func TestSmallUDPSize(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	got := l.must(servertest.Query("11.2.0.192.in-addr.arpa.", dns.TypePTR, ednsAs(0, 50, 0)))
	if got.Truncated || len(got.Answer) != 2 {
		t.Errorf("got\n%s", summary(got))
	}
}

// Behind an RRset that does not fit nothing is sent, though it would fit.
func TestNothingFollowsWhatIsMissing(t *testing.T) {
	text := "$ORIGIN g.example.\n$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns.elsewhere.\nx.sub A 192.0.2.1\nsub NS x.sub\n"
	for i := range 12 {
		text += "sub NS " + strings.Repeat(string(rune('a'+i)), 40) + ".elsewhere.\n"
	}
	l := newLab(t, text)
	if got := l.must(servertest.Query("y.sub.g.example.", dns.TypeA)); !got.Truncated || len(got.Ns)+len(got.Extra) != 0 {
		t.Errorf("got\n%s", summary(got))
	}
	// What comes before it is sent.
	l = newLab(t, append(servertest.Zones, "$ORIGIN a.example.\n$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns.elsewhere.\nx CNAME many.128-255.2.0.192.in-addr.arpa.\n")...)
	if got := l.must(servertest.Query("x.a.example.", dns.TypePTR)); !got.Truncated || len(got.Answer) != 1 || !got.Authoritative {
		t.Errorf("got\n%s", summary(got))
	}
}

// RFC 1035 §6.2: a response about all classes is not authoritative.
func TestClassANY(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	got := l.must(servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }))
	if want := "NOERROR\nanswer:\n10.2.0.192.in-addr.arpa. 3600 IN PTR Mail.Example.NET.\n"; summary(got) != want {
		t.Errorf("got\n%swant\n%s", summary(got), want)
	}
}

// Glue that is needed is missed (TC), other additional data is not.
func TestTruncationOfGlue(t *testing.T) {
	text := "$ORIGIN g.example.\n$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns.elsewhere.\n" +
		"srv SRV 0 0 1 target-of-some-length\ntarget-of-some-length A 192.0.2.1\n"
	for i := range 6 {
		label := strings.Repeat(string(rune('a'+i)), 40)
		text += "sub NS " + label + ".sub\n" + label + ".sub A 192.0.2.1\n" + label + ".sub AAAA 2001:db8::1\n"
	}
	l := newLab(t, text)
	got := l.must(servertest.Query("x.sub.g.example.", dns.TypeA))
	if !got.Truncated || len(got.Ns) != 6 || len(got.Extra) == 0 || len(got.Extra) >= 12 {
		t.Errorf("got\n%s", summary(got))
	}
	l.request.Transport = TCP
	if got := l.must(servertest.Query("x.sub.g.example.", dns.TypeA)); got.Truncated || len(got.Extra) != 12 {
		t.Errorf("TCP: got\n%s", summary(got))
	}
	l.request.Transport = UDP
	whole := l.must(servertest.Query("srv.g.example.", dns.TypeSRV))
	if len(whole.Extra) != 1 {
		t.Fatalf("got\n%s", summary(whole))
	}
	b, err := servertest.Query("srv.g.example.", dns.TypeSRV).Pack()
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := l.raw(b)
	l.room = len(raw) - 1
	if got := l.must(servertest.Query("srv.g.example.", dns.TypeSRV)); got.Truncated || len(got.Answer) != 1 || len(got.Extra) != 0 {
		t.Errorf("without room for additional data: got\n%s", summary(got))
	}
}

func TestZoneQueriesAreCounted(t *testing.T) {
	l := closedLab(t)
	l.countZone("2.0.192.in-addr.arpa.")
	l.countZone("broken.example.")
	for _, name := range []string{"10.2.0.192.IN-ADDR.arpa.", "30.2.0.192.in-addr.arpa.", "30.128-255.2.0.192.in-addr.arpa.", "example.", "broken.example."} {
		l.must(servertest.Query(name, dns.TypePTR))
	}
	for name, want := range map[string]uint64{"2.0.192.in-addr.arpa.": 2, "broken.example.": 1} {
		if got := l.view.Policy.Zones.Get(dname.MustParse(name)).Queries.Load(); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestDroppedRequests(t *testing.T) {
	l := newLab(t)
	for what, b := range map[string][]byte{
		"nothing":          {},
		"half a header":    make([]byte, 11),
		"a response":       {0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a bad response":   {0, 1, 0xf8, 0, 0, 9, 0, 9, 0, 0, 0, 0},
		"a NOTIFY reply":   {0, 1, 0xa4, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"an UPDATE answer": {0, 1, 0xa8, 5, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if got, v := l.raw(b); v != Drop || len(got) != 0 {
			t.Errorf("%s: verdict %d, % x", what, v, got)
		}
	}
}

// What is malformed is answered with a header, and an OPT record where the
// request had a readable one; what asks for no data, with its question.
func TestMalformedRequests(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	k, err := NewCookies([][]byte{make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	l.view.Policy.Cookies = k
	const header, name = "1234 0100 0001 0000 0000 ", " 0231300132013003313932 07696e2d61646472 0461727061 00 "
	const question = name + "000c 0001 "
	const opt = "00 0029 04d0 00000000 "
	for _, c := range []struct {
		what, request, want string
	}{
		{"two questions", "1234 0100 0002 0000 0000 0000" + question + question, "1234 8101 0000 0000 0000 0000"},
		{"no question", "1234 0100 0000 0000 0000 0000", "1234 8101 0000 0000 0000 0000"},
		{"no question, and EDNS without a cookie", "1234 0000 0000 0000 0000 0001" + opt + "0000", "1234 8001 0000 0000 0000 0001" + opt + "0000"},
		{"a question cut short", header + "0000" + name + "000c 00", "1234 8101 0000 0000 0000 0000"},
		{"a name that points to itself", header + "0000 c00c 000c 0001", "1234 8101 0000 0000 0000 0000"},
		{"octets behind the question", header + "0000" + question + "00", "1234 8101 0000 0000 0000 0000"},
		{"a record that is not there", header + "0001" + question, "1234 8101 0000 0000 0000 0000"},
		{"a record in the answer section", "1234 0100 0001 0001 0000 0000" + question + "c00c 000c 0001 00000000 0001 00", "1234 8101 0000 0000 0000 0000"},
		{"a record in the authority section", "1234 0100 0001 0000 0001 0000" + question + "c00c 000c 0001 00000000 0001 00", "1234 8101 0000 0000 0000 0000"},
		{"two OPT records", header + "0002" + question + opt + "0000" + opt + "0000", "1234 8101 0000 0000 0000 0001" + opt + "0000"},
		{"OPT not at the root", header + "0001" + question + "c00c 0029 04d0 00000000 0000", "1234 8101 0000 0000 0000 0000"},
		{"half an option", header + "0001" + question + opt + "0003 000300", "1234 8101 0000 0000 0000 0001" + opt + "0000"},
		{"an option longer than the record", header + "0001" + question + opt + "0004 0003 0001", "1234 8101 0000 0000 0000 0001" + opt + "0000"},
		{"a cookie of seven octets", header + "0001" + question + opt + "000b 000a 0007 01020304050607", "1234 8101 0000 0000 0000 0001" + opt + "0000"},
		{"a record behind TSIG", header + "0002" + question + "00 00fa 00ff 00000000 0000" + opt + "0000", "1234 8101 0000 0000 0000 0000"},
		// Here the question was readable, and comes back.
		{"OPT as QTYPE", header + "0000" + name + "0029 0001", "1234 8101 0001 0000 0000 0000" + name + "0029 0001"},
		{"TSIG as QTYPE", header + "0000" + name + "00fa 0001", "1234 8101 0001 0000 0000 0000" + name + "00fa 0001"},
		{"NXNAME as QTYPE", header + "0001" + name + "0080 0001" + opt + "0000", "1234 8101 0001 0000 0000 0001" + name + "0080 0001" + opt + "0006 000f 0002 001e"},
		{"AXFR over UDP", header + "0000" + name + "00fc 0001", "1234 8104 0001 0000 0000 0000" + name + "00fc 0001"},
	} {
		request := unhex(t, strings.ReplaceAll(c.request, " ", ""))
		got, v := l.raw(request)
		if want := strings.ReplaceAll(c.want, " ", ""); v != Answered || hex.EncodeToString(got) != want {
			t.Errorf("%s: verdict %d, %x, want %s", c.what, v, got, want)
		}
	}
}

// Type 0 is reserved (RFC 6895 §3.1), and no name has data of it.
func TestTypeZero(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	got, v := l.raw(unhex(t, "1234010000010000000000000231300132013003313932"+"07696e2d61646472"+"0461727061"+"00"+"00000001"))
	if v != Answered || len(got) < 12 || hex.EncodeToString(got[:12]) != "123485000001000000010000" {
		t.Errorf("verdict %d, %x, want NODATA", v, got)
	}
}

func TestDeferredRequestsAreUntouched(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	opcode := func(o int) func(*dns.Msg) { return func(m *dns.Msg) { m.Opcode = o } }
	tsig := func(m *dns.Msg) { m.SetTsig("key.example.", dns.HmacSHA256, 300, servertest.Now) }
	for _, c := range []struct {
		what      string
		transport Transport
		q         *dns.Msg
	}{
		{"AXFR", TCP, servertest.Query("2.0.192.in-addr.arpa.", dns.TypeAXFR)},
		{"IXFR", TCP, servertest.Query("2.0.192.in-addr.arpa.", dns.TypeIXFR, func(m *dns.Msg) {
			m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "2.0.192.in-addr.arpa.", Rrtype: dns.TypeSOA, Class: dns.ClassINET}, Ns: ".", Mbox: ".", Serial: 6}}
		})},
		{"IXFR over UDP", UDP, servertest.Query("2.0.192.in-addr.arpa.", dns.TypeIXFR)},
		{"NOTIFY", UDP, servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA, opcode(dns.OpcodeNotify))},
		{"UPDATE", UDP, servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA, opcode(dns.OpcodeUpdate))},
		{"a signed query", UDP, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(), tsig)},
	} {
		l.request.Transport = c.transport
		b, err := c.q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		buf := append(make([]byte, 0, 4096), b...)[:4096]
		n, v := l.Respond(l.view, &l.request, buf, len(b))
		if n != 0 || v != Defer || string(buf[:len(b)]) != string(b) {
			t.Errorf("%s: verdict %d, length %d", c.what, v, n)
		}
	}
}

// All glue of in-domain name servers is in a referral, or TC is set (RFC 9471 §3.1),
// however many name servers there are.
func TestReferralHasAllGlueOrTC(t *testing.T) {
	for _, servers := range []int{1, 12, 62, 63, 64, 65, 66, 127, 128, 129, 700, 2000} {
		text := "$ORIGIN g.example.\n$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns.elsewhere.\n"
		for i := range servers {
			text += fmt.Sprintf("sub NS n%d.sub\nn%d.sub A 192.0.2.1\nn%d.sub AAAA 2001:db8::1\n", i, i, i)
		}
		l := newLab(t, text)
		for _, c := range []struct {
			transport Transport
			size      int // octets of UDP
		}{{UDP, 512}, {UDP, 1232}, {UDP, 4096}, {TCP, 0}, {TLS, 0}} {
			l.request.Transport, l.view.Policy.UDPSize = c.transport, c.size
			got := l.must(servertest.Query("x.sub.g.example.", dns.TypeA, func(m *dns.Msg) {
				if c.size > 0 {
					m.SetEdns0(uint16(c.size), false)
				}
			}))
			glue := 0
			for _, r := range got.Extra {
				if t := r.Header().Rrtype; t == dns.TypeA || t == dns.TypeAAAA {
					glue++
				}
			}
			isWhole := len(got.Ns) == servers && glue == 2*servers
			if isWhole == got.Truncated {
				t.Errorf("%d name servers over %v, %d octets: %d NS, %d addresses, TC %v", servers, c.transport, c.size, len(got.Ns), glue, got.Truncated)
			}
			if !isWhole && c.transport != UDP && servers < 1000 {
				t.Errorf("%d name servers over %v are not all sent: %d NS, %d addresses", servers, c.transport, len(got.Ns), glue)
			}
		}
	}
}

// The answer to QTYPE RRSIG has the signatures over each of any number of RRsets, or TC.
func TestAllSignaturesOrTC(t *testing.T) {
	const types = 300
	text := "$ORIGIN g.example.\n$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns.elsewhere.\n"
	for i := range types {
		text += fmt.Sprintf("x TYPE%d \\# 1 00\nx RRSIG TYPE%d 13 3 60 20300101000000 20200101000000 1 g.example. AAAA\n", 1000+i, 1000+i)
	}
	l := newLab(t, text)
	for _, transport := range []Transport{UDP, TCP} {
		l.request.Transport = transport
		got := l.must(servertest.Query("x.g.example.", dns.TypeRRSIG))
		if whole := len(got.Answer) == types; whole == got.Truncated || whole != (transport == TCP) {
			t.Errorf("%v: %d signatures, TC %v", transport, len(got.Answer), got.Truncated)
		}
	}
}
