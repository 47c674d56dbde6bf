package commit

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ptrd/ptrd/zone"
)

var (
	// ErrConflict means that a zone is not what the proposed change was made from.
	// [Writer.Commit] returns it only if the proposal does not fit the snapshot that it
	// was made from.
	ErrConflict = errors.New("another source changed the zone meanwhile")

	// ErrNotDurable means that the journal did not take the change. The error of the
	// journal is in the chain; if it is [zone.ErrUndecided], a restart may find the
	// change on the disk.
	ErrNotDurable = errors.New("the change cannot be written to the journal and is not served")
)

// Journal makes changes durable.
type Journal interface {
	// Append makes the batch durable, or returns an error and leaves nothing of it. If
	// that is not certain the error is [zone.ErrUndecided], and Append accepts no other
	// batch until it is.
	Append(b *zone.Batch) error
}

// Stage completes a batch that is about to be published on top of a snapshot. It may
// add changes of other zones. If it replaces the Zone of a change that has Steps, it
// adds the Steps that lead there. An error refuses the batch.
type Stage func(snapshot *zone.Set, b *zone.Batch) error

// Options are what a Writer needs.
type Options struct {
	Journal Journal // nil: nothing is durable

	// Stages complete each batch, one after the other: each sees what those before it added.
	Stages []Stage

	// Show makes a new snapshot visible to readers, and Published observes each batch
	// that changes zones. Both are called in the order of the batches while other
	// writers wait, so they must not wait for one. Both may be nil.
	Show      func(*zone.Set)
	Published func(*zone.Batch)
}

// Request is what a source asks for.
type Request struct {
	// Propose returns the changes to the zones of a snapshot. It is called outside of
	// any lock, and again with a later snapshot after a conflict; then others that change the
	// same zones wait, and after another conflict all writers. With a nil batch the request ends, and neither Show nor After is
	// called. An error refuses the request. Propose must not call the Writer.
	Propose func(snapshot *zone.Set) (*zone.Batch, error)

	// Show, if set, takes the place of Options.Show and is called even if no zone
	// changes: policy becomes active together with the data. What other sources
	// proposed under the former policy is proposed again.
	Show func(*zone.Set)

	// After, if set, is called when the batch is visible, before another writer goes
	// on. Its error is a warning. It must not call the Writer.
	After func() error
}

// Report describes a batch that was published.
type Report struct {
	Batch    *zone.Batch // nil: there was nothing to do
	Warnings []error     // what failed after the batch was visible
}

// Writer orders all changes of zones and owns the current snapshot. Its methods may
// be called by several goroutines at once.
type Writer struct {
	o       Options
	mu      sync.Mutex // orders writers; readers never take it
	current atomic.Pointer[state]

	again    sync.Mutex      // held by the writer that proposes again
	reserved map[string]bool // keys of the zones that only it changes meanwhile; guarded by mu
	released *sync.Cond      // these are none any more
}

// state is a snapshot together with the number of the policy that it is served under.
type state struct {
	set    *zone.Set
	policy uint64
}

// New returns a Writer without zones.
func New(o Options) *Writer {
	w := &Writer{o: o}
	w.released = sync.NewCond(&w.mu)
	w.current.Store(&state{set: zone.NewSet()})
	return w
}

// Set returns the current snapshot.
func (w *Writer) Set() *zone.Set { return w.current.Load().set }

// Commit carries out a request, all of it or nothing. It returns after the change is
// durable and visible.
func (w *Writer) Commit(r Request) (report Report, err error) {
	report, b, err := w.attempt(&r, false)
	if b == nil {
		return report, err
	}
	w.again.Lock()
	defer w.again.Unlock()
	defer w.reserve(b)()
	if report, b, err = w.attempt(&r, true); b == nil {
		return report, err
	}
	// It changes other zones than before, or the policy is another one. This attempt cannot lose: all others wait
	// as long as it computes.
	release := w.Hold()
	defer release()
	if b, err = w.prepare(w.Set(), r.Propose); err != nil || b == nil {
		return report, err
	}
	return w.publish(b, &r)
}

