package worker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/supervise"
)

// Options are the options of a Group.
type Options struct {
	Views    *answer.Views
	Log      *slog.Logger
	QueryLog *slog.Logger
	Now      func() time.Time
	Workers  int  // UDP workers of each address, and TCP workers
	Portable bool // use the portable sockets even if the system has faster ones
	Answerer func(*answer.Stats) Answerer
}

// Group is what all transports of a server and its deferred lane share.
type Group struct {
	Views    *answer.Views
	Limits   atomic.Pointer[Limits]
	Log      *slog.Logger
	Now      func() time.Time
	Began    time.Time // what Clock and Request.Elapsed count from
	Workers  int
	Portable bool
	Lanes    *Pool
	queryLog *queryLog
	faults   *supervise.Supervisor
	failed   chan error // has room for the first
}

// New returns a Group.
func New(o Options) *Group {
	g := &Group{
		Views: o.Views, Log: o.Log, Now: o.Now, Began: o.Now(), Workers: o.Workers, Portable: o.Portable,
		queryLog: newQueryLog(o.QueryLog), failed: make(chan error, 1), faults: supervise.New(o.Log),
	}
	g.queryLog.contain = g.Contain
	g.Lanes = &Pool{new: o.Answerer, log: g.queryLog}
	return g
}

// SetLimits makes other limits apply from now on.
func (g *Group) SetLimits(l Limits) error {
	if err := l.check(); err != nil {
		return err
	}
	g.Limits.Store(&l)
	g.queryLog.setEvery(int64(l.LogQueries))
	return nil
}

// Clock returns the time since Began. It never goes back.
func (g *Group) Clock() time.Duration { return g.Now().Sub(g.Began) }

// Fail ends the server with the error of a worker. The first one counts.
func (g *Group) Fail(addr netip.AddrPort, transport string, err error) {
	g.failWith(fmt.Errorf("listen %v %s: %w", addr, transport, err))
}

func (g *Group) failWith(err error) {
	select {
	case g.failed <- err:
	default:
	}
}

// Failure receives the error that ends the server.
func (g *Group) Failure() <-chan error { return g.failed }

// Start starts the writer of the query log.
func (g *Group) Start() { go g.queryLog.run() }

// Stop ends the writer of the query log. No worker may be in use.
func (g *Group) Stop() { g.queryLog.stop() }

// AddTo adds up what the workers counted.
func (g *Group) AddTo(t *Totals) {
	g.Lanes.addTo(t)
	t.Faults += g.faults.Total()
	t.LogLost += g.queryLog.lost.Load()
}

// Contain calls f and reports whether it panicked.
func (g *Group) Contain(part string, f func()) (fault bool) { return !g.faults.Do(part, f) }

// KeepRunning calls f, a part of the server that works for all clients, until it returns. After a
// panic, what was in work is lost and f is called again; too many panics end Serve.
func (g *Group) KeepRunning(part string, f func()) { g.faults.Keep(part, f, g.failWith) }
