package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// ErrNotCurrent means that a zone is not the one that was published last.
var ErrNotCurrent = errors.New("the zone is not the one that was published last")

func (j *Journal) contentPath(name string) string {
	return filepath.Join(filepath.Dir(j.path), contentDir, name)
}

// PrepareContent writes the content of a kept zone to disk ahead of the change that its
// history begins with, so that Append, and its waiting callers, do not
// wait for that.
func (j *Journal) PrepareContent(z *zone.Zone) error {
	file, err := j.writeContent(z)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s, err := j.state(z.Apex())
	if err != nil {
		return err
	}
	if old, ok := j.prepared[z.Key()]; ok && old.name(z.Apex()) != s.content.name(z.Apex()) {
		j.removeSuperseded(z.Key(), old, file) // it came to nothing
	}
	j.prepared[z.Key()] = file
	return nil
}

// SaveContent writes the content of a zone to a file from which it can be restored where the
// journal is lost. It is for a journal that cannot be used any more.
func (j *Journal) SaveContent(z *zone.Zone) error {
	_, err := j.writeContent(z)
	return err
}

// IsContentDue reports whether so much of a kept zone changed since its content was
// written that it is to be written again, by [Journal.UpdateContent].
func (j *Journal) IsContentDue(apex dname.Name) (bool, error) {
	s, err := j.state(apex)
	// Less than a block of changes is not worth a file.
	return s.Kept && !s.Gone && s.since > max(s.content.octets/2, blockMost), err
}

// UpdateContent writes the content of a kept zone as it was published last, so that the
// changes until now are not needed to restore it any more. It takes no lock while it
// writes. [ErrNotCurrent] means that z is not what was published last.
func (j *Journal) UpdateContent(z *zone.Zone) error {
	s, err := j.state(z.Apex())
	if err != nil {
		return err
	}
	if !s.Kept || s.Gone || s.Serial != z.Serial() || s.Digest != z.Digest() {
		return fmt.Errorf("zone %v: %w", z.Apex(), ErrNotCurrent)
	}
	file, err := j.writeContent(z)
	if err != nil {
		return err
	}
	file.sequence = s.Sequence
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.commitContent(z.Apex(), file, s.since)
}

// commitContent makes a file the one that a zone is restored from; before is what changed
// until then. The caller holds mu.
func (j *Journal) commitContent(apex dname.Name, file contentFile, before uint64) (err error) {
	key := apex.Key()
	was, now := file, contentFile{}
	err = j.write(func(t *transaction) error {
		s, err := t.state(key)
		if err != nil || !s.Kept || s.content.sequence >= file.sequence {
			now = s.content
			return err // there is a later one, or its history restarted
		}
		was, now = s.content, file
		s.content = file
		s.since -= min(s.since, before)
		return t.putState(key, &s)
	})
	if err == nil {
		j.removeSuperseded(key, was, now)
	}
	return err
}

// removeSuperseded removes the file of a zone that its entry named before now. One that
// stays for whatever reason is removed at the next start.
func (j *Journal) removeSuperseded(key string, was, now contentFile) {
	apex := dname.FromWire([]byte(key))
	if was != (contentFile{}) && (now == (contentFile{}) || was.name(apex) != now.name(apex)) {
		j.removeContent(j.contentPath(was.name(apex)))
	}
}

// writeContent writes the file of a zone's content.
func (j *Journal) writeContent(z *zone.Zone) (s contentFile, err error) {
	s = contentFile{serial: z.Serial(), digest: z.Digest()}
	path := j.contentPath(s.name(z.Apex()))
	j.claim(z.Key(), s.name(z.Apex()))
	fail := func(err error) (contentFile, error) {
		return contentFile{}, fmt.Errorf("keep the content of zone %v: %w", z.Apex(), err)
	}
	dir := filepath.Dir(path)
	if err := j.disk.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	if err := j.disk.SyncDir(filepath.Dir(dir)); err != nil {
		return fail(err)
	}
	var count counter
	if err := disk.Replace(j.disk, path, func(w io.Writer) error { return writeZone(io.MultiWriter(w, &count), z, j.pause()) }); err != nil {
		return fail(err)
	}
	s.octets = uint64(count)
	return s, nil
}

