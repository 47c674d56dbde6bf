package server

import (
	"context"
	"errors"
	"fmt"
	"github.com/ptrd/ptrd/server/answer"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a Server is made of.
type Options struct {
	Views     *answer.Views    // what is answered; holds a View before Serve
	Limits    Limits           // see SetLimits
	Listen    []netip.AddrPort // see SetListeners
	ListenTLS []netip.AddrPort // likewise
	TLS       *TLSIdentity     // see SetTLS; nil: there is none yet
	Inherited []*os.File       // sockets bound already; used for the addresses of Listen that they are bound to
	Transfer  SlowHandler      // answers AXFR and IXFR of clients that Policy.Transfers lets in; nil: refused
	Notify    SlowHandler      // answers NOTIFY; nil: refused
	Update    SlowHandler      // answers UPDATE; nil: refused
	Logger    *slog.Logger     // should bound repeats: clients cause them; nil: nothing is logged
	QueryLog  *slog.Logger     // for what Limits.LogQueries samples; nil: Logger
	Workers   int              // UDP workers an address, and TCP workers; 0: one a processor
	Freebind  bool             // see SetFreebind
	Portable  bool             // use the portable way with sockets even where the system has a faster one
	Now       func() time.Time // nil: time.Now

	newAnswerer func(*answer.Stats) answerer // nil: NewResponder
	slow        SlowHandler                  // answers all that Respond defers; nil: the front of the slow lane
}

// Server serves UDP and TCP on a set of addresses, and TLS on another.
type Server struct {
	views     *answer.Views
	limits    atomic.Pointer[Limits]
	lanes     *lanes
	tls       atomic.Pointer[tlsIdentity] // nil: none yet
	conns     *tcpConns
	slow      *slowLane
	queryLog  *queryLog
	log       *slog.Logger
	now       func() time.Time
	began     time.Time // what clock and Request.Elapsed count from
	workers   int
	portable  bool
	inherited inheritedSockets
	freebind  atomic.Bool
	absent    atomic.Pointer[[]Absent] // replaced with mu held
	failed    chan error               // has room for the first
	faults    faults

	mu        sync.Mutex
	state     state
	listeners map[listenKey]*listener
	bound     atomic.Pointer[boundAddrs] // of listeners
}

type state uint8

const (
	fresh state = iota
	serving
	stopped
)

// slowWorkers is how many requests the slow lane has in work. They wait for a
// disk or a client more than they compute.
const slowWorkers = 8

// New returns a Server whose sockets are bound and wait for Serve; clients that
// come in between wait with them. It owns o.Inherited unless it returns an error.
func New(o Options) (*Server, error) {
	if o.Views == nil {
		panic("server.New without Views")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.QueryLog == nil {
		o.QueryLog = o.Logger
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.newAnswerer == nil {
		o.newAnswerer = func(stats *answer.Stats) answerer { return answer.NewResponder(answer.ResponderOptions{Stats: stats}) }
	}
	s := &Server{
		views: o.Views, log: o.Logger, now: o.Now, began: o.Now(), workers: o.Workers, portable: o.Portable,
		queryLog:  newQueryLog(o.QueryLog),
		failed:    make(chan error, 1),
		listeners: make(map[listenKey]*listener),
	}
	s.faults.log, s.faults.now = o.Logger, o.Now
	s.queryLog.contain = s.contain
	s.lanes = &lanes{new: o.newAnswerer, log: s.queryLog}
	s.slow = &slowLane{
		queue: make(chan *SlowRequest, slowQueue), all: o.slow, handlers: [answer.NumKinds]SlowHandler{answer.KindNotify: o.Notify, answer.KindUpdate: o.Update, answer.KindTransfer: o.Transfer},
		lanes: s.lanes, log: s.log, now: o.Now,
	}
	s.slow.transfers = transferLane{lane: s.slow, limits: &s.limits, contain: s.contain, clients: make(map[netip.Addr]transferShare)}
	s.conns = newTCPConns(s, rand.Uint64())
	s.SetFreebind(o.Freebind)
	err := s.SetLimits(o.Limits)
	if err != nil {
		return nil, err
	}
	if s.inherited, err = newInherited(o.Inherited); err != nil {
		return nil, err
	}
	if o.TLS != nil {
		s.SetTLS(*o.TLS)
	}
	if err := s.SetListeners(o.Listen, o.ListenTLS); err != nil {
		return nil, err
	}
	s.warnUnused()
	return s, nil
}

// warnUnused tells of inherited sockets that nobody will read from.
func (s *Server) warnUnused() {
	for i := range s.inherited {
		used := false
		for asked := range s.listeners {
			used = used || s.inherited[i].covers(asked.addr)
		}
		if !used {
			s.log.Warn("an inherited socket is not among the listen addresses and stays unanswered",
				slog.String("address", s.inherited[i].addr.String()), slog.String("transport", s.inherited[i].transport.String()))
		}
	}
}

// SetFreebind lets addresses be bound from now on that no interface has (IP_FREEBIND):
// the sockets receive as soon as one has them. On Linux only; elsewhere binding then fails.
func (s *Server) SetFreebind(on bool) { s.freebind.Store(on) }

// SetLimits puts new limits in force. Connections that are over a lower limit
// stay until they end.
func (s *Server) SetLimits(l Limits) error {
	if err := l.check(); err != nil {
		return err
	}
	s.limits.Store(&l)
	s.queryLog.every.Store(int64(l.LogQueries))
	s.conns.way.limitsChanged()
	return nil
}

// clock returns the time since the server was made. It does not go back.
func (s *Server) clock() time.Duration { return s.now().Sub(s.began) }

// Serve answers until ctx ends or a worker cannot go on, whose error it then
// returns. It returns after every goroutine that it started has ended: the
// requests that had come by then are answered. It can be called once.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.start(ctx); err != nil {
		return err
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	cancel() // tells the handlers of the slow lane
	s.stop()
	return err
}

func (s *Server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != fresh {
		return errors.New("a server serves once")
	}
	if s.views.Load() == nil {
		return errors.New("there is no view to serve")
	}
	if err := s.conns.way.start(); err != nil {
		return err
	}
	s.state = serving
	go s.queryLog.run()
	s.slow.start(ctx, slowWorkers, s.keepRunning)
	for _, l := range s.listeners {
		l.start()
	}
	return nil
}

// stop ends everything in the order in which work is handed on.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = stopped
	var stopping sync.WaitGroup
	for _, l := range s.listeners {
		stopping.Go(l.stop)
	}
	stopping.Wait()
	clear(s.listeners)
	s.noteBound()
	s.conns.wg.Wait()
	s.slow.stop()
	s.conns.way.stop()
	s.conns.tls.stop()
	s.queryLog.stop()
	s.inherited.close()
}

// fail ends Serve with the error of a worker. The first one counts.
func (s *Server) fail(addr netip.AddrPort, transport string, err error) {
	s.failWith(fmt.Errorf("listen %v %s: %w", addr, transport, err))
}

func (s *Server) failWith(err error) {
	select {
	case s.failed <- err:
	default:
	}
}
