// Package watch reports that files of a set changed and are complete: their content,
// the file that a name leads to, or whether it is there at all.
//
// # Which directories
//
// Directories are watched rather than files, because files are replaced by
// renames and live behind symbolic links: Kubernetes swaps the link `..data`
// that every mounted file's link leads through. For each path the Watcher walks
// from the root to the file, notes every link on the way and the first component
// that is missing, and watches the directories that hold those. Events of other
// names in these directories are ignored.
//
// # When a file is complete
//
// A file that changed is unfinished until one of these holds, (see unfinished.deadline):
//
//   - It was closed after writing, or renamed into place as a whole (itself or a link
//     to it), and nothing happened to it for settleTime.
//   - It did not change (inode, size, times) for the quiet time. This is the only way
//     where the system does not report the former, for a writer that never closes the
//     file, and for a file that is missing or empty, which may be about to be written
//     again.
//
// An unfinished file never becomes complete by age alone: a generator may take minutes.
// Readers ask [Watcher.IsComplete] about each file, since one may be unfinished while
// another was reported.
//
// Two kinds of change send no event: one made by another machine to a network file
// system, and a rename of a directory far above a file. A slow poll finds them. Where
// the kernel has no watches left, a faster poll replaces events.
//
// complete.go decides when a file is complete, look.go finds changes without events,
// trace.go walks the paths, and notify*.go are the sources of events.
package watch

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/infile"
)

// The defaults of Options.
const (
	// DefaultQuiet is longer than most generators pause between two parts of their
	// output. It adds no delay where the system reports that a file was closed, as Linux
	// does for local file systems.
	DefaultQuiet = 5 * time.Second
	// DefaultPoll is the pause between polls in addition to events. A poll of ten thousand
	// paths takes about ten milliseconds.
	DefaultPoll = 10 * time.Second
	// DefaultFastPoll is the pause between polls where there are no events.
	DefaultFastPoll = 500 * time.Millisecond
)

// pollShare keeps polls of many files below a fiftieth of one core: after a poll
// of duration d the next one waits at least pollShare × d.
const pollShare = 50

// Options are what a Watcher needs. Zero durations become the defaults.
type Options struct {
	Log   *slog.Logger          // nil: nothing is logged
	Guard *supervise.Supervisor // contains panics over single events; nil: they are not contained
	Files *infile.Files         // access to file systems that may hang; nil: its own

	Quiet, Poll, FastPoll time.Duration

	// Early has each change reported settleTime after it began, whether or not the file is complete: for
	// files that their readers can judge, such as one that is appended to all the time.
	Early bool

	// NewNotifier makes the source of events; nil: the operating system's.
	NewNotifier func() (Notifier, error)
}

// Watcher signals changes of a set of files. Make one with New.
type Watcher struct {
	o       Options
	changed chan struct{} // capacity 1
	kick    chan struct{} // capacity 1: the set was replaced

	mu         sync.Mutex
	quiet      time.Duration
	paths      []string
	dirs       []Directory
	since      time.Time
	deferred   []string
	last       *trace                 // written by Run alone
	unfinished map[string]*unfinished // by path
	closes     map[string]closing     // files that were closed or renamed into place, by name
	pruned     time.Time              // when old entries were removed from closes

	// The rest belongs to Run.
	ctx      context.Context
	current  []string        // the paths adopted from Set
	listed   []Directory     // likewise
	notifier Notifier        // nil: polling only
	watched  map[string]bool // directories with a watch
	warned   bool            // about polling
	dirty    time.Time       // of the first event since look after which all paths must be looked at; zero: none
	moved    bool            // one of these events renamed a link or a directory into place
}

