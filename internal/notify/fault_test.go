package notify

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// failing is a socket that gives errors, and answers in between.
type failing struct{ errors int }

func (f *failing) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	if f.errors == 0 {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	f.errors--
	return 0, netip.AddrPort{}, errors.New("no buffer space")
}

// TestReaderNeverEndsSilently: a socket that gives nothing but errors is reported, and one
// that gives some is not.
func TestReaderNeverEndsSilently(t *testing.T) {
	r := newRound(New(Options{}))
	for errs, want := range map[int]bool{maxReadErrors - 1: false, maxReadErrors: true} {
		reported := false
		r.read(&failing{errs}, func() { reported = true })
		if reported != want {
			t.Errorf("%d errors: reported %v", errs, reported)
		}
	}
}

// TestSocketIsMadeAgain: messages after a socket was given up go through another.
func TestSocketIsMadeAgain(t *testing.T) {
	r := newRound(New(Options{Log: slog.New(slog.DiscardHandler)}))
	defer r.close()
	from := Target{Address: netip.MustParseAddrPort("127.0.0.1:53"), Source: netip.MustParseAddr("127.0.0.1")}
	first, err := r.socket(from)
	if err != nil {
		t.Fatal(err)
	}
	r.dropSocket(first)
	second, err := r.socket(from)
	if err != nil || second == first {
		t.Errorf("the same socket, %v", err)
	}
}

// TestPanicCostsOneMessage: the Notifier goes on after a panic.
func TestPanicCostsOneMessage(t *testing.T) {
	s := newSecondary(t, good)
	g := &rig{t: t}
	g.store = commit.New(commit.Options{Published: func(b *zone.Batch) { g.Published(b) }})
	var panics atomic.Int32
	panics.Store(1)
	guard := supervise.New(slog.New(slog.DiscardHandler))
	g.Notifier = New(Options{Log: slog.New(slog.DiscardHandler), Guard: guard, Set: func() *zone.Set {
		if panics.Add(-1) >= 0 {
			panic("in Set")
		}
		return g.store.Set()
	}})
	g.SetZones(byKey(map[string]*Zone{dname.MustParse(apex).Key(): {Targets: []Target{{Address: s.target()}}}}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- g.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	g.publish(build(t, apex, 1, apex+" NS ns1.example.net."))
	await.That(t, "a panic", func() bool { return guard.Counts()[part] == 1 })
	g.publish(build(t, apex, 2, apex+" NS ns1.example.net."))
	await.That(t, "the next change to be told", func() bool { return len(s.messages()) > 0 })
}
