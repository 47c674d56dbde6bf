package notify

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// gap is how long changes of a zone are collected after a NOTIFY, so that a secondary
	// of a zone with a hundred changes a second is not kept busy by transfers. A longer
	// time would visibly delay the secondaries.
	gap = time.Second

	// firstTimeout is how long the first answer may take; it doubles with each try, up to
	// maxTimeout. With the 60 seconds of RFC 1996 §4.2 one lost datagram would delay a
	// secondary by a minute.
	firstTimeout = 2 * time.Second
	maxTimeout   = time.Minute

	// tries is how often a message is sent, over some three minutes: a restart of the
	// target takes less.
	tries = 7

	// triesAgain is the same for one that is sent again, to a secondary that may be gone for good.
	triesAgain = 2

	// burst is how many messages are sent in a row, and pause the time until the next:
	// ten thousand a second at most, so that ten thousand zones changed at once overflow
	// no socket buffer.
	burst = 50
	pause = 5 * time.Millisecond
)

// Target is a server that gets NOTIFY.
type Target struct {
	Address netip.AddrPort
	Source  netip.Addr // of the messages; invalid: any
	Key     *tsig.Key  // nil: not signed
}

// Zone has the targets of one zone.
type Zone struct {
	Targets     []Target
	NameServers bool                    // the servers of its NS records are targets too
	Addresses   map[string][]netip.Addr // of name servers, by dname.Name.Key; others are looked up in our own zones
}

// Options are what a Notifier needs.
type Options struct {
	Set func() *zone.Set // the zones that are served
	// IsOwn reports whether an address is one of this server, which is no target; nil:
	// none is.
	IsOwn func(netip.Addr) bool
	// Serial asks a target for the serial of its copy of a zone; nil: none is asked.
	Serial func(ctx context.Context, t Target, apex dname.Name) (zone.Serial, error)
	Log    *slog.Logger
	Guard  *supervise.Supervisor // contains panics over single messages; nil: they are not contained
}

// Totals count what was sent.
type Totals struct {
	Sent     atomic.Uint64 // messages, including repeated ones
	Answered atomic.Uint64 // with NOERROR
	Refused  atomic.Uint64 // any other answer
	Lost     atomic.Uint64 // no answer after all tries
}

// Notifier sends NOTIFY to secondaries.
type Notifier struct {
	o      Options
	totals Totals
	wake   chan struct{} // has room for one
	known  known

	requests chan *request

	mu      sync.Mutex
	zones   func(apex dname.Name) *Zone
	changed map[string]dname.Name // by dname.Name.Key of the apex; not yet handled by Run
	failed  []entry               // targets whose transfer failed; not yet handled by Run
}

// New returns a Notifier without zones.
func New(o Options) *Notifier {
	if o.IsOwn == nil {
		o.IsOwn = func(netip.Addr) bool { return false }
	}
	none := func(dname.Name) *Zone { return nil }
	if o.Serial == nil {
		o.Serial = func(context.Context, Target, dname.Name) (zone.Serial, error) { return 0, errNotAsked }
	}
	return &Notifier{
		o: o, zones: none, wake: make(chan struct{}, 1), changed: make(map[string]dname.Name),
		known: known{zones: make(map[string][]Secondary)}, requests: make(chan *request),
	}
}

// errNotAsked is the error of a serial where there is no way to ask for it.
var errNotAsked = errors.New("it is not asked")

// Totals returns the counters.
func (n *Notifier) Totals() *Totals { return &n.totals }

// SetZones sets the servers to notify of changes of each zone; nil: none.
func (n *Notifier) SetZones(zones func(apex dname.Name) *Zone) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.zones = zones
}

// Published records the zones that changed and have servers to notify. It does not block
// and may be called at any time.
func (n *Notifier) Published(b *zone.Batch) {
	n.mu.Lock()
	for i := range b.Changes {
		c := &b.Changes[i]
		if c.Zone == nil {
			n.known.remove(c.Apex.Key())
		}
		if c.Zone != nil && c.Zone.IsAvailable() && n.zones(c.Apex) != nil && (c.Base == nil || c.Base.Serial() != c.Zone.Serial() || !c.Base.IsAvailable()) {
			n.changed[c.Apex.Key()] = c.Apex
		}
	}
	n.mu.Unlock()
	n.wakeUp()
}

// wakeUp lets Run handle changed and failed.
func (n *Notifier) wakeUp() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// removePending returns the zones that changed, and the targets whose transfer failed, since its last call.
func (n *Notifier) removePending() (changed map[string]dname.Name, failed []entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed, failed = n.changed, n.failed
	n.changed, n.failed = make(map[string]dname.Name), nil
	return changed, failed
}

// part is what panics are counted under.
const part = "notify"

// Run sends messages until ctx ends.
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
			n.o.Guard.Do(part, func() { r.schedulePending(time.Now()) })
		case a := <-r.answers:
			n.o.Guard.Do(part, func() { r.handleAnswer(a, time.Now()) })
		case q := <-n.requests:
			n.o.Guard.Do(part, func() { r.begin(q, time.Now()) })
		case s := <-r.failed:
			r.dropSocket(s)
		case <-timer.C:
		}
		wait := pause // after a panic
		n.o.Guard.Do(part, func() { wait = r.sendDue(time.Now()) })
		timer.Reset(wait)
	}
}
