package notify

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Secondary is what is known of a secondary of one zone since the start of the server. Status, metrics
// and `ptrd notify` show it. A time is zero, and the serial next to it has no meaning, if the event
// has not happened.
type Secondary struct {
	// Address is that of a target; with port 0 that of a client that transferred the zone and gets
	// no NOTIFY.
	Address netip.AddrPort `json:"address"`

	Notify     Result      `json:"notify"`           // of the last NOTIFY
	Reason     string      `json:"reason,omitempty"` // of Refused: the RCODE, or what is wrong with the answer
	Tries      int         `json:"tries,omitempty"`  // how often it was sent
	Notified   time.Time   `json:"notified,omitzero"`
	NotifiedOf zone.Serial `json:"notified_of,omitempty"`
	Answered   time.Time   `json:"answered,omitzero"` // the last answer with NOERROR, perhaps to an earlier NOTIFY
	AnsweredOf zone.Serial `json:"answered_of,omitempty"`

	// Behind is since when there is a serial that it has neither acknowledged, transferred nor shown;
	// zero: there is none.
	Behind time.Time `json:"behind,omitzero"`

	Transferred   time.Time   `json:"transferred,omitzero"` // the zone or its changes, or the answer that there are none
	TransferredOf zone.Serial `json:"transferred_of,omitempty"`
	Kind          string      `json:"kind,omitempty"` // of that transfer, as in metrics

	Asked  time.Time   `json:"asked,omitzero"` // for its serial
	Serial zone.Serial `json:"serial,omitempty"`
	Error  string      `json:"error,omitempty"` // why the serial is not known

	failures int       // transfers in a row that failed
	again    time.Time // when it gets NOTIFY again, because of the last of them or as the last one was lost
}

// Result is what became of the last NOTIFY to a secondary.
type Result uint8

// The results.
const (
	NotSent  Result = iota
	Waiting         // for the answer; it is sent again until there is one
	Answered        // with NOERROR
	Refused         // another RCODE, or an answer without a valid signature
	Lost            // no answer after all tries
)

var results = []string{"not_sent", "waiting", "answered", "refused", "lost"}

// String returns the name of the result in JSON and metrics.
func (r Result) String() string { return results[r] }

// MarshalText implements encoding.TextMarshaler.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Result) UnmarshalText(text []byte) error {
	i := slices.Index(results, string(text))
	if i < 0 {
		return fmt.Errorf("result of NOTIFY %q is not known", text)
	}
	*r = Result(i)
	return nil
}

// IsFailing reports whether the last NOTIFY was refused or not answered.
func (s *Secondary) IsFailing() bool { return s.Notify == Refused || s.Notify == Lost }

// HasSerial reports whether Serial is known.
func (s *Secondary) HasSerial() bool { return !s.Asked.IsZero() && s.Error == "" }

// LatestSerial returns the latest serial that it has acknowledged, transferred or shown.
func (s *Secondary) LatestSerial() (serial zone.Serial, ok bool) {
	for _, at := range []struct {
		known  bool
		serial zone.Serial
	}{
		{!s.Answered.IsZero(), s.AnsweredOf},
		{!s.Transferred.IsZero(), s.TransferredOf},
		{s.HasSerial(), s.Serial},
	} {
		if at.known && (!ok || serial.Before(at.serial)) {
			serial, ok = at.serial, true
		}
	}
	return serial, ok
}

// maxKnown bounds the secondaries with a state, each of a zone: some 40 MB. Those of further zones are
// notified like the others, but nothing is known of them.
const maxKnown = 1 << 17

// maxClients bounds the clients of one zone that transfer it and are no targets: the latest ones are
// known. A zone that any client may transfer has any number.
const maxClients = 16

// known has the state of secondaries.
type known struct {
	mu    sync.Mutex
	zones map[string][]Secondary // by dname.Name.Key of the apex
	count int
}

// change calls f with the state of a secondary of a zone. It returns false if what f changes is lost,
// because there are too many.
func (k *known) change(key taskKey, f func(*Secondary)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.zones[key.apex]
	var clients []*Secondary
	for i := range list {
		switch s := &list[i]; {
		case s.Address == key.target:
			f(s)
			return true
		case s.Address.Port() == 0:
			clients = append(clients, s)
		}
	}
	s := Secondary{Address: key.target}
	f(&s)
	switch {
	case key.target.Port() == 0 && len(clients) == maxClients:
		*slices.MinFunc(clients, func(a, b *Secondary) int { return a.Transferred.Compare(b.Transferred) }) = s
	case k.count < maxKnown:
		k.count++
		k.zones[key.apex] = append(list, s)
	default:
		return false
	}
	return true
}

