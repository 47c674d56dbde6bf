package update

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// The sources of steps, as the history names them.
const (
	sourceUpdate   = "update by " // and the client
	sourceExpiry   = "end of dynamic_lifetime"
	sourceRollback = "rollback to " // and the serial
)

// History is what is known of former contents of zones.
type History interface {
	// Back returns the changeset that gives z the content that the zone had with a
	// serial, under a new one.
	Back(z *zone.Zone, to zone.Serial) (*zone.Changeset, error)
	// Log yields the steps of a zone, the newest first.
	Log(apex dname.Name, records bool) iter.Seq2[journal.Line, error]
}

// Rollback is the result of restoring the content of an earlier serial.
type Rollback struct {
	Zone    string      `json:"zone"`
	To      zone.Serial `json:"to"` // whose content is served again
	From    zone.Serial `json:"from"`
	Serial  zone.Serial `json:"serial"`  // of the zone afterwards
	Removed int         `json:"removed"` // records, without an SOA of which only the serial changed
	Added   int         `json:"added"`
	Layer   bool        `json:"layer"`   // only what updates added was changed, not what comes from the sources
	Ended   int         `json:"ended"`   // records that do not return because their lifetime had ended
	Renewed int         `json:"renewed"` // records that begin a new lifetime
}

// Print writes the result for the operator.
func (r *Rollback) Print(w io.Writer) error {
	what := "the content"
	if r.Layer {
		what = "the sources as they are and the updates"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "zone %s: serial %d → %d with %s of %d, %d removed, %d added\n", r.Zone, r.From, r.Serial, what, r.To, r.Removed, r.Added)
	if r.Ended > 0 {
		fmt.Fprintf(&b, "%d records stay away, because their lifetime has ended\n", r.Ended)
	}
	if r.Renewed > 0 {
		fmt.Fprintf(&b, "%d records begin a new lifetime\n", r.Renewed)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Rollback restores the content that a zone had with an earlier serial. The zone has no source
// but updates, whether it accepts any now or not; of a zone with sources, only the layer of
// updates is restored.
//
// Records whose lifetime ended since then stay away. Other records that return and that
// an update had added begin a new lifetime if the zone has dynamic_lifetime.
func (u *Updater) Rollback(apex dname.Name, to zone.Serial, h History) (out *Rollback, err error) {
	err = u.propose(func(set *zone.Set) (*round, error) {
		z, r := set.Get(apex), u.newRound(set)
		if z == nil || !z.IsAvailable() {
			return nil, fmt.Errorf("zone %v is not served; `ptrd status` lists those that are", apex)
		}
		if r.policy.Zones[z.Key()] == nil {
			r.add(z, &ZonePolicy{Dynamic: true})
		}
		zr, fault := r.of(apex)
		if fault != nil {
			return nil, fmt.Errorf("zone %v: %s", apex, fault.Text)
		}
		out, err = r.rollback(zr, to, h)
		return r, err
	})
	return out, err
}

// rollback adds the step that Updater.Rollback describes to the round of a zone.
func (r *round) rollback(zr *zoneRound, to zone.Serial, h History) (*Rollback, error) {
	z := zr.zone
	c, err := h.Back(z, to)
	if err != nil {
		return nil, err
	}
	past, err := since(h, z, to)
	if err != nil {
		return nil, err
	}
	out := &Rollback{Zone: z.Apex().String(), To: to, From: z.Serial(), Layer: zr.static != nil}
	var removed, returned []zone.Record
	source := fmt.Sprintf("%s%d", sourceRollback, to)
	if out.Layer {
		if removed, returned, err = r.rollbackLayer(zr, past, out, source); err != nil {
			return nil, err
		}
		c = &zone.Changeset{}
		if n := len(zr.steps); n > 0 {
			c = zr.steps[n-1].Changeset
		}
	} else {
		c.Added = out.withoutEnded(c.Added, c.Removed, past.ended(undoNotes{}))
		if zr.zone, err = z.Apply(c); err != nil {
			return nil, fmt.Errorf("zone %v: %w", z.Apex(), err)
		}
		removed, returned = without(c.Removed, c.Added), without(c.Added, c.Removed)
		zr.steps = append(zr.steps, zone.Step{Changeset: c, Source: source, At: r.milli})
	}
	gone, come := c.Content()
	out.Serial, out.Removed, out.Added = zr.zone.Serial(), len(gone), len(come)
	if zr.policy.Lifetime > 0 {
		for i := range removed {
			zr.lives.set(removed[i].Owner, removed[i].Type, removed[i].Data, 0)
		}
		byUpdate := returned
		if !out.Layer {
			if byUpdate, err = addedByUpdate(h, z.Apex(), to, returned); err != nil {
				return nil, err
			}
		}
		for i := range byUpdate {
			zr.lives.set(byUpdate[i].Owner, byUpdate[i].Type, byUpdate[i].Data, r.unix+int64(zr.policy.Lifetime.Seconds()))
		}
		out.Renewed = len(byUpdate)
	}
	return out, nil
}

// rollbackLayer gives the layer of updates its former content, which is a step of the zone.
// RRsets of the layer that higher layers hide stay as they are: their changes are not part of
// the history, so that no other rollback could undo them. It returns the records that leave the
// layer and those that return to it.
func (r *round) rollbackLayer(zr *zoneRound, past steps, out *Rollback, source string) (removed, returned []zone.Record, err error) {
	apex := zr.base.Apex()
	list, err := commit.ReadDynamic(r.u.o.Notes, apex)
	if err != nil {
		return nil, nil, err
	}
	layer := map[string]commit.RRset{}
	for _, s := range list {
		layer[commit.NoteKey(s.Owner, s.Type)] = s
	}
	var undo undoNotes
	if undo.bySerial, undo.since, err = commit.ReadUndo(r.u.o.Notes, apex); err != nil {
		return nil, nil, err
	}
	ended, changed := past.ended(undo), keys{}
	for key, s := range past.layerBefore(zr.zone, undo, layer) {
		was := layer[key]
		old := was.Records()
		records := out.withoutEnded(s.Records(), old, ended)
		s.Data = nil
		for _, rec := range records {
			s.Data = append(s.Data, rec.Data)
		}
		if s.Equal(was) || commit.IsHidden(zr.zone, &was) || commit.IsHidden(zr.zone, &s) {
			continue
		}
		removed, returned = append(removed, without(old, records)...), append(returned, without(records, old)...)
		changed[key] = Record{Owner: s.Owner, Type: s.Type}
		zr.notes = append(zr.notes, s.Note())
	}
	if len(changed) == 0 {
		return nil, nil, fmt.Errorf("zone %v: no update that can be undone changed it since, and its sources are not rolled back; `ptrd log %[1]v` lists what changed it", apex)
	}
	return removed, returned, r.restoreLayer(zr, layer, changed, source)
}

// restoreLayer makes a step of changes of the layer of updates that are among the notes of the round, if they
// change what is served.
func (r *round) restoreLayer(zr *zoneRound, layer map[string]commit.RRset, changed keys, source string) error {
	var owners []dname.Name
	for _, one := range changed {
		owners = append(owners, one.Owner)
	}
	gone, come, err := commit.Difference(zr.zone, owners, r.u.o.Notes, zr.notes)
	if err != nil {
		return err
	}
	before := zr.zone
	shown := keys{}
	if shown.add(gone, come); len(shown) > 0 {
		c := zone.Change{Apex: zr.base.Apex(), Base: zr.base, Zone: zr.zone, Steps: zr.steps}
		if err := commit.AddRecords(&c, gone, come, source, r.milli); err != nil {
			return err
		}
		zr.zone, zr.steps = c.Zone, c.Steps
	}
	for _, list := range [...]keys{changed, shown} {
		for key, one := range list {
			was := layer[key]
			was.Owner, was.Type = one.Owner, one.Type
			if _, isShown := shown[key]; isShown && was.Equal(commit.ReadRRset(before, one.Owner, one.Type)) {
				continue
			}
			if err := r.addUndo(zr, was, zr.zone.Serial(), len(shown) > 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutEnded counts the records that ended, unless they are there again, and returns
// the others.
func (out *Rollback) withoutEnded(list, there []zone.Record, ended map[string]bool) []zone.Record {
	stay := map[string]bool{}
	for i := range there {
		stay[there[i].Key()] = true
	}
	return slices.DeleteFunc(list, func(rec zone.Record) bool {
		key := rec.Key()
		if !ended[key] || stay[key] {
			return false
		}
		out.Ended++
		return true
	})
}

// steps are those of a zone since it had an earlier serial, the newest first.
type steps []journal.Line

// since returns the steps that led from a serial, which is known, to z.
func since(h History, z *zone.Zone, to zone.Serial) (list steps, err error) {
	for l, err := range h.Log(z.Apex(), true) {
		switch {
		case err != nil:
			return nil, err
		case len(list) == 0 && l.To != z.Serial():
			continue // it is not served yet
		}
		list = append(list, l)
		if l.From == to {
			break
		}
	}
	return list, nil
}

// isByUpdate reports whether a step changed only what updates made.
func isByUpdate(l *journal.Line) bool {
	if strings.HasSuffix(l.Source, commit.SourceDerived) { // an update of another zone
		return false
	}
	return strings.HasPrefix(l.Source, sourceUpdate) || l.Source == sourceExpiry || strings.HasPrefix(l.Source, sourceRollback)
}

// ended returns the records whose latest removal, but for what a source of the zone
// removed, was the end of their lifetime, by zone.Record.Key. undo is what the steps do not show.
func (list steps) ended(undo undoNotes) map[string]bool {
	out := map[string]bool{}
	for i := range list {
		c := list[i].Changeset
		if c == nil || !isByUpdate(&list[i]) {
			continue
		}
		unseen := maps.Collect(undo.at(list[i].To, false))
		for _, rec := range without(c.Removed, c.Added) {
			key := rec.Key()
			if s, isUnseen := unseen[commit.NoteKey(rec.Owner, rec.Type)]; isUnseen && !s.Has(rec.Data) {
				continue // it was made
			}
			if _, known := out[key]; !known {
				out[key] = list[i].Source == sourceExpiry
			}
		}
	}
	return out
}

// layerBefore returns the RRsets of the layer of updates that changed in these steps and between them, as they
// were before the first such change, by key of their note. z is the zone after all steps, undo what
// they do not show.
//
// An earlier ptrd made steps for which undo has nothing: what they removed may have been a made RRset.
// It was not if it is other than the one now, or the layer has it.
func (list steps) layerBefore(z *zone.Zone, undo undoNotes, layer map[string]commit.RRset) map[string]commit.RRset {
	shown := map[string]*commit.RRset{} // in the zone after each step; those of the steps by updates
	for i := range list {
		if c := list[i].Changeset; c != nil && isByUpdate(&list[i]) {
			touched := keys{}
			touched.add(c.Removed, c.Added)
			for key, one := range touched {
				s := commit.ReadRRset(z, one.Owner, one.Type)
				shown[key] = &s
			}
		}
	}
	before, isKnown := map[string]commit.RRset{}, undo.since != nil
	for i := range list {
		l := &list[i]
		maps.Insert(before, undo.at(l.To, true))
		for key := range revert(shown, l.Changeset) {
			if !isByUpdate(l) {
				continue
			}
			s := *shown[key]
			if now := layer[key]; !isKnown && s.Equal(commit.ReadRRset(z.Layers().Made, s.Owner, s.Type)) && !s.Equal(now) {
				s.Data = nil
			}
			s.Data = slices.Clone(s.Data)
			before[key] = s
		}
		maps.Insert(before, undo.at(l.To, false))
		isKnown = isKnown && l.From != *undo.since
	}
	return before
}

// revert undoes a changeset, which may be nil, in RRsets by key of their note. It returns the keys of those that change.
func revert(sets map[string]*commit.RRset, c *zone.Changeset) keys {
	changed := keys{}
	if c == nil {
		return changed
	}
	for i, part := range [...][]zone.Record{c.Added, c.Removed} {
		for j := range part {
			r := &part[j]
			key := commit.NoteKey(r.Owner, r.Type)
			s := sets[key]
			if s == nil {
				continue
			}
			changed[key] = Record{Owner: r.Owner, Type: r.Type}
			if i == 0 {
				s.Data = slices.DeleteFunc(s.Data, func(d []byte) bool { return bytes.Equal(d, r.Data) })
			} else {
				s.Data, s.TTL = append(s.Data, r.Data), r.TTL
			}
		}
	}
	return changed
}

// addedByUpdate returns those records that an update had added to a dynamic zone by the time
// of a serial. What came with the zone, or so long ago that the history does not reach
// back, is not among them. What a rollback added is as it was at the serial to which that
// rollback went.
func addedByUpdate(h History, apex dname.Name, to zone.Serial, list []zone.Record) (out []zone.Record, err error) {
	wanted := map[string]zone.Record{}
	from := map[zone.Serial][]zone.Record{} // the serial from which on to look back
	for _, rec := range list {
		if rec.Type != rr.TypeSOA {
			from[to] = append(from[to], rec)
		}
	}
	for l, err := range h.Log(apex, true) {
		if err != nil {
			return nil, err
		}
		for _, rec := range from[l.To] {
			wanted[rec.Key()] = rec
		}
		delete(from, l.To)
		if len(wanted) == 0 && len(from) == 0 {
			break
		}
		if l.Changeset == nil || len(wanted) == 0 || !isByUpdate(&l) {
			continue
		}
		for _, added := range without(l.Changeset.Added, l.Changeset.Removed) {
			key := added.Key()
			rec, ok := wanted[key]
			if !ok {
				continue
			}
			delete(wanted, key)
			if strings.HasPrefix(l.Source, sourceUpdate) {
				out = append(out, rec)
			} else if s, ok := strings.CutPrefix(l.Source, sourceRollback); ok {
				if n, err := strconv.ParseUint(s, 10, 32); err == nil {
					from[zone.Serial(n)] = append(from[zone.Serial(n)], rec)
				}
			}
		}
	}
	return out, nil
}

// without returns the records of list that are not in other, whatever their TTLs.
func without(list, other []zone.Record) []zone.Record {
	if len(list) == 0 || len(other) == 0 {
		return list
	}
	known := make(map[string]bool, len(other))
	for i := range other {
		known[other[i].Key()] = true
	}
	var out []zone.Record
	for i := range list {
		if !known[list[i].Key()] {
			out = append(out, list[i])
		}
	}
	return out
}
