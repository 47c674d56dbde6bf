package answer

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
)

// testRates are the limits that tests and benchmarks start from.
func testRates() RateLimitOptions {
	return RateLimitOptions{
		Answers: 200, NoData: 200, NXDomains: 200, Referrals: 200, Errors: 50, All: 1000, Window: 5 * time.Second, Slip: 2,
		IPv4Prefix: 24, IPv6Prefix: 56, Buckets: 1 << 17,
		Seed: [32]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32},
	}
}

func newTestRates(t testing.TB, edit func(*RateLimitOptions)) *RateLimit {
	t.Helper()
	o := testRates()
	if edit != nil {
		edit(&o)
	}
	l, err := NewRateLimit(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// oneEach lets through one answer of each kind, and then nothing.
func oneEach(o *RateLimitOptions) {
	o.Answers, o.NoData, o.NXDomains, o.Referrals, o.Errors, o.All = 1, 1, 1, 1, 1, 0
	o.Window, o.Slip = time.Second, 0
}

// rateLab is casesLab with limits.
func rateLab(t testing.TB, edit func(*RateLimitOptions)) *lab {
	l := casesLab(t)
	l.view.Policy.RateLimit = newTestRates(t, edit)
	return l
}

// flood sends the request n times at one moment and returns how many got which
// verdict, and the last response.
func (l *lab) flood(n int, request []byte) (verdicts [Defer + 1]int, last *dns.Msg) {
	l.t.Helper()
	for range n {
		m, v := l.send(request)
		verdicts[v]++
		if m != nil {
			last = m
		}
	}
	return verdicts, last
}

// What is answered over UDP has one bucket, of its kind; the law of sums holds for
// each single request.
func TestEachKindHasItsLimit(t *testing.T) {
	kinds := map[Counter]Counter{
		CountAnswered: CountLimitedAnswer, CountNoData: CountLimitedNoData, CountNXDomain: CountLimitedNXDomain, CountReferral: CountLimitedReferral,
	}
	for _, c := range respondCases(t) {
		l := rateLab(t, oneEach)
		c.prepare(l)
		_, first := l.raw(c.request)
		before := l.counts
		_, second := l.raw(c.request)
		kind, ok := kinds[c.outcome]
		if !ok {
			kind = CountLimitedError
		}
		if first == Defer && !c.tcp {
			if second != Drop || l.counts[CountLimitedDeferred] != 1 || l.counts[CountDropLimited] != 1 || l.counts[CountLimitDropped] != 1 {
				t.Errorf("%s: verdict %v, then %v", c.name, first, second)
			}
			continue
		}
		if first != Answered || c.tcp {
			if second != first || l.counts[CountDropLimited] != 0 {
				t.Errorf("%s: verdict %v, then %v", c.name, first, second)
			}
			continue
		}
		if second != Drop || l.counts[kind] != before[kind]+1 || l.counts[CountDropLimited] != 1 || l.counts[CountLimitDropped] != 1 || l.counts[c.outcome] != before[c.outcome] {
			t.Errorf("%s: verdict %v; counts %v", c.name, second, l.counts)
		}
		l.request.Elapsed += 10 * time.Second
		if _, third := l.raw(c.request); third != Answered {
			t.Errorf("%s: ten seconds later, verdict %v", c.name, third)
		}
		l.view.Policy.RateLimit = newTestRates(t, func(o *RateLimitOptions) {
			oneEach(o)
			o.Answers, o.NoData, o.NXDomains, o.Referrals, o.Errors = 0, 0, 0, 0, 0
		})
		if v, _ := l.flood(10, c.request); v[Answered] != 10 {
			t.Errorf("%s: without limits, verdicts %v", c.name, v)
		}
	}
}

// Random names below one zone share the bucket of its NXDOMAIN, and neither other
// kinds, nor other zones, nor other prefixes pay for them.
func TestRandomNamesShareABucket(t *testing.T) {
	rng := servertest.Random(t)
	l := rateLab(t, func(o *RateLimitOptions) { o.NXDomains, o.Window, o.Slip, o.All = 10, time.Second, 0, 0 })
	answered := 0
	for range 1000 {
		name := make([]byte, 10)
		for i := range name {
			name[i] = "abcdefghijklmnopqrstuvwxyz"[rng.IntN(26)]
		}
		if _, v := l.ask(servertest.Query(string(name)+".2.0.192.in-addr.arpa.", []uint16{dns.TypePTR, dns.TypeTXT, dns.TypeANY}[rng.IntN(3)])); v == Answered {
			answered++
		}
	}
	if answered != 10 {
		t.Errorf("%d of 1000 random names were answered, want 10", answered)
	}
	flooded := l.request.Client
	for _, c := range []struct {
		what, client, name string
		want               Verdict
	}{
		{"a neighbour", "198.51.100.250:1", "nope.2.0.192.in-addr.arpa.", Drop},
		{"the next prefix", "198.51.101.7:1", "nope.2.0.192.in-addr.arpa.", Answered},
		{"an IPv6 prefix", "[2001:db9::1]:1", "nope.2.0.192.in-addr.arpa.", Answered},
		{"another zone", "", "nope.128-255.2.0.192.in-addr.arpa.", Answered},
		{"another kind", "", "10.2.0.192.in-addr.arpa.", Answered},
		{"in capitals", "", "NOPE.2.0.192.IN-ADDR.ARPA.", Drop},
	} {
		if l.request.Client = flooded; c.client != "" {
			l.request.Client = netip.MustParseAddrPort(c.client)
		}
		if _, v := l.ask(servertest.Query(c.name, dns.TypePTR)); v != c.want {
			t.Errorf("%s: verdict %v, want %v", c.what, v, c.want)
		}
	}
}

// So do the names that rules make, of which a client may ask for another one each time.
func TestMadeNamesShareABucket(t *testing.T) {
	l := plainLab(t)
	l.view.Policy.RateLimit = newTestRates(t, func(o *RateLimitOptions) { o.Answers, o.Window, o.Slip, o.All = 10, time.Second, 0, 0 })
	verdicts := [Defer + 1]int{}
	for i := range 200 {
		name := dname.FromAddr(netip.AddrFrom4([4]byte{10, 21, 0, byte(i)})).String()
		_, v := l.ask(servertest.Query(name, dns.TypePTR))
		verdicts[v]++
	}
	if verdicts[Answered] != 10 || verdicts[Drop] != 190 {
		t.Errorf("of 200 names of a range: verdicts %v, want 10 answers", verdicts)
	}
}

// The prefix that shares a bucket is as long as it is set to be.
func TestPrefixesShareBuckets(t *testing.T) {
	for _, c := range []struct {
		v4, v6 int
		a, b   string
		shared bool
	}{
		{24, 56, "198.51.100.0", "198.51.100.255", true},
		{24, 56, "198.51.100.255", "198.51.101.0", false},
		{32, 56, "198.51.100.0", "198.51.100.1", false},
		{1, 56, "128.0.0.1", "255.255.255.255", true},
		{1, 56, "127.0.0.1", "128.0.0.1", false},
		{24, 56, "2001:db9:0:aa00::1", "2001:db9:0:aaff:ffff::", true},
		{24, 56, "2001:db9:0:aa00::1", "2001:db9:0:ab00::1", false},
		{24, 64, "2001:db9:0:aa00::1", "2001:db9:0:aa01::1", false},
		{24, 64, "2001:db9:0:aa00::1", "2001:db9:0:aa00:ffff::", true},
		{24, 1, "4000::1", "7fff::1", true},
	} {
		l := rateLab(t, func(o *RateLimitOptions) { oneEach(o); o.IPv4Prefix, o.IPv6Prefix = c.v4, c.v6 })
		l.view.Policy.Access = ACL{}
		q := servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR))
		l.request.Client = netip.AddrPortFrom(netip.MustParseAddr(c.a), 1)
		l.raw(q)
		l.request.Client = netip.AddrPortFrom(netip.MustParseAddr(c.b), 1)
		if _, v := l.raw(q); (v == Drop) != c.shared {
			t.Errorf("%s, then %s with /%d and /%d: verdict %v", c.a, c.b, c.v4, c.v6, v)
		}
	}
}

