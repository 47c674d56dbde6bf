package secondary

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// TestKeep follows a primary from the first transfer on.
func TestKeep(t *testing.T) {
	l := newLab(t)
	if z := l.served(); z == nil {
		t.Fatal("the zone is not among those that we answer for")
	}
	s := l.idle()
	hold(t, l.served(), l.f.o)
	if s.Serial != 2 || s.Error != "" || s.Expired || s.From != fakeAddr.String() || s.Next.Sub(s.Checked) != minRefresh {
		t.Errorf("%+v", s)
	}
	// Nothing changed.
	before := l.served()
	if s = l.refresh(false); s.Error != "" || l.served() != before {
		t.Errorf("%+v", s)
	}
	// It changed, and we are told.
	three := l.primary(soa3 + rest)
	l.set(&l.f, three)
	if rcode := l.notify("192.0.2.1"); rcode != wire.RCodeNoError {
		t.Errorf("NOTIFY: %v", rcode)
	}
	l.pass(notifyGap)
	l.await("the next serial", func(s State) bool { return s.Serial == 3 })
	hold(t, l.served(), three.o)
	// It changed, and we ask by ourselves when it is time.
	four := l.primary(strings.Replace(soa3, " 3 ", " 4 ", 1) + rest + "c 60 PTR c.\n")
	l.set(&l.f, four)
	l.idle()
	l.pass(minRefresh)
	l.await("the next serial", func(s State) bool { return s.Serial == 4 })
	hold(t, l.served(), four.o)
	want := []string{"anew 2 transfer from 192.0.2.1:53", "2→3 transfer from 192.0.2.1:53", "3→4 transfer from 192.0.2.1:53"}
	if !slices.Equal(l.journal.log, want) {
		t.Errorf("journal %q, want %q", l.journal.log, want)
	}
	if n := l.k.Totals(); n.AXFR.Load() != 2 || n.IXFR.Load() != 1 || n.Notified.Load() != 1 || n.Failures.Load() != 0 {
		t.Errorf("%d AXFR, %d IXFR, %d NOTIFY, %d failures", n.AXFR.Load(), n.IXFR.Load(), n.Notified.Load(), n.Failures.Load())
	}
}

// TestExpire takes the primary away until the zone expires, and brings it back.
func TestExpire(t *testing.T) {
	l := newLab(t)
	l.idle()
	f := l.f
	l.set(&l.f, nil)
	s := l.refresh(false)
	if !strings.Contains(s.Error, "nobody is there") || s.Failures != 1 || s.Next.Sub(s.Tried) != minRetry {
		t.Errorf("%+v", s)
	}
	if again := l.refresh(false); again.Failures != 2 || again.Next.Sub(again.Tried) != 2*minRetry {
		t.Errorf("%+v", again)
	}
	l.pass(s.Expires.Sub(l.time()) - time.Second)
	if !l.served().IsAvailable() {
		t.Fatal("expired early")
	}
	l.pass(time.Second)
	l.await("expiry, and the end of the check that was due too", func(s State) bool { return s.Expired && s.Doing == "" })
	if z := l.served(); z.IsAvailable() || !z.IsExpired() {
		t.Error("expired, and still served")
	}
	l.set(&l.f, f)
	if s := l.refresh(false); s.Expired || s.Error != "" {
		t.Errorf("%+v", s)
	}
	hold(t, l.served(), f.o)
	if n := l.k.Totals(); n.AXFR.Load() != 1 || n.Expired.Load() != 1 {
		t.Errorf("%d AXFR, %d expired: the same zone came twice", n.AXFR.Load(), n.Expired.Load())
	}
}

// TestRestart: what was there is served at once, for as long as it would have been.
func TestRestart(t *testing.T) {
	l := newLab(t)
	expires := l.idle().Expires
	o := l.f.o
	l.stop()
	l.set(&l.f, nil)
	l.start()
	hold(t, l.served(), o)
	if s := l.idle(); s.Serial != 2 || !s.Expires.Equal(expires) || s.Error == "" {
		t.Errorf("%+v, want expiry at %v", s, expires)
	}
	l.stop()
	l.pass(expires.Sub(l.time()))
	l.start()
	if z := l.served(); z == nil || !z.IsExpired() {
		t.Error("expired while nobody looked, and served")
	}
	l.idle()
	// The journal cannot be read: the zone is transferred again.
	l.stop()
	l.journal.fail = fmt.Errorf("damaged")
	l.set(&l.f, l.primary(soa2+rest))
	l.store = nil
	l.k = nil
	store := commit.New(commit.Options{})
	l.store = store
	k := NewFollower(Options{Store: store, Journal: l.journal, Now: l.time, Dial: l.dial})
	p := k.Plan([]Zone{l.conf}, store.Set(), nil)
	if len(p.Changes) != 1 || p.Changes[0].Zone.IsAvailable() || p.Changes[0].Zone.IsExpired() {
		t.Errorf("%+v", p)
	}
	l.journal.fail = nil
	l.start()
}

