package answer

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
)

// A signed query is answered as any other, and signed; so are errors that are none of
// the signature.
func TestSignedQueries(t *testing.T) {
	const apex, host, away = "2.0.192.in-addr.arpa.", "10.2.0.192.in-addr.arpa.", "example.com."
	k := servertest.Key(t, "key.")
	version1 := func(m *dns.Msg) { m.SetEdns0(1232, false).IsEdns0().SetVersion(1) }
	l := newLab(t, servertest.Zones...)
	l.view.Policy.Keys = tsig.NewKeys([]*tsig.Key{k})
	for _, c := range []struct {
		what    string
		q       *dns.Msg
		rcode   int
		answers int
		count   Counter
	}{
		{"PTR", servertest.Query(host, dns.TypePTR), dns.RcodeSuccess, 1, CountDeferredAnswered},
		{"SOA with EDNS", servertest.Query(apex, dns.TypeSOA, servertest.EDNS()), dns.RcodeSuccess, 1, CountDeferredAnswered},
		{"not ours", servertest.Query(away, dns.TypePTR, servertest.EDNS()), dns.RcodeRefused, 0, CountDeferredAnswered},
		{"no such version", servertest.Query(apex, dns.TypeSOA, version1), dns.RcodeBadVers, 0, CountDeferredBadVers},
		{"AXFR over UDP", servertest.Query(apex, dns.TypeAXFR), dns.RcodeNotImplemented, 0, CountDeferredAnswered},
		{"IXFR that nobody may", servertest.Query(apex, dns.TypeIXFR), dns.RcodeRefused, 0, CountDeferredRefused},
	} {
		request, v := servertest.Signed(t, k, c.q, servertest.Now)
		before := l.counts
		reply, verdict := l.deferred(request)
		if verdict != Answered {
			t.Errorf("%s: verdict %d", c.what, verdict)
			continue
		}
		plain, err := v.Verify(reply, servertest.Now)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		got := new(dns.Msg)
		if err := got.Unpack(plain); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got.Rcode != c.rcode || len(got.Answer) != c.answers || got.Id != c.q.Id || (got.IsEdns0() != nil) != (c.q.IsEdns0() != nil) {
			t.Errorf("%s: got %v", c.what, got)
		}
		before[c.count]++
		if l.counts != before {
			t.Errorf("%s: counted elsewhere, or twice", c.what)
		}
	}
}

// The signature of an answer over UDP is within what the client takes.
func TestSignatureFits(t *testing.T) {
	k := servertest.Key(t, "key.")
	l := newLab(t, servertest.Zones...)
	l.view.Policy.Keys = tsig.NewKeys([]*tsig.Key{k})
	l.view.Policy.NSID = []byte(strings.Repeat("n", 400))
	request, v := servertest.Signed(t, k, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, func(m *dns.Msg) {
		m.SetEdns0(512, false).IsEdns0().Option = []dns.EDNS0{servertest.Option(3, "")}
	}), servertest.Now)
	reply, _ := l.deferred(request)
	if len(reply) > 512 {
		t.Errorf("%d octets", len(reply))
	}
	if _, err := v.Verify(reply, servertest.Now); err != nil {
		t.Error(err)
	}
	// Where even the question leaves no room, the client asked for it.
	long := servertest.Key(t, strings.Repeat("a23456789012345678901234567890123456789012345678901234567890123.", 3)+"key.")
	l.view.Policy.Keys = tsig.NewKeys([]*tsig.Key{long})
	request, v = servertest.Signed(t, long, servertest.Query(strings.Repeat("b23456789012345678901234567890123456789012345678901234567890123.", 3)+"2.0.192.in-addr.arpa.", dns.TypePTR), servertest.Now)
	reply, verdict := l.deferred(request)
	if _, err := v.Verify(reply, servertest.Now); err != nil || verdict != Answered {
		t.Error(verdict, err)
	}
}

// Whoever may transfer a zone by a key may ask for its SOA, whatever the access lists
// say, and for nothing else.
func TestKeyOpensItsZone(t *testing.T) {
	mine, other := servertest.Key(t, "mine."), servertest.Key(t, "other.")
	nobody := NewACL(nil, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")})
	for _, c := range []struct {
		what   string
		policy Policy
		zone   *ACL
	}{
		{"the list of all zones", Policy{Access: nobody}, nil},
		{"the list of the zone", Policy{}, &nobody},
	} {
		l := newLab(t, servertest.Zones...)
		l.view.Policy = &c.policy
		c.policy.Keys = tsig.NewKeys([]*tsig.Key{mine, other})
		c.policy.setZone("2.0.192.in-addr.arpa.", ZonePolicy{Access: c.zone, Transfers: Peers{{Key: string(mine.Name())}}})
		c.policy.setZone("113.0.203.in-addr.arpa.", ZonePolicy{Access: c.zone})
		for _, q := range []struct {
			key  *tsig.Key
			name string
			want int
		}{
			{mine, "2.0.192.in-addr.arpa.", dns.RcodeSuccess},
			{other, "2.0.192.in-addr.arpa.", dns.RcodeRefused},
			{mine, "example.com.", dns.RcodeRefused},
		} {
			request, v := servertest.Signed(t, q.key, servertest.Query(q.name, dns.TypeSOA), servertest.Now)
			reply, _ := l.deferred(request)
			plain, err := v.Verify(reply, servertest.Now)
			if err != nil {
				t.Fatal(err)
			}
			if h, _ := wire.ReadHeader(plain); int(h.Flags.RCode()) != q.want {
				t.Errorf("%s: %v with key %v: %v", c.what, q.name, q.key, h.Flags.RCode())
			}
		}
		if m, _ := l.ask(servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA)); m.Rcode != dns.RcodeRefused {
			t.Errorf("%s: without a key: %v", c.what, m)
		}
	}
}
