package journal

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

var flips = flag.Int("flips", 5, "bits that TestFlippedBits changes in the header of each page, its table and its content")

// manyZones are the apexes of zones that fill some pages.
func manyZones() (apexes []string) {
	for i := range 300 {
		n, _ := dname.MustParse("2.0.192.in-addr.arpa").Prepend([]byte{byte('a' + i%26), byte('a' + i/26)})
		apexes = append(apexes, n.String())
	}
	return apexes
}

// A damaged journal never keeps the server from starting: what can be verified is in
// the new one, the damaged one is kept, and damage that costs nothing loses nothing.
func TestDamagedJournal(t *testing.T) {
	page := os.Getpagesize()
	const all, some, any, none = 3, 2, 1, 0
	for name, tt := range map[string]struct {
		damage func([]byte) []byte
		left   int
	}{
		"not a journal":      {func([]byte) []byte { return bytes.Repeat([]byte("serial 5\n"), 4000) }, none},
		"short text":         {func([]byte) []byte { return []byte("hello") }, none},
		"empty":              {func([]byte) []byte { return nil }, none},
		"cut after heads":    {func(b []byte) []byte { return b[:2*page] }, none},
		"pages zeroed":       {func(b []byte) []byte { clear(b[2*page:]); return b }, none},
		"pages with garbage": {func(b []byte) []byte { copy(b[2*page:], bytes.Repeat([]byte{0xa5}, len(b))); return b }, none},
		"both heads gone":    {func(b []byte) []byte { clear(b[:2*page]); return b }, all},
		"first head gone":    {func(b []byte) []byte { clear(b[:page]); return b }, all},
		"second head gone":   {func(b []byte) []byte { clear(b[page : 2*page]); return b }, all},
		"cut in the middle":  {func(b []byte) []byte { return b[:8*page] }, any},
		"an octet of each copy of an entry": {func(b []byte) []byte {
			name := []byte("\x02aa\x012\x010\x03192\x07in-addr\x04arpa\x00")
			for i := bytes.Index(b, name); i >= 0; {
				b[i+len(name)+1] ^= 1
				next := bytes.Index(b[i+1:], name)
				if next < 0 {
					break
				}
				i += 1 + next
			}
			return b
		}, some},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			j := mustOpen(t, path)
			apexes := manyZones()
			serve(t, j, 7, apexes...)
			j.Close()
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := tt.damage(b)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			j = mustOpen(t, path)
			defer j.Close()
			if !j.IsNew() || len(j.Damage()) == 0 || !strings.HasPrefix(j.Damage()[0].Text, "the journal was damaged (") {
				t.Errorf("told: %v", j.Damage())
			}
			aside := disk.Aside(disk.OS{}, path)
			if len(aside) != 1 {
				t.Fatalf("set aside: %v", aside)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, damaged) {
				t.Errorf("the damaged journal is not kept: %v", err)
			}
			left := 0
			for _, apex := range apexes {
				switch e, ok, err := j.Last(dname.MustParse(apex)); {
				case err != nil:
					t.Fatal(err)
				case ok && e.Serial != 7:
					t.Errorf("%s has serial %d", apex, e.Serial)
				case ok:
					left++
				}
			}
			if tt.left == all && left != len(apexes) || tt.left == some && (left == 0 || left > len(apexes)) || tt.left == none && left > 0 {
				t.Errorf("%d entries of %d are left", left, len(apexes))
			}
			serve(t, j, 8, apexes...)
			j.Close()
			j = mustOpen(t, path)
			defer j.Close()
			if len(j.Damage()) > 0 {
				t.Errorf("the new journal is damaged: %v", j.Damage())
			}
			if e, ok, err := j.Last(dname.MustParse(apexes[0])); !ok || err != nil || e.Serial != 8 {
				t.Errorf("the new journal has %+v %v %v", e, ok, err)
			}
		})
	}
}

