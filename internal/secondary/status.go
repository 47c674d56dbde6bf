package secondary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// State is the state of a secondary zone. A time is zero if its event has not happened yet.
type State struct {
	Apex        dname.Name
	Serial      zone.Serial // valid only if HasData
	HasData     bool        // there are data, expired or not
	Expired     bool
	Primaries   []string
	From        string    // the primary that confirmed or sent the data last
	Checked     time.Time // when it did
	Transferred time.Time
	Tried       time.Time // when the last check ended, with or without success
	Next        time.Time // of the next check; zero: one is running or due
	Expires     time.Time
	Doing       string            // what is running; empty: nothing
	Error       string            // of the last check; empty: it succeeded
	Failures    int               // in a row
	Findings    []finding.Finding // about what is served, at most 100; not to be changed
}

// Totals count events since the start.
type Totals struct {
	Checks, Failures            atomic.Uint64
	AXFR, IXFR, FailedIXFR      atomic.Uint64 // transfers of each kind, and IXFRs that an AXFR had to replace
	Records                     atomic.Uint64 // in transfers
	Expired                     atomic.Uint64
	Notified, Refused, Needless atomic.Uint64 // NOTIFY that requested a check, were refused, or had a known serial
}

// Totals returns the counters.
func (k *Follower) Totals() *Totals { return &k.totals }

// States returns the state of every zone, in canonical order.
func (k *Follower) States() []State {
	k.mu.Lock()
	list := make([]State, 0, len(k.tasks))
	for _, t := range k.tasks {
		list = append(list, k.state(t))
	}
	k.mu.Unlock()
	slices.SortFunc(list, func(a, b State) int { return dname.Compare(a.Apex, b.Apex) })
	return list
}

func (k *Follower) state(t *task) State {
	s := State{
		Apex: t.conf.Apex, From: t.from, Checked: t.checked, Transferred: t.transferred, Tried: t.tried,
		Doing: t.phase.String(), Error: t.failure, Failures: t.failures,
	}
	for i := range t.conf.Primaries {
		s.Primaries = append(s.Primaries, t.conf.Primaries[i].String())
	}
	if t.phase == idle {
		s.Next = t.next
	}
	if t.good != nil {
		s.Serial, s.HasData = t.good.Serial(), true
		s.Expired = !t.served.IsAvailable()
		s.Expires = time.Unix(t.expires.Load(), 0)
		s.Findings = t.findings
	}
	return s
}

// Data returns the last data of the zone at apex, also after they have expired; nil: there are none.
func (k *Follower) Data(apex dname.Name) *zone.Zone {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.tasks[apex.Key()]; t != nil {
		return t.good
	}
	return nil
}

// ErrNotSecondary means that a zone is not a secondary zone of this Follower.
var ErrNotSecondary = errors.New("no secondary zone of this server; `ptrd status` lists them")

// Refresh compares the zone at apex with its primaries now and waits for the result; with whole, all
// of it is transferred, whatever its serial.
func (k *Follower) Refresh(ctx context.Context, apex dname.Name, whole bool) (State, error) {
	k.mu.Lock()
	t := k.tasks[apex.Key()]
	if t == nil {
		k.mu.Unlock()
		return State{}, fmt.Errorf("%v is %w", apex, ErrNotSecondary)
	}
	reply := make(chan State, 1)
	t.waiting = append(t.waiting, reply)
	t.whole = t.whole || whole
	k.requestCheck(t, time.Time{})
	k.mu.Unlock()
	select {
	case s := <-reply:
		return s, nil
	case <-ctx.Done():
		return State{}, ctx.Err()
	case <-k.ended:
		return State{}, errors.New("the server is stopping")
	}
}

// Has reports whether there is a secondary zone whose apex has this dname.Name.Key.
func (k *Follower) Has(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tasks[key] != nil
}
