package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/queue"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Store is where zones are changed: a [commit.Writer].
type Store interface {
	Set() *zone.Set
	Commit(r commit.Request) (commit.Report, error)
}

// Notes keeps small durable facts of zones.
type Notes interface {
	commit.Notes
	// SetNotes makes notes of a zone durable although the zone does not change.
	SetNotes(apex dname.Name, notes []zone.Note) error
}

// Options are what an Updater needs.
type Options struct {
	Store Store
	Notes Notes
	Log   *slog.Logger
	Now   func() time.Time   // nil: time.Now
	Steps func() clock.Steps // how far the clock of Now was set; nil: never

	// Pause, if set, returns what is called between two messages, so that queries can
	// have the processor.
	Pause func() func()

	// Shares reports whether changes of two zones may change records that a third one, or one of them,
	// derives from both; nil: no zone derives any.
	Shares func(a, b dname.Name) bool

	// Origin describes what derived PTRs of a zone follow from, see [Target]; nil: that is not known.
	Origin func(set *zone.Set, apex, owner dname.Name) string

	Guard *supervise.Supervisor // contains panics over single messages; nil: they are not contained
}

// Request is an UPDATE message whose signature, if it has one, was verified.
type Request struct {
	Message []byte // without TSIG; the Updater's until Answer was called
	Client  netip.AddrPort
	Key     dname.Name // that signed it; nil: it is not signed
	Proven  bool       // the client's address is not forged, or it is signed
	Stream  bool       // it came over a connection, so that the client's address is not forged

	// Answer is called once, after what the message changed is on disk and served;
	// ede 0 is none.
	Answer func(c wire.RCode, ede uint16, text string)

	// Drop is called once in place of Answer where it is not certain whether the change
	// is on disk. The client must not learn that it failed, which a restart could refute;
	// it asks again.
	Drop func()
}

const (
	// queueLen is how many updates of one zone wait for the disk if there are none of others. At ten
	// thousand a second they are less than half a second, after which clients ask again; more
	// would only be worked off for clients that gave up.
	queueLen = 4096

	// queueLenUnproven is the share of it for requests whose sender may be forged.
	queueLenUnproven = queueLen / 2

	// roundLen is how many of them one flush of the disk carries. A round is built in
	// some milliseconds, about what a flush takes.
	roundLen = 1024

	// roundWork is how many names the messages of a round change in all, some tenths of a second of work if
	// other names are derived from them. A message that alone changes more, because zone cuts hide or
	// show the names below it, is carried out next to the rounds of other zones.
	roundWork = 1 << 14
)

// Updater carries out updates, one round of waiting messages after the other: each
// message is a step of its own with a serial of its own, all of a round are on disk
// with one flush.
type Updater struct {
	o       Options
	queue   *queue.Queue[*job]
	policy  atomic.Pointer[Policy]
	pending pending
	counts  [len(results)]atomic.Uint64

	mu           sync.Mutex            // held while a round is computed, not while it is committed
	lifetimes    map[string]*lifetimes // by key of the apex
	hasUndoSince map[string]bool       // zones that have the note that commit.UndoSince reads, by key of the apex
	wake         chan struct{}         // lifetimes changed, or the clock
	waits        time.Time             // when watchExpiry looks at lifetimes next if it is not woken
	began        time.Time             // by the wall clock, less the steps until then
	steps        clock.Steps           // that lifetimes heed
}

// job is a request on its way, or the end of records.
type job struct {
	*Request        // nil: the records of a zone end whose time has come
	zone     string // key of the zone that it changes
	work     int    // see queue.Queue.Add
	m        *Message
	who      Who
	again    []*Request // of the same datagram, sent again
	key      pendingKey

	fault     *Fault
	ignored   []Ignored
	undecided bool // see Request.Drop
	broken    bool // carrying it out ended in a panic
}

// New returns an Updater that takes no updates yet: [Updater.Adopt] says of whom.
func New(o Options) *Updater {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Steps == nil {
		o.Steps = func() clock.Steps { return clock.Steps{} }
	}
	if o.Pause == nil {
		o.Pause = func() func() { return func() {} }
	}
	u := &Updater{o: o, lifetimes: map[string]*lifetimes{}, hasUndoSince: map[string]bool{}, wake: make(chan struct{}, 1), steps: o.Steps()}
	u.began = o.Now().Round(0).Add(-u.steps.All)
	u.queue = queue.New[*job](queue.Options{Jobs: roundLen, Work: roundWork, Shares: func(a, b string) bool {
		return o.Shares != nil && o.Shares(dname.Name(a), dname.Name(b))
	}})
	u.policy.Store(&Policy{})
	u.pending.jobs = map[pendingKey]*job{}
	return u
}

