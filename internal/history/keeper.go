package history

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

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
	o    Options
	wake chan struct{}

	mu      sync.Mutex
	changed map[string]dname.Name // kept zones, by key of the apex
}

// NewKeeper returns a Keeper.
func NewKeeper(o Options) *Keeper {
	return &Keeper{o: o, wake: make(chan struct{}, 1), changed: map[string]dname.Name{}}
}

// Published observes a batch. It does not wait.
func (k *Keeper) Published(b *zone.Batch) {
	any := false
	k.mu.Lock()
	for i := range b.Changes {
		if c := &b.Changes[i]; c.Kept && c.Zone != nil {
			k.changed[c.Apex.Key()] = c.Apex
			any = true
		}
	}
	k.mu.Unlock()
	if any {
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
			if !k.write(ctx) {
				select { // a disk that is full stays so for a while
				case <-ctx.Done():
				case <-time.After(retryAfter):
				}
			}
		case now := <-tick.C:
			var err error
			k.o.Guard.Do("history", func() { err = k.o.Journal.Trim(now) })
			if err != nil {
				k.o.Log.Warn("the history of zones cannot be trimmed", "err", err)
			}
		}
	}
}

// write writes the contents of those zones of which much changed. It reports whether
// all went well.
func (k *Keeper) write(ctx context.Context) bool {
	ok := true
	k.mu.Lock()
	changed := k.changed
	k.changed = map[string]dname.Name{}
	k.mu.Unlock()
	for _, apex := range changed {
		if ctx.Err() != nil {
			return ok
		}
		var err error
		k.o.Guard.Do("history", func() { err = k.writeOne(ctx, apex) }) // after a panic, its next change is the next try
		if err != nil {
			k.o.Log.Warn("the content of a zone cannot be written, its changes are kept", "zone", apex.String(), "err", err)
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
