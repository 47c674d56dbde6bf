package watch

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ptrd/ptrd/server/await"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// ready is a notifier that tells when it watches a directory.
type ready struct {
	Notifier
	mu  sync.Mutex
	on  map[string]bool
	wet chan struct{}
}

func newReady(t *testing.T) *ready {
	n, err := newSystemNotifier()
	if err != nil {
		t.Skipf("no file events here: %v", err)
	}
	return &ready{Notifier: n, on: map[string]bool{}, wet: make(chan struct{}, 1024)}
}

func (r *ready) Add(dir string) error {
	err := r.Notifier.Add(dir)
	r.mu.Lock()
	r.on[dir] = err == nil
	r.mu.Unlock()
	r.wet <- struct{}{}
	return err
}

// await waits until dir is watched.
func (r *ready) await(t *testing.T, dir string) {
	t.Helper()
	deadline := time.After(await.Patience)
	for {
		r.mu.Lock()
		ok := r.on[dir]
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.wet:
		case <-deadline:
			t.Fatalf("%s is not watched", dir)
		}
	}
}

func start(t *testing.T, o Options) *Watcher {
	t.Helper()
	w := New(o)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(t.Context())
	}()
	t.Cleanup(func() { <-done })
	return w
}

func mustSignal(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changed():
	case <-time.After(await.Patience):
		t.Fatal("no signal")
	}
}

// tempDir is a directory without links in its path.
func tempDir(t *testing.T) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestEvents goes through the ways a file changes on a real file system. The slow
// poll is off, so that only events can bring the signal.
func TestEvents(t *testing.T) {
	tests := []struct {
		name   string
		before func(t *testing.T, dir string)
		change func(t *testing.T, dir string)
		watch  string // path that must be watched before the change
	}{
		{"write", func(t *testing.T, dir string) {
			write(t, dir+"/a.zone", "1")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/a.zone", "2")
		}, "."},
		{"atomic rename", func(t *testing.T, dir string) {
			write(t, dir+"/a.zone", "1")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/.a.zone.swp", "2")
			rename(t, dir+"/.a.zone.swp", dir+"/a.zone")
		}, "."},
		{"new file", func(t *testing.T, dir string) {
		}, func(t *testing.T, dir string) {
			write(t, dir+"/a.zone", "1")
		}, "."},
		{"removed file", func(t *testing.T, dir string) {
			write(t, dir+"/a.zone", "1")
		}, func(t *testing.T, dir string) {
			if err := os.Remove(dir + "/a.zone"); err != nil {
				t.Fatal(err)
			}
		}, "."},
		{"kubernetes swap", func(t *testing.T, dir string) {
			write(t, dir+"/..2024_1/a.zone", "1")
			link(t, "..2024_1", dir+"/..data")
			link(t, "..data/a.zone", dir+"/a.zone")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/..2024_2/a.zone", "1")
			link(t, "..2024_2", dir+"/..data_tmp")
			rename(t, dir+"/..data_tmp", dir+"/..data")
			if err := os.RemoveAll(dir + "/..2024_1"); err != nil {
				t.Fatal(err)
			}
		}, "..2024_1"},
		{"target behind a link", func(t *testing.T, dir string) {
			write(t, dir+"/real/deep/a.zone", "1")
			link(t, "real/deep/a.zone", dir+"/a.zone")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/real/deep/a.zone", "2")
		}, "real/deep"},
		{"directory link moved", func(t *testing.T, dir string) {
			write(t, dir+"/one/a.zone", "1")
			write(t, dir+"/two/a.zone", "1")
			link(t, filepath.Join(dir, "one"), dir+"/now")
			link(t, "now/a.zone", dir+"/a.zone")
		}, func(t *testing.T, dir string) {
			link(t, filepath.Join(dir, "two"), dir+"/next")
			rename(t, dir+"/next", dir+"/now")
		}, "one"},
		{"directory replaced", func(t *testing.T, dir string) {
			write(t, dir+"/zones/a.zone", "1")
			link(t, "zones/a.zone", dir+"/a.zone")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/new/a.zone", "2")
			rename(t, dir+"/zones", dir+"/old")
			rename(t, dir+"/new", dir+"/zones")
		}, "zones"},
		{"missing directory comes", func(t *testing.T, dir string) {
			link(t, "far/away/a.zone", dir+"/a.zone")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/far/away/a.zone", "1")
		}, "."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tempDir(t)
			tt.before(t, dir)
			n := newReady(t)
			w := start(t, Options{Poll: time.Hour, NewNotifier: func() (Notifier, error) { return n, nil }})
			w.Set([]string{dir + "/a.zone"}, nil, nil, time.Time{})
			n.await(t, filepath.Join(dir, tt.watch))
			tt.change(t, dir)
			mustSignal(t, w)
		})
	}
}

