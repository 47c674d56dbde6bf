package catalog

import (
	"math"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Produced is a catalog that we make.
type Produced struct {
	Name    dname.Name
	Members []Member // without Labels

	// Stops reports whether a change that leaves so many of so many members is held back;
	// nil: none is.
	Stops func(before, after int) bool
}

// Held is a catalog of which a change is held back.
type Held struct {
	Name          dname.Name
	Before, After int // members
}

// Producer makes the catalogs of a configuration. It is used by one goroutine.
type Producer struct {
	Journal commit.Entries // nil: nothing is known of earlier runs
	Pause   func() func()  // see assemble.Options; nil: none

	owned map[string]dname.Name // that we made and that may be in the set
}

// sourceProducer is the source of our changes.
const sourceProducer = "catalog"

// minChangeset is the octets that a changeset may take however small its catalog:
// some two thousand members that come and go.
const minChangeset = 256 << 10

// Plan returns the changes that make the catalogs in set those that are asked for,
// by now. Catalogs that are asked for no more go. They suit
// this set only. The error is that of the journal.
func (p *Producer) Plan(list []Produced, set *zone.Set, now time.Time) (changes []zone.Change, held []Held, err error) {
	var pause func()
	if p.Pause != nil {
		pause = p.Pause()
	}
	owned := make(map[string]dname.Name, len(list))
	for i := range list {
		c := &list[i]
		owned[c.Name.Key()] = c.Name
		change, stopped, err := p.plan(c, set.Get(c.Name), now, pause)
		if err != nil {
			return nil, nil, err
		}
		if stopped != nil {
			held = append(held, *stopped)
		}
		if change != nil {
			changes = append(changes, *change)
		}
	}
	for key, name := range p.owned {
		if owned[key] != nil {
			continue
		}
		if base := set.Get(name); base != nil {
			owned[key] = name // until it is really gone
			changes = append(changes, zone.Change{Apex: name, Base: base})
		}
	}
	p.owned = owned
	return changes, held, nil
}

// plan makes one catalog; nil where base is the same.
func (p *Producer) plan(c *Produced, base *zone.Zone, now time.Time, pause func()) (*zone.Change, *Held, error) {
	z := build(c.Name, c.Members, 0, pause)
	hasBase := base != nil && base.IsAvailable()
	entries := p.Journal
	if hasBase { // all that counts of it
		entries = nil
	}
	last, err := commit.ReadLast(entries, base, c.Name)
	switch {
	case err != nil:
		return nil, nil, err
	case hasBase && base.Digest() == z.Digest():
		return nil, nil, nil
	case hasBase:
		if h := c.held(base); h != nil {
			return nil, h, nil
		}
	default:
		if h := c.heldAtStart(&last, z); h != nil {
			var change *zone.Change
			if base == nil {
				change = &zone.Change{Zone: zone.Unavailable(c.Name, notConfirmed), Apex: c.Name}
			}
			return change, h, nil
		}
	}
	z = z.WithSerial(last.GeneratedSerial(z.Digest(), now.Unix()))
	change := &zone.Change{Zone: z, Apex: c.Name, Base: base}
	if !hasBase {
		return change, nil, nil
	}
	limit := max(minChangeset, z.Stats().Bytes)
	if set := zone.DiffWithin(base, z, limit, pause); set != nil {
		change.Steps = []zone.Step{{Changeset: set, Source: sourceProducer, At: now.UnixMilli()}}
	}
	return change, nil, nil
}

// held returns the change of base to c if it is held back.
func (c *Produced) held(base *zone.Zone) *Held {
	if c.Stops == nil {
		return nil
	}
	stays := make(map[string]bool, len(c.Members))
	for i := range c.Members {
		stays[c.Members[i].Apex.Key()] = true
	}
	h := &Held{Name: c.Name}
	was, _ := Read(base, math.MaxInt) // we made it
	for i := range was {
		h.Before++
		if stays[was[i].Apex.Key()] {
			h.After++
		}
	}
	if !c.Stops(h.Before, h.After) {
		return nil
	}
	return h
}

const notConfirmed = "the catalog lost most of its members and waits for a confirmation"

// heldAtStart is held for a catalog that was served before a restart. What it listed is
// not kept, so that it has no data until it is confirmed: those who follow it go on with
// what they have.
func (c *Produced) heldAtStart(last *commit.Last, next *zone.Zone) *Held {
	h := &Held{c.Name, last.Records - ownRecords, next.Stats().Records - ownRecords}
	if c.Stops == nil || !last.Known || last.Gone || !c.Stops(h.Before, h.After) {
		return nil
	}
	return h
}

// Change returns the change of a catalog that we made, which lists some zones more and others
// no longer, at the cost of these zones; nil: it does so already.
func Change(base *zone.Zone, add []Member, gone []dname.Name, now time.Time) (*zone.Change, error) {
	name := base.Apex()
	var removed, added []zone.Record
	for _, apex := range gone {
		at := node(name, apex)
		for _, owner := range []dname.Name{at, below(at, labelGroup), below(at, labelCoo)} {
			for set := range base.RRsets(owner) {
				for data := range set.Values() {
					removed = append(removed, zone.Record{Owner: owner, Type: set.Type, TTL: set.TTL, Data: data})
				}
			}
		}
	}
	for i := range add {
		if len(values(base, node(name, add[i].Apex), rr.TypePTR)) == 0 {
			added = append(added, add[i].records(name)...)
		}
	}
	if len(removed)+len(added) == 0 {
		return nil, nil
	}
	c := base.ChangesetTo(base.SOA().WithSerial(base.Serial().Next(now.Unix())), removed, added)
	z, err := base.Apply(c)
	if err != nil {
		return nil, err
	}
	return &zone.Change{Zone: z, Apex: name, Base: base, Steps: []zone.Step{{Changeset: c, Source: sourceProducer, At: now.UnixMilli()}}}, nil
}