// Each single bit of a page of the tree may be wrong: Open neither fails nor reads
// outside of the file, what it does not report it gives back exactly, and outside
// of the root page, it loses something of one zone at most.
func TestFlippedBits(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -seed %d", seed)
	path := newPath(t)
	j := mustOpen(t, path)
	apexes := manyZones()[:40]
	serve(t, j, 7, apexes...)
	for _, apex := range apexes {
		if err := j.SetNotes(dname.MustParse(apex), []zone.Note{{Key: "test/a", Value: []byte("value of " + apex)}}); err != nil {
			t.Fatal(err)
		}
	}
	var used []int64
	page := int64(os.Getpagesize())
	if err := j.view(func(tx *transaction) error {
		for n := int64(0); n < tx.Size()/page; n++ {
			if p, err := tx.Page(int(n)); err == nil && p != nil && p.Type != "free" {
				used = append(used, n)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := openSurvey(path)
	if err != nil {
		t.Fatal(err)
	}
	v.file.Close()
	root := int64(v.p.head.root) // every bucket depends on it
	// Headers with the first elements, which the number of elements follows from; tables of
	// elements, and some of the content.
	random := rand.New(rand.NewPCG(seed, 0))
	var at []int64
	for _, n := range used {
		for bit := range int64((pageHeaderLen + 2*elementLen) * 8) {
			if *flips > 5 || random.IntN(8) == 0 {
				at = append(at, n*page*8+bit)
			}
		}
		for range *flips {
			at = append(at, n*page*8+random.Int64N(pageHeaderLen*8), n*page*8+random.Int64N(128*8), n*page*8+random.Int64N(page*8))
		}
	}
	for _, bit := range at {
		if bit/8 >= int64(len(good)) {
			continue
		}
		dir := filepath.Join(t.TempDir(), fmt.Sprint(bit))
		damaged := slices.Clone(good)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(dir, "journal.db")
		if err := os.WriteFile(p, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(p, Options{})
		if err != nil {
			t.Fatalf("bit %d: %v", bit, err)
		}
		told := map[string]bool{}
		for _, d := range j.Damage() {
			if d.Apex != nil {
				told[d.Apex.Key()] = true
			}
		}
		lost := 0
		for _, apex := range apexes {
			name := dname.MustParse(apex)
			e, ok, err := j.Last(name)
			notes, noteErr := j.Notes(name, "")
			whole := ok && err == nil && e.Serial == 7 && noteErr == nil && len(notes) == 1 && string(notes[0].Value) == "value of "+apex
			if !whole && !told[name.Key()] {
				t.Fatalf("bit %d: %s is not as it was (%+v %v %v, %v %v), and %v does not say so", bit, apex, e, ok, err, notes, noteErr, j.Damage())
			}
			if !whole {
				lost++
			}
		}
		if lost > 1 && bit/8/page != root {
			t.Errorf("bit %d of page %d lost something of %d zones: %v", bit%(page*8), bit/8/page, lost, j.Damage())
		}
		j.Close()
		os.RemoveAll(dir)
	}
	t.Logf("%d bits of %d pages", len(at), len(used))
}

// Something else in the journal's place is kept, and does not keep the server from
// starting.
func TestNotAFile(t *testing.T) {
	path := newPath(t)
	if err := os.MkdirAll(filepath.Join(path, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, path)
	defer j.Close()
	serve(t, j, 1, "a.example")
	if d := j.Damage(); len(d) != 1 || !strings.Contains(d[0].Text, "was not a regular file") {
		t.Errorf("told: %v", d)
	}
	if list, _ := filepath.Glob(path + ".aside-*/sub"); len(list) != 1 {
		t.Errorf("not kept: %v", list)
	}
}

// keptJournal has a kept zone with a content and 20 changes since, and one that is not
// kept and has notes.
func keptJournal(t *testing.T) (path string, z *zone.Zone) {
	t.Helper()
	path = newPath(t)
	j := mustOpen(t, path)
	defer j.Close()
	z = killZone(0, 1)
	other := killZone(1, 1)
	if err := j.Append(&zone.Batch{At: 1000, Changes: []zone.Change{
		{Zone: z, Apex: z.Apex(), Kept: true},
		{Zone: other, Apex: other.Apex(), Notes: []zone.Note{{Key: "update/a", Value: []byte("one")}, {Key: "update/b", Value: []byte("two")}}},
	}}); err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= 20; n++ {
		s := killStep(0, n)
		next, err := z.Apply(s.Changeset)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: next, Apex: next.Apex(), Base: z, Kept: true, Steps: []zone.Step{s}}}}); err != nil {
			t.Fatal(err)
		}
		z = next
	}
	return path, z
}

// editFile changes values of a journal behind its back.
func editFile(t *testing.T, path string, f func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// flip flips a bit in the value of a key.
func flip(b *bolt.Bucket, k []byte) error {
	v := bytes.Clone(b.Get(k))
	v[len(v)-1] ^= 1
	return b.Put(k, v)
}

// A damaged entry is made again from the history, and the content is restored as it
// was published last.
func TestDamagedEntry(t *testing.T) {
	path, z := keptJournal(t)
	editFile(t, path, func(tx *bolt.Tx) error { return flip(tx.Bucket([]byte(bucketZones)), []byte(z.Key())) })
	j := mustOpen(t, path)
	defer j.Close()
	if d := j.Damage(); len(d) != 2 || !z.Apex().Equal(d[1].Apex) || !strings.Contains(d[1].Text, "made again from its history") {
		t.Errorf("told: %v", d)
	}
	got, ok, err := j.Restore(z.Apex())
	if !ok || err != nil || got.Serial() != z.Serial() || got.Digest() != z.Digest() {
		t.Errorf("restored %v %v", ok, err)
	}
}

// A damaged note is missed, and is the matter of its zone alone.
func TestDamagedNote(t *testing.T) {
	path, z := keptJournal(t)
	other := killApex(1)
	editFile(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketNotes))
		k, _ := b.Cursor().First()
		return flip(b, bytes.Clone(k))
	})
	for range 2 { // it is known after another start as well
		j := mustOpen(t, path)
		if notes, err := j.Notes(other, "update/"); !errors.Is(err, ErrCorrupt) || len(notes) != 1 || !strings.Contains(err.Error(), "1 of 2 notes about it") {
			t.Errorf("%v %v", notes, err)
		}
		if notes, err := j.Notes(z.Apex(), ""); err != nil || len(notes) > 0 {
			t.Errorf("%v %v", notes, err)
		}
		if _, ok, err := j.Restore(z.Apex()); !ok || err != nil {
			t.Errorf("restored %v %v", ok, err)
		}
		j.Close()
	}
	j := mustOpen(t, path)
	defer j.Close()
	if err := j.Release(other); err != nil {
		t.Fatal(err)
	}
	if notes, err := j.Notes(other, "update/"); err != nil || len(notes) != 1 {
		t.Errorf("released: %v %v", notes, err)
	}
}

