package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// format2 copies a journal that a ptrd wrote whose format had no checksums of notes.
func format2(t *testing.T) string {
	t.Helper()
	path := newPath(t)
	dir := filepath.Join(filepath.Dir(path), contentDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/format2/*")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		to := filepath.Join(dir, filepath.Base(file))
		if err == nil && strings.HasSuffix(file, ".gz") {
			var r *gzip.Reader
			if r, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
				data, err = io.ReadAll(r)
			}
			to = path
		}
		if err == nil {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// A journal of format 2 is taken over with all that is in it, and no ptrd of that time
// takes it any more.
func TestSecondFormat(t *testing.T) {
	path := format2(t)
	for range 2 {
		j := mustOpen(t, path)
		if len(j.Damage()) > 0 {
			t.Errorf("damage: %v", j.Damage())
		}
		z, ok, err := j.Restore(killApex(0))
		if !ok || err != nil || z.Serial() != 4171096384 || z.Digest() != killZone(0, 59).Digest() {
			t.Errorf("restored %v %v", ok, err)
		}
		if list, ok, err := j.Chain(killApex(0), killSerial(1), killSerial(59), 0); len(list) != 58 || !ok || err != nil {
			t.Errorf("%d changesets, %v %v", len(list), ok, err)
		}
		for apex, want := range map[string]int{killApex(0).String(): 0, killApex(1).String(): 2, "only.notes.example": 1} {
			if notes, err := j.Notes(dname.MustParse(apex), ""); err != nil || len(notes) != want {
				t.Errorf("%s: notes %v %v", apex, notes, err)
			}
		}
		s := killStep(0, 60)
		next, err := z.Apply(s.Changeset)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.view(func(tx *transaction) error {
			if v := tx.Bucket([]byte(bucketMeta)).Get([]byte(keyFormat)); !bytes.Equal(v, []byte{0, 0, 0, format}) {
				t.Errorf("format %v", v)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		// The last block is one without a checksum of its key, and is gone on with.
		if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: next, Apex: next.Apex(), Base: z, Kept: true, Steps: []zone.Step{s}}}}); err != nil {
			t.Fatal(err)
		}
		if z, ok, err := j.Restore(killApex(0)); !ok || err != nil || z.Digest() != next.Digest() {
			t.Errorf("restored %v %v", ok, err)
		}
		j.Close()
		// Once more, from the start.
		path = format2(t)
	}
}

// A file of the first format, which had serials only, is taken over.
func TestFirstFormat(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	a := build(t, "a.example", 7)
	if err := j.db.Load().Update(func(tx *bolt.Tx) error {
		for _, name := range []string{bucketChanges, bucketNotes, bucketNames, bucketLost} {
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		old := (&state{Entry: Entry{Serial: 7, Digest: a.Digest(), Sequence: 5}}).encode([]byte(a.Key()))[:entryLen]
		old[4] &^= flagKeyed | flagRecords
		binary.BigEndian.PutUint32(old, crc(old[4:]))
		meta := tx.Bucket([]byte(bucketMeta))
		return errors.Join(meta.Delete([]byte(keyFormatSum)), meta.Put([]byte(keyFormat), []byte{0, 0, 0, 1}),
			tx.Bucket([]byte(bucketZones)).Put([]byte(a.Key()), old))
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = mustOpen(t, path)
	defer j.Close()
	if len(j.Damage()) > 0 {
		t.Errorf("damage: %v", j.Damage())
	}
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
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	number := []byte{0, 0, 0, 4}
	if err := j.db.Load().Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte(bucketMeta))
		sum := binary.BigEndian.AppendUint32(nil, keyedSum(bucketMeta, []byte(keyFormat), number))
		return errors.Join(meta.Put([]byte(keyFormat), number), meta.Put([]byte(keyFormatSum), sum))
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	_, err := Open(path, Options{})
	if want := path + ": journal has format 4, this ptrd knows up to 3; use the newer ptrd again, or restore a backup that this one made"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
