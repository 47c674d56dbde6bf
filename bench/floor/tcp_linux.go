package floor

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// conn is a connection: what has come and is no whole message yet.
type conn struct {
	buf []byte
	n   int
}

// ServeTCP answers at an IPv4 address until the process ends.
func ServeTCP(at netip.AddrPort) error {
	listener, err := bind(at, unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	if err := unix.Listen(listener, 128); err != nil {
		return err
	}
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := watch(poll, listener); err != nil {
		return err
	}
	runtime.LockOSThread()
	conns := map[int]*conn{}
	events := make([]unix.EpollEvent, batch)
	for {
		n, err := unix.EpollWait(poll, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			fd := int(e.Fd)
			if fd == listener {
				fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
				if err != nil {
					continue // the client has gone again
				}
				_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // without it answers wait, and that is seen
				if watch(poll, fd) == nil {
					conns[fd] = &conn{buf: make([]byte, 1<<17)}
				}
				continue
			}
			if c := conns[fd]; !c.echo(fd) {
				delete(conns, fd)
				unix.Close(fd)
			}
		}
	}
}

func watch(poll, fd int) error {
	return unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// echo reads once and writes back the whole messages that are there. It reports
// whether the connection goes on.
func (c *conn) echo(fd int) bool {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&c.buf[c.n])), uintptr(len(c.buf)-c.n))
	if errno != 0 || n == 0 {
		return errno == unix.EINTR
	}
	c.n += int(n)
	end := 0
	for c.n-end >= 2 {
		size := 2 + int(binary.BigEndian.Uint16(c.buf[end:]))
		if size < 2+12 || c.n-end < size {
			break
		}
		c.buf[end+4] |= qr
		end += size
	}
	for done := 0; done < end; {
		k, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&c.buf[done])), uintptr(end-done))
		if errno != 0 {
			return false
		}
		done += int(k)
	}
	c.n = copy(c.buf, c.buf[end:c.n])
	return true
}
