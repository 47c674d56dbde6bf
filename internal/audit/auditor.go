package audit

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/lookup"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

const (
	// parallel is how many addresses are examined at once: a resolver takes up to seconds for a
	// name, and most of that is waiting.
	parallel = 8

	// maxChanged is how many changed addresses wait to be examined before their turn. The next
	// pass finds the others.
	maxChanged = 1024

	// jitter is by which part of it a span of time is made shorter or longer, so that several
	// servers do not ask at the same moments.
	jitter = 0.1
)

// Options are what an Auditor needs.
type Options struct {
	Set   func() *zone.Set // the current snapshot
	Ask   lookup.Resolver  // nil: lookup.Ask
	Now   func() time.Time // nil: time.Now
	Pause func() func()    // makes what computations call often; nil: nothing
	Guard *supervise.Supervisor
	Log   *slog.Logger // nil: none
}

// Auditor confirms the reverse names of zones in passes, as long as it runs. Its methods may be
// called concurrently.
type Auditor struct {
	o        Options
	settings atomic.Pointer[Settings]
	renewed  chan struct{} // settings came; has room for one
	changed  chan subject  // addresses to examine before their turn
	arrived  chan struct{} // a zone without data has some; has room for one
	ledger
	pacer pacer
}

// New returns an Auditor that audits nothing before it gets settings.
func New(o Options) *Auditor {
	if o.Ask == nil {
		o.Ask = lookup.Ask
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Auditor{o: o, renewed: make(chan struct{}, 1), changed: make(chan subject, maxChanged), arrived: make(chan struct{}, 1)}
}

// SetSettings activates settings; a pass that runs goes on with them.
func (a *Auditor) SetSettings(s *Settings) {
	a.settings.Store(s)
	signal(a.renewed)
}

// signal sends on a channel with room for one, if it is empty.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Published looks for changed PTR and address records in what was committed. It does not wait. If a zone
// had no data, such as a secondary zone before its first transfer, names anywhere may lead to it: there is a new pass.
func (a *Auditor) Published(b *zone.Batch) {
	s := a.settings.Load()
	if s == nil {
		return
	}
	for i := range b.Changes {
		c := &b.Changes[i]
		if c.Base != nil && !c.Base.IsAvailable() && c.Zone != nil && c.Zone.IsAvailable() {
			signal(a.arrived)
		}
		if !s.IsOn(c.Apex) {
			continue
		}
		for j := range c.Steps {
			a.changes(s, c.Apex, c.Steps[j].Changeset.Added)
			a.changes(s, c.Apex, c.Steps[j].Changeset.Removed)
		}
	}
}

// changes queues the addresses of changed records, as far as there is room.
func (a *Auditor) changes(s *Settings, apex dname.Name, records []zone.Record) {
	for i := range records {
		r := &records[i]
		var q subject
		switch r.Type {
		case rr.TypePTR:
			address, ok := s.address(apex, r.Owner)
			if !ok {
				continue
			}
			q.address = address
		case rr.TypeA, rr.TypeAAAA:
			q.address, _ = netip.AddrFromSlice(r.Data)
		default:
			continue
		}
		select {
		case a.changed <- q:
		default:
			return
		}
	}
}

// Run makes passes until ctx ends. What is examined then stays as it was.
func (a *Auditor) Run(ctx context.Context) error {
	c := crew{room: make(chan struct{}, parallel), guard: a.o.Guard}
	defer c.workers.Wait()
	for ctx.Err() == nil {
		if a.settings.Load() == nil {
			select {
			case <-ctx.Done():
			case <-a.renewed:
			}
			continue
		}
		begin := a.o.Now()
		zones := a.pass(ctx, &c)
		a.wait(ctx, &c, begin, zones)
	}
	return nil
}

// wait examines what changes, until it is time for the next pass, until there are more zones
// to audit, or until one has data that had none.
func (a *Auditor) wait(ctx context.Context, c *crew, begin time.Time, zones int) {
	factor := vary(time.Second).Seconds()
	for {
		s := a.settings.Load()
		until := begin.Add(time.Duration(float64(s.Interval) * factor))
		timer := time.NewTimer(until.Sub(a.o.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			return
		case <-a.arrived:
			timer.Stop()
			return
		case <-a.renewed:
			if len(a.zones()) > zones {
				timer.Stop()
				return
			}
		case q := <-a.changed:
			c.do(func() { a.reexamine(ctx, q) })
		}
		timer.Stop()
	}
}

// crew does work in a few goroutines.
type crew struct {
	room    chan struct{} // has room for each that works
	workers sync.WaitGroup
	guard   *supervise.Supervisor
}

func (c *crew) do(work func()) {
	c.room <- struct{}{}
	c.workers.Go(func() {
		defer func() { <-c.room }()
		c.guard.Do("audit", work)
	})
}

// examiner returns an examiner with the settings of now.
func (a *Auditor) examiner() *examiner {
	s := a.settings.Load()
	a.pacer.set(s.Rate)
	return newExaminer(a.o.Set, s, a.o.Ask, a.pacer.wait)
}

// pass examines all addresses once, and returns the number of zones.
func (a *Auditor) pass(ctx context.Context, c *crew) int {
	begin := a.o.Now()
	a.begin(begin)
	select {
	case <-a.arrived: // the pass sees it
	default:
	}
	zones := a.zones()
	for _, apex := range zones {
		a.seen(apex)
		a.passZone(ctx, c, apex)
	}
	c.workers.Wait()
	a.end(a.o.Now(), ctx.Err() == nil)
	if all, _, _ := a.Counts(false); ctx.Err() == nil && all != nil {
		attrs := []any{"zones", len(zones), "took", a.o.Now().Sub(begin).Round(time.Second)}
		for _, s := range States() {
			attrs = append(attrs, string(s), all[s])
		}
		a.o.Log.Info("the audit of reverse names is complete", attrs...)
	}
	return len(zones)
}

func (a *Auditor) passZone(ctx context.Context, c *crew, apex dname.Name) {
	w := walk{}
	for done := false; !done; {
		e := a.examiner()
		if w.examiner == nil {
			w = *e.walk(apex)
			if a.o.Pause != nil {
				w.pause = a.o.Pause()
			}
		}
		w.examiner = e
		var list []subject
		list, done = w.next()
		for i := range list {
			select {
			case <-ctx.Done():
				return
			case q := <-a.changed:
				c.do(func() { a.reexamine(ctx, q) })
			default:
			}
			c.do(func() { a.examine(ctx, e, &list[i], true) })
		}
	}
}

// zones returns the zones to audit, in the order of the snapshot.
func (a *Auditor) zones() (out []dname.Name) {
	s := a.settings.Load()
	for z := range a.o.Set().All() {
		if s.IsOn(z.Apex()) {
			out = append(out, z.Apex())
		}
	}
	return out
}

// examine examines an address and records its state.
func (a *Auditor) examine(ctx context.Context, e *examiner, q *subject, inPass bool) {
	if !e.s.IsOn(q.apex) {
		return
	}
	state, err := e.examine(ctx, q)
	if ctx.Err() != nil {
		return // it is not known because we stop
	}
	a.record(q, state, err, inPass, a.o.Now())
}

// reexamine examines an address whose records changed.
func (a *Auditor) reexamine(ctx context.Context, q subject) {
	e := a.examiner()
	x := lookup.NewFinder(a.o.Set())
	f, ok := e.s.place(x, q.address)
	if !ok || !e.s.IsOn(f.Zone.Apex()) {
		a.forget(q.address)
		return
	}
	q.apex, q.owner = f.Zone.Apex(), f.Name
	for _, d := range f.Data {
		q.names = append(q.names, d)
	}
	if len(q.names) == 0 {
		// The next pass finds out which names have the address.
		a.forget(q.address)
		return
	}
	a.examine(ctx, e, &q, false)
}

// vary returns a span that is by up to jitter shorter or longer.
func vary(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}

// pacer spreads questions over time.
type pacer struct {
	mu   sync.Mutex
	span time.Duration // between two questions; 0: none
	next time.Time
}

// set sets the questions in a second; 0: any number.
func (p *pacer) set(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.span = 0
	if rate > 0 {
		p.span = time.Second / time.Duration(rate)
	}
}

// wait waits until the next question may be sent.
func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(vary(p.span))
	p.mu.Unlock()
	if at == now {
		return ctx.Err()
	}
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
