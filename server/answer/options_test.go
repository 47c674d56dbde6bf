package answer

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
)

func TestOptions(t *testing.T) {
	const ptr, away, child = "10.2.0.192.in-addr.arpa.", "example.com.", "30.2.0.192.in-addr.arpa."
	// The server cookie for the client of the lab, made at its time.
	const fresh = "0102030405060708" + "010000006553f100"
	for _, c := range []struct {
		what      string
		transport Transport
		policy    Policy
		name      string
		options   []dns.EDNS0
		want      string
	}{
		{"none asked, none given", UDP, Policy{NSID: []byte("id")}, ptr, nil, ""},
		{"an unknown option is ignored", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(100, ""), servertest.Option(65001, "0102")}, ""},
		{"NSID", UDP, Policy{NSID: []byte("id")}, ptr, []dns.EDNS0{servertest.Option(3, "")}, "0003:6964"},
		{"NSID with data in the request", UDP, Policy{NSID: []byte("id")}, ptr, []dns.EDNS0{servertest.Option(3, "ffff")}, "0003:6964"},
		{"NSID in a refusal", UDP, Policy{NSID: []byte("id")}, away, []dns.EDNS0{servertest.Option(3, "")}, "0003:6964 000f:0014"},
		{"no NSID", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(3, "")}, ""},
		{"keepalive on TCP", TCP, Policy{}, ptr, []dns.EDNS0{servertest.Option(11, "")}, "000b:012c"},
		{"keepalive over UDP is ignored", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(11, "")}, ""},
		{"the version of the zone", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(19, "")}, "0013:050000000007"},
		{"the version is that of the first zone of a chain", UDP, Policy{}, child, []dns.EDNS0{servertest.Option(19, "")}, "0013:050000000007"},
		{"no version in a refusal", UDP, Policy{}, away, []dns.EDNS0{servertest.Option(19, "")}, "000f:0014"},
		{"EXPIRE without an SOA", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(9, "")}, ""},
		{"client subnet is ignored", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(8, "00011800c00002")}, ""},
		{"padding is ignored", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(12, "00000000")}, ""},
		{"a cookie where cookies are off", UDP, Policy{}, ptr, []dns.EDNS0{servertest.Option(10, "0102030405060708")}, ""},
		{"all at once", TCP, Policy{NSID: []byte("id")}, ptr, []dns.EDNS0{servertest.Option(19, ""), servertest.Option(11, ""), servertest.Option(3, "")}, "0003:6964 000b:012c 0013:050000000007"},
	} {
		l := newLab(t, servertest.Zones...)
		l.view.Policy = &c.policy
		l.request.Transport, l.request.Keepalive = c.transport, 300
		got := l.must(servertest.Query(c.name, dns.TypePTR, servertest.EDNS(c.options...)))
		if s := servertest.Options(got); s != c.want {
			t.Errorf("%s: got %s, want %s", c.what, s, c.want)
		}
		if o := got.IsEdns0(); o != nil && (o.Version() != 0 || o.UDPSize() != DefaultUDPSize || o.Do()) {
			t.Errorf("%s: %v", c.what, o)
		}
	}

	k, err := NewCookies([][]byte{[]byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	cookieOf := func(l *lab) string {
		s := servertest.Options(l.must(servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, "0102030405060708")))))
		if !strings.HasPrefix(s, "000a:"+fresh) || len(s) != 5+48 {
			t.Fatalf("the server cookie is %s", s)
		}
		return s[5:]
	}
	noQuestion := func(m *dns.Msg) { m.Question = nil }
	l := newLab(t, servertest.Zones...)
	l.view.Policy = &Policy{Cookies: k}
	good := cookieOf(l)
	const bad = fresh + "0000000000000000"
	for _, c := range []struct {
		what      string
		required  CookieRequirement
		transport Transport
		q         *dns.Msg
		rcode     int
		back      bool // a good cookie
		records   int
	}{
		{"none", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS()), dns.RcodeSuccess, false, 1},
		{"the client's alone", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, fresh[:16]))), dns.RcodeSuccess, true, 1},
		{"a good one", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, good))), dns.RcodeSuccess, true, 1},
		{"a bad one", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, bad))), dns.RcodeSuccess, true, 1},
		{"two: the first counts", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, good), servertest.Option(10, "01"))), dns.RcodeSuccess, true, 1},
		{"in a refusal", RequireNever, UDP, servertest.Query(away, dns.TypePTR, servertest.EDNS(servertest.Option(10, good))), dns.RcodeRefused, true, 0},
		{"alone, the client's", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, noQuestion, servertest.EDNS(servertest.Option(10, fresh[:16]))), dns.RcodeSuccess, true, 0},
		{"alone, a good one", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, noQuestion, servertest.EDNS(servertest.Option(10, good))), dns.RcodeSuccess, true, 0},
		{"alone, a bad one", RequireNever, UDP, servertest.Query(ptr, dns.TypePTR, noQuestion, servertest.EDNS(servertest.Option(10, bad))), dns.RcodeBadCookie, true, 0},
		{"required over a limit, the client's alone, no limit", RequireLimited, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, fresh[:16]))), dns.RcodeSuccess, true, 1},
		{"required, none", RequireAlways, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS()), dns.RcodeSuccess, false, 1},
		{"required, the client's alone", RequireAlways, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, fresh[:16]))), dns.RcodeBadCookie, true, 0},
		{"required, a bad one", RequireAlways, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, bad))), dns.RcodeBadCookie, true, 0},
		{"required, a good one", RequireAlways, UDP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, good))), dns.RcodeSuccess, true, 1},
		{"required, TCP needs none", RequireAlways, TCP, servertest.Query(ptr, dns.TypePTR, servertest.EDNS(servertest.Option(10, bad))), dns.RcodeSuccess, true, 1},
	} {
		l.view.Policy = &Policy{Cookies: k, RequireCookies: c.required}
		l.request.Transport = c.transport
		got := l.must(c.q)
		if got.Rcode != c.rcode || len(got.Answer) != c.records || strings.Contains(servertest.Options(got), "000a:"+good) != c.back {
			t.Errorf("%s: %s, %d records, options %s", c.what, dns.RcodeToString[got.Rcode], len(got.Answer), servertest.Options(got))
		}
		if len(got.Question) != len(c.q.Question) {
			t.Errorf("%s: question %v", c.what, got.Question)
		}
	}
}

