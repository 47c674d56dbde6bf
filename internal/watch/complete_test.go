package watch

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// change appends to the file and has the notifier report what happens to it.
func (f *fake) change(t *testing.T, file, text string, ops ...Op) {
	t.Helper()
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteString(text); err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		f.events <- Event{file, op}
	}
}

func expectSignal(t *testing.T, w *Watcher, file string, want bool, when string) {
	t.Helper()
	if got := signalled(w); got != want {
		t.Fatalf("%s: signalled %v, want %v", when, got, want)
	}
	if got := w.IsComplete(nil, file); got != want {
		t.Fatalf("%s: complete %v, want %v", when, got, want)
	}
}

// TestSlowWriter: a file that is held open is complete when it is closed, however
// long that takes, and not in a pause that is shorter than the quiet time.
func TestSlowWriter(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		for range 50 {
			f.change(t, file, "more", Changed)
			pass(DefaultQuiet - 2*time.Millisecond)
			expectSignal(t, w, file, false, "in a pause")
			if list := w.Unfinished(); len(list) != 1 || list[0].Path != file {
				t.Fatalf("unfinished are %v", list)
			}
		}
		f.change(t, file, "end", Changed, Closed)
		pass(settleTime + time.Millisecond)
		expectSignal(t, w, file, true, "closed")
		pass(time.Minute)
		if signalled(w) || len(w.Unfinished()) > 0 {
			t.Fatal("one change was signalled twice")
		}
	})
}

// TestNeverClosed: a file that is not closed is complete after the quiet time.
func TestNeverClosed(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour, Quiet: time.Minute}, f, func(t *testing.T, w *Watcher, file string) {
		f.change(t, file, "more", Changed)
		pass(time.Minute - time.Millisecond)
		expectSignal(t, w, file, false, "before the quiet time is over")
		pass(2 * time.Millisecond)
		expectSignal(t, w, file, true, "after it")
		f.change(t, file, "more", Changed)
		w.SetQuiet(time.Second)
		pass(time.Second + time.Millisecond)
		expectSignal(t, w, file, true, "after a shorter one")
	})
}

// TestWrittenAgainAfterClose: what another process writes meanwhile is not complete
// because the first one closed the file.
func TestWrittenAgainAfterClose(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		f.change(t, file, "more", Changed, Closed, Changed)
		pass(DefaultQuiet - time.Millisecond)
		expectSignal(t, w, file, false, "open")
		f.change(t, file, "", Closed)
		pass(settleTime + time.Millisecond)
		expectSignal(t, w, file, true, "closed")
	})
}

// TestGoneAndEmpty: a file that is missing or has no octets is probably about to be
// written, and a rename puts it in place as a whole.
func TestGoneAndEmpty(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		remove := func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			f.events <- Event{file, Changed}
		}
		remove()
		pass(DefaultQuiet - time.Millisecond)
		expectSignal(t, w, file, false, "gone")
		f.change(t, file, "again", Changed)
		pass(DefaultQuiet - time.Millisecond)
		expectSignal(t, w, file, false, "created again")
		f.events <- Event{file, Closed}
		pass(settleTime + time.Millisecond)
		expectSignal(t, w, file, true, "closed")

		remove()
		pass(DefaultQuiet + time.Millisecond)
		expectSignal(t, w, file, true, "gone for good")

		f.change(t, file, "", Changed, Closed)
		pass(DefaultQuiet - time.Millisecond)
		expectSignal(t, w, file, false, "empty")
		f.change(t, file, "content", Placed)
		pass(settleTime + time.Millisecond)
		expectSignal(t, w, file, true, "put in place")
	})
}

// TestOpenedAgainAndAgain: a shell loop of `>>` closes the file after each line. It is
// waited for while it is quick, but not for ever.
func TestOpenedAgainAndAgain(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		const pause = 200 * time.Millisecond
		signals := 0
		for range 10 {
			f.change(t, file, "line\n", Changed, Closed)
			pass(pause)
			if signalled(w) {
				signals++
			}
		}
		if signals != 1 { // nothing tells the first line from a whole edit
			t.Fatalf("%d signals in the loop, want 1", signals)
		}
		pass(pause + time.Millisecond)
		expectSignal(t, w, file, true, "after the loop")
		for range int(2 * DefaultQuiet / pause) {
			f.change(t, file, "line\n", Changed, Closed)
			pass(pause)
			if signalled(w) {
				signals++
			}
		}
		if signals != 3 { // the first line, and what there is after the quiet time
			t.Fatalf("%d signals in the endless loop, want 2", signals-1)
		}
	})
}