// Of the answers over the limit one in slip goes out, truncated, whatever the
// rhythm of the queries.
func TestSlip(t *testing.T) {
	positive := servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(servertest.Option(10, "0102030405060708"), servertest.Option(3, ""))))
	negative := servertest.Packed(t, servertest.Query("nope.2.0.192.in-addr.arpa.", dns.TypePTR))
	for slip := range 6 {
		l := rateLab(t, func(o *RateLimitOptions) { oneEach(o); o.Slip = slip })
		l.raw(positive)
		l.raw(negative)
		want := 0
		if slip > 0 {
			want = 1000 / slip
		}
		var out [2]int
		for range 1000 {
			for i, q := range [2][]byte{positive, negative} {
				m, v := l.send(q)
				if v != Answered {
					continue
				}
				out[i]++
				state := "NOERROR aa tc\n"
				if i == 1 {
					state = "NXDOMAIN aa tc\n"
				}
				if summary(m) != state || len(m.Question) != 1 {
					t.Fatalf("slip %d: got\n%s", slip, m)
				}
				if o := servertest.Options(m); i == 0 && (!strings.Contains(o, "000a:0102030405060708") || !strings.Contains(o, "0003:")) {
					t.Fatalf("slip %d: options %s", slip, o)
				}
			}
		}
		for i, n := range out {
			if n < want-10 || n > want+10 {
				t.Errorf("slip %d, query %d: %d of 1000 went out truncated, want %d", slip, i, n, want)
			}
		}
		if n := uint64(out[0] + out[1]); l.counts[CountSlipped] != n || l.counts[CountLimitSlipped] != n || l.counts[CountTruncated] != n || l.counts[CountDropLimited] != 2000-n {
			t.Errorf("slip %d: %d went out; counts %v", slip, n, l.counts)
		}
	}
}