// TestPrimaries asks several: the latest serial counts, then the order.
func TestPrimaries(t *testing.T) {
	l := newLab(t)
	l.idle()
	l.conf.Primaries = []Primary{{Address: fakeAddr}, {Address: fakeAddr2}}
	l.set(&l.g, l.primary(soa3+rest))
	l.configure(l.conf)
	l.await("the later serial", func(s State) bool { return s.Serial == 3 && s.Doing == "" })
	// One is behind, the other confirms.
	if s := l.refresh(false); s.Error != "" || s.From != fakeAddr2.String() {
		t.Errorf("%+v", s)
	}
	// The one that has a later serial cannot give it; the other confirms what there is.
	bad := l.primary(strings.Replace(soa3, " 3 ", " 4 ", 1) + rest + "a 60 CNAME x.\n")
	l.set(&l.f, bad)
	before := l.k.States()[0].Expires
	l.pass(5 * time.Second)
	if s := l.refresh(false); !strings.Contains(s.Error, "CNAME together with PTR") || s.Serial != 3 || !s.Expires.After(before) {
		t.Errorf("%+v", s)
	}
	hold(t, l.served(), l.g.o)
	// Both have it, the one that says so is asked first.
	l.set(&l.f, l.primary(strings.Replace(soa3, " 3 ", " 5 ", 1)+rest))
	l.set(&l.g, l.primary(strings.Replace(soa3, " 3 ", " 5 ", 1)+rest))
	l.notify("192.0.2.2")
	l.pass(notifyGap)
	if s := l.await("the next serial", func(s State) bool { return s.Serial == 5 }); s.From != fakeAddr2.String() {
		t.Errorf("%+v", s)
	}
}

// TestGoesBack: a primary whose serial goes back is not followed, until somebody
// says so.
func TestGoesBack(t *testing.T) {
	l := newLab(t)
	l.idle()
	old := l.primary(soa1 + rest)
	l.set(&l.f, old)
	if s := l.refresh(false); !strings.Contains(s.Error, "has serial 1, which is before that of the current copy, 2") || s.Serial != 2 {
		t.Errorf("%+v", s)
	}
	if s := l.refresh(true); s.Error != "" || s.Serial != 1 {
		t.Errorf("%+v", s)
	}
	hold(t, l.served(), old.o)
	if s := l.refresh(true); s.Error != "" || s.Serial != 1 { // the same once more
		t.Errorf("%+v", s)
	}
}

// TestDifferencesThatDoNotFit are followed by the whole zone.
func TestDifferencesThatDoNotFit(t *testing.T) {
	l := newLab(t)
	l.idle()
	three := l.primary(soa3 + rest)
	three.since[2] = oracle(t, soa2+rest+"zz 60 PTR never.\n")
	l.set(&l.f, three)
	if s := l.refresh(false); s.Error != "" || s.Serial != 3 {
		t.Errorf("%+v", s)
	}
	hold(t, l.served(), three.o)
	if n := l.k.Totals(); n.FailedIXFR.Load() != 1 || n.AXFR.Load() != 2 {
		t.Errorf("%d IXFR failed, %d AXFR", n.FailedIXFR.Load(), n.AXFR.Load())
	}
	if got := strings.Join(three.asked, ","); got != "udp SOA,tcp IXFR,tcp AXFR" {
		t.Errorf("asked %q", got)
	}
	if last := l.journal.log[len(l.journal.log)-1]; last != "2→3 transfer from 192.0.2.1:53" {
		t.Errorf("journal %q", last)
	}
}

