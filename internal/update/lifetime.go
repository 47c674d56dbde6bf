package update

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/priority"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// noteLife begins the keys of the notes that say how long a record lives: an [rr.Key] and a hash of
// the RDATA follow; in the value the Unix time of its end, then the RDATA.
const noteLife = "update/life/"

// life is a record that ends.
type life struct {
	key   string // of its note
	owner dname.Name
	typ   rr.Type
	data  []byte
	end   int64 // Unix time
	noted int64 // the end that is on disk
	own   bool  // end was set by this process, else by an earlier one
	place int   // in the heap
}

func lifeKey(owner dname.Name, t rr.Type, data []byte) string {
	h := fnv.New64a()
	h.Write(data)
	return string(h.Sum([]byte(noteLife + rr.Key(owner, t))))
}

// lifetimes are the records of one zone that end, the next one first. A nil
// *lifetimes has none.
type lifetimes struct {
	byKey map[string]*life
	queue *priority.Queue[*life]
	waits bool // a job that removes those that have ended is in the queue of the Updater
}

func newLifetimes() *lifetimes {
	return &lifetimes{
		byKey: map[string]*life{},
		queue: priority.New(func(a, b *life) bool { return a.end < b.end }, func(l *life, position int) { l.place = position }),
	}
}

// lifeChanges are what a round does to the lives of a zone's records, by key; an
// end of 0 is the record's own.
type lifeChanges map[string]*life

func (c *lifeChanges) set(owner dname.Name, t rr.Type, data []byte, end int64) {
	if *c == nil {
		*c = lifeChanges{}
	}
	key := lifeKey(owner, t, data)
	(*c)[key] = &life{key: key, owner: owner, typ: t, data: data, end: end}
}

func (c *lifeChanges) added(list []Record, end int64) {
	for i := range list {
		r := &list[i]
		c.set(r.Owner, r.Type, r.Data, end)
	}
}

// removed notes the records that are gone; where only the TTL changes, they are
// not.
func (c *lifeChanges) removed(set *zone.Changeset) {
	stays := map[string]bool{}
	for _, r := range set.Added {
		stays[lifeKey(r.Owner, r.Type, r.Data)] = true
	}
	for _, r := range set.Removed {
		if !stays[lifeKey(r.Owner, r.Type, r.Data)] {
			c.set(r.Owner, r.Type, r.Data, 0)
		}
	}
}

// notes appends the notes for what a round changes. What is on disk is up to a tenth
// of the lifetime later, so that a record that is added again and again need not be
// written each time; after a restart it may live so much longer.
func (l *lifetimes) notes(list []zone.Note, zr *zoneRound) []zone.Note {
	for key, c := range zr.lives {
		var old *life
		if l != nil {
			old = l.byKey[key]
		}
		switch {
		case c.end == 0 && old != nil:
			list = append(list, zone.Note{Key: key})
		case c.end == 0:
		case old != nil && old.noted >= c.end:
			c.noted = old.noted
		default:
			c.noted = c.end + int64(zr.policy.Lifetime.Seconds())/10
			list = append(list, c.note())
		}
	}
	return list
}

// activate applies the changes of a round that is published.
func (l *lifetimes) activate(zr *zoneRound) {
	for key, c := range zr.lives {
		old := l.byKey[key]
		switch {
		case c.end == 0 && old != nil:
			l.queue.Remove(old.place)
			delete(l.byKey, key)
		case c.end == 0:
		case old != nil:
			old.end, old.noted, old.own = c.end, c.noted, true
			l.queue.Fix(old.place)
		default:
			// The message that it came in is not kept for it.
			c.owner, c.data, c.own = c.owner.Clone(), slices.Clone(c.data), true
			l.byKey[key] = c
			l.queue.Push(c)
		}
	}
}