// remove removes what is known of the secondaries of a zone.
func (k *known) remove(apex string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.count -= len(k.zones[apex])
	delete(k.zones, apex)
}

// of returns the states of the secondaries of a zone.
func (k *known) of(apex string) []Secondary {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.zones[apex])
}

// All yields the state of each known secondary with the dname.Name.Key of the apex of its zone, in no
// order. It may include targets that are no longer configured. yield must be fast: NOTIFY and
// transfers wait for it.
func (n *Notifier) All(yield func(apex string, s *Secondary) bool) {
	k := &n.known
	k.mu.Lock()
	defer k.mu.Unlock()
	for apex, list := range k.zones {
		for i := range list {
			if !yield(apex, &list[i]) {
				return
			}
		}
	}
}

// Secondaries returns the secondaries of a zone: its targets in their order, and then other clients
// that transferred it.
func (n *Notifier) Secondaries(z *zone.Zone) (list []Secondary) {
	states := n.known.of(z.Apex().Key())
	at := func(a netip.AddrPort) int {
		return slices.IndexFunc(states, func(s Secondary) bool { return s.Address == a })
	}
	for _, t := range n.targets(n.o.Set(), z) {
		s := Secondary{Address: t.Address}
		if i := at(t.Address); i >= 0 {
			s = states[i]
		}
		list = append(list, s)
	}
	for _, s := range states {
		if s.Address.Port() == 0 {
			list = append(list, s)
		}
	}
	return list
}

// Transferred records that a client has received the zone or its changes up to a serial. It belongs to
// the target with its address, if there is one.
func (n *Notifier) Transferred(z *zone.Zone, client netip.Addr, kind string, now time.Time) {
	if n.o.Set().Get(z.Apex()) == nil {
		return // it was removed meanwhile
	}
	address := netip.AddrPortFrom(client.Unmap(), 0)
	for t := range n.targetsAt(z, client) {
		address = t
		break
	}
	n.known.change(taskKey{z.Apex().Key(), address}, func(s *Secondary) {
		s.Transferred, s.TransferredOf, s.Kind, s.failures = now, z.Serial(), kind, 0
		n.caughtUp(s, z.Apex(), z.Serial())
	})
}

// targetsAt yields the addresses of the targets of a zone that a client may be.
func (n *Notifier) targetsAt(z *zone.Zone, client netip.Addr) iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		for _, t := range n.targets(n.o.Set(), z) {
			if t.Address.Addr() == client.Unmap() && !yield(t.Address) {
				return
			}
		}
	}
}

const (
	// firstAgain is when a secondary gets NOTIFY after a failed transfer. The time doubles with each
	// further failure, up to maxAgain, because a transfer costs more than a message.
	firstAgain = 5 * time.Second
	maxAgain   = 10 * time.Minute

	// maxLost is the longest time until a secondary that does not answer gets NOTIFY again. It has been
	// away for at least as long. One of a hundred thousand zones gets 55 messages a second.
	maxLost = time.Hour
)

// TransferFailed records that a client did not receive all of the zone. If it is a target, it gets NOTIFY
// again. Its connection may have ended, or it waited longer for a turn than it is ready to, which is 5
// seconds with Knot DNS. By itself it asks again after the retry time of the SOA only, often hours.
func (n *Notifier) TransferFailed(z *zone.Zone, client netip.Addr, now time.Time) {
	if n.o.Set().Get(z.Apex()) == nil {
		return // it was removed meanwhile
	}
	for target := range n.targetsAt(z, client) {
		key := taskKey{z.Apex().Key(), target}
		var again time.Time
		known := n.known.change(key, func(s *Secondary) {
			at := now.Add(min(firstAgain<<min(s.failures, 20), maxAgain))
			if s.again.After(now) && !at.Before(s.again) {
				return
			}
			again, s.again = at, at
			s.failures++
		})
		if known && !again.IsZero() {
			n.mu.Lock()
			n.failed = append(n.failed, entry{at: again, apex: z.Apex(), key: key})
			n.mu.Unlock()
			n.wakeUp()
		}
	}
}

