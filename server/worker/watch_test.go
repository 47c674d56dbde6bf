package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// watched is a worker that answers nothing, and the watches of its queries.
type watched struct {
	*testing.T
	log    *queryLog
	worker Worker
	buf    []byte
}

func newWatched(t *testing.T) *watched {
	w := &watched{T: t, log: newQueryLog(slog.New(slog.NewTextHandler(io.Discard, nil))), buf: make([]byte, 512)}
	w.worker.Answerer = silent{}
	w.worker.Sample.Log, w.worker.Sample.turn = w.log, noTurn
	return w
}

// silent is an Answerer that sends each request back.
type silent struct{ Answerer }

func (silent) Respond(_ *answer.View, _ *answer.Request, _ []byte, n int) (int, answer.Verdict) {
	return n, answer.Answered
}

// ask has a batch of one query answered, as the transports do, and reports whether it was sampled.
func (w *watched) ask(at time.Time, client, name string) bool {
	w.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypePTR)
	b, err := m.Pack()
	if err != nil {
		w.Fatal(err)
	}
	n := copy(w.buf, b)
	w.worker.Request.Client = netip.AddrPortFrom(netip.MustParseAddr(client), 53)
	w.worker.Sample.Begin(at, 1)
	if !w.worker.Sample.Due(0) {
		return false
	}
	w.worker.RespondSampled(&answer.View{Zones: zone.NewSet()}, &w.worker.Request, w.buf, n)
	return true
}

// seen returns what a watch shows: clients, names and how many were missed before.
func (w *watched) seen(x *Watch) (list []string) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	cancel() // what waits is shown nevertheless
	if err := x.Run(ctx, func(q *Query) error {
		list = append(list, fmt.Sprintf("%s %s %d", q.Client, q.Name, q.Missed))
		return nil
	}); err != nil {
		w.Fatal(err)
	}
	return list
}

// Each watch shows what it is for; without one, and after the last, no query is sampled.
func TestWatch(t *testing.T) {
	w := newWatched(t)
	now := time.Unix(1_700_000_000, 0)
	if w.ask(now, "192.0.2.1", "a.example.") {
		t.Error("sampled without a watch")
	}
	client := &Watch{Client: netip.MustParsePrefix("192.0.2.0/24")}
	about := &Watch{About: func(n dname.Name) bool { return n.IsAtOrBelow(dname.MustParse("a.example.")) }}
	for _, x := range []*Watch{client, about} {
		if !w.log.watch(x) {
			t.Fatal("no room for a watch")
		}
	}
	w.ask(now, "192.0.2.1", "a.example.")
	w.ask(now, "::ffff:192.0.2.2", "b.example.")
	w.ask(now, "198.51.100.1", "x.A.example.")
	w.ask(now, "198.51.100.1", "b.example.")
	if got, want := w.seen(client), []string{"192.0.2.1:53 a.example. 0", "[::ffff:192.0.2.2]:53 b.example. 0"}; !slices.Equal(got, want) {
		t.Errorf("by client: %q, want %q", got, want)
	}
	if got, want := w.seen(about), []string{"192.0.2.1:53 a.example. 0", "198.51.100.1:53 x.A.example. 0"}; !slices.Equal(got, want) {
		t.Errorf("by name: %q, want %q", got, want)
	}
	w.log.endWatch(client)
	if !w.ask(now, "192.0.2.1", "a.example.") || len(client.queries) != 0 || len(about.queries) != 1 {
		t.Error("one that was ended goes on, or ended the other")
	}
	w.log.endWatch(about)
	if w.ask(now, "192.0.2.1", "a.example.") {
		t.Error("sampled after the last watch")
	}
}

// A flood does not flood the reader; what is not shown is counted. The reader is never waited for.
func TestWatchIsBounded(t *testing.T) {
	w := newWatched(t)
	x := &Watch{}
	w.log.watch(x)
	now := time.Unix(1_700_000_000, 0)
	for range watchRate + 50 {
		w.ask(now, "192.0.2.1", "a.example.")
	}
	if got := w.seen(x); len(got) != watchRate || got[0] != "192.0.2.1:53 a.example. 50" {
		t.Errorf("%d queries of one second are shown, want %d, the first is %s", len(got), watchRate, got[0])
	}
	w.ask(now.Add(time.Second), "192.0.2.1", "b.example.")
	if got := w.seen(x); !slices.Equal(got, []string{"192.0.2.1:53 b.example. 0"}) {
		t.Errorf("in the next second: %q", got)
	}
	for i := range 2 * watchQueue {
		w.ask(now.Add(time.Duration(i)*time.Second), "192.0.2.1", "c.example.")
	}
	if len(x.queries) != watchQueue || x.missed.Load() != watchQueue {
		t.Errorf("%d wait for the reader, %d are missed", len(x.queries), x.missed.Load())
	}
}

// The configured part of the queries is logged, whether there is a watch or not.
func TestWatchLeavesSamples(t *testing.T) {
	w := newWatched(t)
	w.log.setEvery(5)
	now := time.Unix(1_700_000_000, 0)
	logged := func() (n int) {
		for range 50 {
			w.ask(now, "192.0.2.1", "a.example.")
		}
		for len(w.log.Samples) > 0 {
			<-w.log.Samples
			n++
		}
		return n
	}
	x := &Watch{Client: netip.MustParsePrefix("10.0.0.0/8")}
	before := logged()
	w.log.watch(x)
	during := logged()
	w.log.endWatch(x)
	if after := logged(); before != 10 || during != 10 || after != 10 {
		t.Errorf("%d, %d and %d of 50 queries were logged, want 10", before, during, after)
	}
}

// A query that no watch wants costs no allocation, nor does one that is shown.
func TestWatchAllocates(t *testing.T) {
	w := newWatched(t)
	p, request := &w.worker.Sample, bytes.Repeat([]byte{0}, wire.HeaderLen)
	w.log.watch(&Watch{Client: netip.MustParsePrefix("10.0.0.0/8")})
	w.log.watch(&Watch{})
	view := &answer.View{Zones: zone.NewSet()}
	if n := testing.AllocsPerRun(100, func() {
		p.Begin(time.Unix(1, 0), 1)
		p.Take(&w.worker.Request, request, len(request))
		p.Send(view, request, len(request), answer.Answered)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
