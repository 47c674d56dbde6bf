package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

const ns = apex + " 60 IN NS ns1.example.net."

// TestNotifyNow: a request waits for the answers of all secondaries, and the result of each is
// known.
func TestNotifyNow(t *testing.T) {
	answers, refuses := newSecondary(t, good), newSecondary(t, func(m *dns.Msg, _ []byte) []byte { return reply(m, dns.RcodeNotAuth) })
	g := newRig(t, &Zone{Targets: []Target{{Address: answers.target()}, {Address: refuses.target()}}})
	z := build(t, apex, 7, ns)
	g.publish(z)
	await.That(t, "the first answers", func() bool { return g.totals.Answered.Load() == 1 && g.totals.Refused.Load() == 1 })
	g.Notify(t.Context(), []dname.Name{z.Apex(), dname.MustParse("other.example.")})
	list := g.Secondaries(z)
	if len(list) != 2 || len(answers.messages()) != 2 {
		t.Fatalf("%d messages, secondaries %+v", len(answers.messages()), list)
	}
	if s := list[0]; s.Address != answers.target() || s.Notify != Answered || s.AnsweredOf != 7 || s.Answered.IsZero() || s.Notified.IsZero() || s.Tries != 1 || s.IsFailing() || !s.Behind.IsZero() {
		t.Errorf("%+v", s)
	}
	if s := list[1]; s.Notify != Refused || s.Reason != "NOTAUTH" || !s.Answered.IsZero() || !s.IsFailing() || s.Behind.IsZero() {
		t.Errorf("%+v", s)
	}
	var again []Secondary
	if b, err := json.Marshal(list); err != nil {
		t.Error(err)
	} else if err := json.Unmarshal(b, &again); err != nil || again[1].Notify != Refused || again[0].Address != answers.target() {
		t.Errorf("%s: %+v, %v", b, again, err)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	g.Notify(ended, []dname.Name{z.Apex()}) // does not wait

	g.store.Publish(&zone.Batch{Changes: []zone.Change{{Apex: z.Apex(), Base: z}}})
	for key, s := range g.All {
		t.Errorf("of a zone that was removed: %q %+v", key, s)
	}
}

// TestLost: a secondary that never answers has failed after the last try, and has until it answers.
func TestLost(t *testing.T) {
	silent, other := newSecondary(t, nil), newSecondary(t, nil)
	z := build(t, apex, 7, ns)
	set := zone.NewSet().With([]*zone.Zone{z}, nil)
	n := New(Options{Set: func() *zone.Set { return set }, Log: slog.New(slog.DiscardHandler)})
	n.SetZones(byKey(map[string]*Zone{z.Key(): {Targets: []Target{{Address: silent.target()}, {Address: other.target()}}}}))
	r := newRound(n)
	defer r.close()
	q := &request{ctx: t.Context(), zones: []dname.Name{z.Apex()}, left: map[taskKey]bool{}, done: make(chan struct{})}
	now := time.Unix(1e9, 0)
	r.begin(q, now)
	done := taskKey{z.Key(), other.target()}
	r.end(done, r.tasks[done], Answered, "", now) // the request waits for both
	state := func() Secondary { return n.Secondaries(z)[0] }
	for i := range tries {
		now = now.Add(r.sendDue(now))
		if s := state(); s.Notify != Waiting || s.Tries != i+1 || s.IsFailing() {
			t.Fatalf("try %d: %+v", i+1, s)
		}
		select {
		case <-q.done:
			t.Fatal("the request is done before the last try")
		default:
		}
	}
	r.sendDue(now)
	select {
	case <-q.done:
	default:
		t.Error("the request still waits")
	}
	if s := state(); s.Notify != Lost || s.Tries != tries || !s.IsFailing() {
		t.Errorf("%+v", s)
	}
	// It is notified again, ever later, for as long as it is behind.
	key := taskKey{z.Key(), silent.target()}
	for range 3 {
		lost := now
		now = now.Add(r.sendDue(now))
		if away := lost.Sub(time.Unix(1e9, 0)); now.Sub(lost) != away || r.tasks[key] != nil {
			t.Fatalf("again after %v, it is away for %v", now.Sub(lost), away)
		}
		for i := range triesAgain {
			r.sendDue(now)
			if s := state(); s.Notify != Lost || s.Notified != now || s.Tries != i+1 {
				t.Fatalf("%+v", s)
			}
			now = now.Add(maxTimeout)
		}
		r.sendDue(now)
	}
	// It is back, and its transfer fails, twice. Both targets have this address.
	n.TransferFailed(z, silent.target().Addr(), now)
	n.TransferFailed(z, silent.target().Addr(), now)
	if len(n.failed) != 2 || n.failed[0].at != now.Add(firstAgain) {
		t.Errorf("now is %v, and it gets NOTIFY after %v", now, n.failed)
	}
	r.addTasks(z.Apex(), taskKey{}, now)
	r.sendDue(now)
	if s := state(); s.Notify != Lost || s.Tries != 1 {
		t.Errorf("while it is notified of the next change: %+v", s)
	}
	r.end(key, r.tasks[key], Answered, "", now)
	if s := state(); s.Notify != Answered || s.Answered != now {
		t.Errorf("%+v", s)
	}
}

// TestTransferred: a transfer belongs to the target with the address of the client, or to a client of
// its own, of which the latest are known.
func TestTransferred(t *testing.T) {
	z := build(t, apex, 7, ns)
	set := zone.NewSet().With([]*zone.Zone{z}, nil)
	n := New(Options{Set: func() *zone.Set { return set }})
	target := netip.MustParseAddrPort("192.0.2.53:5353")
	n.SetZones(byKey(map[string]*Zone{z.Key(): {Targets: []Target{{Address: target}}}}))
	now := time.Unix(1e9, 0)
	n.Transferred(z, netip.MustParseAddr("::ffff:192.0.2.53"), "ixfr", now)
	for i := range 2 * maxClients {
		n.Transferred(z, netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i)), "axfr", now.Add(time.Duration(i)*time.Second))
	}
	list := n.Secondaries(z)
	if s := list[0]; s.Address != target || s.Kind != "ixfr" || s.TransferredOf != 7 || s.Transferred != now || s.Notify != NotSent {
		t.Errorf("%+v", s)
	}
	r := newRound(n)
	defer r.close()
	if r.addTasks(z.Apex(), taskKey{}, now); !n.Secondaries(z)[0].Behind.IsZero() {
		t.Error("the secondary is behind, although it has transferred the serial that it is notified of")
	}
	set = set.With([]*zone.Zone{build(t, apex, 8, ns)}, nil)
	if r.addTasks(z.Apex(), taskKey{}, now); n.Secondaries(z)[0].Behind != now {
		t.Error("the secondary is not behind after a change")
	}
	if len(list) != 1+maxClients {
		t.Fatalf("%d secondaries", len(list))
	}
	for _, s := range list[1:] {
		if s.Address.Port() != 0 || s.Transferred.Before(now.Add(maxClients*time.Second)) {
			t.Errorf("%+v", s)
		}
	}
	n.Transferred(build(t, "gone.example.", 1, "gone.example. 60 IN NS ns1.example.net."), target.Addr(), "axfr", now)
	for key, s := range n.All {
		if key != z.Key() {
			t.Errorf("of a zone that is gone: %+v", s)
		}
	}
}