// A damaged change after the content was written costs its zone, until the loss is
// accepted; then the content is there with a serial that was never served.
func TestDamagedChange(t *testing.T) {
	path, z := keptJournal(t)
	editFile(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketChanges))
		k, _ := b.Cursor().Seek(blockKey(1, 2, 0))
		return flip(b, bytes.Clone(k))
	})
	j := mustOpen(t, path)
	if _, _, err := j.Restore(z.Apex()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("restored: %v", err)
	}
	if _, ok, err := j.Found(z.Apex()); ok || err != nil {
		t.Errorf("older content is used without being asked for: %v %v", ok, err)
	}
	if err := j.Release(z.Apex()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok, err := j.Restore(z.Apex()); ok || err != nil {
			t.Errorf("restored after it was given up: %v %v", ok, err)
		}
		if got, ok, err := j.Found(z.Apex()); !ok || err != nil || got.Digest() != killZone(0, 1).Digest() {
			t.Errorf("found: %v %v", ok, err)
		}
		if e, ok, err := j.Last(z.Apex()); !ok || err != nil || e.Serial != z.Serial() || e.Digest != (zone.Digest{}) {
			t.Errorf("entry %+v %v %v", e, ok, err)
		}
		j.Close()
		j = mustOpen(t, path)
	}
	j.Close()
}

// If the root page is damaged, a page of changes may be gone too without a trace: the
// history is not taken for complete, and older content is not restored in its place.
func TestDamagedRoot(t *testing.T) {
	path, z := keptJournal(t)
	more := mustOpen(t, path)
	serve(t, more, 7, manyZones()...)
	more.Close()
	editFile(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketChanges))
		c := b.Cursor()
		k, _ := c.Seek(blockKey(2, 0, 0)) // of the other zone
		if k != nil {
			k, _ = c.Prev()
		} else {
			k, _ = c.Last()
		}
		return errors.Join(b.Delete(bytes.Clone(k)), flip(tx.Bucket([]byte(bucketZones)), []byte(z.Key())))
	})
	v, err := openSurvey(path)
	if err != nil {
		t.Fatal(err)
	}
	v.file.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root := data[v.p.head.root*v.p.page:][:v.p.page]
	at := bytes.Index(root, []byte(bucketChanges))
	if at < 0 || v.p.roots[bucketChanges].page == 0 {
		t.Fatal("changes have no page of their own")
	}
	root[at] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, path)
	defer j.Close()
	if got, ok, err := j.Restore(z.Apex()); ok && err == nil {
		t.Errorf("restored with serial %d, the last was %d", got.Serial(), z.Serial())
	}
}

