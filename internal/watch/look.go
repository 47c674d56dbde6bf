package watch

import (
	"cmp"
	"maps"
	"time"

	"github.com/ptrd/ptrd/zone/infile"
)

const (
	// slack is how far the clock that stamps inodes may be behind the clock that
	// Set's caller reads: the kernel's tick, rounded up.
	slack = 20 * time.Millisecond
	// maxRounds bounds how often trace starts again because directories appeared that had
	// no watch when they were looked at.
	maxRounds = 5
)

// lookSoon makes the Watcher look at all paths soon. moved means that a link or a
// directory was renamed into place, so that what it leads to is whole.
func (w *Watcher) lookSoon(moved bool) {
	if w.dirty.IsZero() {
		w.dirty = time.Now()
	}
	w.moved = w.moved || moved
}

// replace adopts the paths of the last Set.
func (w *Watcher) replace() {
	w.mu.Lock()
	w.current, w.listed = w.paths, w.dirs
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
	for i, p := range last.paths {
		state := last.states[i]
		was, known := old.stateNear(i, p)
		if !known {
			was, _ = first.stateNear(i, p)
		}
		switch {
		case !known && (deferred[p] || !w.since.IsZero() && state.changed >= w.since.Add(-slack).UnixNano()):
			u := w.unfinish(p, none, now)
			u.sure = true
			w.recordChange(u, none, state, now)
			if written := time.Unix(0, state.written); state.exists && written.Before(now) {
				u.since = written // the wait began then
			}
		case was != state && w.unfinished[p] == nil:
			w.recordChange(w.unfinish(p, was, now), was, state, now)
		}
	}
	maps.DeleteFunc(w.unfinished, func(p string, _ *unfinished) bool {
		_, stays := last.index(p)
		return !stays
	})
}

// recordChange records a change of u that no event reported.
func (w *Watcher) recordChange(u *unfinished, was, now state, at time.Time) {
	leadsElsewhere := was.device != now.device || was.inode != now.inode || was.real != now.real
	isOld := at.Sub(time.Unix(0, now.written)) >= w.quiet
	u.state, u.looked, u.since = now, true, at
	u.whole = now.exists && (leadsElsewhere && (w.moved || isOld) || w.isClosed(now.real))
}

// look traces all paths again and finds changes that no event reported.
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
	for i, p := range last.paths {
		was, _ := old.stateNear(i, p)
		state, u := last.states[i], w.unfinished[p]
		switch {
		case u == nil && was != state:
			w.recordChange(w.unfinish(p, was, now), was, state, now)
		case u != nil && (u.looked && u.state != state || was.real != state.real):
			// What events reported is about another file where the path leads elsewhere.
			w.recordChange(u, was, state, now)
		}
	}
	w.dirty, w.moved = time.Time{}, false
}

// trace walks every path and watches the directories on the way. It returns what it
// found before the watches were placed, and after.
func (w *Watcher) trace() (first, last *trace) {
	first = w.newTrace(w.current, w.listed)
	last = first
	for range maxRounds {
		if !w.place(last.dirs) {
			break
		}
		last = w.newTrace(w.current, w.listed)
	}
	return first, last
}

// newTrace traces paths, and the files in dirs. The result is incomplete if ctx is done.
func (w *Watcher) newTrace(paths []string, dirs []Directory) *trace {
	t := emptyTrace(nil, paths)
	_ = w.o.Files.Run(w.ctx, func(task *infile.Task) { t = newTrace(task, paths, dirs) })
	return t
}

// withDeadline calls do with dir, which may be in a file system that does not answer.
func (w *Watcher) withDeadline(dir string, do func(dir string) error) (err error) {
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
			_ = w.withDeadline(d, w.notifier.Remove) // it may be gone already
			delete(w.watched, d)
		}
	}
	for d := range dirs {
		if w.watched[d] {
			continue
		}
		if err := w.withDeadline(d, w.notifier.Add); err != nil {
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

// pollOnly logs once that some or all events will not arrive.
func (w *Watcher) pollOnly(err error) {
	if !w.warned {
		w.warned = true
		w.o.Log.Warn("no file watches left, polling for changes instead; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances",
			"err", err, "interval", w.o.FastPoll)
	}
}
