// Package watch reports that files of a set changed and are complete: their content,
// the file that a name leads to, or whether it is there at all.
//
// # Which names
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
// A file that changed is unfinished until one of these holds, see unfinished.deadline:
//
//   - It was closed after writing, or put in place as a whole by a rename of it or
//     of a link to it, and nothing happened to it for the moment of settle.
//   - It did not change (inode, size, times) for the quiet time. This is the only way
//     where the system does not report the former, for a writer that never closes the
//     file, and for a file that is missing or has no octets: it may be about to be
//     written again.
//
// There is no time after which an unfinished file counts as complete: a generator may
// take minutes. [Watcher.IsComplete] is for readers, who must not read one file while
// they read another that was reported.
//
// Two kinds of change send no event: a change made by another machine to a network
// file system, and a rename of a directory far above a file. A slow poll finds
// them. Where the kernel has no watches left, a quicker poll does all of the work.
package watch

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/supervise"
	"github.com/ptrd/ptrd/zone/infile"
)

// The defaults of Options.
const (
	// DefaultQuiet is longer than most generators pause between two parts of what they
	// write, so that they may hold the file open. Where the system reports that a file
	// was closed, as Linux does for local file systems, it costs nothing.
	DefaultQuiet = 5 * time.Second
	// DefaultPoll is the pause between polls where events do the work. Ten thousand
	// paths cost about ten milliseconds a poll.
	DefaultPoll = 10 * time.Second
	// DefaultFastPoll is the pause between polls where there are no events.
	DefaultFastPoll = 500 * time.Millisecond
)

const (
	// settle is longer than the pause between the steps of one editor's save or one
	// symlink swap, and short against the second within which a change is to be served.
	settle = 50 * time.Millisecond
	// mostSettle bounds the wait for the next write of a file that is opened, written
	// and closed several times, as by a shell loop with `>>`: twice the time between the
	// last two, and in all no longer than the quiet time.
	mostSettle = time.Second
	// pollShare keeps polls of many files below a fiftieth of one core: after a poll
	// of duration d the next one waits at least pollShare × d.
	pollShare = 50
	// slack is how far the clock that stamps inodes may be behind the clock that
	// Set's caller reads: the kernel's tick, rounded up.
	slack = 20 * time.Millisecond
)

// Options are what a Watcher needs. Zero durations become the defaults.
type Options struct {
	Log   *slog.Logger          // nil: nothing is logged
	Guard *supervise.Supervisor // contains panics over single events; nil: they are not contained
	Files *infile.Files         // that paths are asked about through; nil: of its own

	Quiet, Poll, FastPoll time.Duration

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
	since      time.Time
	deferred   []string
	last       *trace                 // replaced and changed by Run alone
	unfinished map[string]*unfinished // by path
	closes     map[string]closing     // files that were closed or put in place, by name
	pruned     time.Time              // when old ones were removed from that

	// The rest belongs to Run.
	ctx      context.Context
	current  []string        // the paths taken over from Set
	notifier Notifier        // nil: polling only
	watched  map[string]bool // directories with a watch
	warned   bool            // that polling has to do
	dirty    time.Time       // of the first event that asks for all paths to be looked at; zero: none
	moved    bool            // one of them put a link or a directory in place
}

// closing is when a file was closed or put in place last.
type closing struct {
	at   time.Time
	open bool // it changed since
}

