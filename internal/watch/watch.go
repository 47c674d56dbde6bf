// Package watch tells that a file of a set changed: its content, the file that a
// name leads to, or whether it is there at all.
//
// Directories are watched rather than files, because files are replaced by
// renames and live behind symbolic links: Kubernetes swaps the link `..data`
// that every mounted file's link leads through. For each path the Watcher walks
// from the root to the file, notes every link on the way and the first component
// that is missing, and watches the directories that hold those. What happens to
// other names in these directories counts for nothing.
//
// A burst of events becomes one signal: it comes when nothing has happened for
// [Options.Quiet], and at the latest [Options.Latest] after the first event.
//
// Two kinds of change send no event: a change made by another machine to a network
// file system, and a rename of a directory far above a file. A slow poll finds
// them. Where the kernel has no watches left, a quicker poll does all of the work.
package watch

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The defaults of Options.
const (
	// DefaultQuiet is longer than the pause between the steps of one editor's save
	// or one symlink swap, and short against the second within which a change is to
	// be served.
	DefaultQuiet = 50 * time.Millisecond
	// DefaultLatest bounds how long a steady stream of events can put a signal off.
	DefaultLatest = 500 * time.Millisecond
	// DefaultPoll is the pause between polls where events do the work. Ten thousand
	// paths cost about ten milliseconds a poll.
	DefaultPoll = 10 * time.Second
	// DefaultFastPoll is the pause between polls where there are no events.
	DefaultFastPoll = 500 * time.Millisecond
	// pollShare keeps polls of many files below a fiftieth of one core: after a poll
	// of duration d the next one waits at least pollShare × d.
	pollShare = 50
	// slack is how far the clock that stamps inodes may be behind the clock that
	// Set's caller reads: the kernel's tick, rounded up.
	slack = 20 * time.Millisecond
)

// Options are what a Watcher needs. Zero durations become the defaults.
type Options struct {
	Log *slog.Logger // nil: nothing is logged

	Quiet, Latest, Poll, FastPoll time.Duration

	// NewNotifier makes the source of events; nil: the operating system's.
	NewNotifier func() (Notifier, error)
}

// Notifier is a source of events about names in directories.
type Notifier interface {
	Add(dir string) error
	Remove(dir string) error
	Events() <-chan fsnotify.Event
	Errors() <-chan error
	Close() error
}

// Watcher signals changes of a set of files. Make one with New.
type Watcher struct {
	o       Options
	changed chan struct{} // capacity 1
	kick    chan struct{} // capacity 1: the set was replaced

	mu    sync.Mutex
	paths []string
	since time.Time

	// The rest belongs to Run.
	current  []string        // the paths taken over from Set
	notifier Notifier        // nil: polling only
	watched  map[string]bool // directories with a watch
	told     bool            // that polling has to do
	last     *trace
}

// New returns a Watcher of no files. It does nothing before Run.
func New(o Options) *Watcher {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Quiet, DefaultQuiet)
	def(&o.Latest, DefaultLatest)
	def(&o.Poll, DefaultPoll)
	def(&o.FastPoll, DefaultFastPoll)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.NewNotifier == nil {
		o.NewNotifier = newSystemNotifier
	}
	return &Watcher{
		o:       o,
		changed: make(chan struct{}, 1),
		kick:    make(chan struct{}, 1),
		watched: map[string]bool{},
		last:    &trace{},
	}
}

