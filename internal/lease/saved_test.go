package lease

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/faulttest"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// restarted returns new Sources, as after a restart, and the source of a file.
func restarted(t *testing.T, clock *clockAt, dir string, n *config.Neighbour) (*Sources, *follower) {
	t.Helper()
	x := New(Options{Now: clock.now, Quiet: time.Nanosecond, Dir: dir})
	f := &follower{t: t, clock: clock, path: n.File.Path, Source: prepare(t, x, n)}
	x.o.Quiet = time.Hour // so that the age of a file does not matter
	return x, f
}

// TestRestart: names are there after a restart although their file is not, until they end or the file is
// seen again.
func TestRestart(t *testing.T) {
	clock, dir := &clockAt{noon}, t.TempDir()
	path := filepath.Join(t.TempDir(), "leases")
	n := neighbour("kea", path)
	write(t, path, kea4+keaLine(1, "a", 3600)+keaLine(2, "b", 60)+keaLine(3, "c", -1)+strings.Replace(keaLine(4, "d", 0), ",3600,", ",4294967295,", 1))
	x, f := restarted(t, clock, dir, n)
	f.step("read", 0, "", "10.0.0.1 a", "10.0.0.2 b", "10.0.0.4 d")
	x.look(t.Context(), f.Source)
	f.append(path, keaLine(5, "e", 3600))
	f.step("appended", 0, "10.0.0.5", "10.0.0.1 a", "10.0.0.2 b", "10.0.0.4 d", "10.0.0.5 e")
	x.saveAll(true)

	f.remove(path)
	_, f = restarted(t, clock, dir, n)
	f.step("started", 0, "", "10.0.0.1 a", "10.0.0.2 b", "10.0.0.4 d", "10.0.0.5 e")
	if st := f.Status(); !strings.HasSuffix(st.Fault(), "until then its names are those from before the start, as long as these last") {
		t.Errorf("%+v", st)
	}
	f.step("an end", time.Minute, "10.0.0.2", "10.0.0.1 a", "10.0.0.4 d", "10.0.0.5 e")
	x, f = restarted(t, clock, dir, n)
	f.step("started again", 0, "", "10.0.0.1 a", "10.0.0.4 d", "10.0.0.5 e")
	write(t, path, kea4)
	f.step("the file is made", 0, "", "10.0.0.1 a", "10.0.0.4 d", "10.0.0.5 e")
	f.append(path, keaLine(1, "a", 3600)+keaLine(6, "f", 3600))
	f.step("more of it", 500*time.Millisecond, "", "10.0.0.1 a", "10.0.0.4 d", "10.0.0.5 e")
	f.step("at last", maxSettle, "10.0.0.4 10.0.0.5 10.0.0.6", "10.0.0.1 a", "10.0.0.6 f")
	if st := f.Status(); st.Fault() != "" || st.IsRestored {
		t.Errorf("%+v", st)
	}
	x.saveAll(true)
	write(t, path, kea4+"one\ntwo\n")
	if _, f = restarted(t, clock, dir, n); f.Status().Skipped != 2 || len(f.Findings()) != 3 || len(list(f.Source)) != 2 {
		t.Errorf("%+v, %v", f.Status(), f.Findings())
	}
	// The directory is that of the journal too.
	write(t, filepath.Join(dir, "journal.db"), "")
	for _, sources := range [][]*Source{{f.Source}, nil} {
		x.adopt(sources)
		if left, _ := os.ReadDir(dir); len(left) != 1+len(sources) || left[0].Name() != "journal.db" {
			t.Errorf("%v are left for %d sources", left, len(sources))
		}
	}
}

// TestSavedNames: hosts files have several names of an address, which remain in their order, and all names that DNS
// has can be saved.
func TestSavedNames(t *testing.T) {
	clock, dir := &clockAt{noon}, t.TempDir()
	path := filepath.Join(t.TempDir(), "hosts")
	n := neighbour("hosts", path)
	write(t, path, "10.0.0.1 z\n10.0.0.1 a.example\n2001:db8::1 my_host.\n")
	x, f := restarted(t, clock, dir, n)
	want := list(f.Source)
	x.look(t.Context(), f.Source)
	f.look(t.Context())
	f.isSaved = false
	x.saveAll(true)
	f.remove(path)
	_, f = restarted(t, clock, dir, n)
	got := list(f.Source)
	for i := range want {
		want[i] = want[i][:strings.LastIndexByte(want[i], ':')] + ":0"
	}
	mustEqual(t, "names", got, want...)
}

