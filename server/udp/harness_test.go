package udp

import (
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
)

// Options are what a test changes of a Server.
type Options struct {
	workertest.Options
	Listen []netip.AddrPort
}

// Server is a group of workers, a deferred lane and listeners that do not serve.
type Server struct {
	*worker.Group
	lane      *deferred.Lane
	listeners []*Listener
}

// Totals are the counters of a Server.
type Totals struct {
	worker.Totals
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
	for _, a := range all.Listen {
		l, err := Listen(ListenOptions{Host: s.Group, Lane: s.lane, Attend: func(int) {}, Addr: a})
		if err != nil {
			t.Fatal(err)
		}
		s.listeners = append(s.listeners, l)
	}
	return s
}

// Totals returns what was counted.
func (s *Server) Totals() Totals {
	var t Totals
	s.Group.AddTo(&t.Totals)
	s.lane.AddTo(&t.Deferred)
	return t
}

func checkLaws(t testing.TB, s *Server) Totals {
	t.Helper()
	var total Totals
	workertest.CheckTotals(t, func() (worker.Totals, deferred.Totals, int) {
		total = s.Totals()
		return total.Totals, total.Deferred, 0
	})
	return total
}