// TestDirectory: a file that appears in a listed directory is a change when it is complete, by
// events as well as by polls, and so is its removal; names that do not match are none. The
// directory may be empty, missing, or behind a link.
func TestDirectory(t *testing.T) {
	isZone := func(name string) bool { return filepath.Ext(name) == ".zone" && !strings.HasPrefix(name, ".") }
	for _, c := range []struct {
		name   string
		before func(t *testing.T, dir string)
		change func(t *testing.T, dir string)
		watch  string
	}{
		{"new file", func(t *testing.T, dir string) {
			write(t, dir+"/zones/old.zone", "1")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/zones/new.zone", "1")
		}, "zones"},
		{"renamed into place", func(t *testing.T, dir string) {
			write(t, dir+"/zones/.new.zone.swp", "1")
		}, func(t *testing.T, dir string) {
			rename(t, dir+"/zones/.new.zone.swp", dir+"/zones/new.zone")
		}, "zones"},
		{"removed", func(t *testing.T, dir string) {
			write(t, dir+"/zones/old.zone", "1")
		}, func(t *testing.T, dir string) {
			if err := os.Remove(dir + "/zones/old.zone"); err != nil {
				t.Fatal(err)
			}
		}, "zones"},
		{"directory comes", func(t *testing.T, dir string) {
		}, func(t *testing.T, dir string) {
			write(t, dir+"/zones/new.zone", "1")
		}, "."},
		{"behind a link", func(t *testing.T, dir string) {
			write(t, dir+"/1/old.zone", "1")
			link(t, "1", dir+"/zones")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/1/new.zone", "1")
		}, "1"},
		{"swapped", func(t *testing.T, dir string) {
			write(t, dir+"/1/old.zone", "1")
			link(t, "1", dir+"/zones")
			write(t, dir+"/2/new.zone", "1")
			link(t, "2", dir+"/next")
		}, func(t *testing.T, dir string) {
			rename(t, dir+"/next", dir+"/zones")
		}, "1"},
	} {
		for _, polls := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, polls %v", c.name, polls), func(t *testing.T) {
				dir := tempDir(t)
				c.before(t, dir)
				n := newReady(t)
				o := Options{Quiet: 100 * time.Millisecond, Poll: time.Hour, NewNotifier: func() (Notifier, error) { return n, nil }}
				if polls {
					o.Poll, o.FastPoll = time.Millisecond, time.Millisecond
					o.NewNotifier = func() (Notifier, error) { return nil, syscall.EMFILE }
				}
				w := start(t, o)
				w.Set([]string{dir + "/zones/old.zone"}, nil, []Directory{{dir + "/zones", isZone}}, time.Time{})
				if polls {
					w.awaitTrace(t)
				} else {
					n.await(t, filepath.Join(dir, c.watch))
				}
				if c.name != "directory comes" {
					write(t, dir+"/zones/other.txt", "1")
					write(t, dir+"/zones/.hidden.zone", "1")
				}
				c.change(t, dir)
				mustSignal(t, w)
			})
		}
	}
}

// awaitTrace waits until the paths of Set were traced.
func (w *Watcher) awaitTrace(t *testing.T) {
	t.Helper()
	await.That(t, "the paths are traced", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.last.listed)+len(w.last.names) > 0
	})
}

