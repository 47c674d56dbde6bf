package loadgen

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fdGroup waits for its descriptors by ppoll. They are non-blocking and not in the
// runtime's poller: a worker has a thread of its own and many descriptors, and a call for all
// of them costs less than one for each.
type fdGroup struct {
	o       *Options
	fds     []unix.PollFd
	flows   []fdTransport
	scratch *scratch
}

// fdTransport is a transport on a descriptor.
type fdTransport interface {
	transport
	// blocked reports whether the last send stopped for want of room.
	blocked() bool
}

// fineTimer lets waits of this thread end within a microsecond of their time; the
// usual 50 would be more than many a server takes to answer.
func fineTimer() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) // without it, queries are some 50 µs later, which the result reports
}

// newGroup returns the group of a worker with n flows.
func newGroup(o *Options, n int) group {
	if o.Portable {
		return newConnGroup(o, n)
	}
	g := &fdGroup{o: o, fds: make([]unix.PollFd, n), flows: make([]fdTransport, n), scratch: newScratch(o)}
	g.scratch.group = g
	for i := range g.fds {
		g.fds[i].Fd = -1 // ignored
	}
	return g
}

func (g *fdGroup) open(ctx context.Context, i int) (transport, error) {
	network := "udp"
	if g.o.TCP {
		network = "tcp"
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, network, g.o.Server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	fd, err := duplicate(conn.(syscall.Conn)) // both kinds of connection are one
	if err != nil {
		return nil, err
	}
	var t fdTransport
	if g.o.TCP {
		t = newTCPSocket(fd, g.scratch)
	} else {
		setBuffers(fd)
		t = newUDPSocket(fd, g.scratch)
	}
	g.fds[i].Fd = int32(fd)
	g.flows[i] = t
	return t, nil
}

// duplicate returns a descriptor of its own for a connection that is going to be
// closed. It is non-blocking, too.
func duplicate(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	var dupErr error
	if err := raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return 0, err
	}
	if dupErr != nil {
		return 0, fmt.Errorf("descriptor of a socket: %w", dupErr)
	}
	return fd, nil
}

// setBuffers asks for the buffers, past the host's limit where the process may.
// Where it gets less, drops counts what was lost.
func setBuffers(fd int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, recvBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, recvBuffer)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
}

func (g *fdGroup) wait(d time.Duration, ready []bool) error {
	for i := range g.fds {
		p := &g.fds[i]
		p.Events = unix.POLLIN
		if g.flows[i] != nil && g.flows[i].blocked() {
			p.Events |= unix.POLLOUT
		}
		if ready[i] {
			d = 0 // there is more to receive
		}
	}
	ts := unix.NsecToTimespec(int64(d))
	n := uintptr(len(g.fds))
	var errno syscall.Errno
	if d == 0 {
		_, _, errno = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&g.fds[0])), n, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	} else {
		_, _, errno = unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&g.fds[0])), n, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	}
	switch errno {
	case 0:
	case unix.EINTR:
		return nil
	default:
		return fmt.Errorf("waiting for sockets: %w", errno)
	}
	for i := range g.fds {
		if g.fds[i].Revents&^unix.POLLOUT != 0 { // a read returns the error
			ready[i] = true
		}
	}
	return nil
}

// forget is called when a descriptor is closed: its number may soon be another's.
func (g *fdGroup) forget(fd int) {
	for i := range g.fds {
		if g.fds[i].Fd == int32(fd) {
			g.fds[i].Fd, g.flows[i] = -1, nil
		}
	}
}

func (g *fdGroup) close() {}
