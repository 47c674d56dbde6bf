package commit

import (
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// SourceDerived ends the source of a step that follows from one of another zone, whose source
// comes before it.
const SourceDerived = " (derived)"

// Refresh brings names of one zone up to date with its layers, after one of these changed.
type Refresh struct {
	Apex   dname.Name
	Layers func(*zone.Layers) // replaces layers; nil: they stay
	Owners []dname.Name       // at which the layers may have other RRsets than before

	// Source is that of the step that the zone makes, for the history. If it is empty,
	// the records that change are part of the last step that the batch has of the zone.
	Source string
}

// AddTo adds to a batch what a Stage or Propose knows to have changed: the difference between the
// zone as the batch leaves it, or as it is in the snapshot, and what its layers show at Owners. The
// dynamic layer is read from the notes of the batch and from notes, which may be nil. If the
// records are the same, only the layers of the zone change. A zone that has no static data or is
// not served stays as it is.
func (r *Refresh) AddTo(b *zone.Batch, set *zone.Set, notes Notes) error {
	c := findChange(b.Changes, r.Apex)
	if c == nil {
		c = findChange(b.Layers, r.Apex)
	}
	z := set.Get(r.Apex)
	if c != nil {
		z = c.Zone
	}
	if z == nil || !z.IsAvailable() || z.Layers().Static == nil {
		return nil
	}
	l := z.Layers()
	if r.Layers != nil {
		r.Layers(&l)
	}
	next := z.WithLayers(l)
	removed, added, err := Difference(next, r.Owners, notes, notesOf(b, r.Apex))
	switch {
	case err != nil:
		return err
	case len(removed)+len(added) > 0:
		c = ChangeOf(b, set, r.Apex)
		c.Zone = next
		return AddRecords(c, removed, added, r.Source, b.At)
	case c != nil:
		c.Zone = next
	case next != z:
		b.Layers = append(b.Layers, zone.Change{Zone: next, Apex: r.Apex, Base: z})
	}
	return nil
}

// Difference returns the records that must go and come so that a zone with static data has what its
// layers show at some names. Of the dynamic layer, pending are notes that are not durable yet.
func Difference(z *zone.Zone, owners []dname.Name, notes Notes, pending []zone.Note) (removed, added []zone.Record, err error) {
	changed := newPendingNotes(pending)
	l := layers{z.Layers(), func(owner dname.Name) ([]RRset, error) {
		durable, err := ReadDynamicAt(notes, z.Apex(), owner)
		return changed.at(owner, durable), err
	}}
	seen := make(map[string]bool, len(owners))
	for _, owner := range owners {
		if seen[owner.Key()] {
			continue
		}
		seen[owner.Key()] = true
		gone, come, err := l.difference(z, owner)
		if err != nil {
			return nil, nil, err
		}
		removed, added = append(removed, gone...), append(added, come...)
	}
	isSOA := func(r zone.Record) bool { return r.Type == rr.TypeSOA } // that of z has a serial of its own
	return slices.DeleteFunc(removed, isSOA), slices.DeleteFunc(added, isSOA), nil
}

// notesOf returns the notes about a zone in a batch.
func notesOf(b *zone.Batch, apex dname.Name) (list []zone.Note) {
	if c := findChange(b.Changes, apex); c != nil {
		list = c.Notes
	}
	for i := range b.Notes {
		if b.Notes[i].Apex.Equal(apex) {
			list = slices.Concat(list, b.Notes[i].Notes)
		}
	}
	return list
}

func findChange(list []zone.Change, apex dname.Name) *zone.Change {
	if i := slices.IndexFunc(list, func(c zone.Change) bool { return c.Apex.Equal(apex) }); i >= 0 {
		return &list[i]
	}
	return nil
}

// NewChange returns a change of a zone that changes nothing yet. Who changes its records adds them
// with [AddRecords], or replaces its Zone and adds to its Steps.
func NewChange(z *zone.Zone) zone.Change {
	c := zone.Change{Zone: z, Apex: z.Apex(), Base: z, Kept: z.Layers().Static == nil}
	if c.HasDeclared = z.Layers().Declared; c.HasDeclared {
		c.Declared = z.Layers().Static.Serial()
	}
	return c
}

// ChangeOf returns the change of a zone in a batch. If there is none, it adds one that changes
// nothing yet; nil: the snapshot has no such zone either. It is valid until the batch gets another
// change.
func ChangeOf(b *zone.Batch, set *zone.Set, apex dname.Name) *zone.Change {
	if c := findChange(b.Changes, apex); c != nil {
		return c
	}
	base := set.Get(apex)
	if base == nil {
		return nil
	}
	c := NewChange(base)
	if l := findChange(b.Layers, apex); l != nil {
		c.Zone = l.Zone
		b.Layers = slices.DeleteFunc(b.Layers, func(l zone.Change) bool { return l.Apex.Equal(apex) })
	}
	b.Changes = append(b.Changes, c)
	return &b.Changes[len(b.Changes)-1]
}

// AddRecords removes and adds records of the zone of a change, which are not its SOA. With a
// source, they are a step of their own, with a serial; else they are part of the last step of the
// change, if it has one. at is the time in Unix milliseconds.
func AddRecords(c *zone.Change, removed, added []zone.Record, source string, at int64) error {
	extra := &zone.Changeset{Apex: c.Apex, From: c.Zone.Serial(), To: c.Zone.Serial(), Removed: removed, Added: added}
	isPart := source == "" && len(c.Steps) > 0
	if !isPart {
		extra = c.Zone.ChangesetTo(c.Zone.SOA().WithSerial(NextSerial(c.Zone, at/1000)), removed, added)
	}
	hasHistory := c.Base != nil && c.Base.IsAvailable() && (len(c.Steps) > 0 || c.Zone.Serial() == c.Base.Serial())
	z, err := c.Zone.Apply(extra)
	if err != nil {
		return err
	}
	c.Zone = z
	switch {
	case isPart:
		last := &c.Steps[len(c.Steps)-1]
		last.Changeset = zone.Condense([]*zone.Changeset{last.Changeset, extra})
	case hasHistory:
		c.Steps = append(c.Steps, zone.Step{Changeset: extra, Source: source, At: at})
	}
	return nil
}