// TestNoDifferences: a primary that has no differences, in whatever way it says so, is
// asked for the zone at once, and once.
func TestNoDifferences(t *testing.T) {
	key := testKey(t, "k.", "secret")
	rcode := func(c wire.RCode) func([][]byte) [][]byte {
		return func(answer [][]byte) [][]byte {
			answer[0][3] |= byte(c)
			return answer[:1]
		}
	}
	lone := func(answer [][]byte) [][]byte {
		m := new(dns.Msg)
		if err := m.Unpack(answer[0]); err != nil {
			t.Error(err)
		}
		m.Answer = m.Answer[:1]
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return [][]byte{b}
	}
	for _, c := range []struct {
		what   string
		key    *tsig.Key
		closes string
		signed bool // spoil is of what is signed already
		spoil  func([][]byte) [][]byte
	}{
		{what: "the SOA alone", spoil: lone},
		{what: "the SOA alone, signed", key: key, spoil: lone},
		{what: "the SOA alone, and closes", spoil: lone, closes: "IXFR"},
		{what: "closes at once", spoil: func([][]byte) [][]byte { return nil }},
		{what: "closes in between", spoil: func(a [][]byte) [][]byte { return a[:1] }, closes: "IXFR"},
		{what: "FORMERR", spoil: rcode(wire.RCodeFormErr)},
		{what: "NOTIMP", spoil: rcode(wire.RCodeNotImp)},
		{what: "REFUSED", spoil: rcode(wire.RCodeRefused)},
		{what: "SERVFAIL", spoil: rcode(wire.RCodeServFail)},
		{what: "REFUSED, signed", key: key, spoil: rcode(wire.RCodeRefused)},
		{what: "NOTIMP without a signature", key: key, signed: true, spoil: func(a [][]byte) [][]byte {
			m := new(dns.Msg)
			if err := m.Unpack(a[0]); err != nil {
				t.Error(err)
			}
			m.Answer, m.Extra, m.Rcode = nil, nil, dns.RcodeNotImplemented
			b, err := m.Pack()
			if err != nil {
				t.Error(err)
			}
			return [][]byte{b}
		}},
		{what: "a hundred records of another TTL", spoil: func(a [][]byte) [][]byte { return a }},
	} {
		t.Run(c.what, func(t *testing.T) {
			l := newLab(t)
			l.idle()
			l.k.client.lone = time.Millisecond - grace
			next := l.primary(soa3 + rest)
			next.since[2] = oracle(t, soa2+rest+"zz 60 PTR never.\n") // or else it would do
			next.closes = c.closes
			spoil := func(_ string, answer [][]byte) [][]byte {
				if strings.HasSuffix(next.asked[len(next.asked)-1], "IXFR") {
					return c.spoil(answer)
				}
				return answer
			}
			if c.key != nil {
				next.keys = tsig.NewKeys([]*tsig.Key{c.key})
				l.conf.Primaries = []Primary{{Address: fakeAddr, Key: c.key}}
			}
			if next.spoil = spoil; c.signed {
				next.spoil, next.signed = nil, spoil
			}
			l.set(&l.f, next)
			l.configure(l.conf)
			if c.key == nil { // else the new key has requested a check
				l.refresh(false)
			}
			s := l.await("the later serial", func(s State) bool { return s.Serial == 3 && s.Doing == "" })
			if s.Error != "" {
				t.Errorf("%+v", s)
			}
			hold(t, l.served(), next.o)
			next.mu.Lock()
			defer next.mu.Unlock()
			got := strings.Join(next.asked, ",")
			if i := strings.Index(got, "tcp IXFR"); i < 0 || !strings.HasPrefix(got[i:], "tcp IXFR,tcp AXFR") || strings.Count(got, "XFR") != 2 {
				t.Errorf("asked %q", got)
			}
		})
	}
}

// TestNoTransfer: a primary that gives the zone in neither way is asked again after the
// time that the SOA says, not at once.
func TestNoTransfer(t *testing.T) {
	l := newLab(t)
	l.idle()
	next := l.primary(soa3 + rest)
	next.spoil = func(_ string, answer [][]byte) [][]byte {
		if strings.HasSuffix(next.asked[len(next.asked)-1], "XFR") {
			return nil
		}
		return answer
	}
	l.set(&l.f, next)
	s := l.refresh(false)
	if !strings.Contains(s.Error, "closed before the end") || s.Serial != 2 || s.Next.Sub(l.time()) < minRetry {
		t.Errorf("%+v", s)
	}
	if got := strings.Join(next.asked, ","); got != "udp SOA,tcp IXFR,tcp AXFR" {
		t.Errorf("asked %q", got)
	}
}

