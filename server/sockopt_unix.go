//go:build unix

package server

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoFailure sorts an error of the kernel into its counter.
func errnoFailure(errno syscall.Errno) SendFailure {
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN:
		return SendRefused
	case unix.EPERM, unix.EACCES:
		return SendForbidden
	case unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
		return SendNoBuffer
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, unix.EINVAL, unix.EADDRNOTAVAIL:
		return SendUnreachable
	case unix.EMSGSIZE:
		return SendTooLong
	}
	return SendOther
}

// isScarcity reports whether an accept failed for want of descriptors or memory.
func isScarcity(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}
