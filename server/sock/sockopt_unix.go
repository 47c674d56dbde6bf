//go:build unix

package sock

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/ptrd/ptrd/server/answer"
	"golang.org/x/sys/unix"
)

// ShareTCPPort lets fd be bound beside another socket of ours on the same port.
func ShareTCPPort(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// IsDualStack reports whether the IPv6 socket takes IPv4 as well.
func IsDualStack(c syscall.Conn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var dual bool
	if err := raw.Control(func(fd uintptr) {
		only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		dual = err == nil && only == 0
	}); err != nil {
		return false
	}
	return dual
}

// errnoFailure sorts an error of the kernel into its counter.
func errnoFailure(errno syscall.Errno) answer.SendFailure {
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN:
		return answer.SendRefused
	case unix.EPERM, unix.EACCES:
		return answer.SendForbidden
	case unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
		return answer.SendNoBuffer
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, unix.EINVAL, unix.EADDRNOTAVAIL:
		return answer.SendUnreachable
	case unix.EMSGSIZE:
		return answer.SendTooLong
	}
	return answer.SendOther
}

// IsAbsent reports whether binding addr failed because no interface has it, or not yet: the
// interface of a link-local address is not there (EINVAL, ENODEV), or the address is still
// being checked for a duplicate (RFC 4862 §5.4).
func IsAbsent(err error, addr netip.Addr) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) ||
		addr.Zone() != "" && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO))
}

// IsScarcity reports whether an accept failed for want of descriptors or memory.
func IsScarcity(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}
