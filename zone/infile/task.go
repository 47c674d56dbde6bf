package infile

import (
	"cmp"
	"context"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"
)

// Task makes calls of the file system for the function that [Files.Run] called, one
// at a time and in its goroutine. A nil Task makes them without a time limit, for
// programs that a signal ends at any moment.
type Task struct {
	files     *Files
	ctx       context.Context
	call      atomic.Pointer[pending] // under way; nil: none
	abandoned bool                    // a call was given up and has returned
}

// pending is a system call that may not return.
type pending struct {
	path  string
	began time.Time
}

// system returns what makes the calls.
func (t *Task) system() System {
	if t == nil || t.files.System == nil {
		return OS{}
	}
	return t.files.System
}

// do makes a call that is about path. If it was given up when it returns, do does
// not return, and undo, if set, is called in its place.
func (t *Task) do(path string, op func() error, undo func()) error {
	if t == nil || t.abandoned {
		return op()
	}
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	if t.files.isHung(path) {
		return &fs.PathError{Op: "open", Path: path, Err: ErrHung}
	}
	c := &pending{path: path, began: time.Now()}
	t.call.Store(c)
	err := op()
	if !t.call.CompareAndSwap(c, nil) {
		t.abandoned = true
		if undo != nil && err == nil {
			undo()
		}
		t.files.answered(path)
		runtime.Goexit()
	}
	return err
}

// minRate is how many octets a second a file must give in the long run, so that one
// that drips ends too: a tenth of what a slow link to a file server has.
const minRate = 64 << 10

// isTooSlow reports whether reading so many octets of path should not have taken so long.
func (t *Task) isTooSlow(path string, octets int64, spent time.Duration) bool {
	if t == nil {
		return false
	}
	if t.files.Late != nil {
		return t.files.Late(path, spent)
	}
	return spent > cmp.Or(t.files.Wait, DefaultWait)+time.Duration(octets/minRate)*time.Second
}

// Do makes another call that may hang; path is what it is about.
func (t *Task) Do(path string, op func() error) error { return t.do(path, op, nil) }

// call makes a call that returns a value.
func call[T any](t *Task, path string, op func() (T, error)) (value T, err error) {
	err = t.do(path, func() error {
		value, err = op()
		return err
	}, nil)
	return value, err
}

// Stat asks about path, symbolic links followed.
func (t *Task) Stat(path string) (Info, error) {
	return call(t, path, func() (Info, error) { return t.system().Stat(path) })
}

// Lstat asks about path itself, be it a symbolic link.
func (t *Task) Lstat(path string) (fs.FileInfo, error) {
	return call(t, path, func() (fs.FileInfo, error) { return t.system().Lstat(path) })
}

// Readlink returns where the symbolic link at path leads.
func (t *Task) Readlink(path string) (string, error) {
	return call(t, path, func() (string, error) { return t.system().Readlink(path) })
}

// ReadDir returns the names in a directory that are not those of directories, sorted.
func (t *Task) ReadDir(path string) ([]string, error) {
	return call(t, path, func() (names []string, err error) {
		list, err := t.system().ReadDir(path)
		for _, e := range list {
			if !e.IsDir() {
				names = append(names, e.Name())
			}
		}
		return names, err
	})
}

// Open opens the regular file at path. A file of more than limit octets is not read
// further than that; one that is larger already is refused. The error is an
// [fs.PathError].
func (t *Task) Open(path string, limit int64) (*File, error) {
	f, _, err := t.open(path, limit, func() (Handle, Info, string, error) {
		h, info, err := t.system().Open(path)
		return h, info, path, err
	})
	return f, err
}

// OpenIn is Open for a path that is confined to the directory root once all symbolic
// links are followed; resolved is the path without them. It fails with ErrOutside
// where the path leads out of root.
func (t *Task) OpenIn(root, path string, limit int64) (f *File, resolved string, err error) {
	return t.open(path, limit, func() (Handle, Info, string, error) { return t.system().OpenIn(root, path) })
}

func (t *Task) open(path string, limit int64, op func() (Handle, Info, string, error)) (*File, string, error) {
	var h Handle
	var info Info
	var resolved string
	err := t.do(path, func() (err error) {
		h, info, resolved, err = op()
		return err
	}, func() { h.Close() })
	if err != nil {
		return nil, resolved, err
	}
	f := &File{task: t, path: path, handle: h, Info: info, limit: limit}
	if info.Size > limit {
		f.Close()
		return nil, resolved, &fs.PathError{Op: "open", Path: path, Err: ErrTooLarge}
	}
	return f, resolved, nil
}

// ReadFile returns the content of the regular file at path, which may have limit octets.
func (t *Task) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := t.Open(path, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.readAll()
}

// EvalSymlinks returns the absolute path without symbolic links.
func (t *Task) EvalSymlinks(path string) (string, error) {
	return call(t, path, func() (string, error) { return resolve(path) })
}

func resolve(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}