// A referral loses its AA bit by being one, not by being truncated; what has no
// records goes out as it is.
func TestSlipKeepsTheHeader(t *testing.T) {
	for _, c := range []struct {
		q    *dns.Msg
		want string
	}{
		{servertest.Query("1.0/25.2.0.192.in-addr.arpa.", dns.TypePTR), "NOERROR tc\n"},
		{servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypeA, func(m *dns.Msg) { m.RecursionDesired = true }), "NOERROR aa tc rd\n"},
		{servertest.Query("example.com.", dns.TypePTR), "REFUSED\n"},
		{servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, ednsAs(1, 1232, 0)), "BADVERS\n"},
		{servertest.Query("version.bind.", dns.TypeTXT, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), "NOERROR aa tc\n"},
		{servertest.Query(strings.Repeat("very-long-label-very-long-label.", 3)+"41.2.0.192.in-addr.arpa.", dns.TypePTR), "YXDOMAIN aa tc\n"},
	} {
		l := rateLab(t, func(o *RateLimitOptions) { oneEach(o); o.Slip = 1 })
		if _, m := l.flood(2, servertest.Packed(t, c.q)); m == nil || summary(m) != c.want {
			t.Errorf("got\n%swant\n%s", summary(m), c.want)
		}
	}
}

// Who has proved its address, or cannot have forged it, is not limited; nor is who
// is exempt.
func TestWhoIsNotLimited(t *testing.T) {
	l := rateLab(t, oneEach)
	with := func(cookie string) []byte {
		return servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(servertest.Option(10, cookie))))
	}
	m := l.must(servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(servertest.Option(10, "0102030405060708"))))
	_, good, _ := strings.Cut(servertest.Options(m), "000a:")
	good = good[:48]
	if v, _ := l.flood(20, with(good)); v[Answered] != 20 {
		t.Errorf("with a cookie: %v", v)
	}
	if v, _ := l.flood(20, with("0102030405060708")); v[Drop] != 20 {
		t.Errorf("with a client cookie: %v", v)
	}
	if v, _ := l.flood(20, with(good[:40]+"00000000")); v[Drop] != 20 {
		t.Errorf("with a bad cookie: %v", v)
	}
	l.request.Transport = TCP
	if v, _ := l.flood(20, with("0102030405060708")); v[Answered] != 20 {
		t.Errorf("over TCP: %v", v)
	}
	l.request.Transport = UDP
	if v, _ := l.flood(20, with("0102030405060708")); v[Drop] != 20 {
		t.Errorf("over UDP again: %v", v)
	}
	l.view.Policy.RateLimit = newTestRates(t, func(o *RateLimitOptions) {
		oneEach(o)
		o.Exempt = prefixes("198.51.100.0/28", "2001:db9::/32")
	})
	for client, want := range map[string]int{"198.51.100.7:1": 20, "198.51.100.16:1": 1, "[2001:db9::1]:1": 20, "[2001:dba::1]:1": 1} {
		l.request.Client = netip.MustParseAddrPort(client)
		if v, _ := l.flood(20, with("0102030405060708")); v[Answered] != want {
			t.Errorf("%s: %v, want %d answers", client, v, want)
		}
	}
}

