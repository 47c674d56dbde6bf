package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ptrd/ptrd/zone/infile"
)

// inotify is the kernel's source of events (inotify(7)). It is used directly
// because portable libraries omit IN_CLOSE_WRITE, which distinguishes a complete file
// from one that is still being written.
type inotify struct {
	file   *os.File // never blocks: the runtime's poller waits for it
	events chan Event
	errs   chan error
	closed chan struct{}
	ended  chan struct{}

	mu   sync.Mutex
	dirs map[int32]string // by watch descriptor
	wds  map[string]int32
}

const inotifyMask = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_DELETE | unix.IN_MOVED_FROM |
	unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

func newSystemNotifier() (Notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	n := &inotify{
		file: os.NewFile(uintptr(fd), "inotify"), events: make(chan Event), errs: make(chan error),
		closed: make(chan struct{}), ended: make(chan struct{}), dirs: map[int32]string{}, wds: map[string]int32{},
	}
	go n.run()
	return n, nil
}

func (n *inotify) Events() <-chan Event { return n.events }
func (n *inotify) Errors() <-chan error { return n.errs }

// Close returns after the goroutine that reads has ended.
func (n *inotify) Close() error {
	close(n.closed)
	err := n.file.Close()
	<-n.ended
	return err
}

func (n *inotify) Add(dir string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	wd := -1
	err := n.control(func(fd int) (err error) {
		wd, err = unix.InotifyAddWatch(fd, dir, inotifyMask)
		return err
	})
	if err != nil {
		return err
	}
	n.dirs[int32(wd)], n.wds[dir] = dir, int32(wd)
	return nil
}

func (n *inotify) Remove(dir string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	wd, ok := n.wds[dir]
	if !ok {
		return nil
	}
	n.removeWatch(wd)
	return n.control(func(fd int) error {
		_, err := unix.InotifyRmWatch(fd, uint32(wd))
		return err
	})
}

// removeWatch removes a watch descriptor from the tables.
func (n *inotify) removeWatch(wd int32) {
	if dir, ok := n.dirs[wd]; ok {
		delete(n.dirs, wd)
		if n.wds[dir] == wd {
			delete(n.wds, dir)
		}
	}
}

// control calls f with the descriptor while it is open.
func (n *inotify) control(f func(fd int) error) error {
	c, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(c.Control(func(fd uintptr) { err = f(int(fd)) }), err)
}

// run reads events until Close.
func (n *inotify) run() {
	defer close(n.ended)
	buf := make([]byte, 64<<10)
	for {
		size, err := n.file.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				n.fail(err)
			}
			return
		}
		for b := buf[:size]; len(b) >= unix.SizeofInotifyEvent; {
			ne := binary.NativeEndian
			wd, mask, length := int32(ne.Uint32(b)), ne.Uint32(b[4:]), ne.Uint32(b[12:])
			name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length], []byte{0})
			b = b[unix.SizeofInotifyEvent+length:]
			if !n.handle(wd, mask, string(name)) {
				return
			}
		}
	}
}

// handle passes one event on; false after Close.
func (n *inotify) handle(wd int32, mask uint32, name string) bool {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		return n.fail(ErrOverflow)
	}
	n.mu.Lock()
	dir, ok := n.dirs[wd]
	if mask&unix.IN_IGNORED != 0 {
		n.removeWatch(wd)
	}
	n.mu.Unlock()
	if !ok {
		return true // of a watch that was removed
	}
	e := Event{Name: filepath.Join(dir, name)}
	switch {
	case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) != 0:
		e.Op = Lost
	case name == "":
		return true // the directory's own attributes
	case mask&unix.IN_MOVED_TO != 0:
		e.Op = Placed
	case mask&unix.IN_CLOSE_WRITE != 0:
		e.Op = Closed
	case mask&unix.IN_ATTRIB != 0:
		e.Op = Attributes
	}
	select {
	case n.events <- e:
		return true
	case <-n.closed:
		return false
	}
}

func (n *inotify) fail(err error) bool {
	select {
	case n.errs <- err:
		return true
	case <-n.closed:
		return false
	}
}

// isClosed reports whether no process has the file at path open for writing; false
// where that is not known. The kernel grants a read lease (fcntl(2)) on no other file,
// and only to the owner of the file or with CAP_LEASE.
func isClosed(t *infile.Task, path string) bool {
	return t.Do(path, func() error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
			return err
		}
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK) // closing it does the same
		return nil
	}) == nil
}
