package stream

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"golang.org/x/sys/unix"
)

const (
	// loopSlice is how long a loop works before it yields the processor, and how long a
	// round serves connections that send more than one read takes. Yielding costs some
	// microseconds, because the loop waits in the poller as other goroutines do. With a
	// longer slice UDP queries would wait: without help, the scheduler looks at their
	// sockets only every 10 ms.
	loopSlice = 500 * time.Microsecond

	// loopTick is the shortest time that a loop waits for the end of a connection's time,
	// so that many that end one after the other cost one wake-up.
	loopTick = 10 * time.Millisecond
)

// newEngine returns the engine for TCP.
func newEngine(t *Set) engine {
	if t.Portable {
		return newConnEngine(t, answer.TCP)
	}
	w := new(loopEngine)
	for range t.Workers {
		w.loops = append(w.loops, &tcpLoop{conns: t, loopPoller: loopPoller{signals: -1}})
	}
	return w
}

// loopEngine serves all connections by one tcpLoop a worker.
type loopEngine struct {
	loops   []*tcpLoop
	running sync.WaitGroup
}

func (w *loopEngine) start() error {
	for _, l := range w.loops {
		if err := l.open(); err != nil {
			for _, l := range w.loops {
				l.close()
			}
			return fmt.Errorf("TCP worker: %w", err)
		}
	}
	for _, l := range w.loops {
		w.running.Go(func() {
			l.conns.KeepRunning("TCP worker", func() {
				l.recoverRound()
				l.run()
			})
		})
	}
	return nil
}

func (w *loopEngine) stop() {
	for _, l := range w.loops {
		l.do(func() { l.stopped = true })
	}
	w.running.Wait()
	for _, l := range w.loops {
		l.close()
	}
}

func (w *loopEngine) limitsChanged() {
	for _, l := range w.loops {
		l.post(func() {})
	}
}

// attend looks at one loop in turn, so that many workers look at each as often as one
// worker at its only one.
func (w *loopEngine) attend(turn int) {
	if l := w.loops[turn%len(w.loops)]; l.isReady() {
		l.interrupt() // its goroutine then runs before the caller
		runtime.Gosched()
	}
}

// tcpLoop serves its connections in one goroutine. Reading and writing are raw system calls
// that do not block, as for UDP.
//
// An idle connection holds its tcpConn and no buffer: octets are read into the buffer of
// the loop, and the connection keeps only an incomplete message.
type tcpLoop struct {
	loopPoller
	conns    *Set
	answerer *connAnswerer
	in       []byte // readSize octets, behind room for the largest part that is copied

	served *loopConn     // the connection in work
	now    time.Duration // when the round began, by Group.Clock
	parked bool          // other goroutines had the processor since the last round
	rested time.Time     // when that was
	alarm  time.Duration // when the deadline wakes the loop; 0: it is not set

	listeners []*loopListener
	waiting   [numTCPPhases]loopQueue
	again     []*loopConn // have more to read; served in turn
	stopped   bool
}

// loopQueue are the connections in one phase, which share a time limit, in the order in
// which they entered it.
type loopQueue struct{ first, last *loopConn }

func (q *loopQueue) push(c *loopConn) {
	c.before, c.behind = q.last, nil
	if q.last == nil {
		q.first = c
	} else {
		q.last.behind = c
	}
	q.last = c
}

func (q *loopQueue) remove(c *loopConn) {
	if c.before == nil {
		q.first = c.behind
	} else {
		c.before.behind = c.behind
	}
	if c.behind == nil {
		q.last = c.before
	} else {
		c.behind.before = c.before
	}
	c.before, c.behind = nil, nil
}

// open makes what the loop needs to run.
func (l *tcpLoop) open() error {
	l.answerer = newConnAnswerer(l.conns.Group, answer.TCP)
	l.in = make([]byte, keptPart+readSize)
	l.parked = true
	return l.loopPoller.open()
}

// close closes what open made, as far as that came.
func (l *tcpLoop) close() {
	if l.answerer != nil {
		l.conns.Lanes.Put(l.answerer.worker)
	}
	l.loopPoller.close()
}

