package zone

import (
	"errors"

	"github.com/ptrd/ptrd/zone/dname"
)

// Change is the replacement of one zone.
type Change struct {
	Zone *Zone      // what is to be served; nil: the zone at Apex goes
	Apex dname.Name // of the zone
	Base *Zone      // what the change was made from; nil: there was none

	// Steps lead from Base to Zone, one after the other, each from the serial where
	// the one before it ended. There are none where the history of the zone begins,
	// restarts (with a change larger than the zone) or ends.
	Steps []Step
	Notes []Note

	Kept     bool // the content has no source but the journal, which must be able to give it back
	Verbatim bool // the serial is the source's, not ours

	// Declared is the serial that the zone's own source states, where it states
	// one; the Zone may have a later one. It means nothing unless HasDeclared.
	Declared    Serial
	HasDeclared bool
}

// Step is what one request changed.
type Step struct {
	Changeset *Changeset
	Source    string // of the request, for the history: "reload zones/2.0.192.zone", …
	At        int64  // when, in Unix milliseconds
}

// Note is a small durable fact about a zone, written together with the change that
// it belongs to. The journal stores it without looking inside.
type Note struct {
	Key   string // begins with the name of its owner and a slash: "update/", …
	Value []byte // nil: forget the note
}

// ZoneNotes are notes of one zone.
type ZoneNotes struct {
	Apex  dname.Name
	Notes []Note
}

// Batch is an atomic change of one or several zones.
type Batch struct {
	Changes []Change
	Notes   []ZoneNotes // of zones that do not change
	Layers  []Change    // of the [Layers] of zones whose data stay; they are not durable
	Source  string      // of changes without Steps, for the history: "reload", …
	At      int64       // when, in Unix milliseconds
}

// After returns the set as changes leave it.
func (s *Set) After(lists ...[]Change) *Set {
	var zones []*Zone
	var gone []dname.Name
	for _, changes := range lists {
		for i := range changes {
			if c := &changes[i]; c.Zone != nil {
				zones = append(zones, c.Zone)
			} else {
				gone = append(gone, c.Apex)
			}
		}
	}
	if len(zones)+len(gone) == 0 {
		return s
	}
	return s.With(zones, gone)
}

// ErrUndecided is the error of a change that was not carried out, but that a restart
// may find on the disk: the disk failed while the change was written, and again while
// it was undone. A client must not get an answer then, as if the server had ended
// before it could answer.
var ErrUndecided = errors.New("it is not certain whether the change is on the disk")
