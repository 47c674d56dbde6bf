package udp

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/ptrd/ptrd/server/sock"
	"golang.org/x/sys/unix"
)

// mmsgPort is a bound socket, with the means for its workers to wait for it.
//
// The socket itself is not in the runtime's poller. The kernel would have to report each
// received datagram, and each sent one because of the room in the send buffer, which costs a
// twentieth of the work for a datagram. Instead, a separate epoll descriptor is in the poller,
// and watches the socket only under low load. A worker that waits is a parked goroutine that a
// deadline wakes, so that stopping needs no signal, no extra descriptor and no thread.
//
// Workers that share an inherited socket take turns: because of the lock of the epoll
// descriptor, one of them waits and receives while the others answer. The descriptor stays open
// during every system call on the socket.
type mmsgPort struct {
	fd     int
	local  netip.AddrPort // that the socket is bound to
	drops  *Drops
	epoll  sock.Epoll
	closed atomic.Bool

	// Used by the worker that waits or receives.
	watched bool // by epoll
	busy    int  // how often in a row waiting was unnecessary
}

// unwatchAfter is how often in a row a worker must find datagrams before the socket is no longer
// watched. Watching it again costs a microsecond, which is little for so many batches, or for
// nearly as many single datagrams.
const unwatchAfter = 16

// newMmsgPort returns the port of conn's socket, and closes conn.
func newMmsgPort(conn *net.UDPConn, drops *Drops) (*mmsgPort, error) {
	defer conn.Close()
	p := &mmsgPort{local: sock.BoundTo(conn), drops: drops}
	err := sock.Control(conn, func(fd uintptr) (err error) {
		p.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if p.epoll, err = sock.NewEpoll(); err != nil {
		unix.Close(p.fd)
		return nil, err
	}
	return p, nil
}

// interrupt makes recv of all workers return instead of waiting.
func (p *mmsgPort) interrupt() {
	// An error means that the descriptor is already closed, which ends the workers as well.
	_ = p.epoll.File.SetReadDeadline(time.Unix(1, 0))
}

// Close closes the socket once no system call on it is under way.
func (p *mmsgPort) Close() {
	if p.closed.Swap(true) {
		return
	}
	p.epoll.Close()
	unix.Close(p.fd)
}

// err returns the error of a call on raw.
func (p *mmsgPort) err(err error) error {
	if err != nil && p.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// await calls receive until that returns true. Only one worker at a time is in await.
func (p *mmsgPort) await(receive func(uintptr) bool) error { return p.err(p.epoll.Raw.Read(receive)) }

// try calls f, which makes system calls that do not block.
func (p *mmsgPort) try(f func(uintptr)) error { return p.err(p.epoll.Raw.Control(f)) }

// found records that waiting was unnecessary.
func (p *mmsgPort) found() {
	if p.busy++; p.watched && p.busy >= unwatchAfter {
		p.watched = p.control(unix.EPOLL_CTL_DEL) != 0
	}
}

// watch makes the next datagram wake the worker. One that is already there does as well.
func (p *mmsgPort) watch() syscall.Errno {
	p.busy = 0
	if p.watched {
		return 0
	}
	errno := p.control(unix.EPOLL_CTL_ADD)
	p.watched = errno == 0
	return errno
}

func (p *mmsgPort) control(op uintptr) syscall.Errno {
	// The runtime's poller reports each event, which need not be read here.
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.epoll.FD), op, uintptr(p.fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	return errno
}

// dropped returns how many datagrams were dropped because the receive buffer was full, since the
// last call. The kernel could also report that with each datagram (SO_RXQ_OVFL), but that would
// cost something for each.
func (p *mmsgPort) dropped() uint64 {
	const drops = 8 // SK_MEMINFO_DROPS of linux/sock_diag.h
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(p.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || int(size) < len(info)*4 { // a kernel before 4.12
		return 0
	}
	return p.drops.advance(info[drops])
}

// newUDPPort returns the port of conn's socket. It owns conn.
func newUDPPort(conn *net.UDPConn, drops *Drops, portable bool) (udpPort, error) {
	if portable {
		return connPort{conn}, nil
	}
	return newMmsgPort(conn, drops)
}
