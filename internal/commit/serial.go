package commit

import (
	"fmt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// Entries knows what was served before a restart, such as a [journal.Journal].
type Entries interface {
	Last(apex dname.Name) (journal.Entry, bool, error)
}

// Last is what was served of a zone before, by this process or, according to the journal, by an
// earlier one.
type Last struct {
	journal.Entry
	Known bool // false: it was never served
}

// ReadLast returns what was served of the zone at an apex. entries may be nil, and so may base, the
// zone as it is in the snapshot.
func ReadLast(entries Entries, base *zone.Zone, apex dname.Name) (l Last, err error) {
	if entries != nil {
		if l.Entry, l.Known, err = entries.Last(apex); err != nil {
			return l, fmt.Errorf("look up the last serial of zone %v: %w", apex, err)
		}
	}
	if base != nil && base.IsAvailable() {
		l.Known, l.Serial, l.Digest = true, base.Serial(), base.Digest()
	}
	return l, nil
}

// GeneratedSerial returns the serial of a zone whose SOA is generated: the same as before for the
// same content, else at least one more and at least the Unix time. The time replaces a lost state
// directory: no serial served before is later, unless content changed more than once a second on
// average.
func (l *Last) GeneratedSerial(content zone.Digest, unix int64) zone.Serial {
	switch {
	case !l.Known:
		return zone.Serial(uint32(unix))
	case l.Digest == content:
		return l.Serial
	}
	return l.Serial.Next(unix)
}

// NextSerial returns the serial of a zone after a change of its records. A serial that the sources
// declare, or that updates change, is incremented; one that is generated is at least the Unix time.
func NextSerial(z *zone.Zone, unix int64) zone.Serial {
	s := z.Serial()
	if l := z.Layers(); l.Static != nil && !l.Declared {
		s = s.Next(unix)
	} else {
		s++
	}
	if s == 0 { // some take 0 for "none" (RFC 2136 §7.11 names other uses)
		s++
	}
	return s
}