// Restore returns the content of a kept zone as it was published last; ok is false
// if the zone at apex is not a kept one. The error is ErrCorrupt if the content is
// incomplete or damaged.
func (j *Journal) Restore(apex dname.Name) (z *zone.Zone, ok bool, err error) {
	s, err := j.state(apex)
	if err != nil || !s.Kept || s.Sequence == 0 {
		return nil, false, err
	}
	name := s.content.name(apex)
	fail := func(what string, args ...any) (*zone.Zone, bool, error) {
		return nil, false, fmt.Errorf("zone %v: its content as of serial %d cannot be restored from %s and %s: %w (%s)",
			apex, s.Serial, j.contentPath(name), j.path, ErrCorrupt, fmt.Sprintf(what, args...))
	}
	z, serial, digest, err := j.readContent(apex, name, s.Verbatim)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail("the first is not there")
	case errors.Is(err, errDamaged), errors.Is(err, disk.ErrUnusable):
		return fail("the first is damaged")
	case err != nil:
		return fail("%v", err)
	case serial != s.content.serial || digest != s.content.digest:
		return fail("the first has serial %d, not %d", serial, s.content.serial)
	}
	list, err := j.after(&s, apex)
	if err != nil {
		return fail("%v", err)
	}
	if len(list) > 0 {
		if z, err = z.Apply(zone.Condense(list)); err != nil {
			return fail("%v", err)
		}
	}
	// The digest is not known where the entry was made again from the history.
	if z.Serial() != s.Serial || s.hasDigest() && z.Digest() != s.Digest {
		return fail("they lead to serial %d with other records", z.Serial())
	}
	j.removeFound(apex, z.Serial(), name)
	return z, true, nil
}

// readContent reads a content file. errDamaged means that it is incomplete, or of
// another zone.
func (j *Journal) readContent(apex dname.Name, name string, verbatim bool) (z *zone.Zone, serial zone.Serial, digest zone.Digest, err error) {
	f, err := disk.OpenRegular(j.disk, j.contentPath(name))
	if err != nil {
		return nil, 0, digest, err
	}
	defer f.Close()
	r := newZoneReader(f)
	of, serial, digest, err := r.head()
	if err == nil && !of.Equal(apex) {
		err = errDamaged
	}
	b, pause := zone.NewBuilder(apex), j.pause()
	b.SetPause(pause)
	if verbatim {
		b.SetVerbatim()
	}
	if err == nil {
		err = r.records(apex, func(rec zone.Record) {
			pause()
			b.Add(rec)
		})
	}
	if err != nil {
		return nil, 0, digest, err
	}
	z, findings := b.Build()
	if z == nil {
		return nil, 0, digest, fmt.Errorf("%w: %v", errDamaged, findings[0])
	}
	if z.Serial() != serial || z.Digest() != digest {
		return nil, 0, digest, errDamaged
	}
	return z, serial, digest, nil
}

// after returns the changesets after the content file.
func (j *Journal) after(s *state, apex dname.Name) (list []*zone.Changeset, err error) {
	err = j.view(func(t *transaction) error {
		c := t.bucket(bucketChanges).Cursor()
		b, err := blockAt(c, s.id, s.content.sequence+1)
		for next := s.content.sequence + 1; next <= s.Sequence && err == nil; {
			if b == nil || b.sequence > next {
				return fmt.Errorf("change %d is not there", next)
			}
			if b.kind != blockSteps {
				// The zone went and came back as it was.
				next = b.sequence + 1
			} else {
				r := b.steps(apex)
				for r.next() {
					if r.sequence < next {
						continue
					}
					if set := r.records(); set != nil {
						list = append(list, set)
					}
				}
				if err = r.err; err != nil {
					break
				}
				if r.sequence < next {
					return fmt.Errorf("change %d is not there", next)
				}
				next = r.sequence + 1
			}
			b, err = exactBlock(c, s.id, next)
		}
		return err
	})
	return list, err
}

// Release gives up what the journal knows of the content and the notes of a zone, and
// keeps its serial: the zone can then be restored from any content of it that is left,
// or begin again, without what is lost. Its files are not touched.
func (j *Journal) Release(apex dname.Name) (err error) {
	key := apex.Key()
	contents, _, _ := readContents(j.disk, j.contentPath(""), nil)
	j.foundMu.Lock()
	if j.found == nil {
		j.found = map[string][]foundFile{}
	}
	j.found[key] = contents[key]
	j.foundMu.Unlock()
	return j.update(func(t *transaction) error {
		s, err := t.state(key)
		if err != nil {
			return err
		}
		if s.id == 0 { // so that no notes of it can be missed any more
			s.first = s.Sequence + 1
			if err := t.assignNumber(&s, key); err != nil {
				return err
			}
		}
		if s.Kept {
			s.dropContent()
			s.Digest = zone.Digest{}
		}
		return errors.Join(t.setLost(key, ""), t.putState(key, &s))
	})
}