// Wait returns when no round is being computed.
func (u *Updater) Wait() {
	u.mu.Lock()
	defer u.mu.Unlock()
}

// Adopt activates a policy. It is called in [commit.Request.After] of the request that serves
// its zones. After an error some lifetimes are not known yet; they are read again later.
func (u *Updater) Adopt(p *Policy) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.policy.Store(p)
	clear(u.hasUndoSince) // a zone that went meanwhile and came again may have lost its notes
	return u.adoptLifetimes(p)
}

// Submit takes a request, and may answer it at once. It does not wait; any number
// of goroutines may call it.
func (u *Updater) Submit(r *Request) {
	j := &job{Request: r, who: Who{r.Client.Addr(), r.Key, r.Stream}}
	if j.m, j.fault = Parse(r.Message); j.fault == nil {
		j.fault = u.admit(j)
	}
	if j.fault != nil {
		u.answer(j)
		return
	}
	if u.pending.join(j) {
		return
	}
	if fault := u.enqueue(j); fault != nil { // else the job is the Updater's by now
		j.fault = fault
		u.answer(j)
	}
}

func (u *Updater) enqueue(j *job) *Fault {
	most, remedy := queueLen, ""
	if !j.Proven {
		most, remedy = queueLenUnproven, ", or over TCP, or sign"
	}
	switch err := u.queue.Add(j.zone, j, j.work, most); err {
	case nil:
		return nil
	case queue.ErrFull:
		return faultf(wire.RCodeServFail, "%d updates wait already; try again%s", u.queue.Len(), remedy)
	}
	return faultf(wire.RCodeServFail, "the server stops")
}

// admit refuses requests that need not wait in the queue to be refused. It finds out which zone others change, and
// how much work that is.
func (u *Updater) admit(j *job) *Fault {
	set := u.o.Store.Set()
	z := set.Get(j.m.Zone)
	if z == nil {
		return faultf(wire.RCodeNotAuth, "zone %v is not served", j.m.Zone)
	}
	p := u.policy.Load().Zones[z.Key()]
	switch {
	case p == nil:
		return takesNone(j.m.Zone)
	case !p.Knows(j.who):
		return mayNot(j)
	}
	m := j.m
	if p.FollowClassless {
		if moved, fault := m.follow(set, z); fault == nil && moved != m {
			m, z = moved, set.Get(moved.Zone)
		}
	}
	j.zone, j.work = z.Key(), m.work(z)
	return nil
}

// work returns how many names a message changes in a zone, as far as a round has room for so many: those that it
// names, and those below a zone cut or DNAME, which come or go for what is derived from them.
func (m *Message) work(z *zone.Zone) int {
	n := len(m.Prerequisites) + len(m.Updates)
	for i := range m.Updates {
		r := &m.Updates[i]
		if !z.IsAvailable() || !r.Owner.IsAtOrBelow(z.Apex()) || !r.changesCut(z) {
			continue
		}
		for range z.Below(r.Owner) {
			if n++; n > roundWork {
				return n
			}
		}
	}
	return n
}

// changesCut reports whether a record of the update section adds the first record of a zone cut or DNAME of a zone,
// or may remove the last one.
func (r *Record) changesCut(z *zone.Zone) bool {
	for _, t := range [...]rr.Type{rr.TypeNS, rr.TypeDNAME} {
		isOf := r.Type == t || r.Type == rr.TypeANY && r.Class == rr.ClassANY
		if !isOf || t == rr.TypeNS && r.Owner.Equal(z.Apex()) {
			continue
		}
		if _, isThere := z.Get(r.Owner, t); isThere == (r.Class != rr.ClassIN) {
			return true
		}
	}
	return false
}

func takesNone(apex dname.Name) *Fault {
	return forbidf("zone %v takes no updates: the configuration has no `update` for it", apex)
}

func mayNot(j *job) *Fault {
	return forbidf("%v may not update zone %v: its `update` has no such address and key", j.who, j.m.Zone)
}

// Run carries out updates until ctx ends; it then answers those that wait.
func (u *Updater) Run(ctx context.Context) error {
	var expiry sync.WaitGroup
	expiry.Go(func() { u.watchExpiry(ctx) })
	defer expiry.Wait()
	u.queue.Run(ctx, u.process, func(j *job) {
		j.fault = faultf(wire.RCodeServFail, "the server stops")
		u.answer(j)
	})
	return nil
}

// process carries out messages together and answers them.
func (u *Updater) process(jobs []*job) {
	pause := u.o.Pause()
	u.commit(jobs, pause)
	for _, j := range jobs {
		u.o.Guard.Do("updates", func() { u.answer(j) })
		pause()
	}
}