// TestGone: a zone that is not configured any more is not brought back by a
// transfer that was under way.
func TestGone(t *testing.T) {
	l := newLab(t)
	l.idle()
	reached, goOn := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(reached) }) // it may ask again
	three := l.primary(soa3 + rest)
	three.signed = func(network string, answer [][]byte) [][]byte {
		if network == "tcp" {
			first()
			<-goOn
		}
		return answer
	}
	l.set(&l.f, three)
	told := make(chan State)
	go func() {
		s, err := l.k.Refresh(t.Context(), l.conf.Apex, false)
		if err != nil {
			t.Error(err)
		}
		told <- s
	}()
	<-reached
	l.configure()
	close(goOn)
	if s := <-told; s.Error != errRemoved.Error() {
		t.Errorf("%+v", s)
	}
	if z := l.served(); z != nil {
		t.Errorf("serial %d is served", z.Serial())
	}
	if _, err := l.k.Refresh(t.Context(), l.conf.Apex, false); err == nil {
		t.Error("refreshed")
	}
	// It comes back, and is served as it was.
	l.configure(l.conf)
	if z := l.served(); z == nil || z.Serial() != 2 {
		t.Error("not served as it was")
	}
}

// TestTakenOver: what was served at the apex before goes on until there is better.
func TestTakenOver(t *testing.T) {
	l := newLab(t)
	l.idle()
	l.stop()
	f := l.f
	l.set(&l.f, nil)
	l.journal = newMemory()
	file := mustBuild(t, oracle(t, soa1+rest))
	l.start(file)
	if s := l.idle(); s.HasData || s.Error == "" || l.served() != file {
		t.Errorf("%+v, serial %d", s, l.served().Serial())
	}
	l.set(&l.f, f)
	l.refresh(false)
	hold(t, l.served(), f.o)
	// And others take it over.
	other := mustBuild(t, oracle(t, soa3+rest))
	if err := l.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: other, Apex: other.Apex(), Base: l.served(), Kept: true, Verbatim: true}}}); err != nil {
		t.Fatal(err)
	}
	l.set(&l.f, l.primary(strings.Replace(soa3, " 3 ", " 4 ", 1)+rest))
	if s := l.refresh(false); !strings.Contains(s.Error, "another source") || l.served() != other {
		t.Errorf("%+v", s)
	}
	p := l.k.Plan(nil, l.store.Set(), func(dname.Name) bool { return true })
	if len(p.Changes) != 0 {
		t.Errorf("%+v", p.Changes)
	}
}

// TestJournalFails: what cannot be kept is not served.
func TestJournalFails(t *testing.T) {
	l := newLab(t)
	l.idle()
	l.journal.mu.Lock()
	l.journal.fail = fmt.Errorf("disk full")
	l.journal.mu.Unlock()
	l.set(&l.f, l.primary(soa3+rest))
	if s := l.refresh(false); !strings.Contains(s.Error, "disk full") || l.served().Serial() != 2 {
		t.Errorf("%+v", s)
	}
}

// TestNotify goes through who may send NOTIFY, and what becomes of it.
func TestNotify(t *testing.T) {
	l := newLab(t)
	key, other := testKey(t, "k.", "secret"), testKey(t, "j.", "secret")
	l.conf.Notifiers = answer.Peers{{Prefix: netip.MustParsePrefix("198.51.100.0/24")}, {Key: string(key.Name())}}
	l.configure(l.conf)
	l.idle()
	apex := l.conf.Apex
	for _, c := range []struct {
		what   string
		zone   string
		from   string
		key    int // 1: key, 2: other
		serial zone.Serial
		want   wire.RCode
		checks uint64
	}{
		{"a primary", "example.", "192.0.2.1", 0, 0, wire.RCodeNoError, 1},
		{"a primary by IPv4 in IPv6", "EXAMPLE.", "::ffff:192.0.2.1", 0, 0, wire.RCodeNoError, 1},
		{"by prefix", "example.", "198.51.100.7", 0, 0, wire.RCodeNoError, 1},
		{"by key", "example.", "203.0.113.1", 1, 0, wire.RCodeNoError, 1},
		{"another key", "example.", "203.0.113.1", 2, 0, wire.RCodeRefused, 0},
		{"anybody", "example.", "203.0.113.1", 0, 0, wire.RCodeRefused, 0},
		{"another zone", "a.example.", "192.0.2.1", 0, 0, wire.RCodeNotAuth, 0},
		{"the serial that we have", "example.", "192.0.2.1", 0, 2, wire.RCodeNoError, 0},
		{"an older serial", "example.", "192.0.2.1", 0, 1, wire.RCodeNoError, 0},
		{"a later serial", "example.", "192.0.2.1", 0, 3, wire.RCodeNoError, 1},
	} {
		before := l.k.Totals().Notified.Load()
		rcode, _ := l.k.notified(dname.MustParse(c.zone), netip.MustParseAddr(c.from), map[int]*tsig.Key{1: key, 2: other}[c.key], notification(apex, c.serial))
		if n := l.k.Totals().Notified.Load() - before; rcode != c.want || n != c.checks {
			t.Errorf("%s: %v and %d checks, want %v and %d", c.what, rcode, n, c.want, c.checks)
		}
	}
	// A burst is one check, after a while.
	checks := l.k.Totals().Checks.Load()
	l.pass(notifyGap)
	l.await("the check that the messages above led to", func(s State) bool { return l.k.Totals().Checks.Load() == checks+1 && s.Doing == "" })
	checks++
	for range 100 {
		l.notify("192.0.2.1")
	}
	if s := l.idle(); !s.Next.Equal(s.Tried.Add(notifyGap)) || l.k.Totals().Checks.Load() != checks {
		t.Errorf("%+v, %d checks, want %d", s, l.k.Totals().Checks.Load(), checks)
	}
	l.pass(notifyGap)
	l.await("a check", func(s State) bool { return l.k.Totals().Checks.Load() == checks+1 && s.Doing == "" })
	// Damaged messages have no serial.
	for n := range notification(apex, 7) {
		if _, ok := hintedSerial(notification(apex, 7)[:n]); ok {
			t.Errorf("%d octets have a serial", n)
		}
	}
}