// Without a journal the contents are found, and no serial is used again: neither
// that of a content nor one that a journal has which was set aside.
func TestLostJournal(t *testing.T) {
	path, z := keptJournal(t)
	if _, err := disk.SetAside(disk.OS{}, path); err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, path)
	defer j.Close()
	if d := j.Damage(); !j.IsNew() || len(d) != 3 || !z.Apex().Equal(d[0].Apex) || !z.Apex().Equal(d[1].Apex) || !killApex(1).Equal(d[2].Apex) {
		t.Errorf("told: %v", d)
	}
	got, ok, err := j.Found(z.Apex())
	if !ok || err != nil || got.Digest() != killZone(0, 1).Digest() {
		t.Errorf("found %v %v", ok, err)
	}
	for _, apex := range []dname.Name{z.Apex(), killApex(1)} {
		want := killSerial(20)
		if !apex.Equal(z.Apex()) {
			want = killSerial(1)
		}
		if e, ok, err := j.Last(apex); !ok || err != nil || e.Serial != want || e.Kept {
			t.Errorf("entry of %v: %+v %v %v", apex, e, ok, err)
		}
	}
	// It is published, and its file takes the place of the one that was found.
	next := got.WithSerial(killSerial(20) + 1)
	if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: next, Apex: next.Apex(), Kept: true}}}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = mustOpen(t, path)
	defer j.Close()
	if got, ok, err := j.Restore(z.Apex()); !ok || err != nil || got.Serial() != next.Serial() {
		t.Errorf("restored %v %v", ok, err)
	}
	if list, _ := filepath.Glob(j.contentPath("*")); len(list) != 1 {
		t.Errorf("files: %v", list)
	}
}

// A content that is damaged is never deleted, and an older one of the zone is found.
func TestDamagedContent(t *testing.T) {
	path, z := keptJournal(t)
	j := mustOpen(t, path)
	if err := j.UpdateContent(z); err != nil {
		t.Fatal(err)
	}
	j.Close()
	list, _ := filepath.Glob(j.contentPath("*"))
	if len(list) != 1 {
		t.Fatal(list)
	}
	data, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-20] ^= 1
	if err := os.WriteFile(list[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, path)
	defer j.Close()
	if _, _, err := j.Restore(z.Apex()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("restored: %v", err)
	}
	if err := j.Release(z.Apex()); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := j.Found(z.Apex()); ok || err != nil {
		t.Errorf("found: %v %v", ok, err)
	}
	if aside := disk.Aside(disk.OS{}, list[0]); len(aside) != 1 {
		t.Errorf("set aside: %v", aside)
	}
}

// A process that ended before the entry of a new content leaves its file behind. Where the
// next process writes the same content, the file is the one that the zone is restored from,
// and a later look at the zone must not remove it.
func TestFoundContentWrittenAgain(t *testing.T) {
	path := newPath(t)
	z, again := build(t, "a.example", 1), build(t, "a.example", 2)
	apex := z.Apex()
	place := func(j *Journal, z *zone.Zone) {
		t.Helper()
		if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: apex, Kept: z != nil}}}); err != nil {
			t.Fatal(err)
		}
	}
	restores := func(j *Journal, when string) {
		t.Helper()
		if got, ok, err := j.Restore(apex); !ok || err != nil || got.Serial() != again.Serial() {
			t.Errorf("%s: restored %v %v %v", when, got, ok, err)
		}
	}
	j := mustOpen(t, path)
	place(j, z)
	place(j, nil)
	if err := j.SaveContent(again); err != nil { // and the process ends
		t.Fatal(err)
	}
	j.Close()
	j = mustOpen(t, path)
	place(j, again)
	restores(j, "at once")
	j.Close()
	j = mustOpen(t, path)
	defer j.Close()
	restores(j, "by the next process")
}

