package server

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/stream"
	"github.com/ptrd/ptrd/server/worker"
)

// Options are what a Server is made of.
type Options struct {
	Views     *answer.Views    // what is answered; has a View before Serve
	Limits    Limits           // see SetLimits
	Listen    Addrs            // see SetListeners
	TLS       *TLSIdentity     // see SetTLS; nil: there is none yet
	Inherited []*os.File       // bound sockets; used for the addresses of Listen that they are bound to
	Transfer  deferred.Handler // answers AXFR and IXFR of clients that Policy.Transfers allows; nil: refused
	Notify    deferred.Handler // answers NOTIFY; nil: refused
	Update    deferred.Handler // answers UPDATE; nil: refused
	Logger    *slog.Logger     // should limit repeated messages, which clients cause; nil: nothing is logged
	QueryLog  *slog.Logger     // for what Limits.LogQueries samples; nil: Logger
	Workers   int              // UDP workers of each address, and TCP workers; 0: one for each processor
	Freebind  bool             // see SetFreebind
	Portable  bool             // use only what all systems have, even if this one has something faster
	Now       func() time.Time // nil: time.Now

	newAnswerer func(*answer.Stats) worker.Answerer // nil: NewResponder
	handleAll   deferred.Handler                    // answers all that Respond defers; nil: the front of the deferred lane
}

// Server answers requests on a set of addresses.
type Server struct {
	group     *worker.Group
	conns     *stream.Set
	lane      *deferred.Lane
	inherited inheritedSockets
	freebind  atomic.Bool
	absent    atomic.Pointer[[]Absent] // replaced with mu held

	mu        sync.Mutex
	state     state
	listeners map[endpoint]*listener
	bound     atomic.Pointer[Addrs] // of listeners
}

type state uint8

const (
	fresh state = iota
	serving
	stopped
)

// New returns a Server whose sockets are bound; requests wait in them until Serve. It owns
// o.Inherited unless it returns an error.
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
		o.newAnswerer = func(stats *answer.Stats) worker.Answerer {
			return answer.NewResponder(answer.ResponderOptions{Stats: stats})
		}
	}
	h := worker.New(worker.Options{
		Views: o.Views, Log: o.Logger, QueryLog: o.QueryLog, Now: o.Now, Workers: o.Workers, Portable: o.Portable, Answerer: o.newAnswerer,
	})
	s := &Server{group: h, listeners: make(map[endpoint]*listener)}
	s.lane = deferred.New(h, [answer.NumKinds]deferred.Handler{answer.KindNotify: o.Notify, answer.KindUpdate: o.Update, answer.KindTransfer: o.Transfer}, o.handleAll)
	s.conns = stream.New(h, s.lane, rand.Uint64())
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
	if err := s.SetListeners(o.Listen); err != nil {
		return nil, err
	}
	s.warnUnused()
	return s, nil
}

// warnUnused logs the inherited sockets that are not used.
func (s *Server) warnUnused() {
	for i := range s.inherited {
		used := false
		for asked := range s.listeners {
			used = used || s.inherited[i].covers(asked.addr)
		}
		if !used {
			s.group.Log.Warn("a socket from systemd is not among the listen addresses, and requests to it are not answered",
				slog.String("address", s.inherited[i].addr.String()), slog.String("transport", s.inherited[i].transport.String()))
		}
	}
}

// SetFreebind allows binding addresses that no interface has yet (IP_FREEBIND). It works on
// Linux only; elsewhere binding then fails.
func (s *Server) SetFreebind(on bool) { s.freebind.Store(on) }

// Watch begins to show queries; false: there are too many watches. The caller calls Run of the Watch,
// and EndWatch after that.
func (s *Server) Watch(w *worker.Watch) bool { return s.group.Watch(w) }

// EndWatch ends a watch.
func (s *Server) EndWatch(w *worker.Watch) { s.group.EndWatch(w) }

// SetLimits replaces the limits. Connections above a lower limit stay until they end.
func (s *Server) SetLimits(l Limits) error {
	if err := s.group.SetLimits(l); err != nil {
		return err
	}
	s.conns.LimitsChanged()
	return nil
}

// SetTLS sets the identity for connections opened from now on, see [stream.Set.SetTLS].
func (s *Server) SetTLS(id TLSIdentity) { s.conns.SetTLS(id) }

// Serve answers until ctx ends, or until a worker cannot go on, and then returns the error of
// the worker. It returns after every goroutine that it started has ended. Requests received
// by then are answered. It can be called once.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.start(ctx); err != nil {
		return err
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.group.Failure():
	}
	cancel() // ends the handlers of the deferred lane
	s.stop()
	return err
}

func (s *Server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != fresh {
		return errors.New("a server serves once")
	}
	if s.group.Views.Load() == nil {
		return errors.New("there is no view to serve")
	}
	if err := s.conns.Start(); err != nil {
		return err
	}
	s.state = serving
	s.group.Start()
	s.lane.Start(ctx)
	for _, l := range s.listeners {
		l.start()
	}
	return nil
}

// stop ends all parts, in the order in which requests pass through them.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = stopped
	var stopping sync.WaitGroup
	for _, l := range s.listeners {
		stopping.Go(func() { l.stop(true) })
	}
	stopping.Wait()
	clear(s.listeners)
	s.noteBound()
	s.conns.Wait()
	s.lane.Stop()
	s.conns.Stop()
	s.group.Stop()
	s.inherited.close()
}

// Limits bound what clients can use of the transports.
type Limits = worker.Limits

// TLSIdentity is how the server proves its identity on TLS connections, and which clients may
// open one.
type TLSIdentity = stream.Identity
