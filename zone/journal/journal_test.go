package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

func mustOpen(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "state", "journal.db") }

func served(apex string, serial zone.Serial) edit {
	return edit{apex: dname.MustParse(apex), served: true, entry: Entry{Serial: serial, Digest: zone.Digest{byte(serial)}}}
}

func TestEntryCodec(t *testing.T) {
	for _, e := range []Entry{
		{},
		{Serial: 0xfffffffe, Digest: zone.Digest{1, 15: 2}, Sequence: 1 << 40},
		{Serial: 1, Gone: true, Sequence: 7},
		{Serial: 2, Verbatim: true, Declared: 2, HasDeclared: true},
	} {
		b := e.encode()
		if len(b) != entryLen {
			t.Errorf("%+v: %d octets, package doc says %d", e, len(b), entryLen)
		}
		if got, ok := decode(b); !ok || got != e {
			t.Errorf("read back %+v %v, wrote %+v", got, ok, e)
		}
		for i := range b {
			bad := bytes.Clone(b)
			bad[i] ^= 0x10
			if _, ok := decode(bad); ok {
				t.Errorf("%+v: damage at octet %d is not seen", e, i)
			}
		}
		if _, ok := decode(b[:entryLen-1]); ok {
			t.Errorf("%+v: a short entry is taken", e)
		}
	}
}

// An entry that a later ptrd wrote with more fields at its end is understood.
func TestEntryWithLaterFields(t *testing.T) {
	e := Entry{Serial: 5, Sequence: 1}
	b := append(e.encode(), "more"...)
	c := crc(b[4:])
	b[0], b[1], b[2], b[3] = byte(c>>24), byte(c>>16), byte(c>>8), byte(c)
	if got, ok := decode(b); !ok || got != e {
		t.Errorf("got %+v %v", got, ok)
	}
}

func TestSerialsOutliveTheProcess(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	apex := dname.MustParse("2.0.192.in-addr.arpa")
	if _, ok, err := j.Last(apex); ok || err != nil {
		t.Fatalf("a new journal knows %v: %v", apex, err)
	}
	e := served("2.0.192.IN-ADDR.arpa", 41)
	e.entry.Declared, e.entry.HasDeclared = 40, true
	if err := j.update([]edit{e, served("8.b.d.0.1.0.0.2.ip6.arpa", 7)}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, path)
	defer j.Close()
	got, ok, err := j.Last(apex)
	want := Entry{Serial: 41, Digest: zone.Digest{41}, Declared: 40, HasDeclared: true, Sequence: 1}
	if !ok || err != nil || got != want {
		t.Errorf("got %+v %v %v, want %+v", got, ok, err, want)
	}
	for file, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		fi, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != mode {
			t.Errorf("mode of %s is %v, want %v", file, fi.Mode(), mode)
		}
	}
	if left, _ := filepath.Glob(path + ".new-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestZoneThatGoesKeepsItsSerial(t *testing.T) {
	j := mustOpen(t, newPath(t))
	defer j.Close()
	apex := dname.MustParse("2.0.192.in-addr.arpa")
	steps := []struct {
		edit edit
		want Entry
		ok   bool
	}{
		{edit{apex: apex, gone: true}, Entry{}, false}, // never served: nothing to keep
		{edit{apex: apex}, Entry{}, false},             // without data
		{served("2.0.192.in-addr.arpa", 9), Entry{Serial: 9, Digest: zone.Digest{9}, Sequence: 1}, true},
		{edit{apex: apex, gone: true}, Entry{Serial: 9, Digest: zone.Digest{9}, Sequence: 1, Gone: true}, true},
		{edit{apex: apex}, Entry{Serial: 9, Digest: zone.Digest{9}, Sequence: 1}, true}, // back, without data
		{served("2.0.192.in-addr.arpa", 10), Entry{Serial: 10, Digest: zone.Digest{10}, Sequence: 2}, true},
	}
	for i, s := range steps {
		if err := j.update([]edit{s.edit}); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := j.Last(apex); got != s.want || ok != s.ok || err != nil {
			t.Errorf("step %d: got %+v %v %v, want %+v %v", i, got, ok, err, s.want, s.ok)
		}
	}
}

