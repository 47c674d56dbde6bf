package secondary

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/priority"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/synth"
)

// Zone is the configuration of a secondary zone.
type Zone struct {
	Apex      dname.Name
	Primaries []Primary    // at least one
	Notifiers answer.Peers // who may send NOTIFY besides the primaries' addresses
	MaxOctets int64        // limit of the records of a transfer, uncompressed; 0: a default

	// Check, if set, returns what is wrong with a zone that was transferred, next, which then does
	// not replace the current one, old; nil: there is none.
	Check func(old, next *zone.Zone) error
}

// Journal keeps zones over a restart.
type Journal interface {
	Restore(apex dname.Name) (z *zone.Zone, ok bool, err error)
	PrepareContent(z *zone.Zone) error
	Notes(apex dname.Name, prefix string) ([]zone.Note, error)
	SetNotes(apex dname.Name, notes []zone.Note) error
}

// Options configure a Follower.
type Options struct {
	Store   *commit.Writer
	Journal Journal            // nil: nothing is kept over a restart
	Log     *slog.Logger       // nil: nothing is logged
	Now     func() time.Time   // nil: time.Now
	Steps   func() clock.Steps // by how much the clock of Now was set; nil: never
	Dial    Dialer             // nil: the system's
	Random  func() float64     // from 0 to 1, called by several goroutines; nil: math/rand

	Pause func() func()         // see assemble.Options
	Guard *supervise.Supervisor // contains panics over single zones; nil: they are not contained
	Made  func(int64)           // called with the octets of each zone that was built; may be nil
	Keys  func() *synth.Keys    // of permutations in rules of zones; nil: none
}

// Follower keeps secondary zones equal to those of their primaries. Its methods are safe for
// concurrent use.
type Follower struct {
	o         Options
	client    client
	wake      chan struct{} // of capacity one
	ended     chan struct{} // closed when Run returns
	transfers chan struct{} // has an element for each running transfer; it limits them
	totals    Totals
	wg        sync.WaitGroup // of the goroutines of start

	// mu guards the fields below and the fields of all tasks. It is not held while a check waits
	// for a primary or a disk.
	mu     sync.Mutex
	tasks  map[string]*task       // by key of the apex
	queue  *priority.Queue[*task] // by the time at which something is to be done
	peers  map[netip.Addr]*peer
	queued int         // tasks that wait for other jobs to end
	jobs   int         // running
	steps  clock.Steps // that the times of the tasks take into account
	run    context.Context
}

// task is one secondary zone. Its phases are
//
//	idle ──due──▶ queued ──limits allow──▶ checking ──a primary has a later serial──▶ transferring
//	 ▲                                        │                                            │
//	 └───────────────── finish ───────────────┴────────────────────────────────────────────┘
//
// Independent of its phase, the zone expires (expire) when no primary confirmed it for too long, and
// is served again after the next confirmation or when the clock is set back (revive). A task that
// was removed from the Follower's map is canceled, and has no effect when its check ends.
type task struct {
	conf *Zone // replaced as a whole
	data
	plan
	history
}

// data is what is known of the content of a zone.
type data struct {
	served   *zone.Zone        // that was published, or was in the snapshot when the task began
	good     *zone.Zone        // the last data, even if expired; nil: none yet
	findings []finding.Finding // about good, which is served in spite of them
	expires  atomic.Int64      // when good expires, in Unix seconds; read by queries
	own      bool              // expires was set by this process
	kept     keptTimes         // that an earlier process set, unless own
	stored   time.Time         // expires as it is in the journal
}

// isServed reports whether there are data that are served.
func (d *data) isServed() bool { return d.good != nil && d.served.IsAvailable() }

// plan is what is to be done next for a zone, see schedule.go.
type plan struct {
	phase      phase
	next       time.Time // of the check
	expireNext time.Time // before which good is not removed, because that failed or is running
	due        time.Time // position in the queue
	at         int       // index in the queue; -1: not in it
	again      bool      // a check was requested while one was running
	whole      bool      // the next transfer is an AXFR, whatever the serial
	preferred  int       // index of the primary that is asked first of those with the same serial
	cancel     context.CancelFunc
	waiting    []chan State // receive the state after the next check; each has capacity one
}

// history is what happened to a zone, for the status.
type history struct {
	checked     time.Time // when a primary confirmed or sent good
	tried       time.Time // when a check ended last
	transferred time.Time
	from        string // the primary that confirmed or sent good
	failure     string // of the last check; empty: it succeeded
	failures    int    // in a row
}

