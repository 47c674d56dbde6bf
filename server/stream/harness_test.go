package stream

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone"
)

// Options are what a test changes of a Server.
type Options struct {
	workertest.Options
	Listen, ListenTLS []netip.AddrPort
	TLS               *Identity
}

// Server is a group of workers, a deferred lane and a set of connections.
type Server struct {
	*worker.Group
	lane  *deferred.Lane
	conns *Set

	plain, tls []*Listener
}

// Totals are the counters of a Server.
type Totals struct {
	worker.Totals
	ConnTotals
	Deferred deferred.Totals
}

func newTestServer(t testing.TB, edit func(*Options)) *Server {
	t.Helper()
	var all Options
	s := new(Server)
	s.Group, s.lane = workertest.New(t, func(o *workertest.Options) {
		all.Options = *o
		if edit != nil {
			edit(&all)
		}
		*o = all.Options
	})
	s.conns = New(s.Group, s.lane, 1)
	if all.TLS != nil {
		s.SetTLS(*all.TLS)
	}
	bind := func(list *[]*Listener, transport answer.Transport, addrs []netip.AddrPort) {
		for _, a := range addrs {
			l, err := s.conns.Bind(transport, a, nil, false, false)
			if err != nil {
				t.Fatal(err)
			}
			*list = append(*list, l)
		}
	}
	bind(&s.plain, answer.TCP, all.Listen)
	bind(&s.tls, answer.TLS, all.ListenTLS)
	return s
}

func (s *Server) SetTLS(id Identity) { s.conns.SetTLS(id) }

func (s *Server) SetLimits(l worker.Limits) error {
	err := s.Group.SetLimits(l)
	s.conns.LimitsChanged()
	return err
}

// Serve serves until ctx ends or a worker fails.
func (s *Server) Serve(ctx context.Context) (err error) {
	if err := s.conns.Start(); err != nil {
		return err
	}
	s.Group.Start()
	s.lane.Start(ctx)
	for _, l := range append(s.plain, s.tls...) {
		l.Start()
	}
	select {
	case <-ctx.Done():
	case err = <-s.Failure():
	}
	s.removeListeners()
	s.conns.Wait()
	s.lane.Stop()
	s.conns.Stop()
	s.Group.Stop()
	return err
}

// removeListeners stops the listeners.
func (s *Server) removeListeners() {
	for _, l := range append(s.plain, s.tls...) {
		l.Stop()
	}
	s.plain, s.tls = nil, nil
}

func (s *Server) Totals() Totals {
	var t Totals
	s.Group.AddTo(&t.Totals)
	s.conns.AddTo(&t.ConnTotals, &t.Transports)
	s.lane.AddTo(&t.Deferred)
	return t
}

func checkLaws(t testing.TB, s *Server) Totals {
	t.Helper()
	var total Totals
	workertest.CheckTotals(t, func() (worker.Totals, deferred.Totals, int) {
		total = s.Totals()
		return total.Totals, total.Deferred, int(total.Accepted) - total.Open - int(workertest.SumOf(total.Closed[:]))
	})
	return total
}

// running is a server on loopback.
type running struct {
	*Server
	t              testing.TB
	addrs, overTLS []netip.AddrPort
	cancel         context.CancelFunc
	result         chan error
	once           sync.Once
}

// serve starts a server with fake answers on the given addresses, on port 0 each.
func serve(t testing.TB, edit func(*Options), addrs ...string) *running {
	t.Helper()
	r := &running{t: t, result: make(chan error, 1)}
	r.Server = newTestServer(t, func(o *Options) {
		for _, a := range addrs {
			o.Listen = append(o.Listen, netip.AddrPortFrom(netip.MustParseAddr(a), 0))
		}
		if edit != nil {
			edit(o)
		}
	})
	for _, l := range r.plain {
		r.addrs = append(r.addrs, l.Local)
	}
	for _, l := range r.tls {
		r.overTLS = append(r.overTLS, l.Local)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.result <- r.Serve(ctx) }()
	t.Cleanup(r.end)
	return r
}

// end stops the server and checks what it counted.
func (r *running) end() {
	r.once.Do(func() {
		r.cancel()
		if err := <-r.result; err != nil {
			r.t.Errorf("served until %v", err)
		}
		checkLaws(r.t, r.Server)
	})
}

func (r *running) Addrs() []netip.AddrPort    { return r.addrs }
func (r *running) TLSAddrs() []netip.AddrPort { return r.overTLS }

// addr returns the only address.
func (r *running) addr() netip.AddrPort { return r.addrs[0] }

// eachWay runs the test over both ways with sockets.
func eachWay(t *testing.T, test func(t *testing.T, way func(*Options))) {
	for _, portable := range []bool{false, true} {
		name := "system"
		if portable {
			name = "portable"
		}
		t.Run(name, func(t *testing.T) { test(t, func(o *Options) { o.Portable = portable }) })
	}
}

// frontServer serves the lab's zones to everybody for transfer, and to nobody else.
func frontServer(t *testing.T, edit func(*Options), keys ...*tsig.Key) *running {
	t.Helper()
	return serve(t, func(o *Options) {
		o.NewAnswerer = nil
		set := zone.NewSet()
		policy := &answer.Policy{Keys: tsig.NewKeys(keys)}
		peers := &answer.ZonePolicy{Transfers: answer.Peers{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}}
		for _, text := range servertest.Zones {
			z := servertest.Zone(t, text)
			set = set.With([]*zone.Zone{z}, nil)
			policy.Zones = policy.Zones.With([]zone.MapChange[answer.ZonePolicy]{{Apex: z.Apex(), Value: peers}})
		}
		o.Views.Swap(&answer.View{Zones: set, Policy: policy})
		edit(o)
	}, "127.0.0.1")
}
