package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/internal/faulttest"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

const healthApex = "2.0.192.in-addr.arpa"

// lastSerial returns the serial that is kept of the zone of these tests.
func lastSerial(t *testing.T, j *Journal) zone.Serial {
	t.Helper()
	e, _, err := j.Last(dname.MustParse(healthApex))
	if err != nil {
		t.Fatal(err)
	}
	return e.Serial
}

// keeping returns a batch that makes a zone with a serial the content of a kept zone.
func keeping(t *testing.T, serial byte) *zone.Batch {
	b := serving(t, serial, healthApex)
	b.Changes[0].Kept = true
	return b
}

// pretendFailedSync makes the last commit one whose second sync failed: the file has it,
// and it does not count.
func pretendFailedSync(j *Journal) {
	d := j.db.Load()
	d.committed.Add(-1)
	j.fail(d, true, syscall.EIO)
}

// A transaction that the file has but that was not acknowledged, because its last sync
// failed, is undone before anything else is written, and a restart does not find it.
func TestUndo(t *testing.T) {
	for _, restart := range []bool{false, true} {
		path := newPath(t)
		j := mustOpen(t, path)
		for serial := byte(1); serial < 20; serial++ {
			serve(t, j, serial, healthApex)
			serve(t, j, 100+serial, healthApex)
			pretendFailedSync(j)
			if _, _, err := j.Last(dname.MustParse(healthApex)); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("read of what is undecided: %v", err)
			}
			if err := j.Append(serving(t, 200, healthApex)); !errors.Is(err, ErrUnavailable) || !errors.Is(err, zone.ErrUndecided) {
				t.Fatalf("Append to what is undecided: %v", err)
			}
			if err := j.Recover(); err != nil || j.Condition() != nil {
				t.Fatalf("Recover: %v; %+v", err, j.Condition())
			}
			if restart {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				j = mustOpen(t, path)
			}
			if got := lastSerial(t, j); got != zone.Serial(serial) {
				t.Fatalf("serial %d, want %d", got, serial)
			}
			check(t, j)
		}
		j.Close()
	}
}

