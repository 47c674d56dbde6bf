package watch

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ptrd/ptrd/zone/infile"
)

const (
	// settleTime is longer than the pause between the steps of one editor's save or one
	// symlink swap, and short against the second within which a change is to be served.
	settleTime = 50 * time.Millisecond
	// maxSettle bounds the wait for the next write of a file that is opened, written
	// and closed several times, as by a shell loop with `>>`: twice the time between the
	// last two, and in all no longer than the quiet time.
	maxSettle = time.Second
	// maxCloses bounds how many recently closed files are remembered. A file beyond it that
	// the configuration adds later only waits for the quiet time.
	maxCloses = 1 << 14
)

// closing is when a file was last closed or renamed into place.
type closing struct {
	at   time.Time
	open bool // it changed since
}

// unfinished is a path that is not as it was last reported. All other paths are as in
// the last trace.
type unfinished struct {
	was    state         // as last reported
	state  state         // as last looked at
	first  time.Time     // when it began to change
	since  time.Time     // of the last change
	whole  bool          // the last change closed it or renamed it into place
	gap    time.Duration // between the last two times that it was closed; 0: unknown
	sure   bool          // an event reported a change, even if the state shows none
	looked bool          // state is that after the last event
}

// IsComplete reports whether the file at path is as it was when its last change was
// reported, so that it may be read. Of a path that is not in the set it reports
// whether it did not change for the quiet time, or was closed, as far as that is known.
// May be called at any time.
func (w *Watcher) IsComplete(t *infile.Task, path string) bool {
	path = absolute([]string{path})[0]
	now := newTrace(t, []string{path}, nil).states[0]
	w.mu.Lock()
	known, ok := w.last.state(path)
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

// recordClose remembers when a file was closed or renamed into place, also one that is
// not in the set yet. It returns the time since it was closed before; 0: a long time.
func (w *Watcher) recordClose(e Event, now time.Time) (gap time.Duration) {
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
	if len(w.closes) >= maxCloses && now.Sub(w.pruned) > w.quiet {
		w.pruned = now
		maps.DeleteFunc(w.closes, func(_ string, c closing) bool { return now.Sub(c.at) > max(w.quiet, maxSettle) })
	}
	if ok || len(w.closes) < maxCloses {
		w.closes[e.Name] = closing{at: now}
	}
	if gap = now.Sub(was.at); !ok || e.Op != Closed || gap > maxSettle {
		return 0
	}
	return gap
}

// unfinish returns the record of an unfinished path, a new one if the path was finished
// in the state was.
func (w *Watcher) unfinish(path string, was state, now time.Time) *unfinished {
	u := w.unfinished[path]
	if u == nil {
		u = &unfinished{was: was, state: was, first: now, since: now, looked: true}
		w.unfinished[path] = u
	}
	return u
}

// nextFinish returns when finish has something to do; zero: never.
func (w *Watcher) nextFinish() (next time.Time) {
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if !w.dirty.IsZero() {
		sooner(w.dirty.Add(settleTime))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.unfinished {
		sooner(u.deadline(w.quiet, w.o.Early))
	}
	return next
}

// deadline returns when u is complete if nothing more happens to it, or when it must
// be looked at.
func (u *unfinished) deadline(quiet time.Duration, early bool) time.Time {
	calm := u.since.Add(settleTime)
	switch {
	case early:
		return u.first.Add(settleTime)
	case !u.looked:
		return calm
	case !u.sure && u.was.sameContent(u.state):
		return calm
	case u.whole && u.state.exists && u.state.size > 0:
		repeated := u.since.Add(min(2*u.gap, maxSettle))
		if most := u.first.Add(quiet); repeated.After(most) {
			repeated = most
		}
		return later(calm, repeated)
	}
	return u.since.Add(max(quiet, settleTime))
}

// finish looks at the unfinished files whose time has come, and signals those that are
// complete.
func (w *Watcher) finish() {
	now := time.Now()
	if !w.dirty.IsZero() && !now.Before(w.dirty.Add(settleTime)) {
		w.look()
	}
	var due []string
	w.mu.Lock()
	for path, u := range w.unfinished {
		if !u.deadline(w.quiet, w.o.Early).After(now) {
			due = append(due, path)
		}
	}
	w.mu.Unlock()
	slices.Sort(due)
	t := w.newTrace(due, nil)
	if w.ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, path := range due {
		u, state := w.unfinished[path], t.states[i]
		if u.looked && state != u.state {
			u.since, u.whole = now, false // a change that no event reported
		}
		u.state, u.looked = state, true
		if u.deadline(w.quiet, w.o.Early).After(now) {
			continue
		}
		if u.sure || u.was != state {
			signal(w.changed)
		}
		if i, ok := w.last.index(path); ok {
			w.last.states[i] = state
		}
		delete(w.unfinished, path)
	}
}

func (w *Watcher) isClosed(path string) (closed bool) {
	_ = w.o.Files.Run(w.ctx, func(task *infile.Task) { closed = isClosed(task, path) })
	return closed
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
