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
	// so that a flood of them leaves room for those that are there.
	acceptBatch = 32

	// lastAccepts bounds how many connections of a removed address are still
	// accepted: more than its queue holds by default, so only a flood is cut off.
	lastAccepts = 8192

	// deferAccept is for how many seconds the kernel keeps a connection to itself on
	// which no octet came. A query comes right behind the handshake, so that
	// accepting a connection finds it there, and a connection that says nothing
	// costs neither a descriptor nor a place of ours for that time. It is let in
	// afterwards, so that a client may also connect first and ask later.
	deferAccept = 1

	// unsentLimit is how many octets of answers, not yet on their way, the kernel
	// takes from us for one connection, instead of up to net.ipv4.tcp_wmem, some
	// MiB: a client that does not read costs little more, and one that does has
	// its window full all the same.
	unsentLimit = 64 << 10

	// tcpReceiveBuffer is how many octets of queries the kernel takes in advance for
	// a connection, instead of up to net.ipv4.tcp_rmem. It is the largest message,
	// and hundreds of queries.
	tcpReceiveBuffer = 64 << 10
)

func (w *loopEngine) prepare(ln *net.TCPListener) error { return prepareTCP(ln) }

// prepareTCP sets the options; what the socket accepts from then on inherits them.
func prepareTCP(ln *net.TCPListener) error {
	return sock.ControlListener(ln, func(fd uintptr) error { return setTCPOptions(int(fd)) })
}

func setTCPOptions(fd int) error {
	for _, o := range []sock.Option{
		// Each write is all that there is to say; it need not wait for more.
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
	local netip.AddrPort // of the connections; the zero value where each has to be asked

	pause   time.Duration // of the next rest
	resting bool
	until   time.Duration
}

// listen spreads the sockets of l over the loops; a single one all of them share.
func (w *loopEngine) listen(l *Listener) error {
	for i, loop := range w.loops {
		var err error
		controlErr := sock.ControlListener(l.sockets[i%len(l.sockets)], func(fd uintptr) error {
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
	ln := &loopListener{Listener: listener, fd: fd, slot: l.take(), pause: acceptPause}
	if a := listener.Local; !a.Addr().IsUnspecified() {
		ln.local = netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
	}
	l.slots[ln.slot].listener = ln
	l.listeners = append(l.listeners, ln)
	return l.control(unix.EPOLL_CTL_ADD, fd, ln.slot, unix.EPOLLIN)
}

// unlisten accepts what waits at the sockets of listener, takes them out of epoll,
// and tells the connections to end.
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
		// An error says that it is not there, which is what is wanted.
		_ = l.control(unix.EPOLL_CTL_DEL, ln.fd, ln.slot, 0)
		l.release(ln.slot)
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

// acceptOne accepts a connection and answers what came with it, and reports
// whether there may be more.
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
	c.slot = l.take()
	l.slots[c.slot].conn = c
	l.waiting[tcpFresh].push(c)
	l.serve(c)
	if c.fd >= 0 {
		if c.watch(unix.EPOLL_CTL_ADD) != nil { // out of memory, or of what a user may watch
			c.broken = true
			c.end(answer.CloseTotalLimit)
			l.settle(c, false)
		}
	}
	return true
}

// suspend lets accepting rest; resume goes on.
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

// The system calls below do not block and are raw, as those of mmsgSocket.

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

// receive returns how many octets came; 0 without an error at the end of the stream.
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
	// What the kernel has to say of it is about data that nobody waits for.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// reset closes a connection and leaves nothing of it behind, not even a TIME_WAIT.
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
