package sock

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Epoll is an epoll descriptor that is itself in the runtime's poller. A goroutine that waits
// for it is parked and can be woken by a deadline, and does not block a thread.
type Epoll struct {
	FD   int
	File *os.File
	Raw  syscall.RawConn // of File
}

// NewEpoll returns an epoll that watches nothing.
func NewEpoll() (e Epoll, err error) {
	if e.FD, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return e, os.NewSyscallError("epoll_create1", err)
	}
	// Package os does not add a blocking descriptor to the poller.
	err = unix.SetNonblock(e.FD, true)
	e.File = os.NewFile(uintptr(e.FD), "epoll")
	if err != nil {
		err = os.NewSyscallError("fcntl", err)
	} else {
		e.Raw, err = e.File.SyscallConn()
	}
	if err != nil {
		e.Close()
		return Epoll{}, err
	}
	return e, nil
}

// Close closes the descriptor, if there is one.
func (e *Epoll) Close() {
	if e.File != nil {
		e.File.Close()
	}
}
