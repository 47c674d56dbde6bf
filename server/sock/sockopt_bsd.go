//go:build darwin || freebsd || openbsd || netbsd

package sock

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// PerWorker is false: SO_REUSEPORT does not distribute clients on these systems, so the
// workers share one socket.
const PerWorker = false

// ReceiveBuffer is within the default limit of these systems and holds some hundred queries.
const ReceiveBuffer = 256 << 10

// SetUDPOptions sets the options of the socket fd, which is or will be bound to local, and
// returns the size of its receive buffer.
func SetUDPOptions(fd uintptr, local netip.Addr, _ bool) (receiveBuffer int, err error) {
	// Package net allows sending to broadcast addresses; a response never goes there.
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err != nil {
		return 0, fmt.Errorf("socket option SO_BROADCAST: %w", err)
	}
	if local.IsUnspecified() { // which address was asked
		level, name := unix.IPPROTO_IP, receiveInfo4
		if local.Is6() {
			level, name = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
		}
		if err := unix.SetsockoptInt(int(fd), level, name, 1); err != nil {
			return 0, fmt.Errorf("socket option for the address asked: %w", err)
		}
	}
	// A smaller buffer is not an error; the caller reports it.
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, ReceiveBuffer)
	return unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
}

// ReceiveBufferRemedy is what to do about a receive buffer that is too small.
const ReceiveBufferRemedy = "raise the system's limit of socket buffers (sysctl kern.ipc.maxsockbuf, on NetBSD kern.sbmax)"

// SetFreebind returns an error: this system does not support it.
func SetFreebind(uintptr, bool) error { return errors.New("freebind is there on Linux only") }

// bindRemedy returns what an operator can do about an address that cannot be bound.
func bindRemedy(_ string, err error, addr netip.AddrPort) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Sprintf("another server has port %d; stop that one or choose another address", addr.Port())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "a port below 1024 needs more rights"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no interface has this address; add it there or listen elsewhere"
	}
	return "listen on another address"
}
