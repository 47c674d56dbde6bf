package infile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// What a path can lead to instead of a file that can be read, in an [fs.PathError].
var (
	ErrDirectory  = errors.New("it is a directory")
	ErrNotRegular = errors.New("it is not a regular file")
	ErrTooLarge   = errors.New("it is too large")
	ErrOutside    = errors.New("it lies outside the directory that it is confined to")
	ErrHung       = errors.New("its file system does not answer")
)

const (
	// DefaultWait is how long one call may take. An NFS client sends a request again
	// within a second (TCP) and a sleeping disk needs some seconds to start; the
	// clients of `ptrd reload` and of a service manager wait longer than this.
	DefaultWait = 10 * time.Second
	// hungShare shortens the wait while another call hangs: what hangs is a file
	// system more often than a file, and a thousand files on it must not cost a
	// thousand times the wait.
	hungShare = 10
	// stopWait is how long a call may take once its context has ended.
	stopWait = 100 * time.Millisecond
	// maxHungIn bounds the calls that hang in one directory; its other files are not
	// tried then. The calls take a thread each, of which a Go program has 10,000 at most.
	maxHungIn = 8
	// maxHung bounds all of them.
	maxHung = 256
)

// Files opens the files of one process. The zero value is ready; it must not be
// copied. All methods may be called at the same time.
type Files struct {
	// Wait is how long one call may take; zero: DefaultWait.
	Wait time.Duration
	// System makes the calls; nil: the operating system does. Tests inject faults by it.
	System System
	// Late reports whether a call is given up that the context does not end; nil: when
	// it has taken longer than it may. Tests decide by it.
	Late func(path string, took time.Duration) bool
	// Hung, if set, is called when a call at path is given up, and Answered when it
	// returns after all: reading the file is worth another try then. Both are called
	// from goroutines of the Files and must not block.
	Hung, Answered func(path string)

	count atomic.Int64 // of hung
	mu    sync.Mutex
	hung  map[string]int // calls that were given up and have not returned, by path
	dirs  map[string]int // and by directory
}

// Count returns how many calls hang, each with its goroutine and thread.
func (f *Files) Count() int { return int(f.count.Load()) }

// Run calls do in another goroutine and returns when do has, or with the cause of
// ctx when that has ended and a call that do made has not returned.
//
// After a call that hangs, do is called once more, in a new goroutine, and gets
// ErrHung at that path. do must therefore be able to start over at each call of its
// Task, and leave no lock held and no work half recorded while it makes one. The
// goroutine before ends in that call, as by [runtime.Goexit], and touches nothing
// that do shares with others except in deferred functions.
//
// Without Files (nil), do gets a nil Task. A panic of do becomes one of the caller, with the stack of the first in its text.
func (f *Files) Run(ctx context.Context, do func(*Task)) error {
	if f == nil {
		do(nil)
		return nil
	}
	for {
		if done, err := f.watch(&Task{files: f, ctx: ctx}, do); done {
			return err
		}
	}
}

// watch starts do and waits; done is false if a call hung and do is to start over.
func (f *Files) watch(t *Task, do func(*Task)) (done bool, err error) {
	ended := make(chan string, 1) // what it panicked with
	go func() {
		text := ""
		defer func() {
			if v := recover(); v != nil {
				text = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
			}
			ended <- text
		}()
		do(t)
	}()
	stopping, stop := false, t.ctx.Done()
	tick := time.NewTicker(f.tick())
	defer tick.Stop()
	for {
		select {
		case text := <-ended:
			if text != "" {
				panic(text)
			}
			return true, nil
		case <-stop:
			stopping, stop = true, nil
			tick.Reset(stopWait / 2)
		case <-tick.C:
			if f.abandon(t, stopping) {
				return stopping, context.Cause(t.ctx)
			}
		}
	}
}

func (f *Files) isLate(path string, took time.Duration, stopping bool) bool {
	wait := cmp.Or(f.Wait, DefaultWait)
	switch {
	case stopping:
		wait = stopWait
	case f.Late != nil:
		return f.Late(path, took)
	case f.Count() > 0:
		wait /= hungShare
	}
	return took >= wait
}

// tick returns how often calls are looked at: often enough for the shortest wait.
func (f *Files) tick() time.Duration {
	return max(cmp.Or(f.Wait, DefaultWait)/hungShare/4, time.Millisecond)
}

// abandon stops waiting for the call that t is in, if it lasts too long.
func (f *Files) abandon(t *Task, stopping bool) bool {
	c := t.call.Load()
	if c == nil || !f.isLate(c.path, time.Since(c.began), stopping) {
		return false
	}
	f.mu.Lock()
	given := t.call.CompareAndSwap(c, &pending{path: c.path})
	if given {
		f.mark(c.path, 1)
	}
	f.mu.Unlock()
	if given && f.Hung != nil {
		f.Hung(c.path)
	}
	return given
}

// answered records that an abandoned call has returned.
func (f *Files) answered(path string) {
	f.mu.Lock()
	f.mark(path, -1)
	f.mu.Unlock()
	if f.Answered != nil {
		f.Answered(path)
	}
}

// mark adds n to the calls that hang at path, under the lock.
func (f *Files) mark(path string, n int) {
	if f.hung == nil {
		f.hung, f.dirs = map[string]int{}, map[string]int{}
	}
	add(f.hung, path, n)
	add(f.dirs, filepath.Dir(path), n)
	f.count.Add(int64(n))
}

func add(m map[string]int, key string, n int) {
	if m[key] += n; m[key] == 0 {
		delete(m, key)
	}
}

// isHung reports whether no call is to be made at path.
func (f *Files) isHung(path string) bool {
	if f.Count() == 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hung[path] > 0 || f.dirs[filepath.Dir(path)] >= maxHungIn || f.Count() >= maxHung
}
