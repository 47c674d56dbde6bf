package hosted

import (
	"slices"

	"github.com/ptrd/ptrd/zone"
)

// CreateSet makes a reusable delegation set of the next in the settings, or of that of a zone. by
// is the client.
func (s *Store) CreateSet(reference, zoneID, by string) (*DelegationSet, error) {
	s.order.Lock()
	defer s.order.Unlock()
	set, next, err := s.newSet(reference, zoneID, by)
	if err != nil {
		return nil, err
	}
	return set, s.note(zone.ZoneNotes{Apex: shared, Notes: []zone.Note{noteOf(noteSet+set.ID, set)}}, func() {
		s.putSet(set)
		s.next = next
	})
}

func (s *Store) newSet(reference, zoneID, by string) (set *DelegationSet, next int, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	next = s.next
	if s.setRefs[reference] {
		return nil, 0, faultf(DelegationSetExists, "A delegation set has already been created with the specified caller reference: %s", reference)
	}
	set = &DelegationSet{ID: newID('N'), CallerReference: reference, By: by}
	if zoneID == "" {
		if set.NameServers = s.freeSet(&next); set.NameServers == nil {
			return nil, 0, faultf(DelegationSetNotAvailable, "There is no delegation set left under `route53: delegation_sets`.")
		}
		return set, next, nil
	}
	e := s.byID[zoneID]
	if e == nil {
		return nil, 0, faultf("HostedZoneNotFound", "No hosted zone found with ID: %s", zoneID)
	}
	if err := e.zone.checkHosted(); err != nil {
		return nil, 0, err
	}
	for _, old := range s.sets {
		if slices.Equal(old.NameServers, e.zone.NameServers) {
			return nil, 0, faultf(DelegationSetReusable, "The delegation set of hosted zone %s is reusable already, with the ID %s", zoneID, old.ID)
		}
	}
	set.NameServers = e.zone.NameServers
	return set, next, nil
}

// DeleteSet removes a reusable delegation set that no zone uses.
func (s *Store) DeleteSet(id string) error {
	s.order.Lock()
	defer s.order.Unlock()
	set, err := s.Set(id)
	if err != nil {
		return err
	}
	s.mu.RLock()
	for _, e := range s.byID {
		if e.zone.Set == id {
			defer s.mu.RUnlock()
			return faultf(DelegationSetInUse, "The delegation set %s is used by hosted zone %s", id, e.zone.ID)
		}
	}
	s.mu.RUnlock()
	return s.note(zone.ZoneNotes{Apex: shared, Notes: []zone.Note{{Key: noteSet + id}}}, func() {
		delete(s.sets, id)
		delete(s.setRefs, set.CallerReference)
		s.setIDs.remove(id)
	})
}

// Set returns a reusable delegation set by its id.
func (s *Store) Set(id string) (*DelegationSet, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if set := s.sets[id]; set != nil {
		return set, nil
	}
	return nil, faultf(NoSuchDelegationSet, "No delegation set found with ID: %s", id)
}

// CountSets returns the number of reusable delegation sets, and how many there can be: one for
// each delegation set of the settings, and those that were in earlier settings.
func (s *Store) CountSets() (most, count int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	most = len(s.sets)
	for _, names := range s.settings.Load().Sets {
		if s.isFree(textsOf(names)) {
			most++
		}
	}
	return most, len(s.sets)
}

// Sets returns at most limit reusable delegation sets that want accepts, in the order of their ids.
func (s *Store) Sets(start string, limit int, want func(*DelegationSet) bool) (list []*DelegationSet, next *DelegationSet) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list, next, _ = page(s.setIDs.from(start), limit, func(id string) (*DelegationSet, bool) { return s.sets[id], want(s.sets[id]) })
	return list, next
}

// freeSet returns the next delegation set that is not reusable; nil: there is none.
func (s *Store) freeSet(next *int) []string {
	list := s.settings.Load().Sets
	for range list {
		names := textsOf(list[*next%len(list)])
		*next++
		if s.isFree(names) {
			return names
		}
	}
	return nil
}

// isFree reports whether no reusable delegation set has the names.
func (s *Store) isFree(names []string) bool {
	for _, set := range s.sets {
		if slices.Equal(set.NameServers, names) {
			return false
		}
	}
	return true
}
