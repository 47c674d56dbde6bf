package server

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// epoll is an epoll descriptor that itself waits in the runtime's poller: who waits for
// it is a parked goroutine that a deadline can wake, not a thread that keeps its
// processor until the scheduler takes it away.
type epoll struct {
	fd   int
	file *os.File
	raw  syscall.RawConn // of file
}

// newEpoll returns an epoll that watches nothing.
func newEpoll() (e epoll, err error) {
	if e.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return e, os.NewSyscallError("epoll_create1", err)
	}
	// The os package leaves a descriptor that blocks out of its poller.
	err = unix.SetNonblock(e.fd, true)
	e.file = os.NewFile(uintptr(e.fd), "epoll")
	if err != nil {
		err = os.NewSyscallError("fcntl", err)
	} else {
		e.raw, err = e.file.SyscallConn()
	}
	if err != nil {
		e.close()
		return epoll{}, err
	}
	return e, nil
}

// close gives the descriptor back, if there is one.
func (e *epoll) close() {
	if e.file != nil {
		e.file.Close()
	}
}