func TestLogOnlyChangesNothing(t *testing.T) {
	for _, c := range respondCases(t) {
		l, same := rateLab(t, func(o *RateLimitOptions) { oneEach(o); o.LogOnly = true }), casesLab(t)
		for range 3 {
			c.prepare(l)
			c.prepare(same)
			got, v := l.raw(c.request)
			want, w := same.raw(c.request)
			if v != w || !bytes.Equal(got, want) {
				t.Errorf("%s: verdict %v, want %v\n% x\n% x", c.name, v, w, got, want)
			}
		}
		limited, want := uint64(0), uint64(0)
		for k := CountLimitedAnswer; k <= CountLimitedAll; k++ {
			limited += l.counts[k]
		}
		if _, v := l.raw(c.request); v == Answered && !c.tcp {
			want = 2
		}
		if limited != want || l.counts[CountDropLimited]+l.counts[CountSlipped] != 0 {
			t.Errorf("%s: %d limited, want %d; counts %v", c.name, limited, want, l.counts)
		}
	}
}

// A client that takes part in cookies gets one instead of a truncated answer,
// though its prefix is flooded with other kinds, and is answered from then on. A
// flood of client cookies is limited as errors are.
func TestBadCookieOverTheLimit(t *testing.T) {
	for _, c := range []struct {
		require CookieRequirement
		cookie  int
	}{{RequireNever, 0}, {RequireLimited, 5}, {RequireAlways, 5}} {
		l := rateLab(t, func(o *RateLimitOptions) { oneEach(o); o.Errors = 5 })
		l.view.Policy.RequireCookies = c.require
		l.flood(100, servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR)))
		l.flood(100, servertest.Packed(t, servertest.Query("example.com.", dns.TypePTR)))
		v, m := l.flood(100, servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(servertest.Option(10, "0102030405060708")))))
		if v[Answered] != c.cookie {
			t.Errorf("mode %d: %v, want %d answers", c.require, v, c.cookie)
		}
		if m == nil {
			continue
		}
		if m.Rcode != dns.RcodeBadCookie || len(m.Question) != 1 || m.Truncated || len(m.Answer) != 0 {
			t.Errorf("mode %d: got\n%s", c.require, m)
		}
		if n := l.counts[CountBadCookie]; n != 5 || l.counts[countOfRCode(wire.RCodeBadCookie)] != 5 {
			t.Errorf("mode %d: %d BADCOOKIE", c.require, n)
		}
		if n := l.counts[CountLimitBadCookie]; (n == 5) != (c.require == RequireLimited) {
			t.Errorf("mode %d: %d BADCOOKIE by limits", c.require, n)
		}
		_, good, _ := strings.Cut(servertest.Options(m), "000a:")
		if v, m := l.flood(3, servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(servertest.Option(10, good[:48]))))); v[Answered] != 3 || len(m.Answer) != 1 {
			t.Errorf("mode %d: with the cookie it was given: %v", c.require, v)
		}
	}
}

