package commit

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Notes reads the small durable facts of zones.
type Notes interface {
	// Notes returns the notes of a zone whose keys begin with prefix.
	Notes(apex dname.Name, prefix string) ([]zone.Note, error)
}

// noteRRset begins the keys of the notes that hold the dynamic layer of a zone with static data: an
// [rr.Key] follows; the value is the TTL, then each RDATA after its length.
const noteRRset = "update/rrset/"

// NoteKey returns the key of the note about an RRset of the dynamic layer.
func NoteKey(owner dname.Name, t rr.Type) string {
	return noteRRset + rr.Key(owner, t)
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
	var rest string
	s.Owner, s.Type, rest, ok = rr.CutKey(n.Key[len(noteRRset):])
	if !ok || rest != "" || len(n.Value) < 4 {
		return s, false
	}
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
			return nil, damagedNote(apex, &n)
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

// MarkHidden marks the zones that have notes about their dynamic layer in a batch and do not change
// otherwise, so that the batch conflicts with one that was computed from the layer as it was.
func MarkHidden(b *zone.Batch, set *zone.Set) {
	for i := range b.Notes {
		n := &b.Notes[i]
		z := set.Get(n.Apex)
		if z == nil || z.Layers().Static == nil || findChange(b.Changes, n.Apex) != nil || findChange(b.Layers, n.Apex) != nil ||
			!slices.ContainsFunc(n.Notes, func(n zone.Note) bool { return strings.HasPrefix(n.Key, noteRRset) }) {
			continue
		}
		l := z.Layers()
		l.Hidden++
		b.Layers = append(b.Layers, zone.Change{Zone: z.WithLayers(l), Apex: n.Apex, Base: z})
	}
}

// pendingNotes are the notes about RRsets that are not durable yet, by key of the owner.
type pendingNotes map[string][]zone.Note

func newPendingNotes(list []zone.Note) pendingNotes {
	p := pendingNotes{}
	for _, n := range list {
		if key, ok := strings.CutPrefix(n.Key, noteRRset); ok && len(key) > 2 {
			p[key[:len(key)-2]] = append(p[key[:len(key)-2]], n)
		}
	}
	return p
}

// at returns the RRsets of the dynamic layer at a name, where durable are those of durable notes.
func (p pendingNotes) at(owner dname.Name, durable []RRset) []RRset {
	for _, n := range p[owner.Key()] {
		durable = slices.DeleteFunc(durable, func(s RRset) bool { return NoteKey(s.Owner, s.Type) == n.Key })
		if s, ok := readNote(n); ok {
			durable = append(durable, s)
		}
	}
	return durable
}
