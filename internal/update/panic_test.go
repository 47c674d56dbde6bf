package update

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
)

// faulty is a Store that panics.
type faulty struct {
	Store
	commits atomic.Int32 // how often from now on
}

func (f *faulty) Commit(r commit.Request) (commit.Report, error) {
	if f.commits.Add(-1) >= 0 {
		panic("in Commit")
	}
	return f.Store.Commit(r)
}

// TestPanicCostsOneRound: the Updater goes on after a panic, whatever it comes from, and
// every client has an answer or, where nobody knows what became of the change, none.
func TestPanicCostsOneRound(t *testing.T) {
	b := newBed(t, parent, soaNS)
	f := &faulty{Store: b.store}
	guard := supervise.New(slog.New(slog.NewTextHandler(b.log, nil)))
	b.o.Store, b.o.Guard = f, guard
	rules := anybody(true)
	b.adopt(map[string]*ZonePolicy{parent: rules})
	b.run()

	f.commits.Store(1)
	dropped := make(chan struct{})
	b.Submit(&Request{
		Message: encode(t, dname.MustParse(parent), nil, []Record{add("1."+parent, "a.example.")}, false), Client: netip.MustParseAddrPort(localhost),
		Answer: func(rcode wire.RCode, _ uint16, text string) {
			t.Errorf("an undecided update is answered: %v %s", rcode, text)
		},
		Drop: func() { close(dropped) },
	})
	<-dropped
	if a := <-b.submit(parent, localhost, nil, add("2."+parent, "b.example.")); a.rcode != wire.RCodeNoError {
		t.Errorf("after a panic in Commit: %v %s", a.rcode, a.text)
	}
	if n := guard.Counts()["updates"]; n != 1 {
		t.Errorf("%d panics counted, want 1", n)
	}
}

// TestPanicOverOneMessage: only that message is refused.
func TestPanicOverOneMessage(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.o.Guard = supervise.New(slog.New(slog.NewTextHandler(b.log, nil)))
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	jobs := []*job{}
	for _, u := range []Record{add("1."+parent, "a.example."), add("2."+parent, "b.example.")} {
		m, fault := Parse(encode(t, dname.MustParse(parent), nil, []Record{u}, false))
		if fault != nil {
			t.Fatal(fault)
		}
		jobs = append(jobs, &job{Request: &Request{Client: netip.MustParseAddrPort(localhost)}, m: m})
	}
	jobs[0].m = nil // as a message that was parsed wrongly
	b.Updater.commit(jobs, func() {})
	if jobs[0].fault == nil || jobs[0].fault.RCode != wire.RCodeServFail || jobs[1].fault != nil {
		t.Errorf("faults %v, %v", jobs[0].fault, jobs[1].fault)
	}
}
