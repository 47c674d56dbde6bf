package update

import (
	"fmt"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// round is some messages on their way into the zones of one moment.
type round struct {
	u      *Updater
	policy *Policy
	set    *zone.Set
	unix   int64
	milli  int64
	zones  []*zoneRound
	byKey  map[string]*zoneRound
	notes  []zone.ZoneNotes // of a Change
}

// zoneRound is one zone of a round.
type zoneRound struct {
	policy  *ZonePolicy
	static  *zone.Zone // its static data; nil: it is dynamic
	base    *zone.Zone // as it is served
	zone    *zone.Zone // with the steps so far
	steps   []zone.Step
	notes   []zone.Note
	touched keys                    // RRsets that the steps changed
	undo    map[string]bool         // keys of those notes that are about the layer as it was before
	same    map[string]commit.RRset // of the layer of updates, that are as derived or made ones; see Effect
	lives   lifeChanges
}

func (u *Updater) newRound(set *zone.Set) *round {
	u.heedClock()
	now := u.o.Now()
	return &round{u: u, policy: u.policy.Load(), set: set, unix: now.Unix(), milli: now.UnixMilli(), byKey: map[string]*zoneRound{}}
}

// of returns the round of the zone at apex, or why it takes no updates.
func (r *round) of(apex dname.Name) (*zoneRound, *Fault) {
	z := r.set.Get(apex)
	if z == nil {
		return nil, faultf(wire.RCodeNotAuth, "zone %v is not served", apex)
	}
	if zr := r.byKey[z.Key()]; zr != nil {
		return zr, nil
	}
	p := r.policy.Zones[z.Key()]
	if p == nil {
		return nil, takesNone(apex)
	}
	if z.Layers().Static == nil && !p.Dynamic {
		return nil, faultf(wire.RCodeServFail, "zone %v is not loaded", apex)
	}
	return r.add(z, p), nil
}

// add adds a zone to the round.
func (r *round) add(z *zone.Zone, p *ZonePolicy) *zoneRound {
	zr := &zoneRound{policy: p, static: z.Layers().Static, base: z, zone: z, touched: keys{}}
	r.zones = append(r.zones, zr)
	r.byKey[z.Key()] = zr
	return zr
}

// carryOut carries out one message in the zones as the ones before it left them,
// and notes in the job what became of it.
func (r *round) carryOut(j *job) {
	zr, fault := r.of(j.m.Zone)
	if fault == nil && !zr.policy.Knows(j.who) {
		fault = mayNot(j)
	}
	m := j.m
	if fault == nil && zr.policy.FollowClassless {
		if m, fault = j.m.follow(r.set, zr.zone); fault == nil && m != j.m {
			zr, fault = r.of(m.Zone)
		}
	}
	if fault == nil {
		allow := func(owner dname.Name, t rr.Type) string { return zr.policy.Allow(j.who, owner, t) }
		j.ignored, fault = r.apply(zr, m, allow, sourceUpdate+j.who.String())
	}
	j.fault = fault
	for i := range j.ignored {
		// The log says where updates of a name that is an alias (RFC 2317) belong.
		if target, child := aliasOf(r.set, zr.zone, j.ignored[i].Record.Owner); child != nil {
			j.ignored[i].Why = fmt.Sprintf("the name is an alias of %v; send the update to zone %v, or let follow_classless do so", target, child.Apex())
		}
	}
}

// apply makes a step of what a message does.
func (r *round) apply(zr *zoneRound, m *Message, allow func(dname.Name, rr.Type) string, source string) ([]Ignored, *Fault) {
	t := &Target{Zone: zr.zone, Allow: allow, Unix: r.unix}
	if l := zr.zone.Layers(); l.Derived != nil || l.Made != nil {
		r.addLayers(t, zr)
	}
	effect, fault := m.Run(t)
	if fault != nil {
		return nil, fault
	}
	if t.IsDynamic != nil {
		if err := r.addUndoOf(zr, effect); err != nil {
			return nil, faultf(wire.RCodeServFail, "the updates of zone %v cannot be read: %v", m.Zone, err)
		}
	}
	if c := effect.Changeset; c != nil {
		next, err := zr.zone.Apply(c)
		if err != nil {
			r.u.o.Log.Error("internal error: an update cannot be applied to its zone; please report it", "zone", m.Zone.String(), "err", err)
			return nil, faultf(wire.RCodeServFail, "the update does not fit the zone")
		}
		zr.zone = next
		zr.steps = append(zr.steps, zone.Step{Changeset: c, Source: source, At: r.milli})
		zr.record(c)
	}
	zr.recordSame(effect.Same)
	if zr.policy.Lifetime > 0 {
		zr.lives.added(effect.Added, r.unix+int64(zr.policy.Lifetime.Seconds()))
	}
	return effect.Ignored, nil
}

// record records what a step changed.
func (zr *zoneRound) record(c *zone.Changeset) {
	if zr.static != nil {
		zr.touched.add(c.Removed, c.Added)
	}
	if zr.policy.Lifetime > 0 {
		zr.lives.removed(c)
	}
}

// addLayers adds to a target what it needs to know of the layers of its zone.
func (r *round) addLayers(t *Target, zr *zoneRound) {
	t.IsDynamic = func(owner dname.Name, t rr.Type) (bool, error) { return r.isDynamic(zr, owner, t) }
	if r.u.o.Origin != nil {
		t.Origin = func(owner dname.Name) string { return r.u.o.Origin(r.set, zr.base.Apex(), owner) }
	}
}

// isDynamic implements Target.IsDynamic as the messages before left the zone.
func (r *round) isDynamic(zr *zoneRound, owner dname.Name, t rr.Type) (bool, error) {
	s, err := r.layerAt(zr, owner, t)
	_, isDerived := commit.Above(zr.zone, owner, t)
	return len(s.Data) > 0 && (!isDerived || s.EqualData(commit.ReadRRset(zr.zone, owner, t))), err
}

// recordSame records RRsets of the layer of updates that are as derived or made ones.
func (zr *zoneRound) recordSame(list []commit.RRset) {
	for _, s := range list {
		if zr.same == nil {
			zr.same = map[string]commit.RRset{}
		}
		key := commit.NoteKey(s.Owner, s.Type)
		zr.same[key], zr.touched[key] = s, Record{Owner: s.Owner, Type: s.Type}
		if zr.policy.Lifetime == 0 || len(s.Data) > 0 {
			continue
		}
		left := zr.layerRRset(key, s.Owner, s.Type) // the update may have added others to those
		for _, layer := range [...]*zone.Zone{zr.zone.Layers().Derived, zr.zone.Layers().Made} {
			for _, d := range commit.ReadRRset(layer, s.Owner, s.Type).Data {
				if !left.Has(d) {
					zr.lives.set(s.Owner, s.Type, d, 0)
				}
			}
		}
	}
}

// batch returns what the round changes; nil if it changes nothing.
func (r *round) batch() (*zone.Batch, error) {
	b := &zone.Batch{Source: "update", At: r.milli, Notes: r.notes}
	changesLives := false
	for _, zr := range r.zones {
		for key, t := range zr.touched {
			s := zr.layerRRset(key, t.Owner, t.Type)
			zr.notes = append(zr.notes, s.Note())
		}
		if len(zr.steps)+len(zr.undo) > 0 {
			if err := r.addUndoSince(zr); err != nil {
				return nil, err
			}
		}
		zr.notes = r.u.lifetimes[zr.base.Key()].notes(zr.notes, zr)
		changesLives = changesLives || len(zr.lives) > 0
		switch {
		case len(zr.steps) > 0:
			c := commit.NewChange(zr.base)
			c.Zone, c.Steps, c.Notes = zr.zone, zr.steps, zr.notes
			if err := r.showHidden(zr, &c); err != nil {
				return nil, err
			}
			b.Changes = append(b.Changes, c)
		case len(zr.notes) > 0: // lives were prolonged, or what changes does not show
			b.Notes = append(b.Notes, zone.ZoneNotes{Apex: zr.base.Apex(), Notes: zr.notes})
		}
	}
	commit.MarkHidden(b, r.set)
	if len(b.Changes)+len(b.Notes) == 0 && !changesLives {
		return nil, nil
	}
	return b, nil
}

// showHidden adds to the last step of a change RRsets of the layer of updates that were hidden by
// what the steps removed: where another layer hid a CNAME, other RRsets could be added.
func (r *round) showHidden(zr *zoneRound, c *zone.Change) error {
	if l := zr.zone.Layers(); l.Derived == nil && l.Made == nil {
		return nil
	}
	var owners []dname.Name
	for _, t := range zr.touched {
		owners = append(owners, t.Owner)
	}
	removed, added, err := commit.Difference(zr.zone, owners, r.u.o.Notes, zr.notes)
	if err != nil || len(removed)+len(added) == 0 {
		return err
	}
	last := zr.steps[len(zr.steps)-1].Changeset
	inLast, shown := keys{}, keys{}
	inLast.add(last.Removed, last.Added)
	shown.add(removed, added)
	for key, one := range shown {
		if _, ok := inLast[key]; ok {
			continue
		}
		was, err := r.layerAt(zr, one.Owner, one.Type)
		if err == nil {
			err = r.addUndo(zr, was, last.To, true)
		}
		if err != nil {
			return err
		}
	}
	c.Notes = zr.notes
	return commit.AddRecords(c, removed, added, "", r.milli)
}

// activateLives has the Updater know the lives of the records that the round changed.
func (r *round) activateLives() {
	for _, zr := range r.zones {
		if l := r.u.lifetimes[zr.base.Key()]; l != nil && zr.policy.Lifetime > 0 {
			l.activate(zr)
			r.u.wakeFor(l)
		}
	}
}
