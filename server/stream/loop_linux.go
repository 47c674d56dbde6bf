package stream

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
	"golang.org/x/sys/unix"
)

const (
	// loopEvents is how many sockets that are ready one system call tells of. At 64
	// the call costs each of them 10 ns.
	loopEvents = 64

	// loopSlice is how long a loop works before it lets others on the processor, and
	// how long a round gives to connections that send more than one read takes. To
	// let others work it waits in the poller like everybody, which costs some
	// microseconds. Longer, and UDP queries that arrive meanwhile would feel it: by
	// itself the scheduler looks at their socket after 10 ms.
	loopSlice = 500 * time.Microsecond

	// loopTick is the shortest time that a loop waits for a connection's time to be
	// over, so that many that end one after the other cost one wake-up.
	loopTick = 10 * time.Millisecond
)

// newEngine returns the way of this system.
func newEngine(t *Set) engine {
	if t.Portable {
		return newConnEngine(t, answer.TCP)
	}
	return newLoopEngine(t)
}

// loopEngine serves all connections by one tcpLoop a worker.
type loopEngine struct {
	loops   []*tcpLoop
	running sync.WaitGroup
}

func newLoopEngine(t *Set) *loopEngine {
	w := new(loopEngine)
	for range t.Workers {
		w.loops = append(w.loops, &tcpLoop{conns: t, signals: -1})
	}
	return w
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
		l.mu.Lock()
		l.signal()
		l.mu.Unlock()
	}
}

// attend looks at one loop in turn, so that many workers look at each as often as one
// worker at its only one.
func (w *loopEngine) attend(turn int) {
	if l := w.loops[turn%len(w.loops)]; l.isReady() {
		// A deadline in the past makes a goroutine ready that waits in the poller, and
		// park takes it back. Whatever wants to run is then before the caller.
		_ = l.epoll.File.SetReadDeadline(time.Unix(1, 0)) // as in arm
		runtime.Gosched()
	}
}

// isReady reports whether one of the sockets is ready. It takes no event from the loop
// and may be called by any goroutine.
func (l *tcpLoop) isReady() bool {
	fd := unix.PollFd{Fd: int32(l.epoll.FD), Events: unix.POLLIN}
	var now unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fd)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n > 0
}

// tcpLoop serves its connections in one goroutine. Edge-triggered epoll reports which of
// them can be read, so that a connection costs no system calls but those that move
// octets. Reading and writing are raw system calls that do not block, as for UDP.
//
// An idle connection holds its tcpConn and no buffer: octets are read into the buffer of
// the loop, and the connection keeps only an incomplete message.
//
// All state of one event loop is in this struct: splitting it would only rename the
// fields, because each step of the loop uses most of them.
type tcpLoop struct {
	conns    *Set
	answerer *connAnswerer
	in       []byte // readSize octets, behind the largest part that is put in front

	epoll   sock.Epoll
	signals int // an eventfd that interrupts waiting
	waitFn  func(fd uintptr) bool
	yieldFn func(fd uintptr) bool
	yielded bool

	events [loopEvents]unix.EpollEvent
	ready  int           // events to be handled
	next   int           // the first of them that is not
	served *loopConn     // the connection in work
	now    time.Duration // when the round began, by Group.Clock
	parked bool          // others had the processor since the last round
	rested time.Time     // when that was
	alarm  time.Duration // when the deadline wakes the loop; 0: it is not set

	slots     []loopSlot
	free      []int32
	listeners []*loopListener
	waiting   [numTCPPhases]loopQueue
	again     []*loopConn // that have more to read, in turn
	stopped   bool

	todo struct { // taken of the two below
		calls []func()
		woken []*loopConn
	}

	mu    sync.Mutex
	calls []func()    // to be called by the loop
	woken []*loopConn // to be looked at by the loop
}

// loopSlot is what an event is about. Its generation tells an event of now from
// one that was under way when the slot changed hands.
type loopSlot struct {
	conn       *loopConn
	listener   *loopListener
	generation int32
}

// loopQueue are the connections in one phase, which share a time limit, in the
// order in which they entered it.
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
func (l *tcpLoop) open() (err error) {
	l.answerer = newConnAnswerer(l.conns.Group, answer.TCP)
	l.in = make([]byte, keptPart+readSize)
	l.parked = true
	if l.epoll, err = sock.NewEpoll(); err != nil {
		return err
	}
	signals, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	l.mu.Lock()
	l.signals = signals
	l.mu.Unlock()
	l.waitFn, l.yieldFn = l.poll, l.yield
	l.slots = []loopSlot{{}} // of the signals
	// Edge-triggered it need not be read: each write is an event.
	return l.control(unix.EPOLL_CTL_ADD, signals, 0, unix.EPOLLIN|unix.EPOLLET)
}

// close gives back what open made, as far as that came.
func (l *tcpLoop) close() {
	if l.answerer != nil {
		l.conns.Lanes.Put(l.answerer.worker)
	}
	l.epoll.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.signals >= 0 {
		unix.Close(l.signals)
		l.signals = -1
	}
}

// control is epoll_ctl for the descriptor of a slot.
func (l *tcpLoop) control(op, fd int, slot int32, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll.FD, op, fd, &unix.EpollEvent{
		Events: events, Fd: slot, Pad: l.slots[slot].generation,
	}))
}