// TestDirectoryQuiet: names that do not match are no changes, and a file that was already in a
// listed directory when it was read is none either; one that was written since is.
func TestDirectoryQuiet(t *testing.T) {
	dir := tempDir(t)
	write(t, dir+"/a.zone", "1")
	matches := func(name string) bool { return filepath.Ext(name) == ".zone" }
	w := New(Options{Quiet: time.Millisecond})
	w.ctx = t.Context()
	w.Set(nil, nil, []Directory{{dir, matches}}, time.Now().Add(time.Hour))
	w.replace()
	write(t, dir+"/b.txt", "1")
	w.look()
	if len(w.unfinished) > 0 {
		t.Errorf("changed is %v", w.Unfinished())
	}
	write(t, dir+"/c.zone", "1")
	w.look()
	if list := w.Unfinished(); len(list) != 1 || list[0].Path != dir+"/c.zone" {
		t.Errorf("changed is %v", list)
	}
	w = New(Options{Quiet: time.Millisecond})
	w.ctx = t.Context()
	w.Set([]string{dir + "/a.zone"}, nil, []Directory{{dir, matches}}, time.Unix(1, 0))
	w.replace()
	if list := w.Unfinished(); len(list) != 2 {
		t.Errorf("written since it was read: %v", list)
	}
}

// TestFollowsAfterSwap changes the file again behind a swapped link: the watch
// must have moved along.
func TestFollowsAfterSwap(t *testing.T) {
	dir := tempDir(t)
	write(t, dir+"/1/a.zone", "1")
	link(t, "1", dir+"/data")
	n := newReady(t)
	w := start(t, Options{Poll: time.Hour, NewNotifier: func() (Notifier, error) { return n, nil }})
	w.Set([]string{dir + "/data/a.zone"}, nil, nil, time.Time{})
	n.await(t, dir+"/1")
	write(t, dir+"/2/a.zone", "1")
	link(t, "2", dir+"/data.tmp")
	rename(t, dir+"/data.tmp", dir+"/data")
	mustSignal(t, w)
	n.await(t, dir+"/2")
	write(t, dir+"/2/a.zone", "2")
	mustSignal(t, w)
}

// TestFollowsAfterReplacement changes the file again in a directory that took
// the place of another.
func TestFollowsAfterReplacement(t *testing.T) {
	dir := tempDir(t)
	write(t, dir+"/zones/a.zone", "1")
	n := newReady(t)
	w := start(t, Options{Poll: time.Hour, NewNotifier: func() (Notifier, error) { return n, nil }})
	w.Set([]string{dir + "/zones/a.zone"}, nil, nil, time.Time{})
	n.await(t, dir+"/zones")
	write(t, dir+"/new/a.zone", "2")
	rename(t, dir+"/zones", dir+"/old")
	rename(t, dir+"/new", dir+"/zones")
	mustSignal(t, w)
	// Whatever is still on its way belongs to the replacement.
	for calm := false; !calm; {
		select {
		case <-w.Changed():
		case <-time.After(20 * settleTime):
			calm = true
		}
	}
	write(t, dir+"/zones/a.zone", "3")
	mustSignal(t, w)
}

// TestChangedWhileReading sets a path whose file changed after the caller began
// to read: the event is long gone.
func TestChangedWhileReading(t *testing.T) {
	dir := tempDir(t)
	begin := time.Now()
	write(t, dir+"/a.zone", "1")
	w := start(t, Options{})
	w.Set([]string{dir + "/a.zone"}, nil, nil, begin)
	mustSignal(t, w)
}

// fake is a notifier whose events a test makes.
type fake struct {
	mu     sync.Mutex
	dirs   map[string]bool
	err    error // of Add
	events chan Event
	errs   chan error
}

func newFake() *fake {
	return &fake{dirs: map[string]bool{}, events: make(chan Event), errs: make(chan error)}
}

func (f *fake) Add(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.dirs[dir] = true
	}
	return f.err
}

func (f *fake) Remove(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.dirs, dir)
	return nil
}

func (f *fake) Events() <-chan Event { return f.events }
func (f *fake) Errors() <-chan error { return f.errs }
func (f *fake) Close() error         { return nil }

