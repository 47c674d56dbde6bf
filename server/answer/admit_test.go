package answer

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
)

// deferLab is a lab whose deferred requests go through the deferred lane, without its queue.
type deferLab struct {
	*lab
	front *Responder // of the deferred lane
	key   *tsig.Key
	sent  [][]byte // all responses
}

// newDeferLab has one key, which may transfer the first zone.
func newDeferLab(t testing.TB, edit func(*RateLimitOptions)) *deferLab {
	l := &deferLab{lab: newLab(t, servertest.Zones...), key: servertest.Key(t, "key."), front: NewResponder(ResponderOptions{})}
	p := l.view.Policy
	p.Keys = tsig.NewKeys([]*tsig.Key{l.key})
	p.setZone("2.0.192.in-addr.arpa.", ZonePolicy{Transfers: Peers{{Key: string(l.key.Name())}}})
	p.RateLimit = newTestRates(t, edit)
	return l
}

// handle answers the request as a UDP worker and the deferred lane do.
func (l *deferLab) handle(request []byte) {
	l.t.Helper()
	reply, verdict := l.raw(request)
	if verdict == Defer {
		d := &Deferred{
			Request: l.request, View: l.view, Message: slices.Clone(request),
			Handled: [NumKinds]bool{KindNotify: true, KindUpdate: true, KindTransfer: true},
		}
		d.Request.Deferred = d
		buf := make([]byte, wire.MaxMessage)
		var n int
		if n, verdict = l.front.Respond(l.view, &d.Request, buf, copy(buf, request)); verdict == Defer {
			n, verdict = l.answerAs(d, buf)
		}
		l.front.settle()
		reply = buf[:n]
	}
	if verdict == Answered {
		l.sent = append(l.sent, slices.Clone(reply))
	}
}

// answerAs answers as handlers that accept what is signed, refuse the rest, and answer a
// transfer with nothing.
func (l *deferLab) answerAs(d *Deferred, buf []byte) (int, Verdict) {
	l.front.Begin(d, buf, 0)
	f, c, ede := wire.AA, wire.RCodeNoError, uint16(0)
	if d.Key == nil {
		f, c, ede = 0, wire.RCodeRefused, wire.EDEProhibited
	}
	n, ok := l.front.Finish(d, f, c, ede, "")
	if !ok {
		return 0, Drop
	}
	return n, Answered
}

// count returns a count of the worker and of the deferred lane.
func (l *deferLab) count(c Counter) uint64 { return l.counts[c] + l.front.counts[c] }

// deferredRequests are what strangers can have deferred.
func deferredRequests(t testing.TB, k *tsig.Key) map[string][]byte {
	const apex, host = "2.0.192.in-addr.arpa.", "10.2.0.192.in-addr.arpa."
	opcode := func(o int) []byte {
		return servertest.Packed(t, servertest.Query(apex, dns.TypeSOA, func(m *dns.Msg) { m.Opcode = o }))
	}
	unknown, _ := servertest.Signed(t, servertest.Key(t, "unknown."), servertest.Query(host, dns.TypePTR), servertest.Now)
	replayed, _ := servertest.Signed(t, k, servertest.Query(host, dns.TypePTR), servertest.Now)
	bad := slices.Clone(replayed)
	bad[len(bad)-10] ^= 1 // in the MAC
	return map[string][]byte{
		"UPDATE": opcode(dns.OpcodeUpdate), "NOTIFY": opcode(dns.OpcodeNotify),
		"query with an unknown key": unknown, "query with a bad MAC": bad, "replayed signed query": replayed,
		"IXFR": servertest.Packed(t, servertest.Query(apex, dns.TypeIXFR, func(m *dns.Msg) {
			m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeSOA, Class: dns.ClassINET}}}
		})),
	}
}

// Whatever is deferred takes a token, from known clients too; with exempt clients,
// without limits, and with log_only all is answered.
func TestDeferredRequestsAreLimited(t *testing.T) {
	const rate, n = 5, 2000
	limits := func(o *RateLimitOptions) {
		o.Answers, o.Errors, o.All, o.Window, o.Slip = rate, rate, 2*rate, time.Second, 0
	}
	for _, c := range []struct {
		who  string
		edit func(*deferLab)
		want int
	}{
		{"a stranger", func(*deferLab) {}, rate},
		{"a peer", func(l *deferLab) {
			l.view.Policy.Known = NewKnown(KnownOptions{Prefixes: []netip.Prefix{netip.PrefixFrom(l.request.Client.Addr(), 32)}}, nil)
		}, rate},
		{"an exempt client", func(l *deferLab) {
			l.view.Policy.RateLimit = newTestRates(t, func(o *RateLimitOptions) {
				limits(o)
				o.Exempt = []netip.Prefix{netip.PrefixFrom(l.request.Client.Addr(), 24)}
			})
		}, n},
		{"any client without limits", func(l *deferLab) { l.view.Policy.RateLimit = nil }, n},
		{"any client with log_only", func(l *deferLab) {
			l.view.Policy.RateLimit = newTestRates(t, func(o *RateLimitOptions) { limits(o); o.LogOnly = true })
		}, n},
	} {
		for what, request := range deferredRequests(t, servertest.Key(t, "key.")) {
			l := newDeferLab(t, limits)
			c.edit(l)
			for range n {
				l.handle(request)
			}
			if len(l.sent) != c.want {
				t.Errorf("%s, %s: %d of %d were answered, want %d", what, c.who, len(l.sent), n, c.want)
			}
			limited := l.count(CountLimitedDeferred) + l.count(CountLimitedError) + l.count(CountLimitedAnswer) + l.count(CountLimitedAll)
			if actions := l.count(CountLimitDropped) + l.count(CountLimitLogOnly); actions != limited || c.want == rate && limited != n-rate {
				t.Errorf("%s, %s: %d limited, %d dropped or logged", what, c.who, limited, actions)
			}
			l.request.Elapsed += 10 * time.Second
			if l.handle(request); len(l.sent) != c.want+1 {
				t.Errorf("%s, %s: no answer ten seconds later", what, c.who)
			}
		}
	}
}

