package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// content is a file with the content of a zone, as its head describes it.
type content struct {
	name   string // of the file
	serial zone.Serial
	digest zone.Digest
	octets uint64
}

// readContents reads the heads of the files in a directory, by key of the apex, the
// latest serial last. Files without a valid head are returned by name.
func readContents(on disk.FS, dir string) (contents map[string][]content, invalid []string) {
	contents = map[string][]content{}
	list, _ := on.ReadDir(dir) // without it there are none
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), snapshotEnd) {
			continue
		}
		apex, c, err := readContentHead(on, filepath.Join(dir, e.Name()))
		if err != nil {
			invalid = append(invalid, e.Name())
			continue
		}
		contents[apex.Key()] = append(contents[apex.Key()], c)
	}
	for _, list := range contents {
		sortContents(list)
	}
	return contents, invalid
}

// sortContents sorts files of one zone by their serials, the latest last.
func sortContents(list []content) {
	slices.SortStableFunc(list, func(a, b content) int {
		switch {
		case a.serial.Before(b.serial):
			return -1
		case b.serial.Before(a.serial):
			return 1
		}
		return 0
	})
}

// readContentHead reads the head of a file.
func readContentHead(on disk.FS, path string) (apex dname.Name, c content, err error) {
	f, err := disk.OpenRegular(on, path)
	if err != nil {
		return nil, c, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, c, err
	}
	apex, c.serial, c.digest, err = newZoneReader(f).head()
	c.name, c.octets = filepath.Base(path), uint64(fi.Size())
	return apex, c, err
}

// examineContents looks at the files that no entry names. What is in them is served
// already under a later serial, or was given up, where the journal has an entry of the
// zone; those are removed, or once their zone was restored. A file of a zone without
// an entry may be all that is left of it: it stays, the zone can be restored from it,
// and its serial is not used again.
func (j *Journal) examineContents(needed map[string]bool) error {
	dir := j.snapshotPath("")
	if fi, err := j.disk.Stat(dir); err == nil && !fi.IsDir() {
		aside, err := disk.SetAside(j.disk, filepath.Clean(dir))
		if err != nil {
			return fmt.Errorf("set aside what is no directory: %w", err)
		}
		j.report(nil, "%s was no directory, and is kept as %s", filepath.Clean(dir), aside)
	}
	list, err := j.disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the content of kept zones: %w", err)
	}
	j.found = map[string][]content{}
	for _, e := range list {
		name := e.Name()
		if of, ok := disk.IsTemp(name); ok && strings.HasSuffix(of, snapshotEnd) && e.Type().IsRegular() {
			if err := j.disk.Remove(j.snapshotPath(name)); err != nil {
				return fmt.Errorf("remove a file that was never finished: %w", err)
			}
			continue
		}
		if needed[name] || !strings.HasSuffix(name, snapshotEnd) {
			continue
		}
		apex, c, err := readContentHead(j.disk, j.snapshotPath(name))
		if err != nil {
			if err := j.setAside(nil, name, "it has no valid head"); err != nil {
				return err
			}
			continue
		}
		key := apex.Key()
		j.found[key] = append(j.found[key], c)
	}
	return j.adoptFound()
}

// setAside sets a file of content aside and reports it.
func (j *Journal) setAside(apex dname.Name, name, why string) error {
	aside, err := disk.SetAside(j.disk, j.snapshotPath(name))
	if err != nil {
		return fmt.Errorf("set the content of a zone aside: %w", err)
	}
	j.report(apex, "%s is kept as %s: %s", j.snapshotPath(name), aside, why)
	return nil
}

// report notes damage that Open found.
func (j *Journal) report(apex dname.Name, format string, args ...any) {
	j.damage = append(j.damage, Damage{apex, fmt.Sprintf(format, args...)})
}

// adoptFound gives the zones of contents that were found an entry with their serial,
// where there is none, so that it is not used again.
func (j *Journal) adoptFound() error {
	if len(j.found) == 0 {
		return nil
	}
	floors := map[string]zone.Serial{}
	for key, list := range j.found {
		apex := dname.FromWire([]byte(key))
		s, err := j.state(apex)
		if err != nil {
			return err
		}
		if s.Sequence > 0 {
			if s.Kept && s.hasDigest() {
				continue // until it is restored
			}
			if !s.Kept && s.hasDigest() {
				// Its content was given up before the process ended.
				for _, c := range list {
					_ = j.disk.Remove(j.snapshotPath(c.name)) // or at the next start
				}
				delete(j.found, key)
				continue
			}
		}
		sortContents(list)
		serial := list[len(list)-1].serial
		j.report(apex, "the journal has no entry of it, but its content as of serial %d is in %s", serial, j.snapshotPath(""))
		if s.Sequence == 0 || s.Serial.Before(serial) {
			floors[key] = serial
		}
	}
	if len(floors) == 0 {
		return nil
	}
	return j.Raise(floors)
}

// hasDigest reports whether the digest of what was served is known.
func (s *state) hasDigest() bool { return s.Digest != (zone.Digest{}) }

