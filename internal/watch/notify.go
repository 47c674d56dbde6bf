package watch

import (
	"errors"
	"syscall"
)

// Op is what happened to a name.
type Op uint8

// The kinds of events.
const (
	// Changed: the file was created, written to, removed or renamed away. More may
	// follow.
	Changed Op = iota
	// Attributes: only the mode, the owner or the times were set.
	Attributes
	// Closed: a process that could write to the file closed it.
	Closed
	// Placed: another file was renamed to the name.
	Placed
	// Lost: the watched directory that Event.Name names is gone, and so is its watch.
	Lost
)

// Event is what happened to a name in a watched directory, or to the directory.
// Systems that cannot report Closed and Placed report Changed.
type Event struct {
	Name string
	Op   Op
}

// Notifier is a source of events about names in directories.
type Notifier interface {
	Add(dir string) error
	Remove(dir string) error
	Events() <-chan Event
	Errors() <-chan error // ErrOverflow, and what else goes wrong
	Close() error
}

// ErrOverflow is reported when events were lost.
var ErrOverflow = errors.New("file events were lost")

// isExhausted reports whether the system has no watches left. inotify returns ENOSPC for
// too many watches, EMFILE and ENFILE for too many instances or descriptors.
func isExhausted(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOMEM)
}
