package update

import (
	"encoding/binary"
	"fmt"
	"slices"

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

// noteRRset begins the keys of the notes that hold the RRsets which updates put
// into a zone that has sources as well: owner in lower case and type behind it, TTL
// and RDATA (each with its length in front) in the value.
const noteRRset = "update/rrset/"

func rrsetKey(prefix string, owner dname.Name, t rr.Type) string {
	return string(binary.BigEndian.AppendUint16([]byte(prefix+owner.Key()), uint16(t)))
}

// noted is an RRset as a note has it.
type noted struct {
	owner dname.Name
	typ   rr.Type
	ttl   uint32
	data  [][]byte // none: there is no RRset
}

// rrsetAt returns an RRset of a zone.
func rrsetAt(z *zone.Zone, owner dname.Name, t rr.Type) noted {
	s := noted{owner: owner, typ: t}
	if set, ok := z.Get(owner, t); ok {
		s.ttl = set.TTL
		for it := set.Data(); it.Next(); {
			s.data = append(s.data, slices.Concat(it.Head, it.Tail))
		}
	}
	return s
}

func (s noted) key() string { return rrsetKey(noteRRset, s.owner, s.typ) }

// note returns the note about the RRset; one without data is deleted.
func (s noted) note() zone.Note {
	n := zone.Note{Key: s.key()}
	if len(s.data) > 0 {
		n.Value = binary.BigEndian.AppendUint32(nil, s.ttl)
	}
	for _, d := range s.data {
		n.Value = append(binary.BigEndian.AppendUint16(n.Value, uint16(len(d))), d...)
	}
	return n
}

func (s noted) records() (list []zone.Record) {
	for _, d := range s.data {
		list = append(list, zone.Record{Owner: s.owner, Type: s.typ, TTL: s.ttl, Data: d})
	}
	return list
}

// readRRset reads what noted.note wrote; ok is false if it is something else.
func readRRset(n zone.Note) (s noted, ok bool) {
	key := []byte(n.Key[len(noteRRset):])
	s.owner = dname.FromWire(key)
	if s.owner == nil || len(key) != len(s.owner)+2 || len(n.Value) < 4 {
		return s, false
	}
	s.typ = rr.Type(binary.BigEndian.Uint16(key[len(s.owner):]))
	s.ttl = binary.BigEndian.Uint32(n.Value)
	for b := n.Value[4:]; len(b) > 0; {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return s, false
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		s.data = append(s.data, b[2:end])
		b = b[end:]
	}
	return s, len(s.data) > 0
}

// Overlay returns the zone made from its sources, static, with the RRsets that updates
// added to it.
func Overlay(notes Notes, static *zone.Zone) (*zone.Zone, error) {
	list, err := readLayer(notes, static.Apex())
	if err != nil {
		return nil, err
	}
	return overlay(static, list)
}

// readLayer returns the RRsets that updates added to a zone with sources.
func readLayer(notes Notes, apex dname.Name) (layer []noted, err error) {
	list, err := notes.Notes(apex, noteRRset)
	if err != nil {
		return nil, fmt.Errorf("read what updates put into zone %v: %w", apex, err)
	}
	for _, n := range list {
		s, ok := readRRset(n)
		if !ok {
			return nil, fmt.Errorf("what updates put into zone %v: %w (note %q)", apex, journal.ErrCorrupt, n.Key)
		}
		layer = append(layer, s)
	}
	return layer, nil
}

// overlay puts a layer under what the sources have: an RRset of the layer that would add
// to one of theirs, coexist with a CNAME or hide a name below it is left out as long as
// they have it.
func overlay(static *zone.Zone, layer []noted) (z *zone.Zone, err error) {
	// First what coexists with everything, then what must be alone: two RRsets of the
	// layer can contradict each other if one was added while the sources hid the other.
	var rounds [3][]noted
	for _, s := range layer {
		i := 0
		switch s.typ {
		case rr.TypeDNAME:
			i = 1
		case rr.TypeCNAME:
			i = 2
		}
		rounds[i] = append(rounds[i], s)
	}
	z = static
	for _, sets := range rounds {
		c := &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: z.Serial()}
		for i := range sets {
			s := &sets[i]
			if !fitsBeside(z, static, s) {
				continue
			}
			c.Added = append(c.Added, s.records()...)
		}
		if c.IsEmpty() {
			continue
		}
		if z, err = z.Apply(c); err != nil {
			return nil, fmt.Errorf("put what updates added into zone %v: %w", static.Apex(), err)
		}
	}
	return z, nil
}

// fitsBeside reports whether an RRset of the layer goes with what zone z has at its
// name, and leaves all that the sources have as it is.
func fitsBeside(z, static *zone.Zone, s *noted) bool {
	if !s.owner.IsAtOrBelow(z.Apex()) {
		return false
	}
	atApex := s.owner.Equal(z.Apex())
	for other := range z.RRsets(s.owner) {
		switch {
		case other.Type == s.typ:
			return false
		case s.typ == rr.TypeCNAME && !mayStandByCNAME(other.Type), other.Type == rr.TypeCNAME && !mayStandByCNAME(s.typ):
			return false
		case !atApex && (s.typ == rr.TypeNS && other.Type == rr.TypeDNAME || s.typ == rr.TypeDNAME && other.Type == rr.TypeNS):
			return false
		}
	}
	return s.typ != rr.TypeNS && s.typ != rr.TypeDNAME || !static.HasBelow(s.owner)
}