// run serves until stop, which comes after the last connection.
func (l *tcpLoop) run() {
	for !l.stopped {
		switch {
		case !l.poll(uintptr(l.epoll.FD)) && len(l.again) == 0:
			l.arm()
			l.wait(l.waitFn)
		case l.answerer.at.Sub(l.rested) > loopSlice:
			l.yielded = false
			l.wait(l.yieldFn)
		}
		l.round()
	}
}

// wait lets other goroutines use the processor until ready returns true, the alarm goes off,
// or attend interrupts it.
func (l *tcpLoop) wait(ready func(fd uintptr) bool) {
	if !l.park(ready) {
		l.alarm = 0
	}
	l.parked = true
}

// recoverRound ends the connection that was in work when a panic ended run, if there was
// one, and handles the remaining events and calls: epoll reports an event once.
func (l *tcpLoop) recoverRound() {
	if c := l.served; c != nil {
		l.served = nil
		if c.fd >= 0 {
			c.ending, c.reason, c.broken = true, answer.CloseFault, true
			l.closeConn(c)
		}
	}
	if l.next < l.ready {
		l.round()
	}
	l.callPosted()
}

// arm sets the alarm for the first connection or listener whose time will be over. An alarm
// that is set stays unless it would be too late: each query prolongs a time, so the alarm
// goes off only once in the time of a phase.
func (l *tcpLoop) arm() {
	next := time.Duration(0)
	consider := func(at time.Duration) {
		if at = max(at, 1); next == 0 || at < next {
			next = at
		}
	}
	for p := range l.waiting {
		if c := l.waiting[p].first; c != nil {
			if limit := c.limit(tcpPhase(p)); limit > 0 {
				_, since := c.phase()
				consider(since + limit)
			}
		}
	}
	for _, ln := range l.listeners {
		if ln.resting {
			consider(ln.until)
		}
	}
	if next == 0 || l.alarm != 0 && l.alarm <= next {
		return
	}
	wait := max(next-l.now, loopTick)
	l.alarm = l.now + wait
	l.setAlarm(wait)
}

// round handles the events that are there, and answers from one View.
func (l *tcpLoop) round() {
	at := l.conns.Now()
	if l.parked {
		l.parked, l.rested = false, at
	}
	l.now = at.Sub(l.conns.Began)
	l.answerer.begin(at)
	called := false
	for l.next < l.ready {
		e := &l.events[l.next]
		l.next++
		s := &l.slots[e.Fd]
		switch {
		case s.generation != e.Pad: // of an earlier use of the slot
		case s.conn != nil:
			s.conn.hungUp = s.conn.hungUp || e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
			if !s.conn.queued {
				l.serve(s.conn)
			}
		case s.listener != nil:
			l.accept(s.listener)
		default:
			called = true
		}
	}
	l.ready, l.next = 0, 0
	l.serveAgain(at)
	if called {
		l.callPosted()
	}
	l.expire()
	l.answerer.publish()
}

// serveAgain serves connections that have more to read, in turn, in a round that began at
// the given time. It stops after loopSlice, so that connections with few queries, and new
// ones, do not wait for them.
func (l *tcpLoop) serveAgain(at time.Time) {
	n, i := len(l.again), 0
	for ; i < n && l.answerer.at.Sub(at) < loopSlice; i++ {
		c := l.again[i]
		c.queued = false
		l.serve(c)
	}
	rest := copy(l.again, l.again[i:])
	clear(l.again[rest:])
	l.again = l.again[:rest]
}

// expire ends what waited for too long.
func (l *tcpLoop) expire() {
	for p := range l.waiting {
		c := l.waiting[p].first
		if c == nil {
			continue
		}
		limit := c.limit(tcpPhase(p))
		for ; limit != 0 && c != nil; c = l.waiting[p].first {
			if _, since := c.phase(); since+limit > l.now {
				break
			}
			l.overdue(c, tcpPhase(p))
		}
	}
	for _, ln := range l.listeners {
		if ln.resting && ln.until <= l.now {
			l.resume(ln)
		}
	}
}
