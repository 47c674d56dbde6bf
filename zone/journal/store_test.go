package journal

import (
	"sync/atomic"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// store publishes batches of one writer: durable first, then visible.
type store struct {
	j     *Journal
	shown func()
	set   atomic.Pointer[zone.Set]
}

func newStore(j *Journal) *store {
	s := &store{j: j, shown: func() {}}
	s.set.Store(zone.NewSet())
	return s
}

func (s *store) Set() *zone.Set { return s.set.Load() }

func (s *store) Publish(b *zone.Batch) error {
	if err := s.j.Append(b); err != nil {
		return err
	}
	var zones []*zone.Zone
	var gone []dname.Name
	for _, c := range b.Changes {
		if c.Zone != nil {
			zones = append(zones, c.Zone)
		} else {
			gone = append(gone, c.Apex)
		}
	}
	s.shown()
	s.set.Store(s.Set().With(zones, gone))
	return nil
}
