package commit

import (
	"encoding/binary"
	"fmt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// The steps of a zone show how its dynamic layer changed, but for RRsets that the zone did not show before
// the step: where it showed a made RRset that is no part of the layer, or where the layer has the same
// RRset as one that is derived or made. What the layer had there is in notes. The key of such a note goes
// on with the serial of the zone after the change (4), 1 if the change was no part of the step to that serial
// and came after it (1), and what follows noteRRset in the key of the RRset's own note. The value is that
// of this note, and empty if there was none.
//
// NoteFormer begins their keys.
const NoteFormer = "update/former/"

// noteFormerSince is the key of a note with the serial from which on all these notes were written: an
// earlier ptrd wrote none.
const noteFormerSince = "update/former-since"

// Former is an RRset of the dynamic layer as it was before a change that the steps do not show.
type Former struct {
	Serial  zone.Serial // of the zone after the change
	IsLater bool        // the change is no part of the step to Serial, and came after it
	RRset               // without data: the layer had none
}

// Note returns the note about a former RRset.
func (f *Former) Note() zone.Note {
	later := byte(0)
	if f.IsLater {
		later = 1
	}
	key := append(binary.BigEndian.AppendUint32([]byte(NoteFormer), uint32(f.Serial)), later)
	return zone.Note{Key: string(key) + NoteKey(f.Owner, f.Type)[len(noteRRset):], Value: append([]byte{}, f.RRset.Note().Value...)}
}

// FormerSerial returns the serial of a note whose key begins with NoteFormer; ok is false if it has none.
func FormerSerial(key string) (s zone.Serial, ok bool) {
	if len(key) < len(NoteFormer)+5 {
		return 0, false
	}
	return zone.Serial(binary.BigEndian.Uint32([]byte(key[len(NoteFormer):]))), true
}

// ReadFormer returns the former RRsets of the dynamic layer of a zone, by serial. since is the serial from
// which on they are complete; nil: none are.
func ReadFormer(notes Notes, apex dname.Name) (bySerial map[zone.Serial][]Former, since *zone.Serial, err error) {
	if since, err = FormerSince(notes, apex); err != nil || since == nil {
		return nil, nil, err
	}
	list, err := notes.Notes(apex, NoteFormer)
	if err != nil {
		return nil, nil, fmt.Errorf("read what updates had put into zone %v: %w", apex, err)
	}
	bySerial = map[zone.Serial][]Former{}
	for _, n := range list {
		serial, ok := FormerSerial(n.Key)
		if !ok {
			return nil, nil, damagedNote(apex, &n)
		}
		f := Former{Serial: serial, IsLater: n.Key[len(NoteFormer)+4] == 1}
		n.Key = noteRRset + n.Key[len(NoteFormer)+5:]
		if f.RRset, ok = readNote(n); !ok && (len(n.Value) > 0 || f.Owner == nil) {
			return nil, nil, damagedNote(apex, &n)
		}
		bySerial[serial] = append(bySerial[serial], f)
	}
	return bySerial, since, nil
}

// FormerSince returns the serial from which on the former RRsets of a zone are known; nil: they are not.
func FormerSince(notes Notes, apex dname.Name) (*zone.Serial, error) {
	list, err := notes.Notes(apex, noteFormerSince)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read since when former updates of zone %v are known: %w", apex, err)
	case len(list) == 0:
		return nil, nil
	case len(list[0].Value) != 4:
		return nil, damagedNote(apex, &list[0])
	}
	s := zone.Serial(binary.BigEndian.Uint32(list[0].Value))
	return &s, nil
}

// FormerSinceNote returns the note that FormerSince reads.
func FormerSinceNote(s zone.Serial) zone.Note {
	return zone.Note{Key: noteFormerSince, Value: binary.BigEndian.AppendUint32(nil, uint32(s))}
}

func damagedNote(apex dname.Name, n *zone.Note) error {
	return fmt.Errorf("what updates put into zone %v: %w (note %q)", apex, journal.ErrCorrupt, n.Key)
}