// check has bbolt look for pages that are used twice, or not at all.
func check(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.db.Load().View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// The content that a change needs is written before it; where the change comes to nothing,
// it goes again, and what the zone is restored from stays.
func TestRefusedContentGoes(t *testing.T) {
	path := newPath(t)
	d := faulttest.NewDisk(nil)
	j, err := Open(path, Options{Disk: d})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Append(keeping(t, 1)); err != nil {
		t.Fatal(err)
	}
	b := keeping(t, 2)
	b.Changes = append(b.Changes, zone.Change{Zone: b.Changes[0].Zone, Apex: dname.MustParse("3.0.192.in-addr.arpa"), Steps: []zone.Step{{}}})
	b.Changes[1].Steps[0].Changeset = &zone.Changeset{}
	if err := j.Append(b); err == nil {
		t.Fatal("a batch that fits nothing was taken")
	}
	files, err := os.ReadDir(j.contentPath(""))
	if err != nil || len(files) != 1 || !strings.HasPrefix(files[0].Name(), "2.0.192.in-addr.arpa.1.") {
		t.Errorf("%v %v", files, err)
	}
}

// A backup that bbolt made has its newest meta page always in the same place; it can be
// opened, written and recovered as any other file.
func TestOpenCopyOfDatabase(t *testing.T) {
	for n := byte(1); n < 4; n++ {
		j := mustOpen(t, newPath(t))
		for serial := range n {
			serve(t, j, serial+1, healthApex)
		}
		path := filepath.Join(t.TempDir(), "journal.db")
		if err := j.db.Load().View(func(tx *bolt.Tx) error { return tx.CopyFile(path, 0o600) }); err != nil {
			t.Fatal(err)
		}
		j.Close()
		j = mustOpen(t, path)
		serve(t, j, 100, healthApex)
		pretendFailedSync(j)
		if err := j.Recover(); err != nil || lastSerial(t, j) != zone.Serial(n) {
			t.Errorf("%v, serial %d", err, lastSerial(t, j))
		}
		check(t, j)
		j.Close()
	}
}

// What the operator does to the files while they are open is noticed before a change is
// acknowledged, and whatever is acknowledged is there after a restart.
func TestFilesUnderTheServer(t *testing.T) {
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		damage func(path string)
		undo   func(path string) // nil: it is resolved without a hand
		says   string
		kept   bool // the content of zones can be restored after a restart
	}{
		"journal removed":   {damage: func(path string) { os.Remove(path) }, kept: true},
		"directory removed": {damage: func(path string) { os.RemoveAll(filepath.Dir(path)) }, kept: true},
		"directory moved":   {damage: func(path string) { move(filepath.Dir(path), filepath.Dir(path)+".old") }, kept: true},
		"journal moved":     {damage: func(path string) { move(path, path+".old") }, kept: true},
		"contents removed":  {damage: func(path string) { os.RemoveAll(filepath.Join(filepath.Dir(path), contentDir)) }, kept: true},
		"journal replaced": {
			damage: func(path string) { move(path, path+".old"); os.WriteFile(path, []byte("other"), 0o600) },
			undo:   func(path string) { move(path+".old", path) },
			says:   "move it away and the open one is written there again", kept: true,
		},
		"journal replaced, remedy": {
			damage: func(path string) { os.Remove(path); os.WriteFile(path, []byte("other"), 0o600) },
			undo:   func(path string) { move(path, path+".new") },
			says:   "move it away and the open one is written there again", kept: true,
		},
		"journal truncated":   {damage: func(path string) { os.Truncate(path, 0) }, says: "restart ptrd"},
		"journal cut":         {damage: func(path string) { os.Truncate(path, 8192) }, says: "restart ptrd"},
		"journal overwritten": {damage: func(path string) { overwrite(t, path+".backup", path) }, says: "restart ptrd"},
		"journal overwritten by a later one": {damage: func(path string) {
			j := mustOpen(t, path+".backup")
			defer overwrite(t, path+".backup", path)
			defer j.Close()
			for n := range byte(5) {
				serve(t, j, n+1, healthApex)
			}
		}, says: "restart ptrd"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			var served *zone.Zone
			j, err := Open(path, Options{Content: func(dname.Name) *zone.Zone { return served }})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			publish := func(b *zone.Batch) error {
				err := j.Append(b)
				if err == nil {
					served = b.Changes[0].Zone
				}
				return err
			}
			step := func(n int) error {
				return publish(&zone.Batch{Changes: []zone.Change{{Apex: killApex(0), Zone: killZone(0, n), Kept: true, Steps: []zone.Step{killStep(0, n)}}}})
			}
			if err := publish(&zone.Batch{Changes: []zone.Change{{Apex: killApex(0), Zone: killZone(0, 0), Kept: true}}}); err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, path+".backup")
			if err := step(1); err != nil {
				t.Fatal(err)
			}
			tt.damage(path)
			err = step(2)
			last := 2
			if tt.says != "" {
				last = 1
				if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) || errors.Is(err, zone.ErrUndecided) {
					t.Fatalf("Append: %v", err)
				}
				if c := j.Condition(); c == nil || !strings.Contains(c.Err.Error(), tt.says) {
					t.Errorf("condition %+v", c)
				}
				if err := j.Recover(); err == nil {
					t.Error("recovered")
				}
			} else if err != nil {
				t.Fatalf("Append: %v", err)
			}
			if tt.undo != nil {
				tt.undo(path)
				if err := j.Recover(); err != nil {
					t.Fatal(err)
				}
				if err := step(2); err != nil {
					t.Fatal(err)
				}
				last = 2
			}
			if tt.kept {
				check(t, j)
			}
			if err := j.Close(); err != nil && tt.kept {
				t.Error(err)
			}
			if !tt.kept {
				return
			}
			j = mustOpen(t, path)
			defer j.Close()
			if z, ok, err := j.Restore(killApex(0)); !ok || err != nil || z.Serial() != killSerial(last) {
				t.Errorf("restored %v %v %v", z, ok, err)
			}
		})
	}
}

// overwrite copies a file over another one, in place, as cp does.
func overwrite(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The file is truncated while everything is going on: each call returns, and so does
// Close. bbolt holds its locks while it reads what is not there any more.
func TestTruncatedUnderLoad(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	if err := j.Append(keeping(t, 1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { j.Run(ctx) })
	failed := make(chan struct{}, 100)
	for _, f := range []func() error{
		func() error { _, _, err := j.Last(dname.MustParse(healthApex)); return err },
		func() error { _, err := j.IsContentDue(dname.MustParse(healthApex)); return err },
		func() error {
			for _, err := range j.Log(dname.MustParse(healthApex), true) {
				return err
			}
			return nil
		},
		func() error {
			return j.SetNotes(dname.MustParse(healthApex), []zone.Note{{Key: "a", Value: []byte("b")}})
		},
	} {
		for range 3 {
			wg.Go(func() {
				for f() == nil {
				}
				failed <- struct{}{}
				for ctx.Err() == nil {
					f()
				}
			})
		}
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		<-failed
	}
	if c := j.Condition(); c == nil {
		t.Error("no condition")
	}
	cancel()
	wg.Wait()
	j.Close()
}

// bbolt's locks are released by name: see [database.begin].
func TestLocks(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	d := j.db.Load()
	if l := lockOf[sync.Mutex](d.DB, "rwlock"); !l.TryLock() {
		t.Fatal("the lock of writers is held")
	} else {
		l.Unlock()
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := d.view(func(*bolt.Tx) error { return nil }); !errors.Is(err, ErrCorrupt) {
			t.Errorf("view: %v", err)
		}
		if _, err := d.write(func(*bolt.Tx) error { return nil }); err == nil {
			t.Error("written")
		}
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := j.Last(dname.MustParse(healthApex)); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
