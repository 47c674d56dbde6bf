package server

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
)

// A panic of a part costs what was in work: the part goes on, keeps no turn, desk or place,
// and is counted; on all transports, and in the deferred lane.
func TestPartsGoOnAfterPanics(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		a := workertest.NewTestIssuer(t)
		var faults atomic.Int32
		r := serve(t, func(o *Options) {
			way(o)
			o.Workers = 1
			o.newAnswerer = func(stats *answer.Stats) worker.Answerer {
				return &workertest.FakeAnswerer{Stats: stats, Faults: &faults}
			}
			o.Listen = o.Listen.And(Addrs{TLS: {netip.MustParseAddrPort("127.0.0.1:0")}})
			o.TLS = &TLSIdentity{Certificate: a.Named("ns1.example")}
		}, "127.0.0.1")
		udp := func() {
			c := workertest.UDPClient(t, r.addr().Addr())
			defer c.Close()
			c.SetReadDeadline(time.Now().Add(await.Patience))
			if _, err := c.WriteToUDPAddrPort(workertest.FakeQuery(1, "a.example"), r.addr()); err != nil {
				t.Fatal(err)
			}
			if n, _, err := c.ReadFromUDPAddrPort(make([]byte, 512)); n == 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		for part, ask := range map[string]func(){
			"UDP": udp,
			"TCP": func() {
				c := workertest.Dial(t, r.addr())
				c.Write(workertest.Framed(workertest.FakeQuery(1, "a.example")))
				_, _ = c.Next() // the answer, or the end
				c.Close()
			},
			"TLS": func() {
				c := workertest.MustDialTLS(t, r.Addrs()[TLS][0], a.Client())
				_, _ = c.Exchange(workertest.FakeQuery(1, "a.example"))
				c.Close()
			},
			"deferred lane": func() {
				c := workertest.Dial(t, r.addr())
				c.Write(workertest.Framed(workertest.FakeQuery(1, "slow.example")))
				_, _ = c.Next() // one at a time: a client may have few connections
				c.Close()
			},
		} {
			for range 3 { // more than there are turns
				before := r.Totals().Faults
				for r.Totals().Faults == before {
					faults.Store(1)
					ask()
					faults.Store(0)
				}
			}
			udp()
			workertest.Dial(t, r.addr()).Ask(1, "a.example")
			workertest.Dial(t, r.addr()).Ask(1, "slow.example")
			workertest.MustDialTLS(t, r.Addrs()[TLS][0], a.Client()).Ask(1, "a.example")
			if t.Failed() {
				t.Fatal(part)
			}
		}
		r.end()
		if n := r.Totals().Deferred.Working; n != 0 {
			t.Errorf("%d requests in work at the end", n)
		}
	})
}

// A part that panics all the time ends Serve with a reason.
func TestTooManyPanicsEndServe(t *testing.T) {
	log := new(workertest.TestLog)
	s := newTestServer(t, func(o *Options) { o.Logger = log.Logger() })
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background()) }()
	left := supervise.MaxPanics + 1
	s.group.KeepRunning("test", func() {
		if left--; left >= 0 {
			panic("asked to")
		}
	})
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "panics") {
		t.Errorf("Serve returned %v", err)
	}
	if n := s.Totals().Faults; n != supervise.MaxPanics+1 || !strings.Contains(log.String(), "part=test") {
		t.Errorf("%d faults; %v", n, log)
	}
}

// panicHandler panics for the samples of queries.
type panicHandler struct{ slog.Handler }

func (h panicHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "query" {
		panic("asked to")
	}
	return nil
}

func TestQueryLogGoesOnAfterPanics(t *testing.T) {
	r := serve(t, func(o *Options) {
		o.Limits.LogQueries = 1
		o.Logger = slog.New(panicHandler{slog.NewTextHandler(io.Discard, nil)})
	}, "127.0.0.1")
	c := workertest.Dial(t, r.addr())
	for id := range uint16(3) {
		c.Ask(id, "a.example")
	}
	await.That(t, "panics", func() bool { return r.Totals().Faults == 3 })
	c.Ask(4, "a.example")
}

// The addresses are known while listeners end, which takes as long as what was deferred
// from them.
func TestAddressesAreKnownWhileListenersEnd(t *testing.T) {
	block := make(chan struct{})
	r := serve(t, func(o *Options) {
		o.handleAll = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) { <-block; _ = q.Reply(q.Message) })
	}, "127.0.0.1")
	c := workertest.UDPClient(t, r.addr().Addr())
	defer c.Close()
	if _, err := c.WriteToUDPAddrPort(workertest.FakeQuery(1, "slow.example"), r.addr()); err != nil {
		t.Fatal(err)
	}
	await.That(t, "work", func() bool { return r.Totals().Deferred.Working == 1 })
	removed := make(chan error)
	go func() { removed <- r.SetListeners(nil) }()
	await.That(t, "the removal", func() bool { return len(r.Addrs()[DNS]) == 0 })
	select {
	case err := <-removed:
		t.Errorf("the listener ended before what it deferred: %v", err)
	default:
	}
	close(block)
	if err := <-removed; err != nil {
		t.Error(err)
	}
}