// unfinished is a path that is not as it was reported last. The others are as in the
// last trace.
type unfinished struct {
	was    state         // as it was reported last
	state  state         // when it was looked at last
	first  time.Time     // when it began to change
	since  time.Time     // when it changed last
	whole  bool          // closed or put in place then
	gap    time.Duration // between the last two times that it was closed; 0: not known
	sure   bool          // an event reported a change, even if the state shows none
	looked bool          // state is that after the last event
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

// Changed returns the channel of signals: files changed and are complete. One that
// was not received yet stands for all that came after it.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Set replaces the set of paths, which may lead to nothing yet. A path that is
// new in the set counts as changed if it was changed at or after since, the moment
// before the caller began to read, or is among deferred: those of the paths that the
// caller left unread because IsComplete was false. May be called at any time.
func (w *Watcher) Set(paths, deferred []string, since time.Time) {
	w.mu.Lock()
	w.paths, w.deferred, w.since = absolute(paths), absolute(deferred), since
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

func (w *Watcher) wake() {
	select {
	case w.kick <- struct{}{}:
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

// IsComplete reports whether the file at path is as it was when its last change was
// reported, so that it may be read. Of a path that is not in the set it reports
// whether it did not change for the quiet time, or was closed, as far as that is known.
// May be called at any time.
func (w *Watcher) IsComplete(t *infile.Task, path string) bool {
	path = absolute([]string{path})[0]
	now := newTrace(t, []string{path}).states[path]
	w.mu.Lock()
	known, ok := w.last.states[path]
	if u := w.unfinished[path]; u != nil {
		known = u.was
	}
	last, wasClosed := w.closes[now.real]
	quiet := w.quiet
	w.mu.Unlock()
	if ok {
		return known == now
	}
	if !now.exists {
		return true
	}
	return now.size > 0 && (wasClosed && !last.open || time.Since(time.Unix(0, now.written)) >= quiet || isClosed(t, path))
}

// Unfinished is a file that changed and is not complete.
type Unfinished struct {
	Path  string
	Since time.Time // when it began to change
}

// Unfinished returns the files that are unfinished, sorted. May be called at any time.
func (w *Watcher) Unfinished() []Unfinished {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]Unfinished, 0, len(w.unfinished))
	for path, u := range w.unfinished {
		list = append(list, Unfinished{path, u.first})
	}
	slices.SortFunc(list, func(a, b Unfinished) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// part is what panics are counted under.
const part = "file watcher"

// Run watches until ctx is done. One call at a time.
func (w *Watcher) Run(ctx context.Context) {
	w.ctx = ctx
	var events <-chan Event
	var errs <-chan error
	if n, err := w.o.NewNotifier(); err != nil {
		w.pollOnly(err)
	} else {
		w.notifier = n
		events, errs = n.Events(), n.Errors()
		defer func() { // a call that hangs may have the notifier's lock
			_ = w.o.Files.Run(context.Background(), func(task *infile.Task) { _ = task.Do("", n.Close) })
		}()
	}
	due := time.NewTimer(0) // when to look at what is unfinished
	poll := time.NewTimer(0)
	defer due.Stop()
	defer poll.Stop()
	var next time.Time // that due is set to; zero: it is not
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
			w.o.Guard.Do(part, w.replace)
			poll.Reset(w.pause(0))
		case e := <-events:
			w.o.Guard.Do(part, func() { w.event(e) })
			// Nothing is complete sooner than this, so that a burst of events for many
			// files need not look at all of them each time.
			if soon := time.Now().Add(settle); next.IsZero() || soon.Before(next) {
				next = soon
				due.Reset(settle)
			}
			continue
		case err := <-errs:
			w.o.Guard.Do(part, func() { w.touchAll(false) })
			if !errors.Is(err, ErrOverflow) {
				w.pollOnly(err)
				poll.Reset(w.pause(0))
			}
		case <-due.C:
			w.o.Guard.Do(part, w.settle)
		case <-poll.C:
			begin := time.Now()
			w.o.Guard.Do(part, w.look)
			poll.Reset(w.pause(time.Since(begin)))
		}
		if next = w.next(); !next.IsZero() {
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

// event takes note of what happened to a name.
func (w *Watcher) event(e Event) {
	if e.Op == Lost {
		if w.watched[e.Name] {
			_ = w.notify(e.Name, w.notifier.Remove) // it may be gone already
			delete(w.watched, e.Name)
			w.touchAll(false)
		}
		return
	}
	now := time.Now()
	gap := w.noteClose(e, now)
	ends, matters := w.last.ends(e.Name)
	if !matters {
		return
	}
	isLink := false // which is made in one step, and may take the place of a file
	_ = w.o.Files.Run(w.ctx, func(task *infile.Task) {
		if info, err := task.Lstat(e.Name); err == nil {
			isLink = info.Mode()&fs.ModeSymlink != 0
		}
	})
	if isLink || len(ends) == 0 { // or a component that was missing
		w.touchAll(isLink || e.Op == Placed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range ends {
		u := w.unfinish(path, now)
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

// mostCloses bounds how many files are remembered that were closed not long ago. More
// only cost a file that the configuration names from now on the quiet time.
const mostCloses = 1 << 14

// noteClose remembers when a file of any name was closed or put in place: it may come
// into the set next. It returns how long before that it was closed as well; 0: long before.
func (w *Watcher) noteClose(e Event, now time.Time) (gap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, ok := w.closes[e.Name]
	switch {
	case e.Op == Changed && !ok, e.Op == Attributes:
		return 0
	case e.Op == Changed:
		was.open = true
		w.closes[e.Name] = was
		return 0
	}
	if len(w.closes) >= mostCloses && now.Sub(w.pruned) > w.quiet {
		w.pruned = now
		maps.DeleteFunc(w.closes, func(_ string, c closing) bool { return now.Sub(c.at) > max(w.quiet, mostSettle) })
	}
	if ok || len(w.closes) < mostCloses {
		w.closes[e.Name] = closing{at: now}
	}
	if gap = now.Sub(was.at); !ok || e.Op != Closed || gap > mostSettle {
		return 0
	}
	return gap
}

// unfinish returns what is known of an unfinished path, which may begin to be one.
func (w *Watcher) unfinish(path string, now time.Time) *unfinished {
	u := w.unfinished[path]
	if u == nil {
		was := w.last.states[path]
		u = &unfinished{was: was, state: was, first: now, since: now, looked: true}
		w.unfinished[path] = u
	}
	return u
}

// touchAll has all paths looked at soon. moved says that a link or a directory was put
// in place, so that what it leads to is whole.
func (w *Watcher) touchAll(moved bool) {
	if w.dirty.IsZero() {
		w.dirty = time.Now()
	}
	w.moved = w.moved || moved
}

// next returns when settle has something to do; zero: never.
func (w *Watcher) next() (next time.Time) {
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if !w.dirty.IsZero() {
		sooner(w.dirty.Add(settle))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.unfinished {
		sooner(u.deadline(w.quiet))
	}
	return next
}

// deadline returns when u is complete if nothing more happens to it, or when it is to
// be looked at.
func (u *unfinished) deadline(quiet time.Duration) time.Time {
	calm := u.since.Add(settle)
	switch {
	case !u.looked:
		return calm
	case !u.sure && u.was.sameContent(u.state):
		return calm
	case u.whole && u.state.exists && u.state.size > 0:
		repeated := u.since.Add(min(2*u.gap, mostSettle))
		if most := u.first.Add(quiet); repeated.After(most) {
			repeated = most
		}
		return later(calm, repeated)
	}
	return u.since.Add(max(quiet, settle))
}

// settle looks at what has been calm for long enough, and signals what is complete.
func (w *Watcher) settle() {
	now := time.Now()
	if !w.dirty.IsZero() && !now.Before(w.dirty.Add(settle)) {
		w.look()
	}
	var due []string
	w.mu.Lock()
	for path, u := range w.unfinished {
		if !u.deadline(w.quiet).After(now) {
			due = append(due, path)
		}
	}
	w.mu.Unlock()
	t := w.newTrace(due)
	if w.ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range due {
		u, state := w.unfinished[path], t.states[path]
		if u.looked && state != u.state {
			u.since, u.whole = now, false // no event reported it
		}
		u.state, u.looked = state, true
		if u.deadline(w.quiet).After(now) {
			continue
		}
		if u.sure || u.was != state {
			w.signal()
		}
		w.last.states[path] = state
		delete(w.unfinished, path)
	}
}

func (w *Watcher) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// replace takes over the paths that Set left.
func (w *Watcher) replace() {
	w.mu.Lock()
	w.current = w.paths
	w.mu.Unlock()
	first, last := w.trace()
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.last
	w.last = last
	now := time.Now()
	deferred := make(map[string]bool, len(w.deferred))
	for _, p := range w.deferred {
		deferred[p] = true
	}
	for _, p := range w.current {
		state := last.states[p]
		was, known := old.states[p]
		if !known {
			was = first.states[p]
		}
		isNew := !known && (deferred[p] || !w.since.IsZero() && !state.changed.Before(w.since.Add(-slack)))
		switch {
		case isNew:
			u := w.unfinish(p, now)
			u.was, u.sure = none, true
			w.found(u, none, state, now)
			if written := time.Unix(0, state.written); state.exists && written.Before(now) {
				u.since = written // it has been waited for since then
			}
		case was != state && w.unfinished[p] == nil:
			u := w.unfinish(p, now)
			u.was = was
			w.found(u, was, state, now)
		}
	}
	maps.DeleteFunc(w.unfinished, func(p string, _ *unfinished) bool {
		_, stays := last.states[p]
		return !stays
	})
}

// found takes note of a change of u that no event reported.
func (w *Watcher) found(u *unfinished, was, now state, at time.Time) {
	leadsElsewhere := was.id != now.id || was.real != now.real
	isOld := at.Sub(time.Unix(0, now.written)) >= w.quiet
	u.state, u.looked, u.since = now, true, at
	u.whole = now.exists && (leadsElsewhere && (w.moved || isOld) || w.isClosed(now.real))
}

// look traces all paths again, and finds changes that no event reported.
func (w *Watcher) look() {
	_, last := w.trace()
	if w.ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.last
	w.last = last
	now := time.Now()
	for _, p := range w.current {
		was, state := old.states[p], last.states[p]
		u := w.unfinished[p]
		switch {
		case u == nil && was != state:
			u = w.unfinish(p, now)
			u.was = was
			w.found(u, was, state, now)
		case u != nil && (u.looked && u.state != state || was.real != state.real):
			// What events reported is about another file where the path leads elsewhere.
			w.found(u, was, state, now)
		}
	}
	w.dirty, w.moved = time.Time{}, false
}

// rounds bounds how often trace starts again because directories came up that had
// no watch when they were looked at.
const rounds = 5

// trace walks every path and puts the watches where they belong now. It returns what
// it found before there were watches, and after.
func (w *Watcher) trace() (first, last *trace) {
	first = w.newTrace(w.current)
	last = first
	for range rounds {
		if !w.place(last.dirs) {
			break
		}
		last = w.newTrace(w.current)
	}
	return first, last
}

// newTrace traces paths; what it returns when the Watcher is told to stop is of no use.
func (w *Watcher) newTrace(paths []string) *trace {
	t := &trace{}
	_ = w.o.Files.Run(w.ctx, func(task *infile.Task) { t = newTrace(task, paths) })
	return t
}

func (w *Watcher) isClosed(path string) (closed bool) {
	_ = w.o.Files.Run(w.ctx, func(task *infile.Task) { closed = isClosed(task, path) })
	return closed
}

// notify calls do of the notifier about dir, which may be in a file system that does
// not answer.
func (w *Watcher) notify(dir string, do func(dir string) error) (err error) {
	stopped := w.o.Files.Run(w.ctx, func(task *infile.Task) {
		err = task.Do(dir, func() error { return do(dir) })
	})
	return cmp.Or(stopped, err)
}

// place makes dirs the watched directories and reports whether one is new.
func (w *Watcher) place(dirs map[string]bool) (added bool) {
	if w.notifier == nil {
		return false
	}
	for d := range w.watched {
		if !dirs[d] {
			_ = w.notify(d, w.notifier.Remove) // it may be gone already
			delete(w.watched, d)
		}
	}
	for d := range dirs {
		if w.watched[d] {
			continue
		}
		if err := w.notify(d, w.notifier.Add); err != nil {
			// A directory that has gone again is seen by the next trace.
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

// pollOnly logs once that events will not come, or not all.
func (w *Watcher) pollOnly(err error) {
	if !w.warned {
		w.warned = true
		w.o.Log.Warn("no file watches left, polling for changes instead; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances",
			"err", err, "interval", w.o.FastPoll)
	}
}
