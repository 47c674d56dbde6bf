package update

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Notes keeps small durable facts of zones.
type Notes interface {
	// Notes returns the notes of a zone whose keys begin with prefix.
	Notes(apex dname.Name, prefix string) ([]zone.Note, error)
	// SetNotes makes notes of a zone durable although the zone does not change.
	SetNotes(apex dname.Name, notes []zone.Note) error
}

func rrsetKey(prefix string, owner dname.Name, t rr.Type) string {
	return string(binary.BigEndian.AppendUint16([]byte(prefix+owner.Key()), uint16(t)))
}
