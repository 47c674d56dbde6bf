package sock

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Epoll is an epoll descriptor that itself waits in the runtime's poller: who waits for
// it is a parked goroutine that a deadline can wake, not a thread that keeps its
// processor until the scheduler takes it away.
type Epoll struct {
	FD   int
	File *os.File
	Raw  syscall.RawConn // of file
}

// NewEpoll returns an epoll that watches nothing.
func NewEpoll() (e Epoll, err error) {
	if e.FD, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return e, os.NewSyscallError("epoll_create1", err)
	}
	// The os package leaves a descriptor that blocks out of its poller.
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

// Close gives the descriptor back, if there is one.
func (e *Epoll) Close() {
	if e.File != nil {
		e.File.Close()
	}
}
