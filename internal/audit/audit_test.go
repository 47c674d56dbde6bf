package audit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// world has zones that are served here, and a resolver for all others.
type world struct {
	t       testing.TB
	current atomic.Pointer[zone.Set]
	mu      sync.Mutex
	others  map[string]string // addresses of names elsewhere, by name; "lost": no answer
	asked   []time.Time
	names   map[string]int // how often each was asked for
	on      map[string]bool
}

func newWorld(t testing.TB, zones map[string]string) *world {
	w := &world{t: t, others: map[string]string{}, names: map[string]int{}, on: map[string]bool{}}
	w.current.Store(zone.NewSet())
	for apex, text := range zones {
		w.serve(apex, text)
		w.on[apex] = true
	}
	return w
}

func build(t testing.TB, apex, text string) *zone.Zone {
	t.Helper()
	n := dname.MustParse(apex)
	b := zone.NewBuilder(n)
	text = "@ 300 SOA ns.elsewhere.test. h.elsewhere.test. 1 2 3 4 5\n@ 300 NS ns.elsewhere.test.\n" + text
	if res := zonefile.ReadBytes(apex, []byte(text), zonefile.Options{Origin: n, Table: new(source.Table)}, b.Add); !res.OK() {
		t.Fatal(res.Findings)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

func (w *world) serve(apex, text string) {
	w.current.Store(w.current.Load().With([]*zone.Zone{build(w.t, apex, text)}, nil))
}

func (w *world) settings() *Settings {
	return &Settings{
		Interval: time.Hour, Resolvers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("192.0.2.54:53")},
		IsOn: func(apex dname.Name) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.on[apex.String()]
		},
		Item:      func(dname.Name) *config.Zone { return nil },
		Classless: []*config.Zone{{Name: dname.MustParse("64/26.113.0.203.in-addr.arpa."), Prefix: netip.MustParsePrefix("203.0.113.64/26")}},
	}
}

// ask answers as the second of two resolvers, of which the first is silent.
func (w *world) ask(_ context.Context, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	if server.Addr() == netip.MustParseAddr("192.0.2.53") {
		return nil, errors.New("no answer")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	name := q.Question[0].Name
	w.asked = append(w.asked, time.Now())
	w.names[name]++
	if w.others[name] == "lost" {
		return nil, errors.New("no answer")
	}
	m := new(dns.Msg).SetReply(q)
	for text := range strings.FieldsSeq(w.others[name]) {
		if r, _ := dns.NewRR(fmt.Sprint(name, " ", dns.TypeToString[q.Question[0].Qtype], " ", text)); r != nil {
			m.Answer = append(m.Answer, r)
		}
	}
	return m, nil
}

// zones are a forward zone and reverse zones of each kind, one of them classless and without its
// parent.
var zones = map[string]string{
	"2.0.192.in-addr.arpa.": `
1 PTR ok.example.
2 PTR other.example.
3 PTR v6only.example.
4 PTR absent.example.
5 PTR out.test.
6 PTR wrong.test.
7 PTR lost.test.
8 PTR alias.example.
9 PTR lost.test.
9 PTR two.example.
10 PTR lost.test.
10 PTR other.example.
11 PTR below.cut.example.
_x PTR absent.example.
0/25 NS ns.elsewhere.test.
128.0/25 PTR absent.example.
`,
	"64/26.113.0.203.in-addr.arpa.": "65 PTR classless.example.\n",
	"8.b.d.0.1.0.0.2.ip6.arpa.":     strings.Repeat("0.", 23) + "0 TXT x\n1." + strings.Repeat("0.", 22) + "0 PTR v6only.example.\n",
	"example.": `
ok A 192.0.2.1
other A 192.0.2.99
v6only AAAA 2001:db8::1
alias CNAME ok8
ok8 A 192.0.2.8
two A 192.0.2.9
classless A 203.0.113.65
unnamed A 203.0.113.66
other A 203.0.113.66
unnamed A 198.51.100.1
* A 192.0.2.200
cut NS ns.elsewhere.test.
`,
}

func (w *world) elsewhere() {
	w.others = map[string]string{"out.test.": "192.0.2.5", "wrong.test.": "192.0.2.4", "lost.test.": "lost", "below.cut.example.": "192.0.2.11"}
}

// wanted are the states of all addresses in zones that are not ok.
const wanted = `192.0.2.2 mismatch other.example. | add other.example. A 192.0.2.2 to example.
192.0.2.3 no_address v6only.example. | add v6only.example. A 192.0.2.3 to example.
192.0.2.6 mismatch wrong.test.
192.0.2.7 not_known lost.test.
192.0.2.10 not_known lost.test. other.example.
192.0.2.99 no_name other.example. | add 99.2.0.192.in-addr.arpa. PTR other.example. to 2.0.192.in-addr.arpa.
203.0.113.66 no_name other.example. unnamed.example. | add 66.64/26.113.0.203.in-addr.arpa. PTR other.example. to 64/26.113.0.203.in-addr.arpa.
`

func (w *world) examine(scope Scope) *Report {
	w.t.Helper()
	source := func(dname.Name) Source { return Source{Kind: Files} }
	r, err := Examine(w.t.Context(), w.current.Load(), w.settings(), scope, source, w.ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// TestExamine: each state, for each way to it. A resolver that does not answer makes nothing wrong.
func TestExamine(t *testing.T) {
	w := newWorld(t, zones)
	w.elsewhere()
	r := w.examine(Scope{})
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%v %s %s", f.Address, f.State, strings.Join(f.Names, " "))
		if m := f.Missing; m != nil {
			fmt.Fprintf(&b, " | add %s to %s", m.line(), m.Zone)
		}
		b.WriteByte('\n')
	}
	// absent.example. exists by the wildcard.
	want := strings.Replace(wanted, "192.0.2.6 mismatch", "192.0.2.4 mismatch absent.example. | add absent.example. A 192.0.2.4 to example.\n192.0.2.6 mismatch", 1)
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	if r.States[OK] != 7 || r.Addresses != 15 || !r.IsWrong() || !r.IsNotKnown() {
		t.Errorf("%d addresses, %v", r.Addresses, r.States)
	}
	for name := range w.names {
		if strings.HasSuffix(name, ".example.") && name != "below.cut.example." {
			t.Errorf("the resolver was asked for %s, which is in a zone served here", name)
		}
	}
	for _, c := range []struct {
		apex  string
		about string
		want  string
	}{
		{"64/26.113.0.203.in-addr.arpa.", "", "1 ok, 0 mismatch, 0 no address, 0 no name, 0 not known"},
		{"2.0.192.in-addr.arpa.", "2.2.0.192.in-addr.arpa.", "0 ok, 1 mismatch, 0 no address, 0 no name, 0 not known"},
		{"example.", "", "5 ok, 0 mismatch, 0 no address, 2 no name, 0 not known"},
	} {
		scope := Scope{Apex: dname.MustParse(c.apex)}
		if c.about != "" {
			scope.About = dname.MustParse(c.about).Equal
		}
		if got := summary(w.examine(scope).States); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.apex, c.about, got, c.want)
		}
	}
}