// adoptLifetimes reads the lives of the zones that have lifetimes now and had none
// before.
func (u *Updater) adoptLifetimes(p *Policy) error {
	u.heedClock()
	for key := range u.lifetimes {
		if z := p.Zones[key]; z == nil || z.Lifetime == 0 {
			delete(u.lifetimes, key)
		}
	}
	for key, z := range p.Zones {
		if z.Lifetime == 0 || u.lifetimes[key] != nil {
			continue
		}
		notes, err := u.o.Notes.Notes(dname.Name(key), noteLife)
		switch {
		case errors.Is(err, journal.ErrCorrupt):
			u.o.Log.Error("the lifetimes of some records of a zone are lost; the records stay until an update deletes them", "zone", dname.Name(key).String(), "err", err)
		case err != nil:
			return fmt.Errorf("read how long records of zone %v live: %w", dname.Name(key), err)
		}
		l := newLifetimes()
		for _, n := range notes {
			owner, typ, _, ok := rr.CutKey(n.Key[len(noteLife):])
			if !ok || len(n.Value) < 8 {
				u.o.Log.Error("the lifetime of a record cannot be read; the record stays until an update deletes it", "zone", dname.Name(key).String(), "note", n.Key)
				continue
			}
			end := int64(binary.BigEndian.Uint64(n.Value))
			if !clock.IsPossible(time.Unix(end, 0)) {
				// The clock was wrong then, so that the age is not known.
				end = u.o.Now().Add(z.Lifetime).Unix()
			}
			e := &life{key: n.Key, owner: owner, typ: typ, data: n.Value[8:], end: end, noted: end}
			l.byKey[n.Key] = e
			l.queue.Push(e)
		}
		u.lifetimes[key] = l
	}
	u.ClockSet()
	return nil
}

// watchExpiry has records removed when they end, until ctx does.
func (u *Updater) watchExpiry(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(u.untilExpiry())
		select {
		case <-ctx.Done():
			return
		case <-u.wake:
		case <-timer.C:
			for _, j := range u.expiries() {
				if u.queue.Add(j.zone, j, j.work, 0) != nil { // the server stops
					return
				}
			}
		}
	}
}

// expiries returns jobs, one for each zone with records that have ended.
func (u *Updater) expiries() (list []*job) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.heedClock()
	for key, l := range u.lifetimes {
		if due := u.due(l); !l.waits && len(due) > 0 {
			l.waits = true
			list = append(list, &job{zone: key, work: len(due)})
		}
	}
	return list
}

// endExpiry is called after a job of expiries, whatever became of it.
func (u *Updater) endExpiry(j *job) {
	if j.fault != nil {
		u.o.Log.Error("records whose life ended cannot be removed", "zone", dname.Name(j.zone).String(), "why", j.fault.Text)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.lifetimes[j.zone]; l != nil {
		l.waits = false
	}
	u.ClockSet()
}

// minWait is how long watchExpiry waits at least: what is due together goes together, and a zone that cannot be
// changed now is not asked all the time.
const minWait = time.Second

// wakeFor wakes watchExpiry if the first record of a zone ends before it would look. It is called with mu held.
func (u *Updater) wakeFor(l *lifetimes) {
	if e, ok := l.queue.First(); ok && time.Unix(e.end, 0).Before(u.waits) && u.o.Now().Add(minWait).Before(u.waits) {
		u.ClockSet()
	}
}

// untilExpiry returns how long to wait for the next record to end.
func (u *Updater) untilExpiry() time.Duration {
	const most = time.Hour // the clock may be set
	u.mu.Lock()
	defer u.mu.Unlock()
	wait := most
	u.heedClock()
	grace := u.graceLeft()
	for _, l := range u.lifetimes {
		if l.waits {
			continue
		}
		for _, e := range l.queue.All() {
			left := time.Unix(e.end, 0).Sub(u.o.Now())
			if !e.own {
				left = max(left, grace)
			}
			if wait = min(wait, left); grace <= 0 {
				break // the first one ends first
			}
		}
	}
	wait = max(wait, minWait)
	u.waits = u.o.Now().Add(wait)
	return wait
}

// NextEnd returns when the first record of the zone at apex ends; zero: none does.
func (u *Updater) NextEnd(apex dname.Name) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.lifetimes[apex.Key()]; l != nil {
		if e, ok := l.queue.First(); ok {
			return time.Unix(e.end, 0)
		}
	}
	return time.Time{}
}

// End returns when a record ends that updates added; the zero time if it does not.
func (u *Updater) End(apex dname.Name, r *zone.Record) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.lifetimes[apex.Key()]; l != nil {
		if one := l.byKey[lifeKey(r.Owner, r.Type, r.Data)]; one != nil {
			return time.Unix(one.end, 0)
		}
	}
	return time.Time{}
}

// startGrace is how long a record that ended while no ptrd ran stays after the start: a
// machine whose clock is wrong when it starts has it set by then, before anything is
// removed that cannot come back.
const startGrace = 5 * time.Minute

