package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ptrd/ptrd/internal/backup"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// backUp makes a backup of a running server.
func (l *lab) backUp(t *testing.T, to string) *backup.Manifest {
	t.Helper()
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.verbs()[VerbBackup](t.Context(), nil, w)) }()
	m, err := backup.Receive(to, r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A backup that is made while updates are carried out has all that was acknowledged
// before it began. Restored over any damage it is served, no serial goes back, and
// nothing that was there is deleted.
func TestBackupAndRestore(t *testing.T) {
	dir, to := shortDir(t), filepath.Join(t.TempDir(), "backup")
	replace(t, filepath.Join(dir, "file.zone"), "x 60 TXT x\n")
	l := start(t, dir, updating)
	apexes := []string{"dynamic.example.", "file.example."}
	add := func(l *lab, n int) {
		for _, apex := range apexes {
			l.addRecord(t, apex, fmt.Sprintf("r%d.%s 60 TXT %q", n, apex, strings.Repeat("x", 200)))
		}
	}
	has := func(l *lab, n int) bool {
		for _, apex := range apexes {
			if !strings.Contains(l.dumped(t, apex), fmt.Sprintf("r%d.%s", n, apex)) {
				return false
			}
		}
		return true
	}
	for n := range 20 {
		add(l, n)
	}
	var stop atomic.Bool
	last := make(chan int)
	go func() {
		n := 100
		for ; !stop.Load(); n++ {
			add(l, n)
			z := l.zones.Set().Get(dname.MustParse("dynamic.example"))
			if err := l.journal.UpdateContent(z); err != nil && !errors.Is(err, journal.ErrNotCurrent) {
				t.Error(err)
			}
		}
		last <- n
	}()
	l.backUp(t, to)
	stop.Store(true)
	<-last
	served := l.servedZones()
	if _, err := backup.Restore(to, filepath.Join(dir, "state"), nil); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("restored under a running server: %v", err)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	for name, damage := range map[string]func() error{
		"nothing":         func() error { return nil },
		"damaged journal": func() error { return os.Truncate(filepath.Join(state, journalName), 9000) },
		"no content":      func() error { return os.RemoveAll(filepath.Join(state, "zones")) },
		"journal directory": func() error {
			return errors.Join(os.Remove(filepath.Join(state, journalName)), os.Mkdir(filepath.Join(state, journalName), 0o700))
		},
		"empty secret":       func() error { return os.WriteFile(filepath.Join(state, secretName), nil, 0o600) },
		"no state directory": func() error { return os.RemoveAll(state) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			r, err := backup.Restore(to, state, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range r.Aside {
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("not kept: %v", err)
				}
			}
			l := start(t, dir, updating)
			for n := range 20 {
				if !has(l, n) {
					t.Fatalf("update %d is not there", n)
				}
			}
			if len(l.Status().Damage) > 0 {
				t.Errorf("damage: %+v", l.Status().Damage)
			}
			now := l.servedZones()
			for apex, was := range served {
				if name == "nothing" && now[apex].digest != was.digest && !was.serial.Before(now[apex].serial) {
					t.Errorf("zone %s has other content with serial %d, after %d", apex, now[apex].serial, was.serial)
				}
			}
			add(l, 1000)
			served = l.servedZones()
			if err := l.stop(); err != nil {
				t.Fatal(err)
			}
			l = start(t, dir, updating)
			for apex, is := range l.servedZones() {
				if is != served[apex] {
					t.Errorf("zone %s after another restart: %+v, was %+v", apex, is, served[apex])
				}
			}
			if err := l.stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A backup that is not complete, or damaged in any of its files, is refused, and the state
// stays as it was. So is a directory that is in use.
func TestBadBackups(t *testing.T) {
	dir := shortDir(t)
	replace(t, filepath.Join(dir, "file.zone"), "x 60 TXT x\n")
	l := start(t, dir, updating)
	l.addRecord(t, "dynamic.example.", "r.dynamic.example. 60 TXT x")
	good := filepath.Join(t.TempDir(), "good")
	m := l.backUp(t, good)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 3 {
		t.Fatalf("files: %+v", m.Files)
	}
	if fi, err := os.Stat(good); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode %v %v", fi.Mode(), err)
	}
	if _, err := backup.Receive(good, strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second backup in one directory: %v", err)
	}
	if _, err := backup.Receive(filepath.Join(t.TempDir(), "cut"), strings.NewReader("cut")); err == nil {
		t.Error("a stream that was cut is taken")
	}
	state := filepath.Join(dir, "state")
	before, err := os.ReadDir(state)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"backup.json"}
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	for _, name := range names {
		for _, how := range []string{"removed", "flipped", "cut"} {
			bad := filepath.Join(t.TempDir(), "bad")
			copyTree(t, good, bad)
			path := filepath.Join(bad, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			switch how {
			case "removed":
				err = os.Remove(path)
			case "flipped":
				data[len(data)/2] ^= 0x10
				err = os.WriteFile(path, data, 0o600)
			case "cut":
				err = os.Truncate(path, int64(len(data)/2))
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := backup.Restore(bad, state, nil); err == nil {
				t.Errorf("%s %s: restored", name, how)
			}
			if after, err := os.ReadDir(state); err != nil || len(after) != len(before) {
				t.Errorf("%s %s: the state directory changed: %v", name, how, err)
			}
		}
	}
}
