package journal

import (
	"errors"
	"fmt"
	"io/fs"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Restore returns the content of a kept zone as it was published last; ok is false
// where the zone at apex is no kept one. An error says that the content is not
// whole, and what to do; it is ErrCorrupt. pause is called every few microseconds
// and may be nil.
func (j *Journal) Restore(apex dname.Name, pause func()) (z *zone.Zone, ok bool, err error) {
	s, err := j.state(apex)
	if err != nil || !s.Kept || s.Sequence == 0 {
		return nil, false, err
	}
	path := j.snapshotPath(s.snapshot.name(apex))
	fail := func(what string, args ...any) (*zone.Zone, bool, error) {
		return nil, false, fmt.Errorf("zone %v: its content as of serial %d cannot be restored from %s and %s: %w (%s); put both back from a backup, or move %[4]s away: zones that are kept here then begin anew",
			apex, s.Serial, path, j.path, ErrCorrupt, fmt.Sprintf(what, args...))
	}
	f, err := j.disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fail("the first is not there")
	}
	if err != nil {
		return nil, false, fmt.Errorf("restore zone %v: %w", apex, err)
	}
	defer f.Close()
	b := zone.NewBuilder(apex)
	b.SetPause(pause)
	if s.Verbatim {
		b.SetVerbatim()
	}
	serial, digest, err := readZone(f, apex, func(r zone.Record) {
		if pause != nil {
			pause()
		}
		b.Add(r)
	})
	if err != nil {
		return fail("the first is damaged")
	}
	if serial != s.snapshot.serial || digest != s.snapshot.digest {
		return fail("the first has serial %d, not %d", serial, s.snapshot.serial)
	}
	z, findings := b.Build()
	if z == nil {
		return fail("%v", findings[0])
	}
	list, err := j.after(&s, apex)
	if err != nil {
		return nil, false, err
	}
	if len(list) > 0 {
		if z, err = z.Apply(zone.Condense(list)); err != nil {
			return fail("%v", err)
		}
	}
	if z.Serial() != s.Serial || z.Digest() != s.Digest {
		return fail("they lead to serial %d with other records", z.Serial())
	}
	return z, true, nil
}

// after returns the changesets after the snapshot.
func (j *Journal) after(s *state, apex dname.Name) (list []*zone.Changeset, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketChanges)).Cursor()
		b, err := blockAt(c, s.id, s.snapshot.sequence+1)
		for next := s.snapshot.sequence + 1; next <= s.Sequence && err == nil; {
			if b == nil || b.sequence > next {
				return corrupt(j.path, fmt.Sprintf("change %d of zone %v is not there", next, apex))
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
				next = r.sequence + 1
			}
			b, err = exactBlock(c, s.id, next)
		}
		if err != nil {
			return corrupt(j.path, err)
		}
		return nil
	})
	return list, err
}