// raise makes the entry of a zone one with at least the serial. If it has none yet, or an
// earlier one, the content that was served with the serial is not known, so that
// whatever is served next gets a later one. A kept zone keeps its entry, and gets a floor
// beside it. The serial of a zone that is served verbatim is its source's.
func (t *transaction) raise(j *Journal, tx *bolt.Tx, key string, serial zone.Serial) error {
	var s state
	k := []byte(key)
	if v := t.zones.Get(k); v != nil {
		var ok bool
		if s, ok = decode(k, v); !ok {
			return corrupt(j.path, fmt.Sprintf("entry of %v", dname.Name(key)))
		}
		if s.Sequence > 0 && !s.Serial.Before(serial) || s.Verbatim {
			return nil
		}
	}
	if s.Kept {
		return tx.Bucket([]byte(bucketFloors)).Put(k, withSum(bucketFloors, k, binary.BigEndian.AppendUint32(nil, uint32(serial))))
	}
	s.Serial, s.Digest = serial, zone.Digest{}
	if s.Sequence == 0 {
		s.Sequence = 1
	}
	s.first, s.octets, s.since = s.Sequence+1, 0, 0
	if err := t.number(&s, key); err != nil {
		return err
	}
	return t.zones.Put(k, s.encode(k))
}

// Raise makes the journal remember that zones were served with serials, by key of the
// apex, which it does not know itself: what is served next gets later ones. Of kept zones
// [Journal.Floor] returns them.
func (j *Journal) Raise(serials map[string]zone.Serial) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(func(tx *bolt.Tx) error {
		t := begin(tx)
		for _, key := range slices.Sorted(maps.Keys(serials)) {
			if err := t.raise(j, tx, key, serials[key]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return j.loadFloors()
}

// loadFloors reads the floors.
func (j *Journal) loadFloors() error {
	floors := map[string]zone.Serial{}
	err := j.view(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketFloors)).ForEach(func(k, v []byte) error {
			if b, ok := summed(bucketFloors, k, v); ok && len(b) == 4 {
				floors[string(k)] = zone.Serial(binary.BigEndian.Uint32(b))
			}
			return nil
		})
	})
	j.floorMu.Lock()
	defer j.floorMu.Unlock()
	j.floors = floors
	return err
}

// Floor returns a serial that a kept zone was served with although its entry has an
// earlier one: the content is from a backup, for example. ok is false where there is none.
func (j *Journal) Floor(apex dname.Name) (serial zone.Serial, ok bool) {
	j.floorMu.Lock()
	defer j.floorMu.Unlock()
	serial, ok = j.floors[apex.Key()]
	return serial, ok
}

// passFloors forgets the floors that the edits are past.
func (j *Journal) passFloors(edits []*edit) error {
	j.floorMu.Lock()
	var passed []string
	for _, e := range edits {
		if len(j.floors) == 0 {
			break
		}
		if f, ok := j.floors[e.key]; ok && f.Before(e.next.Serial) {
			passed = append(passed, e.key)
			delete(j.floors, e.key)
		}
	}
	j.floorMu.Unlock()
	if len(passed) == 0 {
		return nil
	}
	return j.write(func(tx *bolt.Tx) error {
		countTransaction(tx)
		for _, key := range passed {
			if err := tx.Bucket([]byte(bucketFloors)).Delete([]byte(key)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Found returns the content of a zone that the journal has no entry of, or whose
// content was given up by [Journal.Release]: the file with the latest serial that is
// whole. ok is false where there is none. Those that are damaged are set aside.
func (j *Journal) Found(apex dname.Name, pause func()) (z *zone.Zone, ok bool, err error) {
	j.foundMu.Lock()
	defer j.foundMu.Unlock()
	list := j.found[apex.Key()]
	for i := len(list) - 1; i >= 0; i-- {
		z, _, _, err := j.readContent(apex, list[i].name, false, pause)
		if err == nil {
			return z, true, nil
		}
		if !errors.Is(err, errDamaged) {
			return nil, false, fmt.Errorf("restore zone %v: %w", apex, err)
		}
		if _, err := disk.SetAside(j.disk, j.snapshotPath(list[i].name)); err != nil {
			return nil, false, fmt.Errorf("set the damaged content of zone %v aside: %w", apex, err)
		}
		list = list[:i]
		j.found[apex.Key()] = list
	}
	return nil, false, nil
}

// dropFound removes the files of a zone that was restored from a later one. One with a
// later serial is set aside: the change that it was written for was never made.
func (j *Journal) dropFound(apex dname.Name, now zone.Serial) {
	j.foundMu.Lock()
	defer j.foundMu.Unlock()
	key := apex.Key()
	for _, c := range j.found[key] {
		if now.Before(c.serial) {
			_, _ = disk.SetAside(j.disk, j.snapshotPath(c.name)) // or at the next start
		} else {
			_ = j.disk.Remove(j.snapshotPath(c.name)) // likewise
		}
	}
	delete(j.found, key)
}

// Release gives up what the journal knows of the content and the notes of a zone, and
// keeps its serial: the zone can then be restored from any content of it that is left,
// or begin again, without what is lost. Its files are not touched.
func (j *Journal) Release(apex dname.Name) (err error) {
	key := apex.Key()
	contents, _ := readContents(j.disk, j.snapshotPath(""))
	j.foundMu.Lock()
	if j.found == nil {
		j.found = map[string][]content{}
	}
	j.found[key] = contents[key]
	j.foundMu.Unlock()
	if err := j.setLost(key, ""); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.write(func(tx *bolt.Tx) error {
		s, err := j.stateIn(tx, apex)
		if err != nil {
			return err
		}
		t := begin(tx)
		if s.id == 0 { // so that no notes of it can be missed any more
			s.first = s.Sequence + 1
			if err := t.number(&s, key); err != nil {
				return err
			}
		}
		if s.Kept {
			s.Kept, s.snapshot, s.since, s.Digest = false, snapshot{}, 0, zone.Digest{}
		}
		return t.zones.Put([]byte(key), s.encode([]byte(key)))
	})
}
