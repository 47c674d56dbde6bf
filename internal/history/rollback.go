package history

import (
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// Back returns the changeset that gives z the content that the zone had with a
// serial, under a new one. unix is the time, in seconds.
func Back(j *journal.Journal, z *zone.Zone, to zone.Serial, unix int64) (*zone.Changeset, error) {
	c, err := between(j, z.Apex(), z.Serial(), to)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("zone %v: serial %d is the one that is served; `ptrd log %[1]v` lists the others", z.Apex(), to)
	}
	next := z.Serial().Next(unix)
	added := slices.Clone(c.Added)
	for i := range added {
		if added[i].Type == rr.TypeSOA {
			added[i] = added[i].WithSerial(next)
		}
	}
	return &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: next, Removed: c.Removed, Added: added}, nil
}
