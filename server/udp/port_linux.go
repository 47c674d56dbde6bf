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

// mmsgPort is a bound socket and the way in which its workers wait for it.
//
// The socket itself is not in the runtime's poller: that one wants to hear of
// everything, and the kernel would have to tell it of each datagram that comes and,
// by the room in the send buffer, of each that goes, which costs a twentieth of what
// the datagram does. Instead there is an epoll descriptor of its own for it, which is in
// the poller, and looks at the socket while there is not much to do. A worker that
// waits is a parked goroutine that a deadline wakes, so stopping needs no signal,
// no extra descriptor and no thread of its own.
//
// Workers that share a socket (an inherited one) take turns: the lock of the epoll
// descriptor lets one of them wait and receive while the others answer. Every
// system call on the socket is made while that descriptor is held open.
type mmsgPort struct {
	fd     int
	local  netip.AddrPort // that the socket is bound to
	drops  *Drops
	epoll  sock.Epoll
	closed atomic.Bool

	// Of the worker whose turn it is.
	watched bool // by epoll
	busy    int  // how often, one after the other, there was no need to wait
}

// unwatchAfter is how often in a row a worker finds datagrams when it would wait
// before the socket is no longer watched. To watch it again costs a microsecond,
// little among so many batches, or nearly as many datagrams if they come singly.
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
	// An error says that the descriptor is closed already, which ends the workers as well.
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

// await calls receive, whose turn it is then, until that reports that there is no
// need to wait.
func (p *mmsgPort) await(receive func(uintptr) bool) error { return p.err(p.epoll.Raw.Read(receive)) }

// try calls f, which makes system calls that do not wait.
func (p *mmsgPort) try(f func(uintptr)) error { return p.err(p.epoll.Raw.Control(f)) }

// found notes that the worker whose turn it is had no need to wait.
func (p *mmsgPort) found() {
	if p.busy++; p.watched && p.busy >= unwatchAfter {
		p.watched = p.control(unix.EPOLL_CTL_DEL) != 0
	}
}

// watch makes the next datagram wake the worker whose turn it is; one that is there
// already does as well.
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
	// The poller is told of each event, which need not be taken out of here.
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.epoll.FD), op, uintptr(p.fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	return errno
}

// dropped returns how many datagrams that found the receive buffer full were not
// counted yet. The kernel could also tell with each datagram (SO_RXQ_OVFL); then
// every one would make it look for what there is to tell.
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

// newUDPPort returns the port of conn's socket, and takes conn over.
func newUDPPort(conn *net.UDPConn, drops *Drops, portable bool) (udpPort, error) {
	if portable {
		return connPort{conn}, nil
	}
	return newMmsgPort(conn, drops)
}
