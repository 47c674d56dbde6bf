package hosted

import (
	"slices"
	"sync"

	"github.com/ptrd/ptrd/zone"
)

// index has the owner names of a zone in the order of the API. It is built when it is first
// asked for, which takes about a second for a million names, and follows changes from then on.
type index struct {
	mu       sync.RWMutex
	names    *ordered // keys of orderKey below the apex; nil: not built
	building *zone.Zone
	behind   []zone.Change // that were published while it is built
}

// ready returns with the index locked for reading; the caller releases it. It is built, unless z,
// the zone that is served, is nil or has no data. z is at least as late as the index.
func (x *index) ready(served func() *zone.Zone) (z *zone.Zone, release func()) {
	for {
		x.mu.RLock()
		if z = served(); x.names != nil || z == nil || !z.IsAvailable() {
			return z, x.mu.RUnlock
		}
		x.mu.RUnlock()
		x.build(served)
	}
}

// build builds the index from the zone that is served, if it has data.
func (x *index) build(served func() *zone.Zone) {
	x.mu.Lock()
	x.behind = nil
	z := served()
	x.building = z
	x.mu.Unlock()
	if z == nil || !z.IsAvailable() {
		return
	}
	var keys []string
	skip := z.Apex().Labels()
	for owner := range zone.Owners(z.All()) {
		keys = append(keys, orderKey(owner, skip))
	}
	names := newOrdered(keys)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.building != z { // another goroutine began later
		return
	}
	x.names, x.building = names, nil
	for i := range x.behind {
		x.follow(&x.behind[i])
	}
	x.behind = nil
}

// published makes the index follow a change of the zone.
func (x *index) published(c *zone.Change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case c.Zone == nil || len(c.Steps) == 0:
		x.names, x.building, x.behind = nil, nil, nil // built again when it is asked for
	case x.names != nil:
		x.follow(c)
	case x.building != nil:
		x.behind = append(x.behind, *c)
	}
}

// follow has a change in the index. It is locked.
func (x *index) follow(c *zone.Change) {
	skip := c.Apex.Labels()
	for i := range c.Steps {
		set := c.Steps[i].Changeset
		for _, list := range [][]zone.Record{set.Removed, set.Added} {
			for owner := range zone.Owners(slices.Values(list)) {
				if c.Zone.Has(owner) {
					x.names.insert(orderKey(owner, skip))
				} else {
					x.names.remove(orderKey(owner, skip))
				}
			}
		}
	}
}