// sleep lets time pass, and waits until all goroutines wait too.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) list(a *Auditor) string {
	var b strings.Builder
	for _, e := range a.Status().Addresses {
		fmt.Fprintf(&b, "%v %s since %v\n", e.Address, e.State, e.Since.UTC().Format("15:04"))
	}
	return b.String()
}

// TestAuditor: passes at the interval, an entry is there as long as the address is wrong, and
// changed addresses come first.
func TestAuditor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, zones)
		w.elsewhere()
		a := New(Options{Set: w.current.Load, Ask: w.ask})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		s := w.settings()
		s.Rate = 1
		a.SetSettings(s)
		sleep(time.Minute)
		if got := w.list(a); len(strings.Split(got, "\n")) != 9 || !strings.Contains(got, "192.0.2.2 mismatch since 00:00") {
			t.Errorf("after the first pass:\n%s", got)
		}
		_, states, completed := a.Counts(true)
		if states["2.0.192.in-addr.arpa."][OK] != 5 || states["64/26.113.0.203.in-addr.arpa."][NoName] != 1 || completed.IsZero() {
			t.Errorf("%v, completed %v", states, completed)
		}
		// The questions are a second apart, by 10 %.
		for i := 1; i < len(w.asked); i++ {
			if d := w.asked[i].Sub(w.asked[i-1]); d < 899*time.Millisecond {
				t.Errorf("question %d comes after %v", i, d)
			}
		}
		before := len(w.asked)
		// A PTR is corrected, and the change published: the entry goes at once.
		old := w.current.Load().Get(dname.MustParse("2.0.192.in-addr.arpa."))
		owner := dname.MustParse("2.2.0.192.in-addr.arpa.")
		c := &zone.Changeset{Apex: old.Apex(), From: old.Serial(), To: old.Serial() + 1,
			Removed: []zone.Record{{Owner: owner, Type: rr.TypePTR, TTL: 300, Data: dname.MustParse("other.example.")}},
			Added:   []zone.Record{{Owner: owner, Type: rr.TypePTR, TTL: 300, Data: dname.MustParse("out2.test.")}},
		}
		next, err := old.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.others["out2.test."] = "192.0.2.2"
		w.mu.Unlock()
		w.current.Store(w.current.Load().With([]*zone.Zone{next}, nil))
		a.Published(&zone.Batch{Changes: []zone.Change{{Zone: next, Apex: next.Apex(), Steps: []zone.Step{{Changeset: c}}}}})
		sleep(10 * time.Second)
		if got := w.list(a); strings.Contains(got, "192.0.2.2 ") || w.names["out2.test."] == 0 || len(w.asked) > before+2 {
			t.Errorf("after a change, with %d more questions:\n%s", len(w.asked)-before, got)
		}
		// The next pass comes after an hour. Times of those that are still wrong stay.
		w.mu.Lock()
		w.others["wrong.test."] = "192.0.2.6"
		w.mu.Unlock()
		sleep(50 * time.Minute)
		if got := w.list(a); !strings.Contains(got, "192.0.2.6 mismatch") {
			t.Errorf("after 51 minutes:\n%s", got)
		}
		sleep(17 * time.Minute)
		if got := w.list(a); strings.Contains(got, "192.0.2.6 ") || !strings.Contains(got, "192.0.2.4 mismatch since 00:00") {
			t.Errorf("after the second pass:\n%s", got)
		}
		// A zone that is no longer audited is forgotten by the next pass.
		w.mu.Lock()
		delete(w.on, "2.0.192.in-addr.arpa.")
		w.mu.Unlock()
		sleep(70 * time.Minute)
		if got := w.list(a); strings.Contains(got, "192.0.2.") {
			t.Errorf("without the zone:\n%s", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestAuditorOfSecondaries: when a zone that had no data has some, there is a new pass at once.
func TestAuditorOfSecondaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, zones)
		w.elsewhere()
		var was []*zone.Zone
		var change []zone.Change
		for _, text := range []string{"example.", "64/26.113.0.203.in-addr.arpa."} {
			z := w.current.Load().Get(dname.MustParse(text))
			none := zone.Unavailable(z.Apex(), "no transfer yet")
			was, change = append(was, none), append(change, zone.Change{Apex: z.Apex(), Base: none, Zone: z})
		}
		w.current.Store(w.current.Load().With(was, nil))
		a := New(Options{Set: w.current.Load, Ask: w.ask})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		a.SetSettings(w.settings())
		sleep(time.Minute)
		if got := w.list(a); strings.Contains(got, "203.0.113.66") {
			t.Errorf("before the zones have data:\n%s", got)
		}
		for i := range change {
			w.current.Store(w.current.Load().With([]*zone.Zone{change[i].Zone}, nil))
			a.Published(&zone.Batch{Changes: change[i : i+1]})
		}
		sleep(time.Minute)
		var found []string
		for line := range strings.Lines(w.list(a)) {
			address, rest, _ := strings.Cut(line, " ")
			state, _, _ := strings.Cut(rest, " ")
			found = append(found, address+" "+state)
		}
		for line := range strings.Lines(wanted) {
			if fields := strings.Fields(line); !slices.Contains(found, fields[0]+" "+fields[1]) {
				t.Errorf("%q is not among %q", line, found)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestAuditorIsBounded: of many wrong addresses, some are listed and all are counted; the walk
// goes on where it was when the zone changes.
func TestAuditorIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = 3000
		text := func(ttl int) string {
			var b strings.Builder
			for i := range all {
				fmt.Fprintf(&b, "%d.%d %d PTR h%d.test.\n", i%256, i/256, ttl, i)
			}
			return b.String()
		}
		w := newWorld(t, map[string]string{"168.192.in-addr.arpa.": text(60)})
		a := New(Options{Set: w.current.Load, Ask: w.ask})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		s := w.settings()
		s.Rate = 100
		a.SetSettings(s)
		for i := range 5 {
			sleep(5 * time.Second)
			w.serve("168.192.in-addr.arpa.", text(100+i))
		}
		sleep(20 * time.Second)
		got := a.Status()
		if len(got.Addresses) != maxOfZone || got.Omitted != all-maxOfZone || got.States[NoAddress] != all || got.Running {
			t.Errorf("%d listed, %d omitted, %v, running %v", len(got.Addresses), got.Omitted, got.States, got.Running)
		}
		for i := range all {
			if n := w.names[fmt.Sprintf("h%d.test.", i)]; n != 1 {
				t.Errorf("h%d was asked for %d times", i, n)
			}
		}
		cancel()
		<-ended
	})
}
