package hosted

import (
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// RecordSet is an RRset as it is listed.
type RecordSet struct {
	Owner  dname.Name
	Type   rr.Type
	TTL    uint32
	Values []Value
	Alias  *Alias // nil: TTL and Values are its own
}

// Start is where a list of record sets begins: at the first that is not before it.
type Start struct {
	Owner dname.Name // nil: at the first of all
	Type  string     // empty: at the first of its name
}

// Records returns at most limit record sets of a zone in the order of the API, and where the
// next page begins; nil: there is none.
func (s *Store) Records(id string, start Start, limit int) (page []RecordSet, next *RecordSet, err error) {
	e, err := s.entryOf(id)
	if err != nil {
		return nil, nil, err
	}
	apex := e.apex
	from := ""
	if start.Owner != nil {
		switch {
		case start.Owner.IsAtOrBelow(apex):
			from = orderKey(start.Owner, apex.Labels())
		case orderKey(start.Owner, 0) > orderKey(apex, 0):
			return nil, nil, nil // behind all names of the zone
		default:
			start.Type = ""
		}
	}
	z, release := e.index.ready(func() *zone.Zone { return s.o.Writer.Set().Get(apex) })
	defer release()
	if err := e.noData(z); err != nil {
		return nil, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for key := range e.index.names.from(from) {
		owner := nameOfKey(key, apex)
		for _, set := range sortedSets(z, owner) {
			if key == from && set.Type.String() < start.Type {
				continue
			}
			one := RecordSet{Owner: owner, Type: set.Type}
			if len(page) == limit {
				return page, &one, nil
			}
			read := asSet(owner, &set, e)
			one.TTL, one.Values, one.Alias = read.ttl, read.values, read.alias
			page = append(page, one)
		}
	}
	return page, nil, nil
}

func sortedSets(z *zone.Zone, owner dname.Name) []zone.RRset {
	return slices.SortedFunc(z.RRsets(owner), func(a, b zone.RRset) int { return strings.Compare(a.Type.String(), b.Type.String()) })
}

// Zone returns a zone by its id.
func (s *Store) Zone(id string) (*Zone, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.byID[id]; e != nil {
		return e.zone, nil
	}
	return nil, noSuchZone(id)
}

// Count returns the number of RRsets of a zone.
func (s *Store) Count(z *Zone) int {
	if served := s.o.Writer.Set().Get(z.Apex); served != nil {
		return served.Stats().RRsets
	}
	return 0
}

// CountZones returns the number of zones that want accepts.
func (s *Store) CountZones(want func(*Zone) bool) (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.byID {
		if want(e.zone) {
			n++
		}
	}
	return n
}

// page returns at most limit of what keys lead to, and what comes next.
func page[T any](keys func(func(string) bool), limit int, get func(string) (T, bool)) (list []T, next T, more bool) {
	for key := range keys {
		v, ok := get(key)
		if !ok {
			continue
		}
		if len(list) == limit {
			return list, v, true
		}
		list = append(list, v)
	}
	return list, next, false
}

// Zones returns at most limit zones in the order of their ids, from the first that is not
// before start, of those that want, if set, accepts.
func (s *Store) Zones(start string, limit int, want func(*Zone) bool) (list []*Zone, next *Zone) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list, next, _ = page(s.ids.from(start), limit, func(id string) (*Zone, bool) {
		z := s.byID[id].zone
		return z, want == nil || want(z)
	})
	return list, next
}

// ZonesByName is Zones in the order of the API's names.
func (s *Store) ZonesByName(start dname.Name, limit int, want func(*Zone) bool) (list []*Zone, next *Zone) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := ""
	if start != nil {
		from = orderKey(start, 0)
	}
	list, next, _ = page(s.names.from(from), limit, func(key string) (*Zone, bool) {
		z := s.byApex[nameOfKey(key, dname.Root()).Key()].zone
		return z, want == nil || want(z)
	})
	return list, next
}
