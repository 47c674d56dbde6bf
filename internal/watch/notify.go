package watch

import (
	"errors"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// systemNotifier is the operating system's source of events.
type systemNotifier struct{ *fsnotify.Watcher }

func newSystemNotifier() (Notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return systemNotifier{w}, nil
}

func (n systemNotifier) Events() <-chan fsnotify.Event { return n.Watcher.Events }
func (n systemNotifier) Errors() <-chan error          { return n.Watcher.Errors }

// isExhausted reports whether err says that the system has no watches left:
// ENOSPC is inotify's word for too many watches, EMFILE and ENFILE for too many
// instances or descriptors.
func isExhausted(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOMEM)
}
