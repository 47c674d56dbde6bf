package journal

import (
	"bytes"
	"encoding/binary"
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

// serve appends a batch in which zones with the serials begin anew.
func serve(t *testing.T, j *Journal, serial byte, apexes ...string) {
	t.Helper()
	if err := j.Append(serving(t, serial, apexes...)); err != nil {
		t.Fatal(err)
	}
}

func serving(t *testing.T, serial byte, apexes ...string) *zone.Batch {
	t.Helper()
	b := &zone.Batch{Source: "test", At: int64(serial) * 1000}
	for _, apex := range apexes {
		z := build(t, apex, serial)
		b.Changes = append(b.Changes, zone.Change{Zone: z, Apex: z.Apex()})
	}
	return b
}

func TestEntryCodec(t *testing.T) {
	for _, e := range []state{
		{history: history{first: 1}},
		{Entry: Entry{Serial: 0xfffffffe, Digest: zone.Digest{1, 15: 2}, Sequence: 1 << 40}, id: 1 << 31},
		{Entry: Entry{Serial: 1, Gone: true, Sequence: 7}, history: history{first: 1, epoch: 2, octets: 3, since: 4, oldest: 5, at: 6}},
		{Entry: Entry{Serial: 2, Verbatim: true, Declared: 2, HasDeclared: true}},
		{Entry: Entry{Serial: 2, Kept: true}, snapshot: snapshot{sequence: 1, serial: 2, digest: zone.Digest{3}, octets: 4}},
	} {
		b := e.encode()
		want := entryLen + historyLen
		if e.Kept {
			want += snapshotLen
		}
		if len(b) != want {
			t.Errorf("%+v: %d octets, package doc says %d", e, len(b), want)
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
	e := state{Entry: Entry{Serial: 5, Sequence: 1}, id: 3, history: history{first: 1}}
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
	batch := serving(t, 41, "2.0.192.IN-ADDR.arpa", "8.b.d.0.1.0.0.2.ip6.arpa")
	batch.Changes[0].Declared, batch.Changes[0].HasDeclared = 40, true
	if err := j.Append(batch); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, path)
	defer j.Close()
	got, ok, err := j.Last(apex)
	want := Entry{Serial: 41, Digest: batch.Changes[0].Zone.Digest(), Declared: 40, HasDeclared: true, Sequence: 1}
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
	nine, ten := build(t, apex.String(), 9), build(t, apex.String(), 10)
	none := zone.Unavailable(apex, "test")
	d := nine.Digest()
	steps := []struct {
		zone *zone.Zone
		want Entry
		ok   bool
	}{
		{nil, Entry{}, false},  // never served: nothing to keep
		{none, Entry{}, false}, // without data
		{nine, Entry{Serial: 9, Digest: d, Sequence: 1}, true},
		{nine, Entry{Serial: 9, Digest: d, Sequence: 1}, true}, // as after a restart
		{nil, Entry{Serial: 9, Digest: d, Sequence: 2, Gone: true}, true},
		{nil, Entry{Serial: 9, Digest: d, Sequence: 2, Gone: true}, true},
		{none, Entry{Serial: 9, Digest: d, Sequence: 2}, true}, // back, without data
		{ten, Entry{Serial: 10, Digest: d, Sequence: 3}, true},
	}
	for i, s := range steps {
		if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: s.zone, Apex: apex}}}); err != nil {
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
		var apexes []string
		for i := range 300 {
			n, _ := dname.MustParse("2.0.192.in-addr.arpa").Prepend([]byte{byte('a' + i%26), byte('a' + i/26)})
			apexes = append(apexes, n.String())
		}
		serve(t, j, 1, apexes...)
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
	if err := j.write(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("large"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), make([]byte, 200_000))
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // free its pages, and write the rest into some of them
		if err := j.write(func(tx *bolt.Tx) error {
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
	if err := j.write(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyFormat), []byte{0, 0, 0, 3})
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	_, err := Open(path, Options{})
	if want := path + ": journal has format 3, this ptrd knows up to 2; use the newer ptrd again, or move the file away: serials then go on from the clock"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A file of the first format, which had serials only, is taken over, and no ptrd of
// that time takes it any more.
func TestFirstFormat(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	a := build(t, "a.example", 7)
	if err := j.write(func(tx *bolt.Tx) error {
		for _, name := range []string{bucketChanges, bucketNotes} {
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		old := (&state{Entry: Entry{Serial: 7, Digest: a.Digest(), Sequence: 5}}).encode()[:entryLen]
		binary.BigEndian.PutUint32(old, crc(old[4:]))
		tx.Bucket([]byte(bucketMeta)).Put([]byte(keyFormat), []byte{0, 0, 0, 1})
		return tx.Bucket([]byte(bucketZones)).Put([]byte(a.Key()), old)
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = mustOpen(t, path)
	defer j.Close()
	want := Entry{Serial: 7, Digest: a.Digest(), Sequence: 5}
	if e, ok, err := j.Last(a.Apex()); e != want || !ok || err != nil {
		t.Errorf("got %+v %v %v, want %+v", e, ok, err, want)
	}
	if list, ok, err := j.Chain(a.Apex(), 6, 7, 0); ok || err != nil {
		t.Errorf("a history of %d changesets: %v", len(list), err)
	}
	b := a.WithSerial(8)
	c := zone.Change{Zone: b, Apex: a.Apex(), Base: a, Steps: []zone.Step{{Changeset: zone.Diff(a, b, nil)}}}
	if err := j.Append(&zone.Batch{Changes: []zone.Change{c}}); err != nil {
		t.Fatal(err)
	}
	if list, ok, err := j.Chain(a.Apex(), 7, 8, 0); len(list) != 1 || !ok || err != nil {
		t.Errorf("%d changesets %v %v, want 1", len(list), ok, err)
	}
	if err := j.db.Load().View(func(tx *bolt.Tx) error {
		if v := tx.Bucket([]byte(bucketMeta)).Get([]byte(keyFormat)); !bytes.Equal(v, []byte{0, 0, 0, format}) {
			t.Errorf("format %v", v)
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
	if err := j.Append(serving(t, 1, "a.example")); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}
