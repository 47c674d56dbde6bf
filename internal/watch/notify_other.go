//go:build !linux

package watch

import (
	"errors"

	"github.com/fsnotify/fsnotify"

	"github.com/ptrd/ptrd/zone/infile"
)

// systemNotifier is the operating system's source of events.
type systemNotifier struct {
	w      *fsnotify.Watcher
	events chan Event
	errs   chan error
	closed chan struct{}
}

func newSystemNotifier() (Notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	n := &systemNotifier{w, make(chan Event), make(chan error), make(chan struct{})}
	go n.run()
	return n, nil
}

// run translates events until Close. These systems do not report that a file was
// closed, and a rename to a name looks like a new file.
func (n *systemNotifier) run() {
	for {
		select {
		case <-n.closed:
			return
		case e, ok := <-n.w.Events:
			if !ok {
				return
			}
			op := Changed
			if e.Op == fsnotify.Chmod {
				op = Attributes
			}
			n.send(Event{e.Name, op})
			if e.Has(fsnotify.Remove | fsnotify.Rename) {
				n.send(Event{e.Name, Lost}) // where it was a directory
			}
		case err, ok := <-n.w.Errors:
			if !ok {
				return
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				err = ErrOverflow
			}
			select {
			case n.errs <- err:
			case <-n.closed:
			}
		}
	}
}

func (n *systemNotifier) send(e Event) {
	select {
	case n.events <- e:
	case <-n.closed:
	}
}

func (n *systemNotifier) Add(dir string) error    { return n.w.Add(dir) }
func (n *systemNotifier) Remove(dir string) error { return n.w.Remove(dir) }
func (n *systemNotifier) Events() <-chan Event    { return n.events }
func (n *systemNotifier) Errors() <-chan error    { return n.errs }

func (n *systemNotifier) Close() error {
	close(n.closed)
	return n.w.Close()
}

// isClosed reports whether no process has the file at path open for writing; false
// where that is not known.
func isClosed(*infile.Task, string) bool { return false }