// Changed returns the channel of signals. One that nobody took yet stands for
// all that came after it.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Set replaces the set of paths, which may lead to nothing yet. A path that is
// new in the set and was changed at or after since, the moment before the caller
// began to read, is signalled at once. May be called at any time.
func (w *Watcher) Set(paths []string, since time.Time) {
	abs := make([]string, 0, len(paths))
	for _, p := range paths {
		if a, err := filepath.Abs(p); err == nil {
			p = a
		}
		abs = append(abs, filepath.Clean(p))
	}
	w.mu.Lock()
	w.paths, w.since = abs, since
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Run watches until ctx is done. One call at a time.
func (w *Watcher) Run(ctx context.Context) {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if n, err := w.o.NewNotifier(); err != nil {
		w.pollOnly(err)
	} else {
		w.notifier = n
		events, errs = n.Events(), n.Errors()
		defer n.Close()
	}

	var first, quiet time.Time // of the burst; zero: none
	fire := time.NewTimer(0)   // end of the burst
	poll := time.NewTimer(0)   // next poll
	defer fire.Stop()
	defer poll.Stop()
	<-fire.C
	burst := func() {
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		quiet = now.Add(w.o.Quiet)
		if end := first.Add(w.o.Latest); end.Before(quiet) {
			quiet = end
		}
		fire.Reset(time.Until(quiet))
	}
	certain := false // an event named one of our files

	for {
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
			if w.replace() {
				certain = true
				burst()
			}
			poll.Reset(w.pause(0))
		case e := <-events:
			switch {
			case w.watched[e.Name]: // the directory itself went
				if e.Has(fsnotify.Remove | fsnotify.Rename) {
					_ = w.notifier.Remove(e.Name)
					delete(w.watched, e.Name)
				}
				burst()
			case w.last.names[e.Name]:
				certain = certain || e.Has(fsnotify.Create|fsnotify.Write|fsnotify.Remove|fsnotify.Rename)
				burst()
			}
		case err := <-errs:
			// Events may have been lost (the queue was full): look for ourselves.
			certain = certain || errors.Is(err, fsnotify.ErrEventOverflow)
			burst()
		case <-fire.C:
			first = time.Time{}
			if w.look() || certain {
				w.signal()
			}
			certain = false
		case <-poll.C:
			begin := time.Now()
			if first.IsZero() && w.look() {
				certain = true // found by looking: signal it once it is quiet
				burst()
			}
			poll.Reset(w.pause(time.Since(begin)))
		}
	}
}

// pause returns how long to wait before the next poll after one that took d.
func (w *Watcher) pause(d time.Duration) time.Duration {
	p := w.o.Poll
	if w.notifier == nil || w.told {
		p = w.o.FastPoll
	}
	return max(p, pollShare*d)
}

func (w *Watcher) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// replace takes over the paths that Set left and reports whether one that is new
// changed after the caller began to read.
func (w *Watcher) replace() (changed bool) {
	w.mu.Lock()
	since := w.since
	w.current = w.paths
	w.mu.Unlock()
	old := w.last
	changed = w.trace()
	for _, p := range w.current {
		now := w.last.states[p]
		was, known := old.states[p]
		switch {
		case known:
			changed = changed || was != now
		case !since.IsZero():
			changed = changed || !now.changed.Before(since.Add(-slack))
		}
	}
	return changed
}

// look traces the paths again and reports whether any of them changed.
func (w *Watcher) look() (changed bool) {
	old := w.last
	changed = w.trace()
	for _, p := range w.current {
		changed = changed || old.states[p] != w.last.states[p]
	}
	return changed
}

// rounds bounds how often trace starts anew because directories came up that had
// no watch when they were looked at.
const rounds = 5

// trace walks every path, puts the watches where they belong now, and reports
// whether a path changed while it did so.
func (w *Watcher) trace() (changed bool) {
	w.last = newTrace(w.current)
	for range rounds {
		if !w.place(w.last.dirs) {
			return changed
		}
		old := w.last
		w.last = newTrace(w.current)
		changed = changed || !maps.Equal(old.states, w.last.states)
	}
	return changed
}

// place makes dirs the watched directories and reports whether one is new.
func (w *Watcher) place(dirs map[string]bool) (added bool) {
	if w.notifier == nil {
		return false
	}
	for d := range w.watched {
		if !dirs[d] {
			_ = w.notifier.Remove(d) // it may have gone by itself
			delete(w.watched, d)
		}
	}
	for d := range dirs {
		if w.watched[d] {
			continue
		}
		if err := w.notifier.Add(d); err != nil {
			// A directory that has gone again is no news; the next trace sees it.
			if isExhausted(err) {
				w.pollOnly(err)
			}
			continue
		}
		w.watched[d] = true
		added = true
	}
	return added
}

// pollOnly says once that events will not come, or not all.
func (w *Watcher) pollOnly(err error) {
	if !w.told {
		w.told = true
		w.o.Log.Warn("no file watches left, polling for changes instead; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances",
			"err", err, "interval", w.o.FastPoll)
	}
}
