package hosted

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// roundLen is how many batches one flush of the disk carries.
const roundLen = 256

// job is a batch on its way.
type job struct {
	entry  *entry
	edits  []Edit
	source string // for the history
	done   chan struct{}

	comment string

	change Change
	err    error
	broken bool // carrying it out ended in a panic
}

// ErrUndecided is the error of a change of which it is not certain whether it is on the disk:
// the client must not get an answer.
var ErrUndecided = zone.ErrUndecided

var errStopping = faultf(ServiceUnavailable, "The server is stopping.")

// ChangeRecords carries out a batch of edits, all of them or none, and returns after the result is
// durable and served. by is the client, for the history, which also has the comment.
func (s *Store) ChangeRecords(id string, edits []Edit, by, comment string) (Change, error) {
	e, err := s.entryOf(id)
	if err != nil {
		return Change{}, err
	}
	j := &job{entry: e, edits: edits, source: sourceOf(by, comment), comment: comment, done: make(chan struct{})}
	// Each batch belongs to a connection, which waits, so that their number is bounded.
	if s.queue.Add(id, j, len(edits), 0) != nil {
		return Change{}, errStopping
	}
	<-j.done
	return j.change, j.err
}

// Run carries out batches until ctx ends; it then refuses those that wait.
func (s *Store) Run(ctx context.Context) error {
	s.queue.Run(ctx, func(jobs []*job) {
		s.commit(jobs)
		for _, j := range jobs {
			close(j.done)
		}
	}, func(j *job) {
		j.err = errStopping
		close(j.done)
	})
	return nil
}

// source begins the sources of our steps in the history.
const source = "route53"

// sourceOf returns the source of a batch of a client, whose name has no space.
func sourceOf(by, comment string) string {
	if comment == "" {
		return source + " by " + by
	}
	return source + " by " + by + ": " + comment
}

// commentOf returns the comment in a source.
func commentOf(s string) string {
	if !strings.HasPrefix(s, source+" by ") {
		return ""
	}
	_, comment, _ := strings.Cut(s, ": ")
	return comment
}

// round is some batches on their way into the zones of one moment.
type round struct {
	s     *Store
	set   *zone.Set
	now   time.Time
	zones []*zoneRound
	of    map[*entry]*zoneRound
}

// zoneRound is one zone of a round.
type zoneRound struct {
	entry *entry
	base  *zone.Zone
	zone  *zone.Zone
	steps []zone.Step
	notes []zone.Note
	next  map[string]submitted // texts that change; without a text: none from now on
	now   map[string]*Alias    // aliases that come and go (nil)
	added aliased              // those that come
}

// commit carries out batches in their order and makes what they change durable and visible.
func (s *Store) commit(jobs []*job) {
	var r *round
	s.order.Lock() // a zone is not removed while notes of its texts are written
	defer s.order.Unlock()
	err := s.write(len(jobs), commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			r = s.carryOut(set, jobs)
			return r.batch(), nil
		},
		After: func() error {
			r.adopt()
			return nil
		},
	})
	for _, j := range jobs {
		if j.err == nil {
			j.err = err
		}
	}
}

// write commits a request that carries out so many changes. The error is what clients learn.
func (s *Store) write(changes int, r commit.Request) (err error) {
	ok := s.o.Guard.Do("hosted zones", func() { _, err = s.o.Writer.Commit(r) })
	if !ok { // the panic may have come before or after the change was on disk
		err = fmt.Errorf("internal error: %w", ErrUndecided)
	}
	if err != nil {
		s.o.Log.Error("changes of hosted zones could not be carried out", "changes", changes, "err", err)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUndecided):
		return ErrUndecided
	case errors.Is(err, commit.ErrNotDurable):
		return faultf(ServiceUnavailable, "The change could not be made durable; the disk of the server failed.")
	}
	return faultf(ServiceUnavailable, "The change could not be carried out.")
}

// carryOut returns a round with what the batches change. One that causes a panic is refused,
// and the round begun again without it.
func (s *Store) carryOut(set *zone.Set, jobs []*job) *round {
again:
	r := &round{s: s, set: set, now: s.o.Now(), of: map[*entry]*zoneRound{}}
	for _, j := range jobs {
		if j.broken {
			j.err = faultf(ServiceUnavailable, "The server failed over this request.")
			continue
		}
		j.err = nil
		if !s.o.Guard.Do("hosted zones", func() { r.carryOut(j) }) {
			j.broken = true
			goto again
		}
	}
	return r
}

