package floor

import (
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch  = 64   // what the servers that take batches take at most
	octets = 1500 // of a datagram

	recvBuffer = 1 << 20 // holds what a generator has in flight
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// ServeUDP answers at an IPv4 address until the process ends.
func ServeUDP(at netip.AddrPort) error {
	fd, err := bind(at, unix.SOCK_DGRAM)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, recvBuffer); err != nil {
		return fmt.Errorf("receive buffer of %d octets: %w", recvBuffer, err)
	}
	runtime.LockOSThread()
	var (
		bufs  [batch][octets]byte
		msgs  [batch]mmsghdr
		vecs  [batch]unix.Iovec
		names [batch]unix.RawSockaddrInet4
	)
	for i := range msgs {
		vecs[i].Base = &bufs[i][0]
		h := &msgs[i].hdr
		h.Iov = &vecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&names[i]))
	}
	for used := batch; ; {
		for i := range used {
			vecs[i].SetLen(octets)
			msgs[i].hdr.Namelen = unix.SizeofSockaddrInet4
		}
		// Only a call that has to wait goes through the scheduler.
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), batch, unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EAGAIN {
			n, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), batch, unix.MSG_WAITFORONE, 0, 0)
		}
		if errno != 0 { // EINTR, or an ICMP error that concerns an earlier answer
			used = batch
			continue
		}
		used = int(n)
		for i := range used {
			bufs[i][2] |= qr
			vecs[i].SetLen(int(msgs[i].n))
		}
		for done := uintptr(0); done < n; {
			k, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[done])), n-done, unix.MSG_DONTWAIT, 0, 0)
			if errno != 0 || k == 0 {
				break // what does not go out is lost, as on any network
			}
			done += k
		}
	}
}

// qr is the bit of the third octet that makes a response of a query (RFC 1035 §4.1.1).
const qr = 0x80

// bind returns a socket bound to an IPv4 address.
func bind(at netip.AddrPort, kind int) (int, error) {
	if !at.Addr().Is4() {
		return 0, fmt.Errorf("floor at %v: only IPv4 addresses are taken", at)
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return 0, fmt.Errorf("floor at %v: %w", at, err)
	}
	return fd, nil
}
