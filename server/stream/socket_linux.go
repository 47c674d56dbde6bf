package stream

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
	"golang.org/x/sys/unix"
)

const (
	// acceptBatch is how many connections of an address are accepted in one round,
	// so that a flood of them leaves time for existing connections.
	acceptBatch = 32

	// lastAccepts is how many connections of a removed address are still accepted:
	// more than its queue holds by default, so only a flood is cut off.
	lastAccepts = 8192

	// deferAccept is for how many seconds the kernel hides a connection on which no
	// octet arrived. A query usually follows the handshake at once and is there when the
	// connection is accepted. A connection without a query costs us neither a descriptor
	// nor a place for that time. It is accepted afterwards, so that a client may also
	// connect first and ask later.
	deferAccept = 1

	// unsentLimit is how many unsent octets of answers the kernel buffers for a
	// connection, instead of up to net.ipv4.tcp_wmem, some MiB. A client that does not
	// read then costs little, and the window of one that does is still full.
	unsentLimit = 64 << 10

	// tcpReceiveBuffer is how many octets of queries the kernel buffers for a
	// connection, instead of up to net.ipv4.tcp_rmem. It has room for the largest
	// message, or for hundreds of queries.
	tcpReceiveBuffer = 64 << 10
)

// prepareTCP sets the options of a listening socket. Accepted sockets inherit them.
func prepareTCP(ln *net.TCPListener) error {
	return sock.Control(ln, func(fd uintptr) error { return setTCPOptions(int(fd)) })
}

func setTCPOptions(fd int) error {
	for _, o := range []sock.Option{
		// A write contains all answers that are ready, and need not wait for more.
		{Level: unix.IPPROTO_TCP, Name: unix.TCP_NODELAY, Value: 1},
		{Level: unix.IPPROTO_TCP, Name: unix.TCP_DEFER_ACCEPT, Value: deferAccept, Optional: true},
		{Level: unix.IPPROTO_TCP, Name: unix.TCP_NOTSENT_LOWAT, Value: unsentLimit, Optional: true},
		{Level: unix.SOL_SOCKET, Name: unix.SO_RCVBUF, Value: tcpReceiveBuffer},
	} {
		if err := unix.SetsockoptInt(fd, o.Level, o.Name, o.Value); err != nil && !o.Optional {
			return fmt.Errorf("socket option %d of level %d: %w", o.Name, o.Level, err)
		}
	}
	return nil
}

// loopListener is a listening socket that a tcpLoop accepts from.
type loopListener struct {
	*Listener
	fd    int
	slot  int32
	local netip.AddrPort // of the connections; the zero value: differs, see localAddr

	pause   time.Duration // of the next rest
	resting bool
	until   time.Duration
}

// listen distributes the sockets of l over the loops. All share a single one.
func (w *loopEngine) listen(l *Listener) error {
	for i, loop := range w.loops {
		var err error
		controlErr := sock.Control(l.sockets[i%len(l.sockets)], func(fd uintptr) error {
			loop.do(func() { err = loop.listen(l, int(fd)) })
			return err
		})
		if controlErr != nil {
			return controlErr
		}
	}
	return nil
}

func (w *loopEngine) unlisten(l *Listener) {
	for _, loop := range w.loops {
		loop.do(func() { loop.unlisten(l) })
	}
	l.Close()
}

// listen accepts connections from fd, a socket of listener.
func (l *tcpLoop) listen(listener *Listener, fd int) error {
	ln := &loopListener{Listener: listener, fd: fd, slot: l.acquireSlot(), pause: acceptPause}
	if a := listener.Local; !a.Addr().IsUnspecified() {
		ln.local = netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
	}
	l.slots[ln.slot].listener = ln
	l.listeners = append(l.listeners, ln)
	return l.control(unix.EPOLL_CTL_ADD, fd, ln.slot, unix.EPOLLIN)
}

