package journal

import (
	"errors"
	"fmt"
	"io/fs"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// Restore returns the content of a kept zone as it was published last; ok is false
// where the zone at apex is no kept one. An error says that the content is not
// whole; it is ErrCorrupt. pause is called every few microseconds and may be nil.
func (j *Journal) Restore(apex dname.Name, pause func()) (z *zone.Zone, ok bool, err error) {
	s, err := j.state(apex)
	if err != nil || !s.Kept || s.Sequence == 0 {
		return nil, false, err
	}
	name := s.snapshot.name(apex)
	fail := func(what string, args ...any) (*zone.Zone, bool, error) {
		return nil, false, fmt.Errorf("zone %v: its content as of serial %d cannot be restored from %s and %s: %w (%s)",
			apex, s.Serial, j.snapshotPath(name), j.path, ErrCorrupt, fmt.Sprintf(what, args...))
	}
	z, serial, digest, err := j.readContent(apex, name, s.Verbatim, pause)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail("the first is not there")
	case errors.Is(err, errDamaged), errors.Is(err, disk.ErrUnusable):
		return fail("the first is damaged")
	case err != nil:
		return fail("%v", err)
	case serial != s.snapshot.serial || digest != s.snapshot.digest:
		return fail("the first has serial %d, not %d", serial, s.snapshot.serial)
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
	j.dropFound(apex, z.Serial())
	return z, true, nil
}

// readContent reads a file of content. errDamaged says that it is not whole, or of
// another zone.
func (j *Journal) readContent(apex dname.Name, name string, verbatim bool, pause func()) (z *zone.Zone, serial zone.Serial, digest zone.Digest, err error) {
	f, err := disk.OpenRegular(j.disk, j.snapshotPath(name))
	if err != nil {
		return nil, 0, digest, err
	}
	defer f.Close()
	r := newZoneReader(f)
	of, serial, digest, err := r.head()
	if err == nil && !of.Equal(apex) {
		err = errDamaged
	}
	b := zone.NewBuilder(apex)
	b.SetPause(pause)
	if verbatim {
		b.SetVerbatim()
	}
	if err == nil {
		err = r.records(apex, func(rec zone.Record) {
			if pause != nil {
				pause()
			}
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

// after returns the changesets after the snapshot.
func (j *Journal) after(s *state, apex dname.Name) (list []*zone.Changeset, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketChanges)).Cursor()
		b, err := blockAt(c, s.id, s.snapshot.sequence+1)
		for next := s.snapshot.sequence + 1; next <= s.Sequence && err == nil; {
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