// TestModeAlone: a file that only becomes readable is complete at once.
func TestModeAlone(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		f.events <- Event{file, Attributes}
		pass(settleTime + time.Millisecond)
		expectSignal(t, w, file, true, "after the change of mode")
	})
}

// TestDeferred: a path that is new in the set and was not read, as it may be half
// written, is signalled when it is complete.
func TestDeferred(t *testing.T) {
	dir := tempDir(t)
	file := filepath.Join(dir, "a.zone")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	n := newReady(t)
	w := start(t, Options{Poll: time.Hour, Quiet: time.Hour, NewNotifier: func() (Notifier, error) { return n, nil }})
	if w.IsComplete(nil, file) {
		t.Fatal("a file that is being written is complete")
	}
	w.Set([]string{file}, []string{file}, nil, time.Now())
	n.await(t, dir)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	mustSignal(t, w)
	if !w.IsComplete(nil, file) {
		t.Error("it is not complete after it was closed")
	}
}

// TestGenerators has real writers change one of two files. Nothing but the end of the
// writer can make it complete: the quiet time is an hour.
func TestGenerators(t *testing.T) {
	for _, g := range []struct {
		name string
		open int // flags
		at   string
	}{
		{"in place", os.O_WRONLY | os.O_TRUNC, "a.zone"},
		{"over the old content", os.O_WRONLY, "a.zone"},
		{"appending", os.O_WRONLY | os.O_APPEND, "a.zone"},
		{"removed and created", os.O_WRONLY | os.O_CREATE | os.O_EXCL, "a.zone"},
		{"new file and rename", os.O_WRONLY | os.O_CREATE | os.O_EXCL, "a.new"},
	} {
		t.Run(g.name, func(t *testing.T) {
			dir := tempDir(t)
			file, other := filepath.Join(dir, "a.zone"), filepath.Join(dir, "b.zone")
			write(t, file, "old content")
			write(t, other, "1")
			n := newReady(t)
			w := start(t, Options{Poll: time.Hour, Quiet: time.Hour, NewNotifier: func() (Notifier, error) { return n, nil }})
			w.Set([]string{file, other}, nil, nil, time.Time{})
			n.await(t, dir)
			if g.open&os.O_EXCL != 0 && g.at == "a.zone" {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			out, err := os.OpenFile(filepath.Join(dir, g.at), g.open, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			for range 3 {
				if _, err := out.WriteString("part"); err != nil {
					t.Fatal(err)
				}
				write(t, other, "2") // which is signalled meanwhile
				mustSignal(t, w)
				if !w.IsComplete(nil, other) || w.IsComplete(nil, file) != (g.at == "a.new") {
					t.Fatalf("complete are %v and %v", w.IsComplete(nil, other), w.IsComplete(nil, file))
				}
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			if g.at == "a.new" {
				rename(t, out.Name(), file)
			}
			mustSignal(t, w)
			if !w.IsComplete(nil, file) {
				t.Error("it is not complete after the writer ended")
			}
		})
	}
}

// TestNewName: a file that comes into the set is complete if its writer was seen to
// close it.
func TestNewName(t *testing.T) {
	f := newFake()
	bubble(t, Options{Poll: time.Hour}, f, func(t *testing.T, w *Watcher, file string) {
		other := filepath.Join(filepath.Dir(file), "b.zone")
		complete := func(want bool, when string) {
			t.Helper()
			synctest.Wait()
			if w.IsComplete(nil, other) != want {
				t.Errorf("%s: complete is %v", when, !want)
			}
		}
		f.change(t, other, "half", Changed)
		out, err := os.OpenFile(other, os.O_WRONLY, 0) // the system would tell else
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		complete(false, "created")
		f.change(t, other, "whole", Changed, Closed)
		complete(true, "closed")
		f.change(t, other, "more", Changed)
		complete(false, "opened again")
		f.change(t, other, "", Placed)
		complete(true, "put in place")
	})
}