// TestSavedApart: one file may be that of several sources, whose names are saved apart.
func TestSavedApart(t *testing.T) {
	path, seen := filepath.Join(t.TempDir(), "hosts.csv"), map[string]bool{}
	x := New(Options{Dir: t.TempDir()})
	for _, domain := range []string{"a.example.", "b.example."} {
		for _, column := range []string{"2", "3"} {
			n := neighbour("csv", path)
			n.Domain, n.Columns = dname.MustParse(domain), config.Columns{Address: "1", Name: column}
			seen[newSource(n, &x.o).savedPath()] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("the names of 4 sources are saved at %d paths", len(seen))
	}
}

// TestSavedDamage: no damage of a saved file gives an address another name.
func TestSavedDamage(t *testing.T) {
	clock, dir := &clockAt{noon}, t.TempDir()
	path := filepath.Join(t.TempDir(), "leases")
	n := neighbour("kea", path)
	write(t, path, kea4+keaLine(1, "a", 3600)+keaLine(2, "b", 60))
	x, f := restarted(t, clock, dir, n)
	f.isSaved = false
	x.saveAll(true)
	saved, err := os.ReadFile(f.savedPath())
	if err != nil {
		t.Fatal(err)
	}
	f.remove(path)
	for i := range saved {
		for _, data := range [][]byte{saved[:i], append(append([]byte(nil), saved[:i]...), saved[i+1:]...)} {
			write(t, f.savedPath(), string(data))
			if _, f := restarted(t, clock, dir, n); len(list(f.Source)) > 0 {
				t.Fatalf("names of %q", data)
			}
		}
	}
	write(t, f.savedPath(), string(saved))
	if _, f := restarted(t, clock, dir, n); len(list(f.Source)) != 2 {
		t.Error("no names of what is not damaged")
	}
}

// TestSavedVersion: what another version of ptrd saved is not called damaged, and is replaced.
func TestSavedVersion(t *testing.T) {
	clock, dir := &clockAt{noon}, t.TempDir()
	path := filepath.Join(t.TempDir(), "leases")
	n := neighbour("kea", path)
	var log bytes.Buffer
	x := New(Options{Now: clock.now, Quiet: time.Nanosecond, Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	s := newSource(n, &x.o)
	write(t, s.savedPath(), "ptrd names 2 of kea \"elsewhere\"\nsomething\n")
	s.restore()
	if want := "it has version 2, this ptrd knows version 1; it is written again when the names are read from their file"; len(list(s)) > 0 || !strings.Contains(log.String(), want) {
		t.Errorf("%s, want %q", &log, want)
	}
	write(t, path, kea4+keaLine(1, "a", 3600))
	s = prepare(t, x, n)
	x.look(t.Context(), s)
	x.saveAll(true)
	if saved, err := os.ReadFile(s.savedPath()); err != nil || !strings.HasPrefix(string(saved), s.savedHead()) {
		t.Errorf("%q %v", saved, err)
	}
}

// TestSaveFails: a disk that fails has no effect on names, and is tried again later.
func TestSaveFails(t *testing.T) {
	clock, dir := &clockAt{noon}, t.TempDir()
	path := filepath.Join(t.TempDir(), "leases")
	write(t, path, kea4+keaLine(1, "a", 3600))
	on := faulttest.NewDisk(faulttest.FailKind("write", "", syscall.ENOSPC))
	var log strings.Builder
	x := New(Options{Now: clock.now, Quiet: time.Nanosecond, Dir: dir, Disk: on, Log: slog.New(slog.NewTextHandler(&log, nil))})
	s := prepare(t, x, neighbour("kea", path))
	for range 3 {
		x.look(t.Context(), s)
		x.saveAll(false)
	}
	clock.Time = clock.Add(saveEvery)
	x.saveAll(false)
	if n := strings.Count(log.String(), "names of addresses cannot be saved"); n != 2 {
		t.Errorf("%d warnings of 2 failures:\n%s", n, &log)
	}
	if files, _ := os.ReadDir(dir); len(list(s)) != 1 || len(files) > 0 || s.isSaved {
		t.Errorf("%v, %v", list(s), files)
	}
	on.SetFail(nil)
	x.saveAll(false)
	if s.isSaved {
		t.Error("it is written more often than it may")
	}
	clock.Time = clock.Add(saveEvery)
	x.saveAll(false)
	if files, _ := os.ReadDir(dir); len(files) != 1 || !s.isSaved {
		t.Errorf("%v", files)
	}
}

// panicDisk is a disk on which no file can be made or read.
type panicDisk struct{ disk.OS }

func (panicDisk) CreateTemp(string, string) (disk.File, error) { panic("a test") }
func (panicDisk) Open(string) (disk.File, error)               { panic("a test") }
func (panicDisk) Stat(string) (os.FileInfo, error)             { panic("a test") }

// TestSavePanics: what goes wrong while names are saved or restored delays no change of a name, and no reload.
func TestSavePanics(t *testing.T) {
	clock, dir := &clockAt{noon}, t.TempDir()
	path := filepath.Join(t.TempDir(), "leases")
	changes := make(chan netip.Addr, 1)
	x := New(Options{Now: clock.now, Quiet: time.Nanosecond, Dir: dir, Disk: panicDisk{}, Guard: supervise.New(slog.New(slog.DiscardHandler)),
		Changed: func(_ *Source, addrs []netip.Addr) { changes <- addrs[0] }})
	missing := neighbour("kea", filepath.Join(dir, "missing"))
	prepare(t, x, missing)
	write(t, path, kea4+keaLine(1, "a", 3600))
	prepare(t, x, neighbour("kea", path))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	f := &follower{t: t}
	f.append(path, keaLine(2, "b", 3600))
	select {
	case a := <-changes:
		if a.String() != "10.0.0.2" {
			t.Errorf("%v changed", a)
		}
	case <-time.After(patience):
		t.Error("no change")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSavedSize: a saved file that is too large is not read.
func TestSavedSize(t *testing.T) {
	dir := t.TempDir()
	x := New(Options{Dir: dir, Disk: faulttest.NewDisk(faulttest.FailKind("read", "", syscall.EIO))})
	s := prepare(t, x, neighbour("kea", filepath.Join(dir, "missing")))
	write(t, s.savedPath(), "")
	if err := os.Truncate(s.savedPath(), maxSaved+1); err != nil {
		t.Skip(err)
	}
	if _, err := disk.Read(x.o.Disk, s.savedPath(), maxSaved); !errors.Is(err, disk.ErrUnusable) {
		t.Error(err)
	}
}
