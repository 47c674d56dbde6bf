package secondary

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ptrd/ptrd/server/supervise"
)

// TestPanicCostsOneCheck: a panic while a zone is checked is its failure; it is checked
// again, and the places that it had are free.
func TestPanicCostsOneCheck(t *testing.T) {
	l := newLab(t)
	l.idle()
	l.stop()
	var panics atomic.Int32
	panics.Store(1000)
	guard := supervise.New(slog.New(slog.DiscardHandler))
	l.k = NewFollower(Options{Store: l.store, Journal: l.journal, Now: l.time, Guard: guard, Random: func() float64 { return 0 },
		Dial: func(ctx context.Context, network string, source netip.Addr, address netip.AddrPort) (net.Conn, error) {
			if panics.Add(-1) >= 0 {
				panic("in Dial")
			}
			return l.dial(ctx, network, source, address)
		}})
	l.k.client.now = unhurried
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	l.stop = func() { cancel(); <-ended }
	l.configure(l.conf)
	go func() { defer close(ended); l.k.Run(ctx) }()
	l.await("a failure", func(s State) bool { return s.Doing == "" && strings.Contains(s.Error, "internal error") })
	for range 3 * maxJobs {
		if s := l.refresh(false); !strings.Contains(s.Error, "internal error") {
			t.Fatalf("%+v", s)
		}
	}
	panics.Store(0)
	if s := l.refresh(false); s.Error != "" {
		t.Errorf("after the panics: %+v", s)
	}
	if n := guard.Counts()[part]; n < uint64(3*maxJobs) {
		t.Errorf("%d panics counted", n)
	}
}
