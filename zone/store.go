package zone

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ptrd/ptrd/zone/dname"
)

// Change is the replacement of one zone.
type Change struct {
	Zone *Zone      // what is to be served; nil: the zone at Apex goes
	Apex dname.Name // of the zone
	Base *Zone      // what the change was made from; nil: there was none

	// Steps lead from Base to Zone, one after the other, each from the serial where
	// the one before it ended. There are none where the history of the zone begins,
	// begins anew (with a change larger than the zone) or ends.
	Steps []Step
	Notes []Note

	Kept     bool // the content has no source but the journal, which must be able to give it back
	Verbatim bool // the serial is the source's, not ours

	// Declared is the serial that the zone's own source states, where it states
	// one; the Zone may have a later one. It means nothing unless HasDeclared.
	Declared    Serial
	HasDeclared bool
}

// Step is what one asker changed.
type Step struct {
	Changeset *Changeset
	Source    string // who asked, for the history: "reload zones/2.0.192.zone", …
	At        int64  // when, in Unix milliseconds
}

// Note is a small durable fact of a zone, written together with the change that
// it belongs to. The journal keeps it and does not look inside.
type Note struct {
	Key   string // begins with the name of who keeps it and a slash
	Value []byte // nil: forget the note
}

// ZoneNotes are notes of one zone.
type ZoneNotes struct {
	Apex  dname.Name
	Notes []Note
}

// Batch is an atomic step of one or several zones.
type Batch struct {
	Changes []Change
	Notes   []ZoneNotes // of zones that do not change
	Source  string      // who asks, for the history of zones that have no Steps: "reload", …
	At      int64       // when, in Unix milliseconds
	// Swap, if set, is called in place of the Store's own: with policy that must
	// come into force together with the data.
	Swap func(*Set)
}

// Journal keeps changes before anyone sees them.
type Journal interface {
	// Append makes the batch durable, or returns an error and leaves nothing of it. If
	// that is not certain the error is ErrUndecided, and the next Append accepts nothing
	// before it is.
	Append(b *Batch) error
}

// ErrStale says that a zone changed since a change of it was made.
var ErrStale = errors.New("the zone was changed by somebody else meanwhile")

// ErrUndecided says that a change is not carried out, but that it is not certain that
// a restart would not find it on the disk: the disk failed while it was written, and
// also while that was undone. A client must get no answer then, as if the server had
// ended before it could answer.
var ErrUndecided = errors.New("it is not certain whether the change is on the disk")

// Store orders the writers of zones and hands out snapshots.
type Store struct {
	journal   Journal
	swap      func(*Set)
	published func(*Batch)
	mu        sync.Mutex // orders writers; readers never take it
	set       atomic.Pointer[Set]
}

// NewStore returns a Store that serves nothing. Each new Set is handed to swap
// and then its Batch to published before Publish returns, in the order of the
// batches; neither may wait for another writer. All three may be nil.
func NewStore(journal Journal, swap func(*Set), published func(*Batch)) *Store {
	s := &Store{journal: journal, swap: swap, published: published}
	s.set.Store(NewSet())
	return s
}

// Set returns the current snapshot.
func (s *Store) Set() *Set { return s.set.Load() }

// Publish makes the batch durable and then visible, all of it or nothing.
// [ErrStale] says that a zone of the batch is no longer the Base that the change
// was made from; the caller makes its change again. A batch without changes and notes only
// calls Swap.
func (s *Store) Publish(b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.set.Load()
	var zones []*Zone
	var gone []dname.Name
	for i := range b.Changes {
		c := &b.Changes[i]
		if set.Get(c.Apex) != c.Base {
			return fmt.Errorf("zone %v: %w", c.Apex, ErrStale)
		}
		if c.Zone == nil {
			gone = append(gone, c.Apex)
		} else {
			zones = append(zones, c.Zone)
		}
	}
	if s.journal != nil && len(b.Changes)+len(b.Notes) > 0 {
		if err := s.journal.Append(b); err != nil {
			return err
		}
	}
	if len(b.Changes) > 0 {
		set = set.With(zones, gone)
		s.set.Store(set)
	}
	switch {
	case b.Swap != nil:
		b.Swap(set)
	case s.swap != nil && len(b.Changes) > 0:
		s.swap(set)
	}
	if s.published != nil && len(b.Changes) > 0 {
		s.published(b)
	}
	return nil
}