// graceLeft returns what is left of startGrace.
func (u *Updater) graceLeft() time.Duration {
	return startGrace - u.o.Now().Round(0).Add(-u.steps.All).Sub(u.began)
}

// heedClock moves the ends of lives by what the clock was set since the last call. It is
// called with mu held.
func (u *Updater) heedClock() {
	steps := u.o.Steps()
	if steps == u.steps {
		return
	}
	all, forward := int64((steps.All - u.steps.All).Seconds()), int64((steps.Forward - u.steps.Forward).Seconds())
	u.steps = steps
	for key, l := range u.lifetimes {
		var notes []zone.Note
		for _, e := range l.queue.All() {
			by := forward
			if e.own {
				by = all
			}
			if by == 0 {
				continue
			}
			e.end += by
			e.noted += by
			notes = append(notes, e.note())
		}
		l.queue.FixAll()
		if len(notes) == 0 {
			continue
		}
		if err := u.o.Notes.SetNotes(dname.Name(key), notes); err != nil {
			u.o.Log.Error("the clock was set, and the new expiry times of records cannot be stored; after a restart the old ones apply", "zone", dname.Name(key).String(), "err", err)
		}
	}
}

// note returns the note that keeps the life.
func (e *life) note() zone.Note {
	value := binary.BigEndian.AppendUint64(nil, uint64(e.noted))
	return zone.Note{Key: e.key, Value: append(value, e.data...)}
}

// ClockSet has the ends of lives looked at again, after the clock was set.
func (u *Updater) ClockSet() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// due returns the records of a zone that have ended, the first ones first. It is called with mu held.
func (u *Updater) due(l *lifetimes) (due []*life) {
	now, grace := u.o.Now().Unix(), u.graceLeft() > 0
	for _, e := range l.queue.All() {
		if e.end <= now && !(grace && !e.own) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *life) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key)) })
	const most = 10_000 // so that no update waits long for it
	return due[:min(len(due), most)]
}

// expire removes the records of a zone that have ended, as a step.
func (r *round) expire(j *job) {
	l := r.u.lifetimes[j.zone]
	if l == nil {
		return
	}
	due := r.u.due(l)
	if len(due) == 0 {
		return
	}
	apex := dname.Name(j.zone)
	zr, fault := r.of(apex)
	if fault != nil {
		return
	}
	m := &Message{Zone: apex}
	var hidden []*life
	for _, e := range due {
		if zr.hides(e.owner, e.typ) {
			hidden = append(hidden, e)
		} else {
			m.Updates = append(m.Updates, Record{Owner: e.owner, Type: e.typ, Class: rr.ClassNONE, Data: e.data})
		}
	}
	notes, err := r.endHidden(zr, hidden)
	if err != nil {
		j.fault = faultf(wire.RCodeServFail, "%v", err)
		return
	}
	zr.notes = append(zr.notes, notes...)
	_, j.fault = r.apply(zr, m, nil, sourceExpiry)
	for _, e := range due {
		zr.lives.set(e.owner, e.typ, e.data, 0)
	}
}

// hides reports whether the zone does not show an RRset of the layer of updates.
func (zr *zoneRound) hides(owner dname.Name, t rr.Type) bool {
	if zr.static == nil {
		return false
	}
	isAbove, _ := commit.Above(zr.zone, owner, t)
	_, isThere := zr.zone.Get(owner, t)
	return isAbove || !isThere
}

// endHidden returns the notes about RRsets that the zone does not show, without records whose life
// ends.
func (r *round) endHidden(zr *zoneRound, list []*life) (notes []zone.Note, err error) {
	left := map[string]*commit.RRset{}
	for _, e := range list {
		key := commit.NoteKey(e.owner, e.typ)
		if left[key] == nil {
			sets, err := commit.ReadDynamicAt(r.u.o.Notes, zr.base.Apex(), e.owner)
			if err != nil {
				return nil, err
			}
			left[key] = &commit.RRset{Owner: e.owner, Type: e.typ}
			for i := range sets {
				if sets[i].Type == e.typ {
					left[key] = &sets[i]
				}
			}
		}
		s := left[key]
		s.Data = slices.DeleteFunc(s.Data, func(d []byte) bool { return bytes.Equal(d, e.data) })
	}
	for _, s := range left {
		notes = append(notes, s.Note())
	}
	return notes, nil
}