// unlisten accepts the connections that wait at the sockets of listener, removes the sockets
// from epoll, and makes the connections end.
func (l *tcpLoop) unlisten(listener *Listener) {
	for _, ln := range l.listeners {
		if ln.Listener != listener {
			continue
		}
		for range lastAccepts {
			if !l.acceptOne(ln) {
				break
			}
		}
		// An error means that it is not there, as wanted.
		_ = l.control(unix.EPOLL_CTL_DEL, ln.fd, ln.slot, 0)
		l.releaseSlot(ln.slot)
	}
	l.listeners = slices.DeleteFunc(l.listeners, func(ln *loopListener) bool { return ln.Listener == listener })
	for i := range l.slots {
		if c := l.slots[i].conn; c != nil && c.listener == listener {
			l.leave(c)
		}
	}
}

// accept accepts connections that wait.
func (l *tcpLoop) accept(ln *loopListener) {
	for range acceptBatch {
		if !l.acceptOne(ln) {
			return
		}
	}
}

// acceptOne accepts a connection, answers its first queries, and reports whether there may
// be more connections.
func (l *tcpLoop) acceptOne(ln *loopListener) bool {
	var sa unix.RawSockaddrInet6
	fd, errno := accept(ln.fd, &sa)
	switch errno {
	case 0:
	case unix.EAGAIN:
		return false
	case unix.EINTR, unix.ECONNABORTED:
		return true
	default:
		l.conns.acceptFailed(os.NewSyscallError("accept4", errno))
		l.suspend(ln)
		return false
	}
	ln.pause = acceptPause
	c := &loopConn{loop: l, fd: fd}
	c.tcpConn = tcpConn{conns: l.conns, listener: ln.Listener, sock: c, transport: answer.TCP, place: -1, client: sock.Sockaddr(&sa), local: ln.local}
	c.enter(tcpFresh, l.now)
	if !c.local.IsValid() {
		c.local = localAddr(fd)
	}
	if !l.conns.add(&c.tcpConn) {
		reset(fd)
		return true
	}
	c.slot = l.acquireSlot()
	l.slots[c.slot].conn = c
	l.waiting[tcpFresh].push(c)
	l.serve(c)
	if c.fd >= 0 {
		if c.watch(unix.EPOLL_CTL_ADD) != nil { // no memory, or fs.epoll.max_user_watches
			c.broken = true
			c.end(answer.CloseTotalLimit)
			l.settle(c, false)
		}
	}
	return true
}

// suspend pauses accepting until resume.
func (l *tcpLoop) suspend(ln *loopListener) {
	if l.watch(ln, 0) == nil {
		ln.resting, ln.until = true, l.now+ln.pause
		ln.pause = min(2*ln.pause, acceptPauseMax)
	}
}

func (l *tcpLoop) resume(ln *loopListener) {
	if l.watch(ln, unix.EPOLLIN) == nil {
		ln.resting = false
	}
}

func (l *tcpLoop) watch(ln *loopListener, events uint32) error {
	return l.control(unix.EPOLL_CTL_MOD, ln.fd, ln.slot, events)
}

// The system calls below are raw and do not block, as those of package udp.

func accept(fd int, sa *unix.RawSockaddrInet6) (int, syscall.Errno) {
	size := uint32(unix.SizeofSockaddrInet6)
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

// localAddr returns the address that the client of a connection connected to.
func localAddr(fd int) netip.AddrPort {
	var sa unix.RawSockaddrInet6
	size := uint32(unix.SizeofSockaddrInet6)
	if _, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); errno != 0 {
		panic("getsockname of a connection: " + errno.Error())
	}
	return sock.Sockaddr(&sa)
}

// receive returns how many octets were read; 0 without an error at the end of the stream.
func receive(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// transmit returns how many octets the kernel took.
func transmit(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// unacked returns how many octets sent to the client it has not acknowledged.
func unacked(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0 // it has ended
	}
	return n
}

func closeSocket(fd int) {
	// An error concerns data that is no longer wanted.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// reset closes a connection without a TIME_WAIT state.
func reset(fd int) {
	linger := unix.Linger{Onoff: 1}
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
	closeSocket(fd)
}

// unackedBy is unacked of a connection of package net.
func unackedBy(conn *net.TCPConn) (n int) {
	raw, err := conn.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { n = unacked(int(fd)) }) // an error: it has ended
	}
	return n
}
