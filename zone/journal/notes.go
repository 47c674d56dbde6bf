package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Notes returns the notes of a zone whose keys begin with prefix, in the order of
// their keys. ErrCorrupt means that some of the zone's notes were lost; those that are
// left are returned with it.
func (j *Journal) Notes(apex dname.Name, prefix string) (list []zone.Note, err error) {
	key, why, isOfAny := apex.Key(), "", false
	err = j.view(func(t *transaction) error {
		s, err := t.state(key)
		if err != nil {
			return err
		}
		var bad int
		if s.id != 0 {
			if list, bad = t.notesOf(s.id, prefix); bad > 0 {
				return corrupt(j.path, fmt.Sprintf("%d notes of zone %v", bad, apex))
			}
		}
		why, isOfAny = t.lost(key, s.id != 0)
		return nil
	})
	if isOfAny && err == nil { // the zone exists, so that the next process knows it too
		err = j.update(func(t *transaction) error { return t.setLost(key, why) })
	}
	if err == nil && why != "" {
		err = fmt.Errorf("zone %v: %w: %s", apex, ErrCorrupt, why)
	}
	return list, err
}

// AllNotes calls yield with the notes of each zone whose keys begin with prefix, for
// zones that have such notes. lost is why some notes of the zone are not there; empty: they
// all are. A zone whose entry is damaged is left out. yield must not call the Journal.
func (j *Journal) AllNotes(prefix string, yield func(apex dname.Name, notes []zone.Note, lost string)) error {
	return j.eachState(func(t *transaction, key []byte, s *state, ok bool) {
		if !ok || s.notes == 0 {
			return
		}
		if list, _ := t.notesOf(s.id, prefix); len(list) > 0 {
			lost, _ := t.lost(string(key), true)
			yield(dname.FromWire(bytes.Clone(key)), list, lost)
		}
	})
}

// notesOf returns the notes of the zone with a number whose keys begin with prefix, and
// how many of them are damaged.
func (t *transaction) notesOf(id uint32, prefix string) (list []zone.Note, bad int) {
	begin := noteKey(id, prefix)
	c := t.bucket(bucketNotes).Cursor()
	for k, v := c.Seek(begin); bytes.HasPrefix(k, begin); k, v = c.Next() {
		if value, ok := summed(bucketNotes, k, v); ok {
			list = append(list, zone.Note{Key: string(k[4:]), Value: append([]byte{}, value...)})
		} else {
			bad++
		}
	}
	return list, bad
}

// SetNotes makes notes of a zone durable without a change of it.
func (j *Journal) SetNotes(apex dname.Name, notes []zone.Note) error {
	return j.update(func(t *transaction) error {
		return t.putZoneNotes(zone.ZoneNotes{Apex: apex, Notes: notes})
	})
}

// putZoneNotes writes notes of a zone that does not change.
func (t *transaction) putZoneNotes(n zone.ZoneNotes) error {
	key := n.Apex.Key()
	s, err := t.state(key)
	if err != nil {
		return err
	}
	was := s
	if s.id == 0 {
		if s.Sequence == 0 {
			s.first = 1
		}
		if err := t.assignNumber(&s, key); err != nil {
			return err
		}
	}
	if err := t.putNotes(&s, n.Notes); err != nil || s == was {
		return err
	}
	return t.putState(key, &s)
}

// putNotes writes notes, of several with one key the last, and counts them.
func (t *transaction) putNotes(s *state, notes []zone.Note) error {
	if len(notes) > 1 {
		notes = slices.Clone(notes)
		slices.SortStableFunc(notes, func(a, b zone.Note) int { return strings.Compare(a.Key, b.Key) })
	}
	bucket := t.bucket(bucketNotes)
	for _, n := range notes {
		key := noteKey(s.id, n.Key)
		had := bucket.Get(key) != nil
		var err error
		switch {
		case n.Value != nil:
			if !had {
				s.notes++
			}
			err = t.putSummed(bucketNotes, key, n.Value)
		case had:
			s.notes--
			err = bucket.Delete(key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removeNotes removes all notes of a zone.
func (t *transaction) removeNotes(s *state) error {
	prefix := noteKey(s.id, "")
	var keys [][]byte
	c := t.bucket(bucketNotes).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := t.bucket(bucketNotes).Delete(k); err != nil {
			return err
		}
	}
	s.notes = 0
	return nil
}

func noteKey(id uint32, key string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, id), key...)
}

// withSum returns a value with its checksum in front.
func withSum(bucket string, key, value []byte) []byte {
	b := make([]byte, 4, 4+len(value))
	binary.BigEndian.PutUint32(b, keyedSum(bucket, key, value))
	return append(b, value...)
}

// summed returns what withSum was given; ok is false where it or the key is damaged.
func summed(bucket string, key, b []byte) (value []byte, ok bool) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != keyedSum(bucket, key, b[4:]) {
		return nil, false
	}
	return b[4:], true
}
