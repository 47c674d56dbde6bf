package update

import (
	"iter"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// A rollback finds in the steps of a zone what the layer of updates had, and in notes ([commit.Undo]) what
// these do not show: the layer does not have a made RRset that a step replaces, and may have one
// that is the same as a derived or made one.

// keys are keys of notes about RRsets.
type keys map[string]Record

func (k keys) add(lists ...[]zone.Record) {
	for _, list := range lists {
		for i := range list {
			if r := &list[i]; r.Type != rr.TypeSOA {
				k[commit.NoteKey(r.Owner, r.Type)] = Record{Owner: r.Owner, Type: r.Type}
			}
		}
	}
}

// layerAt returns an RRset of the layer of updates as the messages before left it.
func (r *round) layerAt(zr *zoneRound, owner dname.Name, t rr.Type) (commit.RRset, error) {
	key := commit.NoteKey(owner, t)
	if _, ok := zr.touched[key]; ok {
		return zr.layerRRset(key, owner, t), nil
	}
	sets, err := commit.ReadDynamicAt(r.u.o.Notes, zr.base.Apex(), owner)
	for _, s := range sets {
		if s.Type == t {
			return s, err
		}
	}
	return commit.RRset{Owner: owner, Type: t}, err
}

// layerRRset returns an RRset of the layer of updates that the round changed.
func (zr *zoneRound) layerRRset(key string, owner dname.Name, t rr.Type) commit.RRset {
	_, isDerived := commit.Above(zr.zone, owner, t)
	s := commit.ReadRRset(zr.zone, owner, t)
	if isDerived || commit.IsMade(zr.zone, owner, t) {
		s.TTL, s.Data = zr.same[key].TTL, zr.same[key].Data
	}
	return s
}

// addUndo adds a note about an RRset of the layer of updates before a change. It is part of the step
// to serial, or comes after it. Of several changes after one step the first counts.
func (r *round) addUndo(zr *zoneRound, was commit.RRset, serial zone.Serial, isStep bool) error {
	u := commit.Undo{Serial: serial, IsLater: !isStep, RRset: was}
	n := u.Note()
	if zr.undo[n.Key] {
		return nil
	}
	if u.IsLater {
		if list, err := r.u.o.Notes.Notes(zr.base.Apex(), n.Key); err != nil || len(list) > 0 {
			return err
		}
	}
	if zr.undo == nil {
		zr.undo = map[string]bool{}
	}
	zr.undo[n.Key] = true
	zr.notes = append(zr.notes, n)
	return nil
}

// addUndoOf adds notes about what an effect changes in the layer of updates and its changeset does not show.
// It is called before that is applied.
func (r *round) addUndoOf(zr *zoneRound, e *Effect) error {
	l, shown, serial := zr.zone.Layers(), keys{}, zr.zone.Serial()
	if l.Made != nil && e.Changeset != nil {
		shown.add(e.Changeset.Removed, e.Changeset.Added)
	}
	if e.Changeset != nil {
		serial = e.Changeset.To
	}
	add := func(owner dname.Name, t rr.Type, isUnchanged func(was commit.RRset) bool) error {
		was, err := r.layerAt(zr, owner, t)
		if err != nil || isUnchanged(was) {
			return err
		}
		return r.addUndo(zr, was, serial, e.Changeset != nil)
	}
	for _, one := range shown {
		if _, ok := l.Made.Get(one.Owner, one.Type); !ok {
			continue // no other layer has it
		}
		if err := add(one.Owner, one.Type, func(was commit.RRset) bool { return was.Equal(commit.ReadRRset(zr.zone, one.Owner, one.Type)) }); err != nil {
			return err
		}
	}
	for _, s := range e.Same {
		if _, ok := shown[commit.NoteKey(s.Owner, s.Type)]; ok {
			continue
		}
		if err := add(s.Owner, s.Type, s.Equal); err != nil {
			return err
		}
	}
	return nil
}

// addUndoSince adds the note from which serial on undo notes are complete, if a zone has none.
func (r *round) addUndoSince(zr *zoneRound) error {
	if zr.static == nil || r.u.hasUndoSince[zr.base.Key()] {
		return nil
	}
	since, err := commit.UndoSince(r.u.o.Notes, zr.base.Apex())
	switch {
	case err != nil:
		return err
	case since == nil:
		zr.notes = append(zr.notes, commit.UndoSinceNote(zr.base.Serial()))
	default:
		r.u.hasUndoSince[zr.base.Key()] = true
	}
	return nil
}

// undoNotes are those of a zone.
type undoNotes struct {
	bySerial map[zone.Serial][]commit.Undo
	since    *zone.Serial // steps before it were made by an earlier ptrd; nil: all were
}

// at yields those that the step to a serial changed, or those that changed after it, by key of their note.
func (u *undoNotes) at(serial zone.Serial, isLater bool) iter.Seq2[string, commit.RRset] {
	return func(yield func(string, commit.RRset) bool) {
		for _, one := range u.bySerial[serial] {
			if one.IsLater == isLater && !yield(commit.NoteKey(one.Owner, one.Type), one.RRset) {
				return
			}
		}
	}
}