// Long answers count for several.
func TestLimitsCountOctets(t *testing.T) {
	for _, c := range []struct {
		name string
		q    *dns.Msg
	}{
		{"short", servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR)},
		{"long", servertest.Query("many.128-255.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS())},
		{"signed", servertest.Query("signed.example.", dns.TypeANY, dnssec)},
	} {
		l := rateLab(t, func(o *RateLimitOptions) { o.Answers, o.Window, o.Slip, o.All = 60, time.Second, 0, 0 })
		b := servertest.Packed(t, c.q)
		full, _ := l.raw(b)
		l = rateLab(t, func(o *RateLimitOptions) { o.Answers, o.Window, o.Slip, o.All = 60, time.Second, 0, 0 })
		each := (len(full) + 511) / 512
		if v, _ := l.flood(100, b); v[Answered] != (60+each-1)/each {
			t.Errorf("%s, %d octets: %v of 100 were answered", c.name, len(full), v[Answered])
		}
	}
}

// The limit of all kinds holds whatever an attacker mixes.
func TestLimitOfAllKinds(t *testing.T) {
	rng := servertest.Random(t)
	l := rateLab(t, func(o *RateLimitOptions) { o.All, o.Window, o.Slip = 100, time.Second, 0 })
	var requests [][]byte
	for _, c := range respondCases(t) {
		if b, v := l.raw(c.request); v == Answered && len(b) <= 512 {
			requests = append(requests, c.request)
		}
	}
	l.request.Elapsed += time.Minute
	before := l.counts
	answered := 0
	for range 1000 {
		if _, v := l.raw(requests[rng.IntN(len(requests))]); v == Answered {
			answered++
		}
	}
	if answered != 100 {
		t.Errorf("%d answers, want 100", answered)
	}
	if n := l.counts[CountLimitedAll] - before[CountLimitedAll]; n == 0 {
		t.Error("nothing counts as over the limit of all")
	}
}

func TestNewRateLimitRefuses(t *testing.T) {
	for want, edit := range map[string]func(*RateLimitOptions){
		"must be 0 (no limit) to 100000": func(o *RateLimitOptions) { o.NXDomains = 100_001 },
		"-1 answers a second":            func(o *RateLimitOptions) { o.All = -1 },
		"a window of 999ms":              func(o *RateLimitOptions) { o.Window = 999 * time.Millisecond },
		"a window of 1m1s":               func(o *RateLimitOptions) { o.Window = 61 * time.Second },
		"slip 101":                       func(o *RateLimitOptions) { o.Slip = 101 },
		"slip -1":                        func(o *RateLimitOptions) { o.Slip = -1 },
		"0 bits for IPv4":                func(o *RateLimitOptions) { o.IPv4Prefix = 0 },
		"65 bits for IPv6":               func(o *RateLimitOptions) { o.IPv6Prefix = 65 },
		"0 buckets":                      func(o *RateLimitOptions) { o.Buckets = 0 },
		"16777217 buckets":               func(o *RateLimitOptions) { o.Buckets = 1<<24 + 1 },
	} {
		o := testRates()
		edit(&o)
		if _, err := NewRateLimit(o, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// New limits go on from what the old ones counted, unless the table has another size.
func TestNewLimitsKeepBuckets(t *testing.T) {
	l := rateLab(t, oneEach)
	q := servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR))
	l.raw(q)
	for _, c := range []struct {
		what string
		edit func(*RateLimitOptions)
		want Verdict
	}{
		{"the same", oneEach, Drop},
		{"a slip of one", func(o *RateLimitOptions) { oneEach(o); o.Slip = 1 }, Answered},
		{"ten times as many", func(o *RateLimitOptions) { oneEach(o); o.Answers, o.Window = 10, 10*time.Second }, Answered},
		{"as before", oneEach, Drop},
		{"another size", func(o *RateLimitOptions) { oneEach(o); o.Buckets *= 2 }, Answered},
	} {
		o := testRates()
		c.edit(&o)
		next, err := NewRateLimit(o, l.view.Policy.RateLimit)
		if err != nil {
			t.Fatal(err)
		}
		l.view = &View{Zones: l.view.Zones, Policy: l.view.Policy}
		l.view.Policy.RateLimit = next
		if _, v := l.raw(q); v != c.want {
			t.Errorf("%s: verdict %v, want %v", c.what, v, c.want)
		}
	}
}

// The sums that the doc of Counter promises, with limits that are over and not.
func TestLimitsAddUp(t *testing.T) {
	rng := servertest.Random(t)
	l := rateLab(t, nil)
	verdicts := map[Verdict]uint64{}
	cases := respondCases(t)
	for range 20_000 {
		if rng.IntN(200) == 0 {
			slip, logOnly := rng.IntN(4), rng.IntN(4) == 0
			l.view.Policy.RateLimit = newTestRates(t, func(o *RateLimitOptions) {
				o.Answers, o.NXDomains, o.All, o.Errors = 1+rng.IntN(20), 1+rng.IntN(20), rng.IntN(200), rng.IntN(5)
				o.Window, o.Slip, o.LogOnly = time.Second, slip, logOnly
			})
			l.view.Policy.RequireCookies = CookieRequirement(rng.IntN(3))
		}
		l.request.Elapsed += time.Duration(rng.IntN(int(5 * time.Millisecond)))
		c := cases[rng.IntN(len(cases))]
		c.prepare(l)
		_, v := l.raw(c.request)
		verdicts[v]++
	}
	l.Publish()
	sums := map[string]uint64{}
	for c := range NumCounters {
		group, name := c.Name()
		sums[group] += l.Stats().Load(c)
		sums[group+" "+name] = l.Stats().Load(c)
	}
	if sums["outcome"] != 20_000 || sums["rcode"] != verdicts[Answered] || sums["limited"] != sums["limit"] {
		t.Errorf("verdicts %v: %v", verdicts, sums)
	}
	if sums["limit dropped"] != sums["outcome drop_limited"] || sums["limit slipped"] != sums["outcome slipped"] || sums["limit badcookie"] > sums["outcome badcookie"] {
		t.Errorf("%v", sums)
	}
	for _, name := range []string{"limit dropped", "limit slipped", "limit badcookie", "limit log_only", "limited all", "limited error", "limited nxdomain", "limited answer"} {
		if sums[name] == 0 {
			t.Errorf("%s is 0: %v", name, sums)
		}
	}
}

func TestLimitsAllocateNothing(t *testing.T) {
	servertest.SkipAllocs(t)
	for name, edit := range map[string]func(*RateLimitOptions){
		"within": nil,
		"over":   oneEach,
		"slip":   func(o *RateLimitOptions) { oneEach(o); o.Slip = 1 },
		"exempt": func(o *RateLimitOptions) { oneEach(o); o.Exempt = prefixes("198.51.100.0/24") },
		"log":    func(o *RateLimitOptions) { oneEach(o); o.LogOnly = true },
	} {
		l := rateLab(t, edit)
		l.view.Policy.RequireCookies = RequireLimited
		buf := make([]byte, 65535)
		for _, c := range respondCases(t) {
			c.prepare(l)
			if n := testing.AllocsPerRun(20, func() { c.run(l, buf) }); n != 0 {
				t.Errorf("%s, %s: %v allocations", name, c.name, n)
			}
		}
	}
}

// What limits add to an answer: none, one bucket, two buckets.
func BenchmarkRespondLimited(b *testing.B) {
	c := respondCases(b)[0]
	for _, rates := range []struct {
		name string
		*RateLimit
	}{
		{"off", nil},
		{"one", newTestRates(b, func(o *RateLimitOptions) { o.All = 0 })},
		{"two", newTestRates(b, nil)},
		{"over", newTestRates(b, oneEach)},
	} {
		b.Run(rates.name, func(b *testing.B) {
			l := casesLab(b)
			buf := make([]byte, 65535)
			c.prepare(l)
			l.view.Policy.RateLimit = rates.RateLimit
			for b.Loop() {
				if rates.name != "over" {
					l.request.Elapsed += 10 * time.Millisecond
				}
				c.run(l, buf)
			}
		})
	}
}

// BenchmarkOverLimit is the limits alone, at a million clients' prefixes and at one.
func BenchmarkOverLimit(b *testing.B) {
	for name, clients := range map[string]uint32{"one prefix": 1, "a million": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			l := casesLab(b)
			rates := newTestRates(b, nil)
			l.must(servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR))
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				n := rng.Uint32() & (clients - 1)
				l.request.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(10 + n>>16), byte(n >> 8), byte(n), 1}), 1)
				l.request.Elapsed += 2 * time.Millisecond
				if l.overLimit(rates, &l.request, 100) != rateNone {
					b.Fatal("limited")
				}
			}
		})
	}
}

// However many answers are limited, by however many workers, one a second is reported.
func TestLimitsAreReportedOnceASecond(t *testing.T) {
	l := newTestRates(t, nil)
	one := LimitNote{netip.MustParseAddr("2001:db8:0:1::1"), rateReferral}
	var reports []string
	for i := range 3000 { // three seconds
		for _, n := range []LimitNote{one, one, one, one, {}} {
			if prefix, kind, ok := l.Report(n, time.Duration(i+1)*time.Millisecond); ok {
				reports = append(reports, prefix.String()+" "+kind)
			}
		}
	}
	if len(reports) != 3 || reports[0] != "2001:db8::/56 referral" {
		t.Errorf("reports: %q", reports)
	}
}