// TestTransferFailed: a target whose transfer failed gets NOTIFY again, later with each failure, until it has
// the serial.
func TestTransferFailed(t *testing.T) {
	target, other := newSecondary(t, nil), newSecondary(t, nil)
	z := build(t, apex, 7, ns)
	set := zone.NewSet().With([]*zone.Zone{z}, nil)
	n := New(Options{Set: func() *zone.Set { return set }, Log: slog.New(slog.DiscardHandler)})
	n.SetZones(byKey(map[string]*Zone{z.Key(): {Targets: []Target{{Address: target.target()}, {Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), other.target().Port())}}}}))
	r := newRound(n)
	defer r.close()
	client, key := target.target().Addr(), taskKey{z.Key(), target.target()}
	now := time.Unix(1e9, 0)
	for _, wait := range []time.Duration{firstAgain, 2 * firstAgain, 4 * firstAgain} {
		n.TransferFailed(z, netip.MustParseAddr("192.0.2.99"), now) // no target
		n.TransferFailed(z, client, now)
		n.TransferFailed(z, client, now) // one message for both
		r.schedulePending(now)
		if got := r.sendDue(now); got != wait || len(r.tasks) != 0 {
			t.Fatalf("the next is due after %v, not %v; tasks %v", got, wait, r.tasks)
		}
		now = now.Add(wait)
		r.sendDue(now)
		if s := n.Secondaries(z); len(r.tasks) != 1 || r.tasks[key] == nil || s[0].Notified != now || s[1].Notify != NotSent {
			t.Fatalf("%+v, tasks %v", s, r.tasks)
		}
		r.end(key, r.tasks[key], Answered, "", now)
		now = now.Add(maxTimeout)
		r.sendDue(now)
	}
	for range 40 {
		n.TransferFailed(z, client, now)
		now = now.Add(maxAgain)
	}
	r.removeAll(now)
	n.TransferFailed(z, client, now)
	n.Transferred(z, client, "axfr", now)
	r.schedulePending(now)
	if r.sendDue(now.Add(maxAgain)); len(r.tasks) != 0 {
		t.Errorf("it has the serial, and is notified: %v", r.tasks)
	}
	now = now.Add(maxAgain)
	n.TransferFailed(z, client, now)
	if at := n.failed[0].at; at != now.Add(firstAgain) {
		t.Errorf("after a transfer that did not fail: NOTIFY at %v, now is %v", at, now)
	}
	set = set.With(nil, []dname.Name{z.Apex()})
	n.Published(&zone.Batch{Changes: []zone.Change{{Apex: z.Apex(), Base: z}}})
	if n.TransferFailed(z, client, now); n.known.count != 0 {
		t.Error("a zone that was removed while it was transferred has secondaries")
	}
}

