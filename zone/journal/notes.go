package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Notes returns the notes of a zone whose keys begin with prefix, in the order of
// their keys.
func (j *Journal) Notes(apex dname.Name, prefix string) (list []zone.Note, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		s, err := j.stateIn(tx, apex)
		if err != nil || s.id == 0 {
			return err
		}
		list = notesOf(tx.Bucket([]byte(bucketNotes)).Cursor(), s.id, prefix)
		return nil
	})
	return list, err
}

// AllNotes calls yield with the notes of each zone whose keys begin with prefix, for
// zones that have such notes. A zone whose entry is damaged is left out. yield must not
// call the Journal.
func (j *Journal) AllNotes(prefix string, yield func(apex dname.Name, notes []zone.Note)) error {
	return j.view(func(tx *bolt.Tx) error {
		all := tx.Bucket([]byte(bucketNotes)).Cursor()
		return tx.Bucket([]byte(bucketZones)).ForEach(func(k, v []byte) error {
			s, ok := decode(v)
			if !ok || s.id == 0 {
				return nil
			}
			if list := notesOf(all, s.id, prefix); len(list) > 0 {
				yield(dname.FromWire(bytes.Clone(k)), list)
			}
			return nil
		})
	})
}

// notesOf returns the notes of the zone with a number whose keys begin with prefix.
func notesOf(c *bolt.Cursor, id uint32, prefix string) (list []zone.Note) {
	begin := noteKey(id, prefix)
	for k, v := c.Seek(begin); bytes.HasPrefix(k, begin); k, v = c.Next() {
		list = append(list, zone.Note{Key: string(k[4:]), Value: append([]byte{}, v...)})
	}
	return list
}

// SetNotes makes notes of a zone durable without a change of it.
func (j *Journal) SetNotes(apex dname.Name, notes []zone.Note) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.write(func(tx *bolt.Tx) error {
		return begin(tx).noteZone(j, zone.ZoneNotes{Apex: apex, Notes: notes})
	})
}

// noteZone writes notes of a zone that does not change.
func (t *transaction) noteZone(j *Journal, n zone.ZoneNotes) error {
	var s state
	if v := t.zones.Get([]byte(n.Apex.Key())); v != nil {
		var ok bool
		if s, ok = decode(v); !ok {
			return corrupt(j.path, fmt.Sprintf("entry of %v", n.Apex))
		}
	}
	if s.id == 0 {
		if s.Sequence == 0 {
			s.first = 1
		}
		if err := t.number(&s); err != nil {
			return err
		}
		if err := t.zones.Put([]byte(n.Apex.Key()), s.encode()); err != nil {
			return err
		}
	}
	return t.note(&s, n.Notes)
}

// note writes notes, of several with one key the last.
func (t *transaction) note(s *state, notes []zone.Note) error {
	if len(notes) > 1 {
		notes = slices.Clone(notes)
		slices.SortStableFunc(notes, func(a, b zone.Note) int { return strings.Compare(a.Key, b.Key) })
	}
	for _, n := range notes {
		var err error
		if key := noteKey(s.id, n.Key); n.Value == nil {
			err = t.notes.Delete(key)
		} else {
			err = t.notes.Put(key, n.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetNotes forgets all notes of a zone.
func (t *transaction) forgetNotes(id uint32) error {
	prefix := noteKey(id, "")
	var keys [][]byte
	c := t.notes.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := t.notes.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func noteKey(id uint32, key string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, id), key...)
}
