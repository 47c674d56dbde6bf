package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// examineContents looks at the files that no entry names. What is in them is served
// already under a later serial, or was given up, where the journal has an entry of the
// zone; those are removed, or once their zone was restored. A file of a zone without
// an entry may be all that is left of it: it stays, the zone can be restored from it,
// and its serial is not used again.
func (j *Journal) examineContents() error {
	dir := j.contentPath("")
	if fi, err := j.disk.Stat(dir); err == nil && !fi.IsDir() {
		aside, err := disk.SetAside(j.disk, filepath.Clean(dir))
		if err != nil {
			return fmt.Errorf("set aside what is no directory: %w", err)
		}
		j.report(nil, "%s was no directory, and is kept as %s", filepath.Clean(dir), aside)
	}
	needed := map[string]bool{}
	if err := j.view(func(t *transaction) error {
		for _, name := range t.contentFiles() {
			needed[name] = true
		}
		return nil
	}); err != nil {
		return err
	}
	contents, invalid, err := readContents(j.disk, dir, needed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = disk.RemoveUnfinished(j.disk, dir, func(name string) bool { return strings.HasSuffix(name, contentSuffix) })
	}
	if err != nil {
		return fmt.Errorf("look for the content of kept zones: %w", err)
	}
	for _, name := range invalid {
		if err := j.setAside(nil, name, "it has no valid head"); err != nil {
			return err
		}
	}
	j.found = contents
	return j.reserveFoundSerials()
}

// setAside sets a file of content aside and reports it.
func (j *Journal) setAside(apex dname.Name, name, why string) error {
	aside, err := disk.SetAside(j.disk, j.contentPath(name))
	if err != nil {
		return fmt.Errorf("set the content of a zone aside: %w", err)
	}
	j.report(apex, "%s is kept as %s: %s", j.contentPath(name), aside, why)
	return nil
}

// report notes damage that Open found.
func (j *Journal) report(apex dname.Name, format string, args ...any) {
	j.damage = append(j.damage, Damage{apex, fmt.Sprintf(format, args...)})
}

// reserveFoundSerials gives the zones of contents that were found an entry with their serial,
// where there is none, so that it is not used again.
func (j *Journal) reserveFoundSerials() error {
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
					_ = j.disk.Remove(j.contentPath(c.name)) // or at the next start
				}
				delete(j.found, key)
				continue
			}
		}
		serial := list[len(list)-1].serial
		j.report(apex, "the journal has no entry of it, but its content as of serial %d is in %s", serial, j.contentPath(""))
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

// Found returns the content of a zone that the journal has no entry of, or whose
// content was given up by [Journal.Release]: the file with the latest serial that is
// whole. ok is false where there is none. Those that are damaged are set aside.
func (j *Journal) Found(apex dname.Name) (z *zone.Zone, ok bool, err error) {
	j.foundMu.Lock()
	defer j.foundMu.Unlock()
	list := j.found[apex.Key()]
	for i := len(list) - 1; i >= 0; i-- {
		z, _, _, err := j.readContent(apex, list[i].name, false)
		if err == nil {
			return z, true, nil
		}
		if !errors.Is(err, errDamaged) {
			return nil, false, fmt.Errorf("restore zone %v: %w", apex, err)
		}
		if _, err := disk.SetAside(j.disk, j.contentPath(list[i].name)); err != nil {
			return nil, false, fmt.Errorf("set the damaged content of zone %v aside: %w", apex, err)
		}
		list = list[:i]
		j.found[apex.Key()] = list
	}
	return nil, false, nil
}

// removeFound removes the files of a zone that was restored from another one, the file with
// the name, under the serial now. One with a later serial is set aside: the change that it
// was written for was never made.
func (j *Journal) removeFound(apex dname.Name, now zone.Serial, name string) {
	j.foundMu.Lock()
	defer j.foundMu.Unlock()
	key := apex.Key()
	for _, c := range j.found[key] {
		switch {
		case c.name == name: // Release failed
		case now.Before(c.serial):
			_, _ = disk.SetAside(j.disk, j.contentPath(c.name)) // or at the next start
		default:
			_ = j.disk.Remove(j.contentPath(c.name)) // likewise
		}
	}
	delete(j.found, key)
}

// claim takes a file that is about to be written off the lists of files to be removed. The same
// content may have been written before, for an entry that was never made: by a process that
// ended, or for a change that failed during a backup.
func (j *Journal) claim(key, name string) {
	j.foundMu.Lock()
	defer j.foundMu.Unlock()
	if list := j.found[key]; len(list) > 0 {
		j.found[key] = slices.DeleteFunc(list, func(c foundFile) bool { return c.name == name })
	}
	path := j.contentPath(name)
	j.dropLater = slices.DeleteFunc(j.dropLater, func(p string) bool { return p == path })
}
