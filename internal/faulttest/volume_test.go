package faulttest

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone/disk"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0: the time")

func seed(t *testing.T) uint64 {
	s := *seedFlag
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return s
}

// What was synced is there after a crash, whatever happens to the rest.
func TestCrashKeepsWhatWasSynced(t *testing.T) {
	v := RequireVolume(t, seed(t))
	old, next := bytes.Repeat([]byte("old."), 3000), bytes.Repeat([]byte("next"), 3000)
	write := func(name string, b []byte) error {
		return disk.Replace(disk.OS{}, filepath.Join(v.Dir(), name), func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
	}
	lost, torn := 0, 0
	for range 100 {
		if err := os.MkdirAll(filepath.Join(v.Dir(), "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join((disk.OS{}).SyncDir(v.Dir()), write("sub/synced", old)); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(v.Dir(), "sub", "synced"), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(next); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := os.WriteFile(filepath.Join(v.Dir(), "unsynced"), next, 0o600); err != nil {
			t.Fatal(err)
		}
		v.Crash()
		got, err := os.ReadFile(filepath.Join(v.Dir(), "sub", "synced"))
		if err != nil || len(got) != len(old) {
			t.Fatalf("%d octets: %v", len(got), err)
		}
		for i := range got {
			if got[i] != old[i] && got[i] != next[i] {
				t.Fatalf("octet %d is %q", i, got[i])
			}
		}
		if !bytes.Equal(got, old) && !bytes.Equal(got, next) {
			torn++
		}
		if _, err := os.Stat(filepath.Join(v.Dir(), "unsynced")); err != nil {
			lost++
		}
		os.Remove(filepath.Join(v.Dir(), "unsynced"))
	}
	if lost == 0 || lost == 100 || torn == 0 {
		t.Errorf("of 100 files %d were lost and %d torn", lost, torn)
	}
}

// Each kind of operation can fail, and a sync that failed is not made good by the next one.
func TestVolumeFails(t *testing.T) {
	v := RequireVolume(t, seed(t))
	path := filepath.Join(v.Dir(), "file")
	kept := 0
	for range 100 {
		v.SetFail(nil)
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), (disk.OS{}).SyncDir(v.Dir())); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("new"), 0); err != nil {
			t.Fatal(err)
		}
		v.SetFail(FailKind("sync", "file", EIO))
		if err := f.Sync(); !errors.Is(err, EIO) {
			t.Fatalf("sync: %v", err)
		}
		v.SetFail(nil)
		f.Sync()
		f.Close()
		if got, _ := os.ReadFile(path); string(got) != "new" {
			t.Fatalf("the process sees %q", got)
		}
		v.Crash()
		switch got, err := os.ReadFile(path); {
		case string(got) == "new":
			kept++
		case string(got) != "old":
			t.Fatalf("%q %v", got, err)
		}
	}
	if kept == 0 || kept == 100 {
		t.Errorf("%d of 100 writes whose sync failed are there", kept)
	}
	for kind, f := range map[string]func() error{
		"create":   func() error { return os.WriteFile(path+".2", nil, 0o600) },
		"rename":   func() error { return os.Rename(path, path+".3") },
		"link":     func() error { return os.Link(path, path+".4") },
		"remove":   func() error { return os.Remove(path) },
		"mkdir":    func() error { return os.Mkdir(path+".5", 0o700) },
		"syncdir":  func() error { return disk.OS{}.SyncDir(v.Dir()) },
		"write":    func() error { return os.WriteFile(path, []byte("x"), 0o600) },
		"truncate": func() error { return os.Truncate(path, 1<<20) },
		"read":     func() error { _, err := os.ReadFile(path); return err },
	} {
		v.SetFail(nil)
		os.WriteFile(path, []byte("content"), 0o600)
		v.SetFail(FailKind(kind, "", ENOSPC))
		if err := f(); !errors.Is(err, ENOSPC) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if v.Failed() < 100+9 { // the system may ask twice
		t.Errorf("%d operations failed", v.Failed())
	}
}