// TestClock: a zone is served for as long as its SOA says since a primary confirmed it,
// whatever the clock says meanwhile: it is wrong at first, is set, set ahead, and back.
func TestClock(t *testing.T) {
	right := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	const year = 365 * 24 * time.Hour // EXPIRE is 100 s
	l := &lab{t: t, f: newFake(t), journal: newMemory(), now: right}
	l.conf = Zone{Apex: l.f.o.Apex, Primaries: []Primary{{Address: fakeAddr}}}
	f := l.f
	var elapsed time.Duration
	begin := func(now time.Time) {
		l.now = now
		c := clock.New(clock.Options{Wall: l.time, Elapsed: func() time.Duration {
			l.mu.Lock()
			defer l.mu.Unlock()
			return elapsed
		}})
		c.Start(right.Add(-time.Hour))
		l.clock = c.Steps
		l.start()
	}
	advance := func(d, step time.Duration) {
		l.mu.Lock()
		l.now, elapsed = l.now.Add(d+step), elapsed+d
		l.mu.Unlock()
		l.k.ClockSet()
	}
	is := func(what string, expired bool, left time.Duration) {
		t.Helper()
		l.await(what, func(s State) bool {
			return s.HasData && s.Expired == expired && s.Doing == "" && (s.Expires.Sub(l.time())-left).Abs() <= time.Second &&
				l.served().IsAvailable() == !expired
		})
	}

	begin(time.Unix(100, 0)) // 1970
	is("transferred in 1970", false, 100*time.Second)
	l.set(&l.f, nil)
	advance(30*time.Second, 0)
	is("later in 1970", false, 70*time.Second)
	advance(0, right.Sub(l.time()))
	is("the clock is set", false, 70*time.Second)
	advance(69*time.Second, 0)
	is("nearly expired", false, time.Second)
	advance(2*time.Second, 0)
	is("expired", true, -time.Second)

	l.set(&l.f, f)
	if s := l.refresh(false); s.Error != "" {
		t.Fatal(s.Error)
	}
	l.set(&l.f, nil)
	is("confirmed", false, 100*time.Second)
	advance(10*time.Second, 14*year)
	is("years ahead", false, 90*time.Second)
	advance(10*time.Second, -14*year)
	is("and back", false, 80*time.Second)

	// The process starts again while the clock is years ahead.
	l.stop()
	was := l.time()
	begin(was.Add(14 * year))
	l.await("expired by the clock", func(s State) bool { return s.Expired })
	advance(10*time.Second, -14*year)
	is("the clock is set back", false, 70*time.Second)

	// And while it is in 1970.
	l.stop()
	begin(time.Unix(200, 0))
	is("in 1970 again", false, 100*time.Second) // what was written down is in the future
	advance(0, was.Add(20*time.Second).Sub(l.time()))
	is("set to before it expires", false, 60*time.Second)
	l.stop()
	begin(time.Unix(200, 0))
	advance(0, was.Add(200*time.Second).Sub(l.time()))
	l.await("set to after it expired", func(s State) bool { return s.Expired })

	// What was written down in 1970 lasts its span again.
	l.set(&l.f, f)
	advance(0, time.Unix(300, 0).Sub(l.time()))
	if s := l.refresh(false); s.Error != "" {
		t.Fatal(s.Error)
	}
	l.set(&l.f, nil)
	l.stop()
	begin(right)
	is("noted in 1970", false, 100*time.Second)
	l.stop()
}
