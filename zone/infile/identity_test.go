package infile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The inode's time proves that a file is as it was only if it was old when the
// file was read: else a second change may bear the same stamp.
func TestIdentityProves(t *testing.T) {
	const then, hour = int64(1000 * time.Second), int64(time.Hour)
	old := Identity{1, 2, then, then + hour}
	for _, c := range []struct {
		name      string
		id, later Identity
		want      bool
	}{
		{"the same", old, Identity{1, 2, then, then + 2*hour}, true},
		{"changed since", old, Identity{1, 2, then + 1, then + 2*hour}, false},
		{"another file", old, Identity{1, 3, then, then + 2*hour}, false},
		{"another file system", old, Identity{3, 2, then, then + 2*hour}, false},
		{"read right after a change", Identity{1, 2, then, then + int64(time.Second)}, Identity{1, 2, then, then + 2*hour}, false},
		{"no times here", Identity{1, 2, 0, then}, Identity{1, 2, 0, then}, false},
		{"was not there", Identity{}, old, false},
	} {
		if got := c.id.Proves(c.later); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestDrip: a file that comes an octet at a time ends as well.
func TestDrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, minRate*100), 0o666); err != nil {
		t.Fatal(err)
	}
	var files Files
	if err := files.Run(t.Context(), func(task *Task) {
		f, err := task.Open(path, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 10)
		f.read, f.spent = 50*minRate, 50*time.Second
		if n, err := f.Read(b); n != 10 || err != nil {
			t.Errorf("%d octets, %v", n, err)
		}
		f.spent += DefaultWait + time.Second
		if n, err := f.Read(b); n != 0 || !errors.Is(err, ErrHung) {
			t.Errorf("%d octets, %v", n, err)
		}
	}); err != nil {
		t.Error(err)
	}
}
