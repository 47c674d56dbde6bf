package worker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
)

// hostOptions are what a host is made of.
type Options struct {
	Views    *answer.Views
	Log      *slog.Logger
	QueryLog *slog.Logger
	Now      func() time.Time
	Workers  int  // UDP workers an address, and TCP workers
	Portable bool // use the portable sockets even where the system has faster ones
	Answerer func(*answer.Stats) Answerer
}

// host is what all transports of a server and its deferred lane share.
type Group struct {
	Views    *answer.Views
	Limits   atomic.Pointer[Limits]
	Log      *slog.Logger
	Now      func() time.Time
	Began    time.Time // what clock and Request.Elapsed count from
	Workers  int
	Portable bool
	Lanes    *Pool
	queryLog *queryLog
	faults   faults
	failed   chan error // has room for the first
}

// newHost returns a host.
func New(o Options) *Group {
	h := &Group{
		Views: o.Views, Log: o.Log, Now: o.Now, Began: o.Now(), Workers: o.Workers, Portable: o.Portable,
		queryLog: newQueryLog(o.QueryLog), failed: make(chan error, 1),
	}
	h.faults.log, h.faults.now = o.Log, o.Now
	h.queryLog.contain = h.Contain
	h.Lanes = &Pool{new: o.Answerer, log: h.queryLog}
	return h
}

// setLimits makes other limits apply from now on.
func (h *Group) SetLimits(l Limits) error {
	if err := l.check(); err != nil {
		return err
	}
	h.Limits.Store(&l)
	h.queryLog.every.Store(int64(l.LogQueries))
	return nil
}

// clock returns the time since the host was made. It does not go back.
func (h *Group) Clock() time.Duration { return h.Now().Sub(h.Began) }

// fail ends the server with the error of a worker. The first one counts.
func (h *Group) Fail(addr netip.AddrPort, transport string, err error) {
	h.failWith(fmt.Errorf("listen %v %s: %w", addr, transport, err))
}

func (h *Group) failWith(err error) {
	select {
	case h.failed <- err:
	default:
	}
}

// failure receives the error that ends the server.
func (h *Group) Failure() <-chan error { return h.failed }

// start starts the writer of the query log, which stop ends.
func (h *Group) Start() { go h.queryLog.run() }

// stop ends the writer of the query log. No worker may be at work any more.
func (h *Group) Stop() { h.queryLog.stop() }

// addTo adds up what the workers counted.
func (h *Group) AddTo(t *Totals) {
	h.Lanes.addTo(t)
	t.Faults += h.faults.count.Load()
	t.LogLost += h.queryLog.lost.Load()
}