// askLimit is how many secondaries are asked at a time: those of a zone all at once, those of ten
// thousand zones without a burst that fills socket buffers.
const askLimit = 64

// Ask asks the secondaries of zones for their serial and records it, those that which returns true for;
// nil: all. It returns when all have answered or ctx ends.
func (n *Notifier) Ask(ctx context.Context, zones []*zone.Zone, which func(*zone.Zone, *Secondary) bool) {
	var asks sync.WaitGroup
	places := make(chan struct{}, askLimit)
	for _, z := range zones {
		targets := n.targets(n.o.Set(), z)
		for _, s := range n.Secondaries(z) {
			if which != nil && !which(z, &s) {
				continue
			}
			t := Target{Address: s.Address}
			if i := slices.IndexFunc(targets, func(t Target) bool { return t.Address == s.Address }); i >= 0 {
				t = targets[i]
			} else {
				t.Address = netip.AddrPortFrom(s.Address.Addr(), port)
			}
			places <- struct{}{}
			asks.Go(func() {
				defer func() { <-places }()
				n.o.Guard.Do(part, func() { n.ask(ctx, z.Apex(), s.Address, t) })
			})
		}
	}
	asks.Wait()
}

// ask asks one secondary, whose state has the address known.
func (n *Notifier) ask(ctx context.Context, apex dname.Name, known netip.AddrPort, t Target) {
	serial, err := n.o.Serial(ctx, t, apex)
	now := time.Now()
	n.known.change(taskKey{apex.Key(), known}, func(s *Secondary) {
		s.Asked, s.Serial, s.Error = now, serial, ""
		if err != nil {
			s.Error = err.Error()
			return
		}
		n.caughtUp(s, apex, serial)
	})
}

// caughtUp records that a secondary has a serial of a zone.
func (n *Notifier) caughtUp(s *Secondary, apex dname.Name, serial zone.Serial) {
	if z := n.o.Set().Get(apex); z != nil && !serial.Before(z.Serial()) {
		s.Behind = time.Time{}
	}
}

// request asks Run to notify the secondaries of zones now.
type request struct {
	ctx   context.Context
	zones []dname.Name
	left  map[taskKey]bool // NOTIFYs without an answer; only Run uses it
	done  chan struct{}    // closed when there are none
}

// Notify sends NOTIFY to the secondaries of zones now, and returns when all have answered or have
// failed to, or ctx ends; then those that are left are sent again as usual.
func (n *Notifier) Notify(ctx context.Context, zones []dname.Name) {
	q := &request{ctx: ctx, zones: zones, left: make(map[taskKey]bool), done: make(chan struct{})}
	select {
	case n.requests <- q:
	case <-ctx.Done():
		return
	}
	select {
	case <-q.done:
	case <-ctx.Done():
	}
}

// begin starts a request.
func (r *round) begin(q *request, now time.Time) {
	r.requests = slices.DeleteFunc(r.requests, func(q *request) bool { return q.ctx.Err() != nil })
	for _, apex := range q.zones {
		for _, key := range r.addTasks(apex, taskKey{}, now) {
			q.left[key] = true
		}
	}
	if len(q.left) == 0 {
		close(q.done)
		return
	}
	r.requests = append(r.requests, q)
}

// end removes a task and records its result; NotSent: its zone is gone.
func (r *round) end(key taskKey, t *task, result Result, reason string, now time.Time) {
	delete(r.tasks, key)
	if result != NotSent {
		again := time.Time{}
		known := r.n.known.change(key, func(s *Secondary) {
			s.Notify, s.Reason = result, reason
			switch {
			case result == Answered:
				s.Answered, s.AnsweredOf = now, t.serial
				r.n.caughtUp(s, t.apex, t.serial)
			case result == Lost && !s.Behind.IsZero() && !s.again.After(now):
				again = now.Add(min(now.Sub(s.Behind), maxLost))
				s.again = again
			}
		})
		if known && !again.IsZero() {
			r.agenda.Push(entry{at: again, apex: t.apex, key: key})
		}
	}
	r.requests = slices.DeleteFunc(r.requests, func(q *request) bool {
		if delete(q.left, key); len(q.left) > 0 {
			return false
		}
		close(q.done)
		return true
	})
}