// New returns a Watcher of no files. It does nothing before Run.
func New(o Options) *Watcher {
	o.Quiet = cmp.Or(o.Quiet, DefaultQuiet)
	o.Poll = cmp.Or(o.Poll, DefaultPoll)
	o.FastPoll = cmp.Or(o.FastPoll, DefaultFastPoll)
	if o.Files == nil {
		o.Files = new(infile.Files)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.NewNotifier == nil {
		o.NewNotifier = newSystemNotifier
	}
	return &Watcher{
		o:          o,
		quiet:      o.Quiet,
		changed:    make(chan struct{}, 1),
		kick:       make(chan struct{}, 1),
		unfinished: map[string]*unfinished{},
		closes:     map[string]closing{},
		watched:    map[string]bool{},
		last:       &trace{},
	}
}

// Changed returns the channel of signals that files changed and are complete. Signals
// are merged until one is received.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Directory is one in which a file may appear that is to be in the set.
type Directory struct {
	Path    string
	Matches func(name string) bool // whether a file of this name is one
}

// Set replaces the set of paths, whose files need not exist. A path that is new in the
// set counts as changed if it was changed at or after since, the moment before the
// caller began to read, or is among deferred: the paths that the caller did not read
// because IsComplete was false. A file that appears in one of dirs and matches is like one of the
// set that did not exist. May be called at any time.
func (w *Watcher) Set(paths, deferred []string, dirs []Directory, since time.Time) {
	w.mu.Lock()
	w.paths, w.deferred, w.since = absolute(paths), absolute(deferred), since
	w.dirs = slices.Clone(dirs)
	for i := range dirs {
		w.dirs[i].Path = absolute([]string{dirs[i].Path})[0]
	}
	slices.Sort(w.paths)
	w.paths = slices.Compact(w.paths)
	w.mu.Unlock()
	w.wake()
}

// SetQuiet sets the quiet time.
func (w *Watcher) SetQuiet(d time.Duration) {
	w.mu.Lock()
	was := w.quiet
	w.quiet = d
	w.mu.Unlock()
	if was != d {
		w.wake()
	}
}

func (w *Watcher) wake() { signal(w.kick) }

// signal sends unless a signal is pending.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func absolute(paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if a, err := filepath.Abs(p); err == nil {
			p = a
		}
		out = append(out, filepath.Clean(p))
	}
	return out
}

// part is what panics are counted under.
const part = "file watcher"

// Run watches until ctx is done. Only one call may run at a time.
func (w *Watcher) Run(ctx context.Context) {
	w.ctx = ctx
	var events <-chan Event
	var errs <-chan error
	if n, err := w.o.NewNotifier(); err != nil {
		w.pollOnly(err)
	} else {
		w.notifier = n
		events, errs = n.Events(), n.Errors()
		defer func() { // a call that hangs may hold the notifier's lock
			_ = w.o.Files.Run(context.Background(), func(task *infile.Task) { _ = task.Do("", n.Close) })
		}()
	}
	due := time.NewTimer(0) // when to look at unfinished files
	poll := time.NewTimer(0)
	defer due.Stop()
	defer poll.Stop()
	var next time.Time // what due is set to; zero: stopped
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
			w.o.Guard.Do(part, w.replace)
			poll.Reset(w.pause(0))
		case e := <-events:
			w.o.Guard.Do(part, func() { w.event(e) })
			// No file is complete sooner than this. Events are not looked at one by one.
			if soon := time.Now().Add(settleTime); next.IsZero() || soon.Before(next) {
				next = soon
				due.Reset(settleTime)
			}
			continue
		case err := <-errs:
			w.o.Guard.Do(part, func() { w.lookSoon(false) })
			if !errors.Is(err, ErrOverflow) {
				w.pollOnly(err)
				poll.Reset(w.pause(0))
			}
		case <-due.C:
			w.o.Guard.Do(part, w.finish)
		case <-poll.C:
			begin := time.Now()
			w.o.Guard.Do(part, w.look)
			poll.Reset(w.pause(time.Since(begin)))
		}
		if next = w.nextFinish(); !next.IsZero() {
			due.Reset(time.Until(next))
		} else {
			due.Stop()
		}
	}
}

// pause returns how long to wait before the next poll after one that took d.
func (w *Watcher) pause(d time.Duration) time.Duration {
	p := w.o.Poll
	if w.notifier == nil || w.warned {
		p = w.o.FastPoll
	}
	return max(p, pollShare*d)
}

// event handles an event.
func (w *Watcher) event(e Event) {
	if e.Op == Lost {
		if w.watched[e.Name] {
			_ = w.withDeadline(e.Name, w.notifier.Remove) // it may be gone already
			delete(w.watched, e.Name)
			w.lookSoon(false)
		}
		return
	}
	now := time.Now()
	gap := w.recordClose(e, now)
	ends, matters := w.last.ends(e.Name)
	if !matters {
		if w.last.isListed(e.Name) {
			w.lookSoon(e.Op == Placed)
		}
		return
	}
	isLink := false // a link is complete when it exists, and may replace a file
	_ = w.o.Files.Run(w.ctx, func(task *infile.Task) {
		if info, err := task.Lstat(e.Name); err == nil {
			isLink = info.Mode()&fs.ModeSymlink != 0
		}
	})
	if isLink || len(ends) == 0 { // the latter: a component that was missing
		w.lookSoon(isLink || e.Op == Placed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range ends {
		was, _ := w.last.state(path)
		u := w.unfinish(path, was, now)
		u.since, u.looked = now, false
		switch e.Op {
		case Changed:
			u.whole, u.sure = false, true
		case Placed:
			u.whole, u.sure = true, true
		case Closed:
			u.whole, u.gap = true, gap
		}
	}
}
