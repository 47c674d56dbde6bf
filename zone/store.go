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
	Zone      *Zone      // what is to be served; nil: the zone at Apex goes
	Apex      dname.Name // of the zone
	Base      *Zone      // what the change was made from; nil: there was none
	Changeset *Changeset // from Base to Zone; nil where the history begins or ends
	Verbatim  bool       // the serial is the source's, not ours

	// Declared is the serial that the zone's own source states, where it states
	// one; the Zone may have a later one. It means nothing unless HasDeclared.
	Declared    Serial
	HasDeclared bool
}

// Batch is an atomic step of one or several zones.
type Batch struct {
	Changes []Change
	Source  string // who asks, for the history: "reload", …
	// Swap, if set, is called in place of the Store's own: with policy that must
	// come into force together with the data.
	Swap func(*Set)
}

// Journal keeps changes before anyone sees them.
type Journal interface {
	// Append makes the batch durable, or returns an error and leaves nothing of it.
	Append(b *Batch) error
}

// ErrStale says that a zone changed since a change of it was made.
var ErrStale = errors.New("the zone was changed by somebody else meanwhile")

// Store orders the writers of zones and hands out snapshots.
type Store struct {
	journal Journal
	swap    func(*Set)
	mu      sync.Mutex // orders writers; readers never take it
	set     atomic.Pointer[Set]
}

// NewStore returns a Store that serves nothing. Each new Set is handed to swap
// before Publish returns; journal and swap may be nil.
func NewStore(journal Journal, swap func(*Set)) *Store {
	s := &Store{journal: journal, swap: swap}
	s.set.Store(NewSet())
	return s
}

// Set returns the current snapshot.
func (s *Store) Set() *Set { return s.set.Load() }

// Publish makes the batch durable and then visible, all of it or nothing.
// [ErrStale] says that a zone of the batch is no longer the Base that the change
// was made from; the caller makes its change anew. A batch without changes only
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
	if len(b.Changes) > 0 {
		if s.journal != nil {
			if err := s.journal.Append(b); err != nil {
				return err
			}
		}
		set = set.With(zones, gone)
		s.set.Store(set)
	}
	switch {
	case b.Swap != nil:
		b.Swap(set)
	case s.swap != nil && len(b.Changes) > 0:
		s.swap(set)
	}
	return nil
}