func TestSecondInstanceIsRefused(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	_, err := Open(path, Options{LockWait: time.Millisecond})
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("second Open: %v", err)
	}
	if want := path + ": journal is in use by another process; stop the other ptrd, or give this one its own state_dir"; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path).Close()
}

func TestDamageIsTold(t *testing.T) {
	good := func(t *testing.T) (string, []byte) {
		path := newPath(t)
		j := mustOpen(t, path)
		var edits []edit
		for i := range 300 {
			n, _ := dname.MustParse("2.0.192.in-addr.arpa").Prepend([]byte{byte('a' + i%26), byte('a' + i/26)})
			edits = append(edits, served(n.String(), zone.Serial(i+1)))
		}
		if err := j.update(edits); err != nil {
			t.Fatal(err)
		}
		j.Close()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, b
	}
	page := os.Getpagesize()
	for name, damage := range map[string]func([]byte) []byte{
		"not a journal":      func(b []byte) []byte { return bytes.Repeat([]byte("serial 5\n"), 4000) },
		"short text":         func(b []byte) []byte { return []byte("hello") },
		"both heads gone":    func(b []byte) []byte { clear(b[:2*page]); return b },
		"cut after heads":    func(b []byte) []byte { return b[:2*page] },
		"cut in the middle":  func(b []byte) []byte { return b[:5*page] },
		"pages zeroed":       func(b []byte) []byte { clear(b[2*page:]); return b },
		"pages with garbage": func(b []byte) []byte { copy(b[2*page:], bytes.Repeat([]byte{0xa5}, len(b))); return b },
		"one octet of an entry": func(b []byte) []byte {
			// the last copy of this name is in the newest page
			i := bytes.LastIndex(b, []byte("\x02aa\x012\x010\x03192\x07in-addr\x04arpa\x00"))
			for k := i; k >= 0; k = bytes.LastIndex(b[:k], []byte("\x02aa\x012")) {
				b[k+28] ^= 1
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, b := good(t)
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := Open(path, Options{LockWait: time.Millisecond})
			if err == nil {
				j.Close()
				t.Fatal("opened")
			}
			if !errors.Is(err, ErrCorrupt) || !strings.HasPrefix(err.Error(), path+": journal is damaged (") ||
				!strings.HasSuffix(err.Error(), "; move the file away and start again: serials then go on from the clock") {
				t.Errorf("got %v", err)
			}
			if err := os.Rename(path, path+".bad"); err != nil {
				t.Fatal(err)
			}
			mustOpen(t, path).Close() // the remedy works
		})
	}
}

// A page that nothing refers to may be missing without any access failing.
func TestShortFileIsTold(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	var size int64
	if err := j.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("large"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), make([]byte, 200_000))
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // free its pages, and write the rest into some of them
		if err := j.db.Update(func(tx *bolt.Tx) error {
			tx.DeleteBucket([]byte("large"))
			size = tx.Size()
			return tx.Bucket([]byte(bucketMeta)).Put([]byte("x"), nil)
		}); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	cut := size - int64(os.Getpagesize())
	if err := os.Truncate(path, cut); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, Options{})
	if want := fmt.Sprintf("%s: journal is damaged (%d octets of %d are there)", path, cut, size); !errors.Is(err, ErrCorrupt) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	if err := j.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyFormat), []byte{0, 0, 0, 2})
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	_, err := Open(path, Options{})
	if want := path + ": journal has format 2, this ptrd knows up to 1; use the newer ptrd again, or move the file away: serials then go on from the clock"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A later ptrd's history beside the serials does not trouble this one.
func TestForeignBucketsAreKept(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	if err := j.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("changes"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), []byte("v"))
	}); err != nil {
		t.Fatal(err)
	}
	if err := j.update([]edit{served("a.example", 1)}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = mustOpen(t, path)
	defer j.Close()
	if err := j.db.View(func(tx *bolt.Tx) error {
		if v := tx.Bucket([]byte("changes")).Get([]byte("k")); string(v) != "v" {
			t.Errorf("got %q", v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNotAFile(t *testing.T) {
	path := newPath(t)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, Options{})
	if want := path + ": is not a regular file (d---------); move it away, or give another state_dir"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestAppendAfterClose(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	j.Close()
	if err := j.update([]edit{served("a.example", 1)}); err == nil || !strings.HasPrefix(err.Error(), "write the journal "+path+": ") {
		t.Errorf("got %v", err)
	}
}
