package update

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// Notes keeps small durable facts of zones.
type Notes interface {
	// Notes returns the notes of a zone whose keys begin with prefix.
	Notes(apex dname.Name, prefix string) ([]zone.Note, error)
	// SetNotes makes notes of a zone durable although the zone does not change.
	SetNotes(apex dname.Name, notes []zone.Note) error
}

// noteRRset begins the keys of the notes that hold the layer of updates in a zone with
// static data: the owner in lower case and the type follow; the value is the TTL, then each
// RDATA after its length.
const noteRRset = "update/rrset/"

func rrsetKey(prefix string, owner dname.Name, t rr.Type) string {
	return string(binary.BigEndian.AppendUint16([]byte(prefix+owner.Key()), uint16(t)))
}

// rrsetAt returns an RRset of a zone.
func rrsetAt(z *zone.Zone, owner dname.Name, t rr.Type) commit.RRset {
	s := commit.RRset{Owner: owner, Type: t}
	if set, ok := z.Get(owner, t); ok {
		s.TTL = set.TTL
		for it := set.Data(); it.Next(); {
			s.Data = append(s.Data, slices.Concat(it.Head, it.Tail))
		}
	}
	return s
}

// newNote returns the note about an RRset; one without data is deleted.
func newNote(s commit.RRset) zone.Note {
	n := zone.Note{Key: rrsetKey(noteRRset, s.Owner, s.Type)}
	if len(s.Data) > 0 {
		n.Value = binary.BigEndian.AppendUint32(nil, s.TTL)
	}
	for _, d := range s.Data {
		n.Value = append(binary.BigEndian.AppendUint16(n.Value, uint16(len(d))), d...)
	}
	return n
}

// readNote reads what newNote wrote; ok is false if it is something else.
func readNote(n zone.Note) (s commit.RRset, ok bool) {
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

// ReadLayer returns the RRsets that updates added to a zone with static data. An error is
// [journal.ErrCorrupt] if they are damaged.
func ReadLayer(notes Notes, apex dname.Name) (layer []commit.RRset, err error) {
	list, err := notes.Notes(apex, noteRRset)
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
