package commit

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// Notes reads the small durable facts of zones.
type Notes interface {
	// Notes returns the notes of a zone whose keys begin with prefix.
	Notes(apex dname.Name, prefix string) ([]zone.Note, error)
}

// noteRRset begins the keys of the notes that hold the dynamic layer of a zone with static data:
// the owner in lower case and the type follow; the value is the TTL, then each RDATA after its
// length.
const noteRRset = "update/rrset/"

// NoteKey returns the key of the note about an RRset of the dynamic layer.
func NoteKey(owner dname.Name, t rr.Type) string {
	return string(binary.BigEndian.AppendUint16([]byte(noteRRset+owner.Key()), uint16(t)))
}

// Note returns the note about an RRset of the dynamic layer; one without data is deleted.
func (s *RRset) Note() zone.Note {
	n := zone.Note{Key: NoteKey(s.Owner, s.Type)}
	if len(s.Data) > 0 {
		n.Value = binary.BigEndian.AppendUint32(nil, s.TTL)
	}
	for _, d := range s.Data {
		n.Value = append(binary.BigEndian.AppendUint16(n.Value, uint16(len(d))), d...)
	}
	return n
}

// readNote reads what Note wrote; ok is false if it is something else.
func readNote(n zone.Note) (s RRset, ok bool) {
	key := []byte(n.Key[len(noteRRset):])
	s.Owner = dname.FromWire(key)
	if s.Owner == nil || len(key) != len(s.Owner)+2 || len(n.Value) < 4 {
		return s, false
	}
	s.Type = rr.Type(binary.BigEndian.Uint16(key[len(s.Owner):]))
	s.TTL = binary.BigEndian.Uint32(n.Value)
	for b := n.Value[4:]; len(b) > 0; {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return s, false
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		s.Data = append(s.Data, b[2:end])
		b = b[end:]
	}
	return s, len(s.Data) > 0
}

// ReadDynamic returns the dynamic layer of a zone with static data. An error is
// [journal.ErrCorrupt] if it is damaged.
func ReadDynamic(notes Notes, apex dname.Name) ([]RRset, error) {
	return readDynamic(notes, apex, noteRRset)
}

func readDynamic(notes Notes, apex dname.Name, prefix string) (layer []RRset, err error) {
	list, err := notes.Notes(apex, prefix)
	if err != nil {
		return nil, fmt.Errorf("read what updates put into zone %v: %w", apex, err)
	}
	for _, n := range list {
		s, ok := readNote(n)
		if !ok {
			return nil, fmt.Errorf("what updates put into zone %v: %w (note %q)", apex, journal.ErrCorrupt, n.Key)
		}
		layer = append(layer, s)
	}
	return layer, nil
}

// ReadDynamicAt returns the RRsets of the dynamic layer at a name. notes may be nil.
func ReadDynamicAt(notes Notes, apex, owner dname.Name) ([]RRset, error) {
	if notes == nil {
		return nil, nil
	}
	return readDynamic(notes, apex, noteRRset+owner.Key())
}

// pendingAt returns the RRsets of the dynamic layer at a name, of which some change by notes that
// are not durable yet.
func pendingAt(notes Notes, apex, owner dname.Name, pending map[string]zone.Note) ([]RRset, error) {
	sets, err := ReadDynamicAt(notes, apex, owner)
	if err != nil || len(pending) == 0 {
		return sets, err
	}
	isOwners := func(s RRset) bool { return s.Owner.Equal(owner) }
	sets = slices.DeleteFunc(sets, func(s RRset) bool { _, ok := pending[NoteKey(s.Owner, s.Type)]; return ok })
	for _, n := range pending {
		if s, ok := readNote(n); ok && isOwners(s) {
			sets = append(sets, s)
		}
	}
	return sets, nil
}