// A content that is written again is not one of those that are removed after a backup.
func TestContentWrittenAgainInBackup(t *testing.T) {
	path := newPath(t)
	z := build(t, "a.example", 1)
	j := mustOpen(t, path)
	defer j.Close()
	j.pin()
	file, err := j.writeContent(z)
	if err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	j.removeContent(j.contentPath(file.name(z.Apex()))) // the change failed
	j.mu.Unlock()
	if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Kept: true}}}); err != nil {
		t.Fatal(err)
	}
	j.unpin()
	if _, ok, err := j.Restore(z.Apex()); !ok || err != nil {
		t.Errorf("restored %v %v", ok, err)
	}
}

// The file of a zone whose loss could not be accepted is not found among others.
func TestReleaseFails(t *testing.T) {
	path, z := keptJournal(t)
	j := mustOpen(t, path)
	j.mu.Lock()
	db := j.db.Swap(nil)
	j.mu.Unlock()
	if err := j.Release(z.Apex()); err == nil {
		t.Fatal("released without a journal")
	}
	j.db.Store(db)
	for range 2 {
		if got, ok, err := j.Restore(z.Apex()); !ok || err != nil || got.Serial() != z.Serial() {
			t.Errorf("restored %v %v %v", got, ok, err)
		}
	}
	j.Close()
}

// A change that is damaged while the journal is open does not keep later ones from being
// written, and the content of a kept zone is due, so that it can be restored.
func TestChangeDamagedMeanwhile(t *testing.T) {
	path, z := keptJournal(t)
	j := mustOpen(t, path)
	defer j.Close()
	if err := j.db.Load().Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketChanges))
		k, _ := b.Cursor().Seek(blockKey(1, 2, 0))
		return flip(b, bytes.Clone(k))
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	db, err := openDatabase(path, Options{LockWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	j.db.Store(db)
	s := killStep(0, 21)
	next, err := z.Apply(s.Changeset)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: next, Apex: next.Apex(), Base: z, Kept: true, Steps: []zone.Step{s}}}}); err != nil {
		t.Fatal(err)
	}
	if due, err := j.IsContentDue(next.Apex()); !due || err != nil {
		t.Errorf("due: %v %v", due, err)
	}
	if err := j.UpdateContent(next); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := j.Restore(next.Apex()); !ok || err != nil || got.Digest() != next.Digest() {
		t.Errorf("restored %v %v", ok, err)
	}
}

// Of a change in several parts any one may be lost: the history then begins behind it.
func TestLostPart(t *testing.T) {
	for part := range uint32(3) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			path := newPath(t)
			j := mustOpen(t, path)
			apex := dname.MustParse("a.example")
			var z *zone.Zone
			for serial := byte(1); serial <= 3; serial++ {
				next := build(t, "a.example", serial)
				change := zone.Change{Zone: next, Apex: apex, Base: z}
				if z != nil {
					c := zone.Diff(z, next, nil)
					for n := 0; serial == 2 && n < 3*blockMost/16; n++ {
						owner, _ := apex.Prepend([]byte(fmt.Sprintf("host-%d", n)))
						c.Added = append(c.Added, zone.Record{Owner: owner, Type: rr.TypeA, TTL: 60, Data: []byte{192, 0, 2, 1}})
					}
					change.Steps = []zone.Step{{Changeset: c}}
				}
				if err := j.Append(&zone.Batch{Changes: []zone.Change{change}}); err != nil {
					t.Fatal(err)
				}
				z = next
			}
			j.Close()
			editFile(t, path, func(tx *bolt.Tx) error {
				b := tx.Bucket([]byte(bucketChanges))
				if k := blockKey(1, 2, 3); b.Get(k) != nil || b.Get(blockKey(1, 2, 2)) == nil {
					t.Error("the change has not three parts")
				}
				return flip(b, blockKey(1, 2, part))
			})
			j = mustOpen(t, path)
			defer j.Close()
			if d := j.Damage(); len(d) != 2 || !strings.Contains(d[1].Text, "no change before number 3 can be read") {
				t.Errorf("damage: %v", d)
			}
			if _, ok, err := j.Chain(apex, 1, 3, 0); ok || err != nil {
				t.Errorf("a chain over the loss: %v %v", ok, err)
			}
			if list, ok, err := j.Chain(apex, 2, 3, 0); len(list) != 1 || !ok || err != nil {
				t.Errorf("a chain behind the loss: %v %v", ok, err)
			}
		})
	}
}
