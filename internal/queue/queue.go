// Package queue has what sources of many small changes have in common: changes wait until the disk
// is free, all that wait are carried out together, with one flush, and are then answered.
//
// No zone holds up another. Zones take turns, so that a client that sends much for one zone has a part of
// each round; a round is bounded by its work; and a job that alone is more than that is carried out next
// to the rounds of zones that have nothing to do with it.
package queue

import (
	"context"
	"errors"
	"sync"
)

// Options configure a Queue.
type Options struct {
	Jobs int // that a round has at most
	Work int // of the jobs of a round, in the unit of Add, beyond which it gets no other; 0: no limit

	// Shares reports whether changes of two zones, which are keys, may change the same zone, so that
	// they cannot be carried out at the same time. It is asked only about a job that is larger than a
	// round. nil: none do.
	Shares func(a, b string) bool

	// Yield, if set, lets others add jobs before a round begins: without it the first of several
	// that arrive at the same time, on a busy processor, would have a flush of the disk to itself.
	Yield func()
}

// Queue has jobs that wait, in their order for each zone. Make one with [New]; its methods may be called
// by several goroutines at once.
type Queue[J any] struct {
	o     Options
	ready chan struct{} // there may be something to do

	mu      sync.Mutex
	lines   map[string]*line[J]
	turns   fifo[*line[J]] // the lines, in the order of their turns
	spare   []*line[J]     // that are empty
	waiting int
	larger  int // of those that wait, that are larger than a round
	stopped bool

	large  *line[J]        // has a job under way that is larger than a round; nil: there is none
	shares map[string]bool // what Options.Shares returned for other zones and that one
	isOver bool            // the large job has ended, and all others have a round before the next one begins
}

// line has the jobs of a zone.
type line[J any] struct {
	key  string
	jobs fifo[item[J]]
}

type item[J any] struct {
	job  J
	work int
}

// ErrStopped and ErrFull are errors of Add.
var (
	ErrStopped = errors.New("no more changes are carried out")
	ErrFull    = errors.New("too many changes wait")
)

// New returns an empty queue.
func New[J any](o Options) *Queue[J] {
	return &Queue[J]{o: o, ready: make(chan struct{}, 1), lines: map[string]*line[J]{}}
}

// Add adds a job that changes the zone with a key. work is about how many names it changes. If most is not 0,
// so many jobs of a zone wait at most, less if other zones have jobs, and less than twice as many of all zones.
func (q *Queue[J]) Add(key string, job J, work, most int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, ofZone := q.lines[key], 0
	if l != nil {
		ofZone = l.jobs.len()
	}
	switch {
	case q.stopped:
		return ErrStopped
	case most > 0 && ofZone+q.waiting >= 2*most:
		return ErrFull
	case l == nil:
		l = q.newLine(key)
	}
	l.jobs.push(item[J]{job, work})
	q.count(work, 1)
	q.wake()
	return nil
}

// newLine adds a line.
func (q *Queue[J]) newLine(key string) *line[J] {
	l := new(line[J])
	if n := len(q.spare); n > 0 {
		l, q.spare = q.spare[n-1], q.spare[:n-1]
	}
	l.key = key
	q.lines[key] = l
	q.turns.push(l)
	return l
}

// count counts a job that waits, or no longer does.
func (q *Queue[J]) count(work, n int) {
	q.waiting += n
	if q.isLarge(work) {
		q.larger += n
	}
}

func (q *Queue[J]) isLarge(work int) bool { return q.o.Work > 0 && work > q.o.Work }

