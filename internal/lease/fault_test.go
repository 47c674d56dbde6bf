package lease

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/supervise"
)

// TestReadError: a file that cannot be read up to its end keeps its names, and counts when it can be.
func TestReadError(t *testing.T) {
	for _, c := range []struct{ format, head, line string }{
		{"kea", kea4, "10.0.0.%d,00:01,,3600,1796043600,1,0,0,%s,0,\n"},
		{"dhcpd", "# dhcpd\n", "lease 10.0.0.%d {\n ends never;\n client-hostname %q;\n}\n"},
		{"dnsmasq", "", "0 52:54:00:00:00:02 10.0.0.%d %s *\n"},
		{"hosts", "# hosts\n", "10.0.0.%d %s\n"},
		{"csv", "", "10.0.0.%d,%s\n"},
	} {
		t.Run(c.format, func(t *testing.T) {
			line := func(n int, name string) string { return fmt.Sprintf(c.line, n, name) }
			f := follow(t, c.format, c.head+line(1, "a")+line(2, "b"))
			f.step("read", 0, "", "10.0.0.1 a", "10.0.0.2 b")
			next := c.head + line(1, "c")
			write(t, f.path+"~", next+line(2, "b")+line(3, "d"))
			f.rename(f.path+"~", f.path)
			f.step("replaced", 0, "", "10.0.0.1 a", "10.0.0.2 b")
			f.read, f.fail = 0, int64(len(next))
			f.step("replaced, quiet", time.Second, "", "10.0.0.1 a", "10.0.0.2 b")
			f.read = 0
			f.step("later", time.Second, "", "10.0.0.1 a", "10.0.0.2 b")
			if p := f.Status().Problem; !strings.Contains(p, "input/output error") {
				t.Errorf("the problem is %q", p)
			}
			f.fail = 0
			f.step("it can be read", time.Second, "10.0.0.1 10.0.0.3", "10.0.0.1 c", "10.0.0.2 b", "10.0.0.3 d")
			if p := f.Status().Problem; p != "" {
				t.Errorf("the problem is %q", p)
			}
		})
	}
}

// TestPanic: after a panic, in the reading of a file or in what follows from it, the names can still be
// asked for, and each address whose names changed is reported.
func TestPanic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	var now atomic.Int64 // seconds from noon
	changes := make(chan netip.Addr, 16)
	var panics atomic.Int64 // of Changed, still to come
	x := New(Options{
		Now:   func() time.Time { return noon.Add(time.Duration(now.Load()) * time.Second) },
		Guard: supervise.New(slog.New(slog.DiscardHandler)),
		Changed: func(_ *Source, addrs []netip.Addr) {
			if panics.Add(-1) >= 0 {
				panic("test")
			}
			for _, a := range addrs {
				changes <- a
			}
		},
	})
	write(t, path, kea4+keaLine(1, "a", 60)+keaLine(2, "b", 3600))
	s := prepare(t, x, neighbour("kea", path))
	read, broken := s.readers[0].read, true
	s.readers[0].read = func(record []byte) {
		if broken {
			broken = false
			panic("test")
		}
		read(record)
	}
	panics.Store(1)
	now.Store(60)
	(&follower{t: t}).append(path, keaLine(3, "c", 3600))
	ended := make(chan error, 1)
	go func() { ended <- x.Run(t.Context()) }()
	t.Cleanup(func() { <-ended })
	await(t, "the panic is shown", func() bool { return strings.Contains(s.Status().Problem, "internal error") })
	for left := map[string]bool{"10.0.0.1": true, "10.0.0.3": true}; len(left) > 0; {
		x.ClockSet()
		select {
		case a := <-changes:
			delete(left, a.String())
		case <-time.After(patience):
			t.Fatalf("no change of %v", left)
		}
	}
	if p := s.Status().Problem; p != "" {
		t.Errorf("the problem is %q", p)
	}
}

// TestPanicAtStart: a file whose reading panics has no names, and others are read.
func TestPanicAtStart(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", "")
	x := New(Options{Guard: supervise.New(slog.New(slog.DiscardHandler)), Quiet: time.Nanosecond, Empty: time.Nanosecond})
	s := newSource(neighbour("hosts", dir+"/a"), &x.o)
	if x.guard(s, func() { panic("test") }) {
		t.Error("no panic")
	}
	if f := s.Status(); !strings.Contains(f.Fault(), "internal error") {
		t.Errorf("%+v", f)
	}
}