// take returns a slot that is free.
func (l *tcpLoop) take() int32 {
	if n := len(l.free); n > 0 {
		slot := l.free[n-1]
		l.free = l.free[:n-1]
		return slot
	}
	l.slots = append(l.slots, loopSlot{})
	return int32(len(l.slots) - 1)
}

// release makes a slot free.
func (l *tcpLoop) release(slot int32) {
	l.slots[slot] = loopSlot{generation: l.slots[slot].generation + 1}
	l.free = append(l.free, slot)
}

// do lets the loop call f between two rounds, and waits for that.
func (l *tcpLoop) do(f func()) {
	done := make(chan struct{})
	l.mu.Lock()
	l.calls = append(l.calls, func() { defer close(done); f() })
	l.signal()
	l.mu.Unlock()
	<-done
}

// look lets the loop look at c. It may be called by any goroutine.
func (l *tcpLoop) look(c *loopConn) {
	l.mu.Lock()
	l.woken = append(l.woken, c)
	l.signal()
	l.mu.Unlock()
}

// signal ends waiting. l.mu is held: the descriptor goes with the loop.
func (l *tcpLoop) signal() {
	one := [8]byte{1}
	// An error can only be that the counter is full, and then it has been an event.
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(l.signals), uintptr(unsafe.Pointer(&one)), 8)
}

// run serves until stop, which comes after the last connection.
func (l *tcpLoop) run() {
	for !l.stopped {
		switch {
		case !l.poll(uintptr(l.epoll.FD)) && len(l.again) == 0:
			l.arm()
			l.park(l.waitFn)
		case l.answerer.at.Sub(l.rested) > loopSlice:
			l.yielded = false
			l.park(l.yieldFn)
		}
		l.round()
	}
}

// recoverRound ends the connection that was in work when a panic ended run, if there was
// one, and handles the events that are left: epoll reports each once.
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
}

// poll asks which sockets are ready and reports whether there are some.
func (l *tcpLoop) poll(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&l.events)), loopEvents, 0, 0, 0)
		switch errno {
		case 0:
			l.ready, l.next = int(n), 0
			return n > 0
		case unix.EINTR:
		default:
			panic("epoll_pwait of a loop that runs: " + errno.Error())
		}
	}
}

// park gives the processor away until ready, called when epoll has events,
// reports true, or the alarm goes.
func (l *tcpLoop) park(ready func(fd uintptr) bool) {
	err := l.epoll.Raw.Read(ready)
	l.parked = true
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The alarm, or attend. A deadline that is over lets nobody wait, and there may
		// be no other one to set.
		l.alarm = 0
		_ = l.epoll.File.SetReadDeadline(time.Time{}) // as in arm
	case err != nil:
		panic("waiting for the epoll descriptor of a loop that runs: " + err.Error())
	}
}

// yield goes through the poller once, with what is ready left as it is. The
// signal is an event of after the poller began to wait, so that it is seen.
func (l *tcpLoop) yield(uintptr) bool {
	if l.yielded {
		return true
	}
	l.yielded = true
	l.mu.Lock()
	l.signal()
	l.mu.Unlock()
	return false
}

// arm sets the alarm for the first connection or listener whose time will be over.
// An alarm that is set is left alone unless it would come too late: times are
// prolonged with each query, and so it goes once in the time of a phase.
func (l *tcpLoop) arm() {
	limits, open := l.conns.Limits.Load(), int(l.conns.open.Load())
	next := time.Duration(0)
	consider := func(at time.Duration) {
		if at = max(at, 1); next == 0 || at < next {
			next = at
		}
	}
	for p := range l.waiting {
		if c := l.waiting[p].first; c != nil {
			if limit := tcpPhase(p).limit(limits, open); limit > 0 {
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
	// The poller's clock, not the server's: waiting is a matter of the operating
	// system. The descriptor is open and in the poller, or raw.Read panics.
	_ = l.epoll.File.SetReadDeadline(time.Now().Add(wait))
}

// round handles the events that are there. What it answers is answered from one
// View.
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
		case s.generation != e.Pad: // of before
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
		l.answerCalls()
	}
	l.expire()
	l.answerer.publish()
}

// serveAgain serves connections that have more to read, in turn, for so long in a
// round that began at that others do not wait for them: those that have little to
// say, and those that are new.
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

// answerCalls does what others want of the loop.
func (l *tcpLoop) answerCalls() {
	l.mu.Lock()
	calls, woken := l.calls, l.woken
	l.calls, l.woken = nil, nil
	l.mu.Unlock()
	l.todo.woken = append(l.todo.woken, woken...)
	l.todo.calls = append(l.todo.calls, calls...)
	for len(l.todo.woken) > 0 {
		c := l.todo.woken[0]
		l.todo.woken = l.todo.woken[1:]
		l.woke(c)
	}
	for len(l.todo.calls) > 0 {
		f := l.todo.calls[0]
		l.todo.calls = l.todo.calls[1:]
		f()
	}
	l.todo.woken, l.todo.calls = nil, nil
}

// expire ends what waited for too long.
func (l *tcpLoop) expire() {
	limits, open := l.conns.Limits.Load(), int(l.conns.open.Load())
	for p := range l.waiting {
		limit := tcpPhase(p).limit(limits, open)
		if limit == 0 {
			continue
		}
		for c := l.waiting[p].first; c != nil; c = l.waiting[p].first {
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
