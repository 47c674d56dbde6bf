package lease

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/faulttest"
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

// TestNoFile: what is at the path instead of a file, and what is in one instead of leases, is shown, changes no name,
// and is forgotten when the file is there again.
func TestNoFile(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func(s string) func(string) {
		return func(path string) { write(t, path, s) }
	}
	for _, c := range []struct {
		what string
		make func(path string)
		want string
	}{
		{"a link to itself", func(path string) { must(os.Symlink(path, path)) }, "too many levels of symbolic links"},
		{"a link to a device", func(path string) { must(os.Symlink("/dev/zero", path)) }, "not a regular file"},
		{"a directory", func(path string) { must(os.Mkdir(path, 0o777)) }, "directory"},
		{"NUL octets", text(strings.Repeat("\x00", 4096)), "last line is not complete"},
		{"lines of NUL octets", text(strings.Repeat("\x00\n", 4096)), "no line of it is valid"},
		{"a line that does not end", text(strings.Repeat("x", 10<<20)), "no line of it is valid"},
		{"no text", text("\xff\xfe0\x00 \x00\n\x80\n"), "no line of it is valid"},
		{"a line that is cut off", text("0 52:54:00:00:00:02 10.0.0.1 a *\n0 52:54:00:00:00:02 10.0.0.2 "), "last line is not complete"},
	} {
		t.Run(c.what, func(t *testing.T) {
			good := "0 52:54:00:00:00:02 10.0.0.1 a *\n0 52:54:00:00:00:02 10.0.0.2 b *\n"
			f := follow(t, "dnsmasq", good)
			f.remove(f.path)
			c.make(f.path)
			for range 4 {
				f.step("instead of the file", time.Second, "", "10.0.0.1 a", "10.0.0.2 b")
			}
			if p := f.Status().Problem; !strings.Contains(p, c.want) {
				t.Errorf("the problem is %q, want %q", p, c.want)
			}
			if f.read > 40<<20 {
				t.Errorf("%d octets were read", f.read)
			}
			f.remove(f.path)
			write(t, f.path, good)
			f.step("again", 0, "", "10.0.0.1 a", "10.0.0.2 b")
			f.step("again, quiet", time.Second, "", "10.0.0.1 a", "10.0.0.2 b")
			if st := f.Status(); st.Problem != "" || st.Skipped > 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestManyFaults: a client whose name cannot be one, and which renews its lease all the time, does not fill the log.
func TestManyFaults(t *testing.T) {
	f := follow(t, "kea", kea4+keaLine(1, "a", 3600))
	var log lockedText
	f.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	const seconds = 600
	for i := range seconds {
		f.append(f.path, keaLine(2, "'", 3600+i))
		f.step("renewed", time.Second, "", "10.0.0.1 a")
	}
	if n, most := strings.Count(log.String(), "\n"), seconds/int(logEvery.Seconds()); n != most {
		t.Errorf("the log has %d lines, want %d", n, most)
	}
	if st := f.Status(); st.Skipped != seconds || len(st.Findings) > 101 {
		t.Errorf("%d are skipped, %d findings", st.Skipped, len(st.Findings))
	}
}

// TestHang: a file system that does not answer changes no name, and what changed meanwhile counts when it answers
// again.
func TestHang(t *testing.T) {
	h, clock, path := faulttest.NewHang(), &clockAt{noon}, filepath.Join(t.TempDir(), "leases")
	write(t, path, kea4+keaLine(1, "a", 3600))
	f := &follower{t: t, clock: clock, path: path}
	f.Source = prepare(t, New(Options{Now: clock.now, Quiet: time.Nanosecond, Files: h.Files()}), neighbour("kea", path))
	h.Call(path)
	f.append(path, keaLine(2, "b", 3600))
	for range 3 {
		f.step("it hangs", time.Second, "", "10.0.0.1 a")
	}
	if p := f.Status().Problem; !strings.Contains(p, "does not answer") {
		t.Errorf("the problem is %q", p)
	}
	h.Release()
	await(t, "it answers", func() bool {
		clock.Time = clock.Add(time.Second)
		f.look(t.Context())
		return len(list(f.Source)) == 2 && f.Status().Problem == ""
	})
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
	read := s.readers[0].read
	var isShown atomic.Bool // until then, each look panics
	s.readers[0].read = func(record []byte) {
		if !isShown.Load() {
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
	isShown.Store(true)
	left := map[string]bool{"10.0.0.1": true, "10.0.0.3": true}
	await(t, "the changes", func() bool {
		x.ClockSet()
		for len(left) > 0 {
			select {
			case a := <-changes:
				delete(left, a.String())
			default:
				return false
			}
		}
		return true
	})
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

// TestSameFileAgain: a file that could not be opened for a while, and has not changed meanwhile, counts again.
func TestSameFileAgain(t *testing.T) {
	f := follow(t, "dnsmasq", "0 52:54:00:00:00:02 10.0.0.1 a *\n")
	dir := filepath.Dir(f.path)
	f.isOld = true
	f.step("it is old", time.Second, "", "10.0.0.1 a")
	f.step("read", time.Second, "", "10.0.0.1 a")
	f.read = 0
	f.step("not read again", time.Second, "", "10.0.0.1 a")
	if f.read > 0 {
		t.Fatal("a file that has not changed is read again")
	}
	f.rename(dir, dir+"~")
	for range 3 {
		f.step("its directory is away", time.Second, "", "10.0.0.1 a")
	}
	if f.Status().Problem == "" {
		t.Error("there is no problem")
	}
	f.rename(dir+"~", dir)
	for range 3 {
		f.step("its directory is there again", time.Second, "", "10.0.0.1 a")
	}
	if p := f.Status().Problem; p != "" {
		t.Errorf("the problem is %q", p)
	}
	f.rename(dir, dir+"~")
	f.step("its directory is away for a moment", time.Second, "", "10.0.0.1 a")
	if p := f.Status().Problem; p != "" {
		t.Errorf("the problem is %q", p)
	}
}
