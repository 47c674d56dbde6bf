package update

import (
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Change is a change that another part of the server makes, which decides itself who may do so.
type Change struct {
	Zone    dname.Name
	Updates []Record // as in a message; none: only Notes
	Dynamic bool     // the zone has no source but changes, whether it accepts messages or not
	By      string   // for the history

	Notes []zone.ZoneNotes // written in the same transaction
}

// Change carries out what decide returns for a snapshot, as a message would be, and returns
// after it is durable and served; records that it adds have no lifetime. decide is called again
// after a conflict. The error is that of decide, of the commit, or a [*Fault].
func (u *Updater) Change(decide func(*zone.Set) (*Change, error)) error {
	return u.propose(func(set *zone.Set) (*round, error) {
		c, err := decide(set)
		if err != nil {
			return nil, err
		}
		r := u.newRound(set)
		r.notes = c.Notes
		if len(c.Updates) == 0 {
			return r, nil
		}
		return r, r.change(c)
	})
}

func (r *round) change(c *Change) error {
	z := r.set.Get(c.Zone)
	if z != nil && c.Dynamic && r.policy.Zones[z.Key()] == nil {
		r.add(z, &ZonePolicy{Dynamic: true})
	}
	zr, fault := r.of(c.Zone)
	if fault != nil {
		return fault
	}
	ignored, fault := r.apply(zr, &Message{Zone: c.Zone, Updates: c.Updates}, nil, sourceUpdate+c.By)
	if fault != nil {
		return fault
	}
	for _, i := range ignored {
		if i.Record.Class == rr.ClassIN {
			return faultf(wire.RCodeRefused, "%v at %v: %s", i.Record.Type, i.Record.Owner, i.Why)
		}
	}
	if zr.policy.Lifetime > 0 {
		for i := range c.Updates {
			if u := &c.Updates[i]; u.Class == rr.ClassIN {
				zr.lives.set(u.Owner, u.Type, u.Data, 0)
			}
		}
	}
	return nil
}

// Forget returns the note that removes an RRset from the layer of updates of a zone that does
// not show it: it is not served, or its sources hide the RRset.
func Forget(apex, owner dname.Name, t rr.Type) zone.ZoneNotes {
	return zone.ZoneNotes{Apex: apex, Notes: []zone.Note{{Key: commit.NoteKey(owner, t)}}}
}
