package history

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// trimEvery is how often the histories of zones that do not change are trimmed. What
// is an hour too old does no harm.
const trimEvery = time.Hour

// retryAfter is how long nothing is written after that went wrong.
const retryAfter = time.Minute

// attempts bounds how often the content of a zone is tried to be written that
// changes in the moment between its publication and ours; the next change asks again.
const attempts = 10

// attemptWait is how long the wait between two of them is longer than the one before.
const attemptWait = time.Millisecond

// Options are what a Keeper needs.
type Options struct {
	Journal *journal.Journal
	Set     func() *zone.Set // what is published
	Log     *slog.Logger

	Guard *supervise.Supervisor // contains panics over single zones; nil: they are not contained
}

// Keeper keeps the journal small. Make one with NewKeeper.
type Keeper struct {
	o         Options
	kept      *changedZones
	followers followers
}

// NewKeeper returns a Keeper.
func NewKeeper(o Options) *Keeper {
	return &Keeper{o: o, kept: newChangedZones()}
}

// Published observes a batch. It does not wait.
func (k *Keeper) Published(b *zone.Batch) {
	k.kept.add(b, func(c *zone.Change) bool { return c.Kept && c.Zone != nil })
	k.followers.published(b)
}

// changedZones is zones that changed since they were last taken.
type changedZones struct {
	wake  chan struct{} // when there are some
	mu    sync.Mutex
	zones map[string]dname.Name // by key of the apex
}

func newChangedZones() *changedZones {
	return &changedZones{wake: make(chan struct{}, 1), zones: map[string]dname.Name{}}
}

// add adds the zones of the changes that are wanted.
func (z *changedZones) add(b *zone.Batch, wanted func(*zone.Change) bool) {
	any := false
	z.mu.Lock()
	for i := range b.Changes {
		if c := &b.Changes[i]; wanted(c) {
			z.zones[c.Apex.Key()] = c.Apex
			any = true
		}
	}
	z.mu.Unlock()
	if any {
		select {
		case z.wake <- struct{}{}:
		default:
		}
	}
}

// take removes all zones and returns them.
func (z *changedZones) take() map[string]dname.Name {
	z.mu.Lock()
	defer z.mu.Unlock()
	taken := z.zones
	z.zones = map[string]dname.Name{}
	return taken
}

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.kept.wake:
			if !k.write(ctx) {
				select { // a disk that is full stays so for a while
				case <-ctx.Done():
				case <-time.After(retryAfter):
				}
			}
		case now := <-tick.C:
			var err error
			k.o.Guard.Do("history", func() { err = errors.Join(k.o.Journal.Trim(now), k.trimUndo()) })
			if err != nil {
				k.o.Log.Warn("old history of zones cannot be removed from the state directory", "err", err)
			}
		}
	}
}

// write writes the contents of those zones of which much changed. It reports whether
// all went well.
func (k *Keeper) write(ctx context.Context) bool {
	ok := true
	for _, apex := range k.kept.take() {
		if ctx.Err() != nil {
			return ok
		}
		var err error
		k.o.Guard.Do("history", func() { err = k.writeOne(ctx, apex) }) // after a panic, its next change is the next try
		if err != nil {
			k.o.Log.Warn("the content of a zone cannot be stored; its history is not shortened", "zone", apex.String(), "err", err)
			ok = false
		}
	}
	return ok
}

// writeOne writes the content of one zone if it is time. A change may be in the journal
// and not yet in the Set, or come in between; so it is tried some times, and left to
// that change, which wakes the keeper again.
func (k *Keeper) writeOne(ctx context.Context, apex dname.Name) error {
	if due, err := k.o.Journal.IsContentDue(apex); err != nil || !due {
		return err
	}
	for n := range attempts {
		z := k.o.Set().Get(apex)
		if z == nil || !z.IsAvailable() {
			return nil
		}
		if err := k.o.Journal.UpdateContent(z); !errors.Is(err, journal.ErrNotCurrent) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(n+1) * attemptWait):
		}
	}
	return nil
}

// trimUndo removes the notes that undo changes of layers of updates ([commit.Undo]) which are no longer in
// the history.
func (k *Keeper) trimUndo() error {
	old := map[string][]zone.Note{}
	err := k.o.Journal.AllNotes(commit.NoteUndo, func(apex dname.Name, notes []zone.Note, _ string) { old[apex.Key()] = notes })
	for key, notes := range old {
		apex := dname.Name(key)
		oldest, ok, oldestErr := k.o.Journal.Oldest(apex)
		if oldestErr != nil {
			err = errors.Join(err, oldestErr)
			continue
		}
		notes = slices.DeleteFunc(notes, func(n zone.Note) bool {
			serial, hasSerial := commit.UndoSerial(n.Key)
			return hasSerial && ok && oldest.Before(serial)
		})
		for i := range notes {
			notes[i].Value = nil
		}
		if len(notes) > 0 {
			err = errors.Join(err, k.o.Journal.SetNotes(apex, notes))
		}
	}
	return err
}