// phase is the state of a task in its life cycle.
type phase uint8

const (
	idle         phase = iota
	queued             // waits for other jobs to end
	checking           // being compared with the primaries
	transferring       // being transferred from a primary
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
		o: o, steps: o.Steps(), client: client{dial: o.Dial, now: o.Now}, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		queue: newQueue(), tasks: map[string]*task{}, peers: map[netip.Addr]*peer{}, transfers: make(chan struct{}, maxTransfers),
	}
}

// Plan is what a configuration changes about the zones of a Follower.
type Plan struct {
	Changes []zone.Change // for the Batch that activates the configuration
	Layers  []zone.Change // for it as well: the same zones with other keys
	zones   map[string]*Zone
	expires map[string]*atomic.Int64
	added   []*task
	removed map[string]bool
	rekeyed []rekeyed
}

// rekeyed is a task whose zone gets other keys.
type rekeyed struct {
	t        *task
	zone     *zone.Zone
	findings []finding.Finding
}

// Plan compares the zones of a configuration with those of the Follower. The result fits set; after
// commit.ErrConflict a new plan is needed. A zone that is no longer configured is removed from the
// snapshot, unless stays reports that another source has its apex now. A new zone is served as it is
// in the journal. If it is not there, the zone in set is served until the first transfer, or a zone
// without data.
func (k *Follower) Plan(zones []Zone, set *zone.Set, stays func(apex dname.Name) bool) *Plan {
	kept := make(map[string]bool, len(zones))
	for i := range zones {
		kept[zones[i].Apex.Key()] = true
	}
	var removed []dname.Name
	var others []rekeyed
	var layers []zone.Change
	k.mu.Lock()
	for key, t := range k.tasks {
		if !kept[key] {
			removed = append(removed, t.conf.Apex)
			continue
		}
		if t.good == nil {
			continue
		}
		if next, findings := k.withKeys(t.good, t.findings); next != t.good {
			others = append(others, rekeyed{t, next, findings})
			if t.served == t.good {
				layers = append(layers, zone.Change{Zone: next, Apex: t.conf.Apex, Base: t.served})
			}
		}
	}
	k.mu.Unlock()
	p := k.PlanChange(zones, removed, set, stays)
	p.rekeyed, p.Layers = others, layers
	return p
}

// PlanChange is Plan for some zones: those that are new or configured in another way, and the
// apexes of those that are removed. All others stay as they are and cost nothing.
func (k *Follower) PlanChange(zones []Zone, removed []dname.Name, set *zone.Set, stays func(apex dname.Name) bool) *Plan {
	p := &Plan{zones: make(map[string]*Zone, len(zones)), expires: make(map[string]*atomic.Int64, len(zones)), removed: map[string]bool{}}
	k.mu.Lock()
	for i := range zones {
		z := &zones[i]
		key := z.Apex.Key()
		p.zones[key] = z
		t := k.tasks[key]
		if t == nil {
			t = &task{conf: z, plan: plan{at: -1}}
			p.added = append(p.added, t)
		}
		p.expires[key] = &t.expires
	}
	for _, apex := range removed {
		key := apex.Key()
		if k.tasks[key] == nil {
			continue
		}
		p.removed[key] = true
		if base := set.Get(apex); base != nil && !stays(apex) {
			p.Changes = append(p.Changes, zone.Change{Apex: apex, Base: base})
		}
	}
	k.mu.Unlock()
	for _, t := range p.added {
		if c := k.begin(t, set.Get(t.conf.Apex)); c != nil {
			p.Changes = append(p.Changes, *c)
		}
	}
	return p
}