// bubble runs a watcher of one file under the fake clock of synctest.
func bubble(t *testing.T, o Options, f *fake, test func(t *testing.T, w *Watcher, file string)) {
	dir := tempDir(t)
	file := filepath.Join(dir, "a.zone")
	write(t, file, "1")
	synctest.Test(t, func(t *testing.T) {
		o.NewNotifier = func() (Notifier, error) {
			if f == nil {
				return nil, syscall.EMFILE
			}
			f.events, f.errs = make(chan Event), make(chan error)
			return f, nil
		}
		w := start(t, o)
		w.Set([]string{file}, nil, nil, time.Time{})
		synctest.Wait()
		test(t, w, file)
	})
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func signalled(w *Watcher) bool {
	select {
	case <-w.Changed():
		return true
	default:
		return false
	}
}

func TestOtherNamesDoNotCount(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		for i := range 100 {
			f.events <- Event{Name: fmt.Sprintf("%s.%d", file, i), Op: Placed}
		}
		// A change of attributes that changes nothing does not count either.
		f.events <- Event{Name: file, Op: Attributes}
		pass(time.Minute)
		if signalled(w) {
			t.Fatal("signal without a change")
		}
	})
}

func TestOverflowSignals(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		write(t, file, "longer")
		f.errs <- ErrOverflow
		pass(DefaultQuiet + time.Second)
		if !signalled(w) {
			t.Fatal("events were lost and nothing was signalled")
		}
	})
}

func TestSlowPoll(t *testing.T) {
	f := newFake()
	bubble(t, Options{}, f, func(t *testing.T, w *Watcher, file string) {
		write(t, file, "longer") // no event comes
		pass(DefaultPoll + DefaultQuiet + time.Second)
		if !signalled(w) {
			t.Fatal("the poll did not see the change")
		}
	})
}

func TestExhausted(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    *fake
	}{
		{"no instance", nil},
		{"no watch", &fake{dirs: map[string]bool{}, err: fmt.Errorf("add: %w", syscall.ENOSPC)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			o := Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
			bubble(t, o, tt.f, func(t *testing.T, w *Watcher, file string) {
				for i := range 3 {
					write(t, file, strings.Repeat("x", i+2))
					pass(2*DefaultFastPoll + DefaultQuiet)
					if !signalled(w) {
						t.Fatal("the poll did not see the change")
					}
				}
				if n := strings.Count(log.String(), "\n"); n != 1 {
					t.Errorf("%d lines in the log, want 1:\n%s", n, log.String())
				}
			})
		})
	}
}

func TestSetReplaces(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		other := filepath.Join(filepath.Dir(file), "sub", "b.zone")
		write(t, other, "1")
		w.Set([]string{other}, nil, nil, time.Time{})
		synctest.Wait()
		f.mu.Lock()
		if f.dirs[filepath.Dir(file)] || !f.dirs[filepath.Dir(other)] || len(f.dirs) != 1 {
			t.Errorf("watched directories %v, want only %s", f.dirs, filepath.Dir(other))
		}
		f.mu.Unlock()
		f.events <- Event{Name: file, Op: Changed}
		pass(time.Minute)
		if signalled(w) {
			t.Error("signal for a path that is no longer in the set")
		}
	})
}

// TestEarly: with Early, a file that is never closed and changes all the time is reported.
func TestEarly(t *testing.T) {
	dir := tempDir(t)
	f, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := newReady(t)
	w := start(t, Options{Early: true, Quiet: time.Hour, Poll: time.Hour, NewNotifier: func() (Notifier, error) { return n, nil }})
	w.Set([]string{dir + "/log"}, nil, nil, time.Time{})
	n.await(t, dir)
	for i := range 3 {
		for deadline, signaled := time.After(await.Patience), false; !signaled; {
			if _, err := f.WriteString("a line\n"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-w.Changed():
				signaled = true
			case <-deadline:
				t.Fatalf("no signal %d", i)
			case <-time.After(time.Millisecond): // between two lines
			}
		}
	}
}