func (q *Queue[J]) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// Len returns how many jobs wait.
func (q *Queue[J]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// Run has jobs carried out until ctx ends, and then refuses those that wait. carryOut is called by one
// goroutine, and by another one for jobs that are larger than a round.
func (q *Queue[J]) Run(ctx context.Context, carryOut func([]J), refuse func(J)) {
	var large sync.WaitGroup
	jobs := make([]J, 0, q.o.Jobs)
	for ctx.Err() == nil {
		q.gather()
		if alone, ok := q.nextLarge(); ok {
			large.Go(func() {
				defer q.endLarge()
				carryOut([]J{alone})
			})
		}
		if jobs = q.next(jobs[:0]); len(jobs) > 0 {
			carryOut(jobs)
			clear(jobs)
			continue
		}
		select {
		case <-ctx.Done():
		case <-q.ready:
		}
	}
	large.Wait()
	for _, job := range q.stop() {
		refuse(job)
	}
}

// gather returns when no more jobs arrive.
func (q *Queue[J]) gather() {
	if q.o.Yield == nil {
		return
	}
	for before, n := 0, q.Len(); before < n && n < q.o.Jobs; {
		q.o.Yield()
		before, n = n, q.Len()
	}
}

// nextLarge removes a job that is larger than a round from the queue, if its turn has come.
func (q *Queue[J]) nextLarge() (job J, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.larger == 0 || q.large != nil || q.isOver {
		return job, false
	}
	for range q.turns.len() {
		l := q.turns.pop()
		q.turns.push(l)
		if first := l.jobs.first(); first != nil && q.isLarge(first.work) {
			q.large, q.shares = l, map[string]bool{l.key: true}
			return q.remove(l).job, true
		}
	}
	return job, false
}

// endLarge is called after a job that is larger than a round was carried out.
func (q *Queue[J]) endLarge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.large, q.shares, q.isOver = nil, nil, true
	q.wake()
}

// next removes the jobs of the next round: one of each zone in turn, until it is full.
func (q *Queue[J]) next(jobs []J) []J {
	q.mu.Lock()
	defer q.mu.Unlock()
	var waits []*line[J]
	for work := 0; q.turns.len() > 0 && len(jobs) < q.o.Jobs && (q.o.Work == 0 || work < q.o.Work); {
		l := q.turns.pop()
		switch first := l.jobs.first(); {
		case q.hasToWait(l) || first != nil && q.isLarge(first.work):
			waits = append(waits, l)
		case first == nil:
			delete(q.lines, l.key)
			q.spare = append(q.spare, l)
		default:
			one := q.remove(l)
			jobs, work = append(jobs, one.job), work+one.work
			q.turns.push(l)
		}
	}
	for _, l := range waits {
		q.turns.push(l)
	}
	if q.isOver {
		q.isOver = false
		q.wake()
	}
	return jobs
}

// hasToWait reports whether jobs of a zone wait for the large job under way.
func (q *Queue[J]) hasToWait(l *line[J]) bool {
	if q.large == nil {
		return false
	}
	shares, known := q.shares[l.key]
	if !known {
		shares = q.o.Shares != nil && q.o.Shares(q.large.key, l.key)
		q.shares[l.key] = shares
	}
	return shares
}

// remove removes the first job of a line.
func (q *Queue[J]) remove(l *line[J]) item[J] {
	one := l.jobs.pop()
	q.count(one.work, -1)
	return one
}

// stop returns the jobs that wait; there will be no others.
func (q *Queue[J]) stop() (rest []J) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	for q.turns.len() > 0 {
		for l := q.turns.pop(); l.jobs.len() > 0; {
			rest = append(rest, q.remove(l).job)
		}
	}
	return rest
}

// fifo has values in the order in which they came. The zero value is empty.
type fifo[T any] struct {
	list []T
	next int // index of the first one
}

func (f *fifo[T]) len() int { return len(f.list) - f.next }

func (f *fifo[T]) push(v T) {
	if f.next > 0 && f.next >= len(f.list)/2 { // at most as many are moved as went
		n := copy(f.list, f.list[f.next:])
		clear(f.list[n:])
		f.list, f.next = f.list[:n], 0
	}
	f.list = append(f.list, v)
}

// first returns the first value; nil: there is none.
func (f *fifo[T]) first() *T {
	if f.len() == 0 {
		return nil
	}
	return &f.list[f.next]
}

func (f *fifo[T]) pop() (v T) {
	v, f.list[f.next] = f.list[f.next], v
	f.next++
	return v
}