// An answer never pushes out the OPT record; what the record has no room for
// goes first: the text of an extended error, then NSID.
func TestOptionsKeepTheirRoom(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	l.view.Policy.NSID = []byte(strings.Repeat("n", 200))
	name := "30.2.0.192.in-addr.arpa."
	whole, err := servertest.Query(name, dns.TypePTR, servertest.EDNS(servertest.Option(3, ""), servertest.Option(19, ""))).Pack()
	if err != nil {
		t.Fatal(err)
	}
	full, _ := l.raw(whole)
	seen := map[string]bool{}
	for l.room = len(full); l.room >= len(whole); l.room-- {
		b, _ := l.raw(whole)
		if len(b) > l.room {
			t.Fatalf("%d octets in a buffer of %d", len(b), l.room)
		}
		m, _ := l.send(whole)
		if m.IsEdns0() == nil {
			t.Fatalf("room %d: no OPT record", l.room)
		}
		seen[strings.ReplaceAll(servertest.Options(m), strings.Repeat("6e", 200), "…")+map[bool]string{true: " tc"}[m.Truncated]] = true
	}
	for _, want := range []string{"0003:… 0013:050000000007", "0003:… 0013:050000000007 tc", "0013:050000000007"} {
		if !seen[want] {
			t.Errorf("never seen: %s; seen: %v", want, seen)
		}
	}
}

// RFC 7314: the EXPIRE of the SOA where we are primary, what is left of it elsewhere.
func TestExpire(t *testing.T) {
	const apex = "2.0.192.in-addr.arpa."
	at := func(unix int64) *atomic.Int64 {
		n := new(atomic.Int64)
		n.Store(unix)
		return n
	}
	for _, c := range []struct {
		what    string
		expires *atomic.Int64
		qtype   uint16
		options []dns.EDNS0
		want    string
	}{
		{"primary", nil, dns.TypeSOA, []dns.EDNS0{servertest.Option(9, "")}, "0009:00127500"},
		{"not asked for", nil, dns.TypeSOA, nil, ""},
		{"another type", nil, dns.TypeNS, []dns.EDNS0{servertest.Option(9, "")}, ""},
		{"secondary", at(servertest.Now + 258), dns.TypeSOA, []dns.EDNS0{servertest.Option(9, "")}, "0009:00000102"},
		{"expired", at(servertest.Now - 1), dns.TypeSOA, []dns.EDNS0{servertest.Option(9, "")}, "0009:00000000"},
	} {
		l := newLab(t, servertest.Zones...)
		l.view.Policy.setZone(apex, ZonePolicy{Expires: c.expires})
		if s := servertest.Options(l.must(servertest.Query(apex, c.qtype, servertest.EDNS(c.options...)))); s != c.want {
			t.Errorf("%s: got %s, want %s", c.what, s, c.want)
		}
	}
}