// TestSentForgotten: a NOTIFY that is due much later does not keep the times of zones that changed.
func TestSentForgotten(t *testing.T) {
	n := New(Options{Set: zone.NewSet, Log: slog.New(slog.DiscardHandler)})
	r := newRound(n)
	defer r.close()
	now, a := time.Unix(1e9, 0), dname.MustParse(apex)
	r.agenda.Push(entry{at: now.Add(maxLost), apex: a, key: taskKey{apex: a.Key()}})
	r.scheduleZones(map[string]dname.Name{a.Key(): a}, now)
	if r.sendDue(now); len(r.sent) != 1 {
		t.Errorf("at once: %v", r.sent)
	}
	if r.sendDue(now.Add(2 * gap)); len(r.sent) != 0 {
		t.Errorf("later: %v", r.sent)
	}
}

// removeAll removes what is scheduled.
func (r *round) removeAll(now time.Time) {
	r.schedulePending(now)
	for _, ok := r.agenda.First(); ok; _, ok = r.agenda.First() {
		r.agenda.Pop()
	}
}

// TestAsk: all secondaries are asked, those that are no targets at port 53.
func TestAsk(t *testing.T) {
	z := build(t, apex, 7, ns)
	set := zone.NewSet().With([]*zone.Zone{z}, nil)
	good, bad := netip.MustParseAddrPort("192.0.2.53:5353"), netip.MustParseAddrPort("192.0.2.54:5353")
	n := New(Options{Set: func() *zone.Set { return set }, Serial: func(_ context.Context, to Target, name dname.Name) (zone.Serial, error) {
		switch {
		case !name.Equal(z.Apex()):
			return 0, errors.New("another zone")
		case to.Address == good && to.Key == key:
			return 6, nil
		case to.Address == netip.MustParseAddrPort("198.51.100.1:53"):
			return 5, nil
		}
		return 0, errors.New("no answer")
	}})
	n.SetZones(byKey(map[string]*Zone{z.Key(): {Targets: []Target{{Address: good, Key: key}, {Address: bad}}}}))
	n.Transferred(z, netip.MustParseAddr("198.51.100.1"), "axfr", time.Unix(1e9, 0))
	if n.Secondaries(z)[0].HasSerial() {
		t.Error("the serial is known before it was asked for")
	}
	n.Ask(t.Context(), []*zone.Zone{z}, nil)
	var got []string
	for _, s := range n.Secondaries(z) {
		got = append(got, fmt.Sprintf("%v %v %d %s", s.Address, s.HasSerial(), s.Serial, s.Error))
	}
	if text, want := strings.Join(got, "\n"), "192.0.2.53:5353 true 6 \n192.0.2.54:5353 false 0 no answer\n198.51.100.1:0 true 5 "; text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}
