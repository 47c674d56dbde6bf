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
// NoteUndo begins their keys.
const NoteUndo = "update/undo/"

// noteUndoSince is the key of a note with the serial from which on all these notes were written: an
// earlier ptrd wrote none.
const noteUndoSince = "update/undo-since"

// Undo is an RRset of the dynamic layer as it was before a change that the steps do not show.
type Undo struct {
	Serial  zone.Serial // of the zone after the change
	IsLater bool        // the change is no part of the step to Serial, and came after it
	RRset               // without data: the layer had none
}

// Note returns the note that ReadUndo reads.
func (u *Undo) Note() zone.Note {
	later := byte(0)
	if u.IsLater {
		later = 1
	}
	key := append(binary.BigEndian.AppendUint32([]byte(NoteUndo), uint32(u.Serial)), later)
	return zone.Note{Key: string(key) + NoteKey(u.Owner, u.Type)[len(noteRRset):], Value: append([]byte{}, u.RRset.Note().Value...)}
}

// UndoSerial returns the serial of a note whose key begins with NoteUndo; ok is false if it has none.
func UndoSerial(key string) (s zone.Serial, ok bool) {
	if len(key) < len(NoteUndo)+5 {
		return 0, false
	}
	return zone.Serial(binary.BigEndian.Uint32([]byte(key[len(NoteUndo):]))), true
}

// ReadUndo returns what undoes changes of the dynamic layer of a zone, by serial. since is the serial from
// which on they are complete; nil: none are.
func ReadUndo(notes Notes, apex dname.Name) (bySerial map[zone.Serial][]Undo, since *zone.Serial, err error) {
	if since, err = UndoSince(notes, apex); err != nil || since == nil {
		return nil, nil, err
	}
	list, err := notes.Notes(apex, NoteUndo)
	if err != nil {
		return nil, nil, fmt.Errorf("read what updates had put into zone %v: %w", apex, err)
	}
	bySerial = map[zone.Serial][]Undo{}
	for _, n := range list {
		serial, ok := UndoSerial(n.Key)
		if !ok {
			return nil, nil, damagedNote(apex, &n)
		}
		u := Undo{Serial: serial, IsLater: n.Key[len(NoteUndo)+4] == 1}
		n.Key = noteRRset + n.Key[len(NoteUndo)+5:]
		if u.RRset, ok = readNote(n); !ok && (len(n.Value) > 0 || u.Owner == nil) {
			return nil, nil, damagedNote(apex, &n)
		}
		bySerial[serial] = append(bySerial[serial], u)
	}
	return bySerial, since, nil
}

// UndoSince returns the serial from which on the notes of a zone are complete; nil: there is none.
func UndoSince(notes Notes, apex dname.Name) (*zone.Serial, error) {
	list, err := notes.Notes(apex, noteUndoSince)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read from which serial on updates of zone %v can be undone: %w", apex, err)
	case len(list) == 0:
		return nil, nil
	case len(list[0].Value) != 4:
		return nil, damagedNote(apex, &list[0])
	}
	s := zone.Serial(binary.BigEndian.Uint32(list[0].Value))
	return &s, nil
}

// UndoSinceNote returns the note that UndoSince reads.
func UndoSinceNote(s zone.Serial) zone.Note {
	return zone.Note{Key: noteUndoSince, Value: binary.BigEndian.AppendUint32(nil, uint32(s))}
}

func damagedNote(apex dname.Name, n *zone.Note) error {
	return fmt.Errorf("what updates put into zone %v: %w (note %q)", apex, journal.ErrCorrupt, n.Key)
}
