package secondary

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/priority"
	"github.com/ptrd/ptrd/internal/supervise"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Zone is what the configuration says of a secondary zone.
type Zone struct {
	Apex      dname.Name
	Primaries []Primary    // at least one
	Notifiers answer.Peers // who may send NOTIFY beside the primaries' addresses
	MaxOctets int64        // of the records of a transfer, uncompressed; 0: DefaultMaxOctets

	// Check, if set, says what is wrong with a zone that was transferred, next, which then
	// does not take the place of the one before, old; nil: there is none.
	Check func(old, next *zone.Zone) error
}

// Journal keeps zones over a restart.
type Journal interface {
	Restore(apex dname.Name, pause func()) (z *zone.Zone, ok bool, err error)
	Keep(z *zone.Zone, pause func()) error
	Notes(apex dname.Name, prefix string) ([]zone.Note, error)
	SetNotes(apex dname.Name, notes []zone.Note) error
}

// Options are what a Follower needs.
type Options struct {
	Store   *commit.Writer
	Journal Journal            // nil: nothing is kept over a restart
	Log     *slog.Logger       // nil: nothing is logged
	Now     func() time.Time   // nil: time.Now
	Steps   func() clock.Steps // how far the clock of Now was set; nil: never
	Dial    Dialer             // nil: the system's
	Random  func() float64     // from 0 to 1, called by several goroutines; nil: math/rand

	Pause func() func()         // see assemble.Options
	Guard *supervise.Supervisor // contains panics over single zones; nil: they are not contained
	Made  func(int64)           // told the octets of each zone that was made anew; nil: nobody is told
}

// Follower keeps secondary zones. Its methods may be called at the same time.
type Follower struct {
	o      Options
	client client
	wake   chan struct{} // has room for one
	ended  chan struct{} // closed when Run does

	mu     sync.Mutex
	tasks  map[string]*task       // by key of the apex
	queue  *priority.Queue[*task] // those that something is to be done for, by time
	lines  map[netip.Addr]*line
	heeded clock.Steps // by the times of the tasks
	jobs   int         // under way
	run    context.Context
	wg     sync.WaitGroup // of jobs
	totals Totals

	transfers places
}

// task is one zone that is kept. Its fields are guarded by the Follower's mu.
type task struct {
	conf *Zone // replaced as a whole

	served  *zone.Zone   // that we put into the Store, or found there when we came
	good    *zone.Zone   // the last data, also when they have expired; nil: none yet
	expires atomic.Int64 // when good does, in Unix seconds
	stored  time.Time    // expires as the journal has it
	own     bool         // expires was set by this process
	kept    keptTimes    // that an earlier one set, unless own

	findings []zone.Finding // about good: it is served all the same

	expireNext time.Time // before which good is not taken away, because that failed or is under way

	next      time.Time // of the check
	at        int       // place in the queue; -1: none
	due       time.Time // by which it is sorted
	phase     phase
	again     bool // NOTIFY came while a check was under way
	whole     bool // the next transfer is an AXFR, whatever the serial
	preferred int  // primary to be asked first of those with one serial
	cancel    context.CancelFunc
	waiting   []chan State // told the state after the next check

	checked     time.Time // when a primary confirmed or brought good
	tried       time.Time // when a check ended last
	transferred time.Time
	from        string // the primary that did
	failure     string // of the last check; empty: it was good
	failures    int    // in a row
}

// phase is what is being done about a zone.
type phase uint8

const (
	waiting      phase = iota
	standing           // in line for its primary
	checking           // being compared with the primaries
	transferring       // coming from one
)

func (p phase) String() string {
	return [...]string{"", "waiting for other zones of the primary", "checking", "transferring"}[p]
}