// commit carries out the messages, in their order, and makes what they change
// durable and visible.
func (u *Updater) commit(jobs []*job, pause func()) {
	err := u.commitRound(func(r *round) *round { return u.carryOut(r, jobs, pause) })
	if err == nil {
		return
	}
	u.o.Log.Error("updates could not be carried out", "updates", len(jobs), "err", err)
	why := "the change could not be carried out"
	if errors.Is(err, commit.ErrNotDurable) {
		why = "the change could not be made durable"
	}
	for _, j := range jobs {
		if j.fault == nil {
			j.undecided = errors.Is(err, zone.ErrUndecided)
			j.fault = faultf(wire.RCodeServFail, "%s", why)
		}
	}
}

// commitRound commits what fill puts into an empty round.
func (u *Updater) commitRound(fill func(*round) *round) (err error) {
	if !u.o.Guard.Do("updates", func() {
		err = u.propose(func(set *zone.Set) (*round, error) { return fill(u.newRound(set)), nil })
	}) { // the panic may have come before or after the change was on disk
		return fmt.Errorf("internal error: %w", zone.ErrUndecided)
	}
	return err
}

// propose commits the round that compute returns; it is called with mu held.
func (u *Updater) propose(compute func(*zone.Set) (*round, error)) error {
	var r *round
	_, err := u.o.Store.Commit(commit.Request{
		Propose: func(set *zone.Set) (b *zone.Batch, err error) {
			u.mu.Lock()
			defer u.mu.Unlock()
			if r, err = compute(set); err != nil {
				return nil, err
			}
			return r.batch()
		},
		After: func() error {
			u.mu.Lock()
			defer u.mu.Unlock()
			r.activateLives()
			return nil
		},
	})
	return err
}

// carryOut returns a round with what the messages change. One that causes a panic is refused,
// and the round begun again without it.
func (u *Updater) carryOut(r *round, jobs []*job, pause func()) *round {
again:
	for _, j := range jobs {
		if j.broken {
			j.fault = faultf(wire.RCodeServFail, "the server failed over this message")
			continue
		}
		j.fault, j.ignored = nil, nil
		carryOut := r.carryOut
		if j.Request == nil {
			carryOut = r.expire
		}
		if !u.o.Guard.Do("updates", func() { carryOut(j) }) {
			j.broken = true
			r = u.newRound(r.set)
			goto again
		}
		pause()
	}
	return r
}

// answer sends the response and logs it.
func (u *Updater) answer(j *job) {
	if j.Request == nil {
		u.endExpiry(j)
		return
	}
	requests := append(u.pending.leave(j), j.Request)
	u.logResult(j)
	u.counts[j.result()].Add(uint64(len(requests)))
	c, ede, text := wire.RCodeNoError, uint16(0), ""
	if j.fault != nil {
		c, text = j.fault.RCode, j.fault.Text
		ede = edeOf(c)
	}
	for _, r := range requests {
		if j.undecided {
			r.Drop()
		} else {
			r.Answer(c, ede, text)
		}
	}
}

func edeOf(c wire.RCode) uint16 {
	switch c {
	case wire.RCodeRefused:
		return wire.EDEProhibited
	case wire.RCodeNotAuth:
		return wire.EDENotAuthoritative
	case wire.RCodeServFail:
		return wire.EDENotReady
	}
	return 0 // of the others, the text alone says what is wrong
}

// logResult logs refusals and what had no effect. Unmet prerequisites are part of normal
// operation and logged at debug level only.
func (u *Updater) logResult(j *job) {
	level, message := slog.LevelWarn, "update refused"
	var why string
	switch {
	case j.fault != nil:
		why = j.fault.Text
		switch j.fault.RCode {
		case wire.RCodeNXDomain, wire.RCodeYXDomain, wire.RCodeNXRRSet, wire.RCodeYXRRSet:
			level = slog.LevelDebug
		}
	case len(j.ignored) > 0:
		message = "part of an update has no effect"
		i := &j.ignored[0]
		why = i.Record.Type.String() + " at " + i.Record.Owner.String() + ": " + i.Why
	default:
		return
	}
	if !u.o.Log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{slog.String("client", j.Client.String()), slog.String("why", why)}
	if j.m != nil {
		attrs = append(attrs, slog.String("zone", j.m.Zone.String()))
	}
	if j.Key != nil {
		attrs = append(attrs, slog.String("key", j.Key.String()))
	}
	if j.fault != nil {
		attrs = append(attrs, slog.String("rcode", j.fault.RCode.String()))
	}
	u.o.Log.LogAttrs(context.Background(), level, message, attrs...)
}