// attempt carries out a request, unless it conflicts with another one; then it returns the batch.
func (w *Writer) attempt(r *Request, isAgain bool) (report Report, conflict *zone.Batch, err error) {
	seen := w.current.Load()
	b, err := w.prepare(seen.set, r.Propose)
	if err != nil || b == nil {
		return report, nil, err
	}
	err = w.exclusive(func() error {
		if !isAgain {
			w.awaitReserved(b)
		}
		if w.current.Load().policy != seen.policy {
			return ErrConflict
		}
		report, err = w.publish(b, r)
		return err
	})
	if errors.Is(err, ErrConflict) {
		conflict = b
	}
	return report, conflict, err
}

// reserve has others that change the zones of a batch wait until release is called.
func (w *Writer) reserve(b *zone.Batch) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reserved = map[string]bool{}
	for _, list := range [...][]zone.Change{b.Changes, b.Layers} {
		for i := range list {
			w.reserved[list[i].Apex.Key()] = true
		}
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.reserved = nil
		w.released.Broadcast()
	}
}

// awaitReserved waits until none of the zones of a batch is reserved. It is called with mu held.
func (w *Writer) awaitReserved(b *zone.Batch) {
	isReserved := func(c zone.Change) bool { return w.reserved[c.Apex.Key()] }
	for w.reserved != nil && (slices.ContainsFunc(b.Changes, isReserved) || slices.ContainsFunc(b.Layers, isReserved)) {
		w.released.Wait()
	}
}

// Publish carries out a batch that is not proposed again: after a conflict it returns
// [ErrConflict].
func (w *Writer) Publish(b *zone.Batch) error {
	fixed := func(*zone.Set) (*zone.Batch, error) { return b, nil }
	if _, err := w.prepare(w.Set(), fixed); err != nil {
		return err
	}
	return w.exclusive(func() error {
		w.awaitReserved(b)
		_, err := w.publish(b, &Request{})
		return err
	})
}

// Hold waits for the writer that is at work and keeps all others waiting until
// release is called.
func (w *Writer) Hold() (release func()) {
	w.mu.Lock()
	return w.mu.Unlock
}

// exclusive calls f while all other writers wait.
func (w *Writer) exclusive(f func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f()
}

// prepare returns the batch as it is to be published on top of a snapshot.
func (w *Writer) prepare(set *zone.Set, propose func(*zone.Set) (*zone.Batch, error)) (*zone.Batch, error) {
	b, err := propose(set)
	if err != nil || b == nil {
		return nil, err
	}
	for _, complete := range w.o.Stages {
		if err := complete(set, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// publish makes a batch durable and then visible. Other writers wait.
func (w *Writer) publish(b *zone.Batch, r *Request) (Report, error) {
	now := w.current.Load()
	for _, list := range [...][]zone.Change{b.Changes, b.Layers} {
		for i := range list {
			if c := &list[i]; now.set.Get(c.Apex) != c.Base {
				return Report{}, fmt.Errorf("zone %v: %w", c.Apex, ErrConflict)
			}
		}
	}
	if w.o.Journal != nil && len(b.Changes)+len(b.Notes) > 0 {
		if err := w.o.Journal.Append(b); err != nil {
			return Report{}, fmt.Errorf("%w: %w", ErrNotDurable, err)
		}
	}
	next := *now
	next.set = now.set.After(b.Changes, b.Layers)
	show := w.o.Show
	if r.Show != nil {
		show = r.Show
		next.policy++
	}
	if next != *now {
		w.current.Store(&state{next.set, now.policy})
		if show != nil {
			show(next.set)
		}
		w.current.Store(&next) // what is proposed before now may be for the former policy
	}
	if w.o.Published != nil && len(b.Changes) > 0 {
		w.o.Published(b)
	}
	report := Report{Batch: b}
	if r.After != nil {
		if err := r.After(); err != nil {
			report.Warnings = append(report.Warnings, err)
		}
	}
	return report, nil
}