// zone returns the round of a zone; nil: it is no longer there, or without data.
func (r *round) zone(e *entry) (*zoneRound, error) {
	if zr := r.of[e]; zr != nil {
		return zr, nil
	}
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	if r.s.byID[e.id] != e {
		return nil, noSuchZone(e.id)
	}
	if err := e.zone.checkWritable(); err != nil {
		return nil, err
	}
	z := r.set.Get(e.apex)
	if err := e.noData(z); err != nil {
		return nil, err
	}
	zr := newZoneRound(e, z)
	r.of[e] = zr
	r.zones = append(r.zones, zr)
	return zr, nil
}

func newZoneRound(e *entry, z *zone.Zone) *zoneRound {
	return &zoneRound{entry: e, base: z, zone: z, next: map[string]submitted{}, now: map[string]*Alias{}}
}

// alias implements facts.
func (zr *zoneRound) alias(key string) *Alias {
	if a, ok := zr.now[key]; ok {
		return a
	}
	return zr.entry.alias(key)
}

// aliasesOf implements facts.
func (zr *zoneRound) aliasesOf(target string) (keys []string) {
	for _, key := range zr.entry.aliasesOf(target) {
		if _, changed := zr.now[key]; !changed {
			keys = append(keys, key)
		}
	}
	return append(keys, zr.added.aliasesOf(target)...)
}

// text implements facts: the submitted text of an RRset as the steps so far left it.
func (zr *zoneRound) text(key string) (submitted, bool) {
	if sub, ok := zr.next[key]; ok {
		return sub, len(sub.texts) > 0
	}
	sub, ok := zr.entry.texts[key]
	return sub, ok
}

func (r *round) carryOut(j *job) {
	zr, err := r.zone(j.entry)
	if err != nil {
		j.err = err
		return
	}
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	c, err := zr.carryOut(j.edits, true, zr.zone.Serial().Next(r.now.Unix()))
	if err != nil {
		j.err = err
		return
	}
	if c != nil {
		zr.steps = append(zr.steps, zone.Step{Changeset: c, Source: j.source, At: r.now.UnixMilli()})
	}
	j.change = Change{ID: r.s.changeID(j.entry.id, zr.zone.Serial(), c != nil, r.now), SubmittedAt: r.now.UTC(), Comment: j.comment}
}

// carryOut carries out edits, and returns the changeset to a serial; nil: no record changes.
// Batches have limits.
func (zr *zoneRound) carryOut(edits []Edit, isBatch bool, serial zone.Serial) (*zone.Changeset, error) {
	c, touched, err := apply(zr.zone, zr, edits, isBatch, serial)
	if err != nil {
		return nil, err
	}
	if c != nil {
		next, err := zr.zone.Apply(c)
		if err != nil {
			return nil, &Fault{InvalidChangeBatch, []string{err.Error()}}
		}
		var faults []string
		for _, f := range next.Recheck(c, nil) {
			if f.Severity == finding.Error {
				faults = append(faults, f.String())
			}
		}
		if len(faults) > 0 {
			return nil, &Fault{InvalidChangeBatch, faults}
		}
		zr.zone = next
	}
	for _, s := range touched {
		n, sub := s.now.note(s.owner, s.typ)
		key := rr.Key(s.owner, s.typ)
		if _, had := zr.text(key); had || n.Value != nil {
			zr.notes = append(zr.notes, n)
			zr.next[key] = sub
		}
		if had := zr.alias(key); !had.equal(s.now.alias) {
			n := zone.Note{Key: noteAlias + key}
			if s.now.alias != nil {
				n = noteOf(n.Key, s.now.alias)
			}
			zr.notes = append(zr.notes, n)
			zr.now[key] = s.now.alias
			zr.added.set(key, s.now.alias)
		}
	}
	return c, nil
}

// batch returns what the round changes; nil: nothing.
func (r *round) batch() *zone.Batch {
	b := &zone.Batch{Source: source, At: r.now.UnixMilli()}
	for _, zr := range r.zones {
		switch {
		case len(zr.steps) > 0:
			b.Changes = append(b.Changes, zone.Change{Zone: zr.zone, Apex: zr.base.Apex(), Base: zr.base, Steps: zr.steps, Notes: zr.notes, Kept: true})
		case len(zr.notes) > 0:
			b.Notes = append(b.Notes, zone.ZoneNotes{Apex: zr.base.Apex(), Notes: zr.notes})
		}
	}
	if len(b.Changes)+len(b.Notes) == 0 {
		return nil
	}
	return b
}

// adopt makes the texts of the round those that are listed.
func (r *round) adopt() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, zr := range r.zones {
		zr.adopt()
	}
}

func (zr *zoneRound) adopt() {
	for key, sub := range zr.next {
		if len(sub.texts) > 0 {
			zr.entry.texts[key] = sub
		} else {
			delete(zr.entry.texts, key)
		}
	}
	for key, a := range zr.now {
		zr.entry.aliased.set(key, a)
	}
}
