package server

import (
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
)

// newTestServer returns a server with fake answers.
func newTestServer(t testing.TB, edit func(*Options)) *Server {
	t.Helper()
	o := Options{Views: new(answer.Views), Limits: workertest.TestLimits, Workers: 2}
	o.newAnswerer = func(stats *answer.Stats) worker.Answerer { return &workertest.FakeAnswerer{Stats: stats} }
	o.Views.Swap(&answer.View{Policy: new(answer.Policy)})
	if edit != nil {
		edit(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkLaws fails the test unless the totals, at rest, add up as the package doc
// says.
func checkLaws(t testing.TB, s *Server) Totals {
	t.Helper()
	var total Totals
	workertest.CheckTotals(t, func() (worker.Totals, deferred.Totals, int) {
		total = s.Totals()
		return total.Totals, total.Deferred, int(total.Accepted) - total.Open - int(workertest.SumOf(total.Closed[:]))
	})
	return total
}