// begin decides what a new zone is served as, where base is in the set, and returns the change; nil
// if it stays as it is.
func (k *Follower) begin(t *task, base *zone.Zone) *zone.Change {
	apex := t.conf.Apex
	z, kept, findings := k.restore(apex)
	t.good, t.findings = z, findings
	t.stored, t.kept = kept.expires, kept
	now := k.o.Now()
	expires := kept.at(now)
	switch {
	case z != nil:
		t.expires.Store(expires.Unix())
		t.served = z
		if !expires.After(now) {
			t.served = zone.Expired(apex, expiredReason)
		}
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

// restore returns what the journal has of a zone; nil: nothing. What cannot be read is transferred
// again.
func (k *Follower) restore(apex dname.Name) (z *zone.Zone, kept keptTimes, findings []finding.Finding) {
	if k.o.Journal == nil {
		return nil, kept, nil
	}
	z, ok, err := k.o.Journal.Restore(apex)
	if err == nil && ok {
		var notes []zone.Note
		if notes, err = k.o.Journal.Notes(apex, notePrefix); err == nil {
			if kept, ok = readTimes(notes); !ok { // it was not a secondary zone then
				kept.checked = k.o.Now()
				kept.expires = kept.checked.Add(timersOf(z).expire)
			}
			z, findings = k.withKeys(z, readFindings(notes))
			return z, kept, findings
		}
	}
	if err != nil {
		k.o.Log.Warn("the stored copy of a secondary zone cannot be read; the zone is transferred again", "zone", apex.String(), "err", err)
	}
	return nil, keptTimes{}, nil
}

// withKeys returns a zone with the keys of its rules, and the findings about it.
func (k *Follower) withKeys(z *zone.Zone, list []finding.Finding) (*zone.Zone, []finding.Finding) {
	const rule = "range-without-names"
	list = slices.DeleteFunc(slices.Clone(list), func(f finding.Finding) bool { return f.Rule == rule })
	if k.o.Keys == nil || !z.HasRules() {
		return z, list
	}
	z = z.WithKeys(k.o.Keys())
	for _, fault := range z.RuleFaults() {
		list = append(list, finding.Finding{Severity: finding.Warning, Zone: z.Apex(), Rule: rule, Text: fault})
	}
	return z, list
}

// Adopt activates a plan whose Changes were published. It is called in [commit.Request.After].
func (k *Follower) Adopt(p *Plan) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key := range p.removed {
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
		// A failure is tried again in any case: keys and certificates may have changed.
		isDue := t.failures > 0 || !t.conf.hasPrimariesOf(z)
		t.conf, t.preferred = z, 0
		if isDue {
			k.requestCheck(t, time.Time{})
		}
	}
	for _, r := range p.rekeyed {
		if r.t.served == r.t.good {
			r.t.served = r.zone
		}
		r.t.good, r.t.findings = r.zone, r.findings
	}
	for _, t := range p.added {
		k.tasks[t.conf.Apex.Key()] = t
		t.next = k.firstCheck(len(p.added))
		k.schedule(t)
	}
	k.removePeers()
	k.signal()
}

// sendState sends the state after a check to those who wait for it.
func sendState(waiting []chan State, s State) {
	for _, w := range waiting {
		w <- s
	}
}

// end cancels the running check of a zone that was removed.
func (t *task) end() {
	if t.cancel != nil {
		t.cancel()
	}
	sendState(t.waiting, State{Apex: t.conf.Apex, Error: errRemoved.Error()})
	t.waiting = nil
}

// hasPrimariesOf reports whether two configurations of a zone have the same primaries. Keys and TLS
// settings are only compared for their presence.
func (z *Zone) hasPrimariesOf(y *Zone) bool {
	return z.MaxOctets == y.MaxOctets && slices.EqualFunc(z.Primaries, y.Primaries, func(p, q Primary) bool {
		return p.Address == q.Address && p.Source == q.Source && (p.Key == nil) == (q.Key == nil) && (p.TLS == nil) == (q.TLS == nil)
	})
}

// Expires returns when the copies of the zones of the plan expire, in Unix seconds and kept up to
// date, by key of the apex. 0: there is no copy yet.
func (p *Plan) Expires() map[string]*atomic.Int64 { return p.expires }

// Run checks zones when they are due, until ctx ends. It returns after every goroutine that it
// started has ended.
func (k *Follower) Run(ctx context.Context) error {
	k.mu.Lock()
	k.run = ctx
	k.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, ok := k.o.Now().Add(time.Second), true // after a panic
		k.o.Guard.Do(part, func() { next, ok = k.work() })
		if ok {
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

// signal makes Run look at the queue.
func (k *Follower) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// part is the name under which panics are counted.
const part = "secondary zones"

// start runs f in a goroutine that Run waits for.
func (k *Follower) start(f func(context.Context)) {
	if k.run.Err() != nil {
		return
	}
	ctx := k.run
	k.wg.Go(func() { k.o.Guard.Do(part, func() { f(ctx) }) })
}