// A peer's updates have the limit of all its responses, not that of errors, and take no
// token beside those of admission.
func TestPeersHaveALimitOfTheirOwn(t *testing.T) {
	l := newDeferLab(t, func(o *RateLimitOptions) { o.Answers, o.Errors, o.All, o.Window = 1, 1, 100, time.Second })
	l.view.Policy.Known = NewKnown(KnownOptions{Prefixes: []netip.Prefix{netip.PrefixFrom(l.request.Client.Addr(), 32)}}, nil)
	for i := range 200 {
		b, _ := servertest.Signed(t, l.key, servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA, func(m *dns.Msg) { m.Opcode, m.Id = dns.OpcodeUpdate, uint16(i) }), servertest.Now)
		l.handle(b)
	}
	if len(l.sent) != 100 {
		t.Errorf("%d of 200 updates were answered, want 100", len(l.sent))
	}
}

// What is over the limit and no unsigned query is dropped, whatever slip is; an unsigned
// IXFR gets TC.
func TestOnlyUnsignedQueriesSlip(t *testing.T) {
	for what, request := range deferredRequests(t, servertest.Key(t, "key.")) {
		l := newDeferLab(t, func(o *RateLimitOptions) { o.Answers, o.Errors, o.All, o.Window, o.Slip = 1, 1, 1, time.Second, 1 })
		for range 3 {
			l.handle(request)
		}
		want := 1
		if what == "IXFR" {
			want = 3
			m := new(dns.Msg)
			if err := m.Unpack(l.sent[len(l.sent)-1]); err != nil || !m.Truncated || m.Authoritative || len(m.Answer)+len(m.Ns) > 0 || len(m.Question) != 1 {
				t.Errorf("%s: %v, %v", what, m, err)
			}
		}
		if len(l.sent) != want {
			t.Errorf("%s: %d of 3 were answered, want %d", what, len(l.sent), want)
		}
	}
}

// A replayed query whose answer is long has TC once its bucket is empty: a victim gets
// no more than tokens.
func TestReplayTakesTokensBySize(t *testing.T) {
	l := newDeferLab(t, func(o *RateLimitOptions) {
		o.Answers, o.Errors, o.All, o.Window, o.Slip = 100, 1000, 1000, time.Second, 1
	})
	l.view.Policy.NSID = bytes.Repeat([]byte{'n'}, 700)
	request, _ := servertest.Signed(t, l.key, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS(servertest.Option(3, ""))), servertest.Now)
	whole := 0
	for range 300 {
		l.handle(request)
		if last := l.sent[len(l.sent)-1]; last[2]&2 == 0 {
			whole++
		}
	}
	if whole != 50 {
		t.Errorf("%d answers of two units each from a bucket of 100", whole)
	}
}

// An address is known by the latest signature of a key, not by a replayed one, for a
// while, and after a reload as well.
func TestKnownBySignature(t *testing.T) {
	l := newDeferLab(t, nil)
	o := KnownOptions{Seed: testRates().Seed, Keys: []dname.Name{l.key.Name()}, Now: servertest.Now - 10, Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2001:db8::/32")}}
	l.view.Policy.Known = NewKnown(o, nil)
	request := func(at int64) []byte {
		b, _ := servertest.Signed(t, l.key, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR), at)
		return b
	}
	known := func(client string) bool {
		return l.view.Policy.Known.has(netip.MustParseAddr(client), l.request.Now)
	}
	if known("198.51.100.7") || !known("2001:db8::1") {
		t.Error("the lists make others known than those they name")
	}
	for _, c := range []struct {
		client string
		at     int64
		want   bool
	}{
		{"198.51.100.1", servertest.Now - 20, false}, // from before the start
		{"198.51.100.1", servertest.Now, true},
		{"198.51.100.2", servertest.Now, false}, // a replay
		{"198.51.100.3", servertest.Now - 1, false},
		{"198.51.100.4", servertest.Now + 1, true},
	} {
		l.request.Client = netip.AddrPortFrom(netip.MustParseAddr(c.client), 53)
		l.handle(request(c.at))
		if known(c.client) != c.want {
			t.Errorf("%s, signed at %d: known %v", c.client, c.at-servertest.Now, !c.want)
		}
	}
	if len(l.sent) != 5 {
		t.Errorf("%d answers, want 5", len(l.sent))
	}
	l.view.Policy.Known = NewKnown(o, l.view.Policy.Known)
	l.request.Client = netip.AddrPortFrom(netip.MustParseAddr("198.51.100.9"), 53)
	if l.handle(request(servertest.Now + 1)); known("198.51.100.9") || !known("198.51.100.1") {
		t.Error("a reload forgets, or lets a replay count")
	}
	l.request.Now += provenFor
	if known("198.51.100.1") {
		t.Error("an address is known for good")
	}
}