// NewFollower returns a Follower without zones.
func NewFollower(o Options) *Follower {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Steps == nil {
		o.Steps = func() clock.Steps { return clock.Steps{} }
	}
	if o.Dial == nil {
		o.Dial = dial
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Pause == nil {
		o.Pause = func() func() { return nil }
	}
	if o.Made == nil {
		o.Made = func(int64) {}
	}
	return &Follower{
		o: o, heeded: o.Steps(), client: client{dial: o.Dial, now: o.Now}, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		queue: newQueue(), tasks: map[string]*task{}, lines: map[netip.Addr]*line{}, transfers: newPlaces(),
	}
}

// Plan is what a configuration changes about the zones that a Follower has.
type Plan struct {
	Changes []zone.Change // for the Batch that puts the configuration in force
	zones   map[string]*Zone
	expires map[string]*atomic.Int64
	fresh   []*task
	gone    map[string]bool
}

// Plan compares the zones of a configuration with those that are kept. What it
// returns suits the set; after a conflict a new plan is needed. A zone that is
// not kept any more goes, unless stays says that others have the apex now. A new zone
// is served as the journal has it; else, until the first transfer, whatever is in
// the set goes on, or there is a zone without data.
func (k *Follower) Plan(zones []Zone, set *zone.Set, stays func(apex dname.Name) bool) *Plan {
	p := &Plan{zones: make(map[string]*Zone, len(zones)), expires: make(map[string]*atomic.Int64, len(zones)), gone: map[string]bool{}}
	k.mu.Lock()
	for i := range zones {
		z := &zones[i]
		key := z.Apex.Key()
		p.zones[key] = z
		t := k.tasks[key]
		if t == nil {
			t = &task{conf: z, at: -1}
			p.fresh = append(p.fresh, t)
		}
		p.expires[key] = &t.expires
	}
	for key, t := range k.tasks {
		if p.zones[key] != nil {
			continue
		}
		p.gone[key] = true
		if base := set.Get(t.conf.Apex); base != nil && !stays(t.conf.Apex) {
			p.Changes = append(p.Changes, zone.Change{Apex: t.conf.Apex, Base: base})
		}
	}
	k.mu.Unlock()
	pause := k.o.Pause()
	for _, t := range p.fresh {
		if c := k.begin(t, set.Get(t.conf.Apex), pause); c != nil {
			p.Changes = append(p.Changes, *c)
		}
	}
	return p
}

// begin finds out what a new zone is served as, where base is in the set. nil: as it
// is.
func (k *Follower) begin(t *task, base *zone.Zone, pause func()) *zone.Change {
	apex := t.conf.Apex
	z, kept, findings := k.restore(apex, pause)
	t.good, t.findings = z, findings
	t.stored, t.kept = kept.expires, kept
	now := k.o.Now()
	expires := kept.at(now)
	switch {
	case z != nil && expires.After(now):
		t.expires.Store(expires.Unix())
		t.served = z
	case z != nil:
		t.expires.Store(expires.Unix())
		t.served = zone.Expired(apex, expiredReason)
	case base != nil && base.IsAvailable():
		t.served = base
		return nil
	default:
		t.served = zone.Unavailable(apex, "not transferred from a primary yet")
	}
	if base != nil && !base.IsAvailable() && !t.served.IsAvailable() && base.IsExpired() == t.served.IsExpired() {
		t.served = base
		return nil
	}
	return &zone.Change{Zone: t.served, Apex: apex, Base: base, Kept: true, Verbatim: true}
}

const expiredReason = "no primary has confirmed the zone for longer than its SOA allows (EXPIRE)"

// restore returns what the journal has of a zone; nil: nothing. What it cannot give
// back the primary can.
func (k *Follower) restore(apex dname.Name, pause func()) (z *zone.Zone, kept keptTimes, findings []zone.Finding) {
	if k.o.Journal == nil {
		return nil, kept, nil
	}
	z, ok, err := k.o.Journal.Restore(apex, pause)
	if err == nil && ok {
		var notes []zone.Note
		if notes, err = k.o.Journal.Notes(apex, notePrefix); err == nil {
			if kept, ok = readTimes(notes); !ok { // it was kept for another reason
				kept.checked = k.o.Now()
				kept.expires = kept.checked.Add(timersOf(z).expire)
			}
			return z, kept, readFindings(notes)
		}
	}
	if err != nil {
		k.o.Log.Warn("what was kept of a secondary zone cannot be read, and is transferred anew", "zone", apex.String(), "err", err)
	}
	return nil, keptTimes{}, nil
}

// Adopt activates a plan whose Changes are published. It is called in
// [commit.Request.After].
func (k *Follower) Adopt(p *Plan) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.o.Now()
	for key := range p.gone {
		t := k.tasks[key]
		delete(k.tasks, key)
		k.queue.Remove(t.at)
		t.end()
	}
	for key, z := range p.zones {
		t := k.tasks[key]
		if t == nil {
			continue
		}
		// Keys and certificates may be others where all else is the same: whatever
		// failed is tried anew.
		again := t.failures > 0 || !t.conf.same(z)
		t.conf, t.preferred = z, 0
		if again {
			k.check(t, now)
		}
	}
	for _, t := range p.fresh {
		k.tasks[t.conf.Apex.Key()] = t
		// All at once would be many packets in a millisecond.
		t.next = now.Add(time.Duration(k.o.Random() * float64(min(time.Duration(len(p.fresh))*time.Millisecond, time.Minute))))
		k.schedule(t)
	}
	k.signal()
}

