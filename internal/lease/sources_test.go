package lease

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/watch"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// TestRun follows a file by the events of the system and without any, with its ends.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		name        string
		newNotifier func() (watch.Notifier, error)
	}{{"events", nil}, {"polls", func() (watch.Notifier, error) { return nil, os.ErrPermission }}} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "leases")
			changes := make(chan netip.Addr, 16)
			var now atomic.Int64 // seconds from noon
			clock := func() time.Time { return noon.Add(time.Duration(now.Load()) * time.Second) }
			x := New(Options{Now: clock, NewNotifier: c.newNotifier, Changed: func(_ *Source, addrs []netip.Addr) {
				for _, a := range addrs {
					changes <- a
				}
			}})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- x.Run(ctx) }()
			write(t, path, kea4+keaLine(1, "a", 3600))
			s := prepare(t, x, neighbour("kea", path))
			mustChange := func(want string) {
				t.Helper()
				select {
				case a := <-changes:
					if a.String() != want {
						t.Fatalf("%v changed, want %v", a, want)
					}
				case <-time.After(patience):
					t.Fatalf("no change of %v", want)
				}
			}
			f := &follower{t: t}
			f.append(path, keaLine(2, "b", 3600))
			mustChange("10.0.0.2")
			f.append(path, keaLine(3, "c", 60))
			mustChange("10.0.0.3")
			now.Store(60)
			x.ClockSet()
			mustChange("10.0.0.3")
			if st := s.Status(); len(s.At(netip.MustParseAddr("10.0.0.3"))) != 0 || st.Names != 3 || st.Problem != "" {
				t.Errorf("%+v", st)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPrepareEmpty: Prepare does not wait for a file that cannot count before the wait ends.
func TestPrepareEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	write(t, path, "")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		x := New(Options{Now: func() time.Time { return info.ModTime() }})
		begin := time.Now()
		_, done := x.Prepare(t.Context(), []*config.Neighbour{neighbour("hosts", path)})
		done(false)
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("waited for %v", waited)
		}
	})
}

// TestPrepare: files that a new configuration has as well remain as they are, and others are read. What is
// not adopted changes nothing.
func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	x := New(Options{Quiet: time.Nanosecond})
	var files []*config.Neighbour
	for _, name := range []string{"a", "b", "a"} {
		path := filepath.Join(dir, name)
		write(t, path, "10.0.0.1 "+name+".example\n")
		files = append(files, neighbour("hosts", path))
	}
	one, done := x.Prepare(t.Context(), files[:1])
	done(true)
	both, done := x.Prepare(t.Context(), files)
	done(false)
	if len(both) != 2 || both[0] != one[0] || len(list(both[1])) != 1 {
		t.Errorf("%v, then %v", one, both)
	}
	if got := x.Adopted(); len(got) != 1 || got[0] != one[0] {
		t.Errorf("adopted %v", got)
	}
	other := *files[0]
	other.Domain = nil
	changed, done := x.Prepare(t.Context(), []*config.Neighbour{&other})
	done(true)
	if changed[0] == one[0] || len(x.Adopted()) != 1 {
		t.Error("another domain is another source")
	}
}

// TestFault: what follows for the names of a file that cannot be used depends on whether it was read before.
func TestFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	clock := &clockAt{noon}
	x := New(Options{Now: clock.now, Quiet: time.Nanosecond})
	s := prepare(t, x, neighbour("kea", path))
	for _, step := range []struct{ text, want string }{
		{"", "; none of its names is served until then"},
		{kea4, ""},
		{"", "; its names stay as they were"},
	} {
		if step.text != "" {
			write(t, path, step.text)
		} else {
			_ = os.Remove(path)
		}
		for range 2 {
			clock.Time = clock.Add(time.Second)
			s.look(t.Context())
		}
		st := s.Status()
		if got := st.Fault(); (st.Problem == "") != (step.want == "") || !strings.HasSuffix(got, step.want) {
			t.Errorf("%q, want the end %q", got, step.want)
		}
	}
}
