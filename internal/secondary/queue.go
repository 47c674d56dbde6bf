package secondary

import (
	"context"
	"net/netip"
	"sync"

	"github.com/ptrd/ptrd/internal/priority"
)

// newQueue returns a queue of the tasks that wait for their time, the earliest first.
func newQueue() *priority.Queue[*task] {
	return priority.New(func(a, b *task) bool { return a.due.Before(b.due) }, func(t *task, position int) { t.at = position })
}

// MaxConns is how many sockets there are to primaries at a time.
const MaxConns = maxJobs

// Bounds of what is done at a time. One primary that hangs must not keep the zones of
// others waiting, so that it gets a part of each.
const (
	maxJobs        = 64 // zones that are checked or transferred; each is some goroutines and, over TCP, 128 KiB
	maxJobsPer     = 24 // of one first primary
	maxTransfers   = 16 // each is a zone in the making, in memory
	maxTransferPer = 8  // of one primary, which has its own limit and refuses us beyond it
)

// line is the tasks of one first primary.
type line struct {
	jobs  int
	tasks []*task // that wait for a job of it to end, in the order they came
}

// first returns the primary whose line t stands in.
func (t *task) first() netip.Addr { return t.conf.Primaries[0].Address.Addr() }

// enter starts the job of a task that is due, or has it stand in line.
func (k *Follower) enter(t *task) {
	a := t.first()
	l := k.lines[a]
	if l == nil {
		l = &line{}
		k.lines[a] = l
	}
	t.phase = standing
	l.tasks = append(l.tasks, t)
	k.serve(a, l)
}

// serve starts what may start of a line.
func (k *Follower) serve(a netip.Addr, l *line) {
	for len(l.tasks) > 0 && l.jobs < maxJobsPer && k.jobs < maxJobs {
		t := l.tasks[0]
		l.tasks = l.tasks[1:]
		if k.tasks[t.conf.Apex.Key()] != t {
			continue // not kept any more
		}
		l.jobs++
		k.jobs++
		t.phase = checking
		k.start(func(ctx context.Context) {
			defer k.leave(a)
			k.job(ctx, t)
		})
	}
	if l.jobs == 0 && len(l.tasks) == 0 {
		delete(k.lines, a)
	}
}

// leave ends a job of a line and starts the next, of that one or of others that had
// no room.
func (k *Follower) leave(a netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.lines[a]
	l.jobs--
	k.jobs--
	k.serve(a, l)
	for b, other := range k.lines {
		if k.jobs >= maxJobs {
			break
		}
		k.serve(b, other)
	}
}

// places bounds the transfers that are under way.
type places struct {
	all chan struct{}
	mu  sync.Mutex
	per map[netip.Addr]*share
}

// share is what one primary has of the places.
type share struct {
	room  chan struct{}
	users int // who have or wait for a place
}

func newPlaces() places {
	return places{all: make(chan struct{}, maxTransfers), per: map[netip.Addr]*share{}}
}

// take waits for a place for a transfer from a. The error is that of ctx.
func (p *places) take(ctx context.Context, a netip.Addr) (give func(), err error) {
	p.mu.Lock()
	s := p.per[a]
	if s == nil {
		s = &share{room: make(chan struct{}, maxTransferPer)}
		p.per[a] = s
	}
	s.users++
	p.mu.Unlock()
	end := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.users--; s.users == 0 {
			delete(p.per, a)
		}
	}
	select {
	case s.room <- struct{}{}:
	case <-ctx.Done():
		end()
		return nil, ctx.Err()
	}
	select {
	case p.all <- struct{}{}:
	case <-ctx.Done():
		<-s.room
		end()
		return nil, ctx.Err()
	}
	return func() { <-p.all; <-s.room; end() }, nil
}
