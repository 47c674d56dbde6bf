package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		{Entry: Entry{Serial: 0xfffffffe, Digest: zone.Digest{1, 15: 2}, Sequence: 1 << 40, Records: 1<<31 - 1}, id: 1 << 31},
		{Entry: Entry{Serial: 1, Gone: true, Sequence: 7}, history: history{first: 1, epoch: 2, octets: 3, since: 4, oldest: 5, at: 6}},
		{Entry: Entry{Serial: 2, Verbatim: true, Declared: 2, HasDeclared: true}},
		{Entry: Entry{Serial: 2, Kept: true}, content: contentFile{sequence: 1, serial: 2, digest: zone.Digest{3}, octets: 4}},
	} {
		key := []byte("\x01a\x00")
		b := e.encode(key)
		want := entryLen + historyLen + countLen + recordsLen
		if e.Kept {
			want += contentLen
		}
		if len(b) != want {
			t.Errorf("%+v: %d octets, package doc says %d", e, len(b), want)
		}
		if got, ok := decode(key, b); !ok || got != e {
			t.Errorf("read back %+v %v, wrote %+v", got, ok, e)
		}
		for i := range b {
			bad := bytes.Clone(b)
			bad[i] ^= 0x10
			if _, ok := decode(key, bad); ok {
				t.Errorf("%+v: damage at octet %d is not seen", e, i)
			}
		}
		if _, ok := decode([]byte("\x01b\x00"), b); ok {
			t.Errorf("%+v: damage of the key is not seen", e)
		}
		if _, ok := decode(key, b[:entryLen-1]); ok {
			t.Errorf("%+v: a short entry is taken", e)
		}
	}
}

// An entry that a later ptrd wrote with more fields at its end is understood.
func TestEntryWithLaterFields(t *testing.T) {
	e := state{Entry: Entry{Serial: 5, Sequence: 1}, id: 3, history: history{first: 1}}
	key := []byte("\x01a\x00")
	e.content = contentFile{sequence: 1, octets: 1}
	b := append(e.encode(key), "more"...)
	c := keyedSum(bucketZones, key, b[4:])
	b[0], b[1], b[2], b[3] = byte(c>>24), byte(c>>16), byte(c>>8), byte(c)
	if got, ok := decode(key, b); !ok || got != e {
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
	want := Entry{Serial: 41, Digest: batch.Changes[0].Zone.Digest(), Declared: 40, HasDeclared: true, Sequence: 1, Records: batch.Changes[0].Zone.Stats().Records}
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
	d, n := nine.Digest(), nine.Stats().Records
	steps := []struct {
		zone *zone.Zone
		want Entry
		ok   bool
	}{
		{nil, Entry{}, false},  // never served: nothing to keep
		{none, Entry{}, false}, // without data
		{nine, Entry{Serial: 9, Digest: d, Sequence: 1, Records: n}, true},
		{nine, Entry{Serial: 9, Digest: d, Sequence: 1, Records: n}, true}, // as after a restart
		{nil, Entry{Serial: 9, Digest: d, Sequence: 2, Gone: true, Records: n}, true},
		{nil, Entry{Serial: 9, Digest: d, Sequence: 2, Gone: true, Records: n}, true},
		{none, Entry{Serial: 9, Digest: d, Sequence: 2, Records: n}, true}, // back, without data
		{ten, Entry{Serial: 10, Digest: d, Sequence: 3, Records: n}, true},
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

func TestAppendAfterClose(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	j.Close()
	if err := j.Append(serving(t, 1, "a.example")); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}
