package notify

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/supervise"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// gap is how long changes of a zone are collected after one was told. A secondary
	// that asks for each of a hundred changes a second would do little else; a
	// longer time would show in how long they are behind.
	gap = time.Second

	// patience is how long the first answer may take; each further one may take twice
	// as long, up to patienceMost. RFC 1996 §4.2 would wait for 60 seconds from the
	// beginning, of which a datagram lost in between makes a minute of delay.
	patience     = 2 * time.Second
	patienceMost = time.Minute

	// tries is how often a server is told: for some three minutes, as a restart takes.
	tries = 7

	// burst is how many messages are sent in a row, and rest the time until the next:
	// ten thousand a second at most, so that ten thousand zones changed at once fill
	// nobody's buffers.
	burst = 50
	rest  = 5 * time.Millisecond
)

// Target is a server to be told.
type Target struct {
	Address netip.AddrPort
	Source  netip.Addr // that we tell it from; invalid: any
	Key     *tsig.Key  // nil: not signed
}

// Zone says who is told of a zone's changes.
type Zone struct {
	Targets     []Target
	NameServers bool                    // those of its NS records too
	Addresses   map[string][]netip.Addr // of name servers, by dname.Name.Key; others are looked for in our own zones
}

// Options are what a Notifier needs.
type Options struct {
	Set func() *zone.Set // the zones that are served
	// IsOwn reports whether an address is one of ours, which is not told. Nil: none
	// is.
	IsOwn func(netip.Addr) bool
	Log   *slog.Logger
	Guard *supervise.Supervisor // contains panics over single messages; nil: they are not contained
}

// Totals count what was sent.
type Totals struct {
	Sent     atomic.Uint64 // messages, repeated ones too
	Answered atomic.Uint64 // by NOERROR
	Refused  atomic.Uint64 // by anything else
	Lost     atomic.Uint64 // given up, for want of an answer
}

// Notifier tells secondaries of changes.
type Notifier struct {
	o      Options
	totals Totals
	wake   chan struct{} // has room for one

	mu      sync.Mutex
	zones   map[string]*Zone      // by dname.Name.Key of the apex
	changed map[string]dname.Name // likewise; not yet taken by Run
}

// New returns a Notifier that tells nobody yet.
func New(o Options) *Notifier {
	if o.IsOwn == nil {
		o.IsOwn = func(netip.Addr) bool { return false }
	}
	return &Notifier{o: o, wake: make(chan struct{}, 1), changed: make(map[string]dname.Name)}
}

// Totals returns the counters.
func (n *Notifier) Totals() *Totals { return &n.totals }

// SetZones says who is told from now on, by dname.Name.Key of the apex. The
// Notifier owns the map.
func (n *Notifier) SetZones(zones map[string]*Zone) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.zones = zones
}

// Published takes note of the zones that came into force. It does not wait, and may
// be called by any goroutine at any time.
func (n *Notifier) Published(b *zone.Batch) {
	n.mu.Lock()
	for i := range b.Changes {
		c := &b.Changes[i]
		if c.Zone != nil && c.Zone.IsAvailable() && (c.Base == nil || c.Base.Serial() != c.Zone.Serial() || !c.Base.IsAvailable()) {
			n.changed[c.Apex.Key()] = c.Apex
		}
	}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// take returns the zones that changed since it was last called.
func (n *Notifier) take() map[string]dname.Name {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.changed
	n.changed = make(map[string]dname.Name)
	return out
}

// part is what panics are counted under.
const part = "notify"

// Run tells of changes until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	r := newRound(n)
	defer r.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
			n.o.Guard.Do(part, func() { r.changed(n.take(), time.Now()) })
		case a := <-r.answers:
			n.o.Guard.Do(part, func() { r.answered(a, time.Now()) })
		case s := <-r.failed:
			r.dropSocket(s)
		case <-timer.C:
		}
		wait := rest // after a panic
		n.o.Guard.Do(part, func() { wait = r.work(time.Now()) })
		timer.Reset(wait)
	}
}