const notKept = "the zone is not kept any more"

// tell answers those who wait for a check. Each has room for one answer.
func (t *task) tell(waiting []chan State, s State) {
	for _, w := range waiting {
		w <- s
	}
}

// end ends what is under way for a zone that is not kept any more.
func (t *task) end() {
	if t.cancel != nil {
		t.cancel()
	}
	t.tell(t.waiting, State{Apex: t.conf.Apex, Error: notKept})
	t.waiting = nil
}

// same reports whether two configurations of a zone name the same primaries.
func (z *Zone) same(y *Zone) bool {
	if len(z.Primaries) != len(y.Primaries) || z.MaxOctets != y.MaxOctets {
		return false
	}
	for i := range z.Primaries {
		p, q := &z.Primaries[i], &y.Primaries[i]
		if p.Address != q.Address || p.Source != q.Source || (p.Key == nil) != (q.Key == nil) || (p.TLS == nil) != (q.TLS == nil) {
			return false
		}
	}
	return true
}

// Expires returns when the copies of the zones expire, in Unix seconds and kept up to
// date, by key of the apex. 0: there is no copy yet.
func (p *Plan) Expires() map[string]*atomic.Int64 { return p.expires }

// Run checks zones when it is time, until ctx ends, and returns after every
// goroutine that it started has ended.
func (k *Follower) Run(ctx context.Context) error {
	k.mu.Lock()
	k.run = ctx
	k.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, some := k.o.Now().Add(time.Second), true // after a panic
		k.o.Guard.Do(part, func() { next, some = k.work() })
		if some {
			timer.Reset(max(next.Sub(k.o.Now()), 0))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			k.wg.Wait()
			close(k.ended)
			return nil
		case <-k.wake:
		case <-timer.C:
		}
	}
}

// signal has Run look at the queue.
func (k *Follower) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// work starts what is due and returns when the next of the others is.
func (k *Follower) work() (next time.Time, some bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heedClock()
	now := k.o.Now()
	for {
		t, ok := k.queue.First()
		switch {
		case !ok:
			return next, false
		case t.due.After(now):
			return t.due, true
		}
		k.queue.Remove(t.at)
		if k.isPast(t, now) {
			t.expireNext = now.Add(expireRetry)
			k.start(func(context.Context) { k.expire(t) })
		}
		if t.phase == waiting && !t.next.After(now) {
			k.enter(t)
		}
		k.schedule(t)
	}
}

// isPast reports whether the data of t are served and should not be.
func (k *Follower) isPast(t *task, now time.Time) bool {
	return t.good != nil && t.served.IsAvailable() && !t.expireAt().After(now)
}

// expireRetry is the wait before it is tried again to take a zone away that has
// expired.
const expireRetry = time.Minute

// expireAt returns when the data of t are to be taken away.
func (t *task) expireAt() time.Time {
	if e := time.Unix(t.expires.Load(), 0); e.After(t.expireNext) {
		return e
	}
	return t.expireNext
}

// schedule puts t into the queue, at the time that something is to be done for it.
func (k *Follower) schedule(t *task) {
	k.queue.Remove(t.at)
	var due time.Time
	if t.phase == waiting {
		due = t.next
	}
	if t.good != nil && t.served.IsAvailable() {
		if e := t.expireAt(); due.IsZero() || e.Before(due) {
			due = e
		}
	}
	if !due.IsZero() && k.tasks[t.conf.Apex.Key()] == t {
		t.due = due
		k.queue.Push(t)
	}
}

// check has t checked as soon as it can be, once more if it is being checked.
func (k *Follower) check(t *task, at time.Time) {
	if t.phase != waiting {
		t.again = true
		return
	}
	if at.Before(t.next) {
		t.next = at
	}
	k.schedule(t)
	k.signal()
}

// Retry has all zones checked soon of which the last check failed.
func (k *Follower) Retry() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.tasks {
		if t.failures > 0 {
			k.check(t, k.o.Now())
		}
	}
}

// part is what panics are counted under.
const part = "secondary zones"

// start runs f in a goroutine that Run waits for.
func (k *Follower) start(f func(context.Context)) {
	if k.run.Err() != nil {
		return
	}
	ctx := k.run
	k.wg.Go(func() { k.o.Guard.Do(part, func() { f(ctx) }) })
}
