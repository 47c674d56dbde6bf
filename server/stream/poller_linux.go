package stream

import (
	"errors"
	"os"
	"sync"
	"time"
	"unsafe"

	"github.com/ptrd/ptrd/server/sock"
	"golang.org/x/sys/unix"
)

// loopEvents is how many ready sockets one system call reports. At 64 the call costs 10 ns
// for each.
const loopEvents = 64

// loopPoller waits for the sockets of one loop. Edge-triggered epoll reports which of them
// can be read, so that a connection costs no system calls but those that move octets.
type loopPoller struct {
	epoll   sock.Epoll
	signals int // an eventfd that interrupts waiting; -1: not open
	waitFn  func(fd uintptr) bool
	yieldFn func(fd uintptr) bool
	yielded bool

	events [loopEvents]unix.EpollEvent
	ready  int // events to be handled
	next   int // the first of them that is not handled yet

	slots []loopSlot
	free  []int32

	mu    sync.Mutex // guards signals, and calls
	calls []func()   // to be called by the loop
}

// loopSlot is what an event is about. Its generation distinguishes a current event from one
// that was reported before the slot was reused.
type loopSlot struct {
	conn       *loopConn
	listener   *loopListener
	generation int32
}

// open makes the descriptors.
func (p *loopPoller) open() (err error) {
	if p.epoll, err = sock.NewEpoll(); err != nil {
		return err
	}
	signals, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	p.mu.Lock()
	p.signals = signals
	p.mu.Unlock()
	p.waitFn, p.yieldFn = p.poll, p.yield
	p.slots = []loopSlot{{}} // of the signals
	// Edge-triggered it need not be read: each write is an event.
	return p.control(unix.EPOLL_CTL_ADD, signals, 0, unix.EPOLLIN|unix.EPOLLET)
}

// close closes what open made.
func (p *loopPoller) close() {
	p.epoll.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.signals >= 0 {
		unix.Close(p.signals)
		p.signals = -1
	}
}

// control is epoll_ctl for the descriptor of a slot.
func (p *loopPoller) control(op, fd int, slot int32, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll.FD, op, fd, &unix.EpollEvent{
		Events: events, Fd: slot, Pad: p.slots[slot].generation,
	}))
}

// acquireSlot returns a free slot.
func (p *loopPoller) acquireSlot() int32 {
	if n := len(p.free); n > 0 {
		slot := p.free[n-1]
		p.free = p.free[:n-1]
		return slot
	}
	p.slots = append(p.slots, loopSlot{})
	return int32(len(p.slots) - 1)
}

func (p *loopPoller) releaseSlot(slot int32) {
	p.slots[slot] = loopSlot{generation: p.slots[slot].generation + 1}
	p.free = append(p.free, slot)
}

// post has the loop call f. It may be called by any goroutine.
func (p *loopPoller) post(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, f)
	p.signal()
}

// do has the loop call f, and waits for that.
func (p *loopPoller) do(f func()) {
	done := make(chan struct{})
	p.post(func() { defer close(done); f() })
	<-done
}

// signal ends waiting. p.mu is held: close closes the descriptor.
func (p *loopPoller) signal() {
	one := [8]byte{1}
	// An error can only mean that the counter is full, and then there has been an event.
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(p.signals), uintptr(unsafe.Pointer(&one)), 8)
}

// callPosted calls what was posted, as far as it was there at the beginning.
func (p *loopPoller) callPosted() {
	p.mu.Lock()
	n := len(p.calls)
	p.mu.Unlock()
	for range n {
		p.mu.Lock()
		f := p.calls[0]
		p.calls[0] = nil
		if p.calls = p.calls[1:]; len(p.calls) == 0 {
			p.calls = nil
		}
		p.mu.Unlock()
		f()
	}
}

// poll asks which sockets are ready and reports whether there are any.
func (p *loopPoller) poll(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&p.events)), loopEvents, 0, 0, 0)
		switch errno {
		case 0:
			p.ready, p.next = int(n), 0
			return n > 0
		case unix.EINTR:
		default:
			panic("epoll_pwait of a loop that runs: " + errno.Error())
		}
	}
}

// park waits until ready returns true, which is called when epoll has events, and reports
// false if a deadline came first.
func (p *loopPoller) park(ready func(fd uintptr) bool) bool {
	err := p.epoll.Raw.Read(ready)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// With a deadline in the past waiting is impossible, and no other one may follow.
		_ = p.epoll.File.SetReadDeadline(time.Time{}) // as in setAlarm
		return false
	}
	if err != nil {
		panic("waiting for the epoll descriptor of a loop that runs: " + err.Error())
	}
	return true
}

// yield makes park wait once, although sockets are ready. The signal is an event after the
// runtime's poller began to wait, so that it is seen.
func (p *loopPoller) yield(uintptr) bool {
	if p.yielded {
		return true
	}
	p.yielded = true
	p.mu.Lock()
	p.signal()
	p.mu.Unlock()
	return false
}

// interrupt makes park return.
func (p *loopPoller) interrupt() { _ = p.epoll.File.SetReadDeadline(time.Unix(1, 0)) }

// setAlarm makes park return after some time. The deadline is one of the runtime's clock,
// not of the server's: waiting is a matter of the operating system. There is no error, since
// the descriptor is open and in the runtime's poller.
func (p *loopPoller) setAlarm(after time.Duration) {
	_ = p.epoll.File.SetReadDeadline(time.Now().Add(after))
}

// isReady reports whether one of the sockets is ready. It takes no event from the loop and
// may be called by any goroutine.
func (p *loopPoller) isReady() bool {
	fd := unix.PollFd{Fd: int32(p.epoll.FD), Events: unix.POLLIN}
	var now unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fd)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n > 0
}
