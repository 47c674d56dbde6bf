package secondary

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// memory is a Journal that forgets nothing while the test runs, and the Store's.
type memory struct {
	mu    sync.Mutex
	zones map[string]*zone.Zone
	notes map[string][]zone.Note
	log   []string // serials and sources of steps; "anew" where there are none
	fail  error
}

func newMemory() *memory {
	return &memory{zones: map[string]*zone.Zone{}, notes: map[string][]zone.Note{}}
}

func (m *memory) Append(b *zone.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, c := range b.Changes {
		key := c.Apex.Key()
		m.notes[key] = append(m.notes[key], c.Notes...)
		if c.Zone == nil || !c.Zone.IsAvailable() {
			continue
		}
		if last := m.zones[key]; len(c.Steps) == 0 && (last == nil || last.Digest() != c.Zone.Digest() || last.Serial() != c.Zone.Serial()) {
			m.log = append(m.log, fmt.Sprintf("anew %d %s", c.Zone.Serial(), b.Source))
		}
		for _, s := range c.Steps {
			m.log = append(m.log, fmt.Sprintf("%d→%d %s", s.Changeset.From, s.Changeset.To, s.Source))
		}
		if !c.Kept || !c.Verbatim {
			return fmt.Errorf("zone %v is not kept, or not verbatim", c.Apex)
		}
		m.zones[key] = c.Zone
	}
	return nil
}

func (m *memory) Restore(apex dname.Name) (*zone.Zone, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	z := m.zones[apex.Key()]
	return z, z != nil, m.fail
}

func (m *memory) PrepareContent(*zone.Zone) error { return m.fail }

func (m *memory) Notes(apex dname.Name, _ string) ([]zone.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []zone.Note
	for _, n := range m.notes[apex.Key()] {
		list = append(slices.DeleteFunc(list, func(o zone.Note) bool { return o.Key == n.Key }), n)
	}
	return slices.DeleteFunc(list, func(n zone.Note) bool { return n.Value == nil }), nil
}

func (m *memory) SetNotes(apex dname.Name, notes []zone.Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes[apex.Key()] = append(m.notes[apex.Key()], notes...)
	return m.fail
}

// lab is a Follower, its Store and its primaries.
type lab struct {
	t       *testing.T
	f, g    *fakePrimary // at fakeAddr and at fakeAddr2
	journal *memory
	store   *commit.Writer
	k       *Follower
	conf    Zone
	clock   func() clock.Steps
	stop    func()

	mu  sync.Mutex
	now time.Time
}

var fakeAddr2 = netip.MustParseAddrPort("192.0.2.2:53")

// newLab returns a lab with zone example., primary f and one that is not there. It
// runs.
func newLab(t *testing.T) *lab {
	l := &lab{t: t, f: newFake(t), journal: newMemory(), now: time.Now()}
	l.conf = Zone{Apex: l.f.o.Apex, Primaries: []Primary{{Address: fakeAddr}}}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *lab) time() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// pass lets time pass.
func (l *lab) pass(d time.Duration) {
	l.mu.Lock()
	l.now = l.now.Add(d)
	l.mu.Unlock()
	l.k.signal()
}

func (l *lab) dial(ctx context.Context, network string, source netip.Addr, address netip.AddrPort) (net.Conn, error) {
	l.mu.Lock()
	f := l.f
	if address == fakeAddr2 {
		f, address = l.g, fakeAddr
	}
	l.mu.Unlock()
	if f == nil {
		return nil, fmt.Errorf("nobody is there")
	}
	return f.dial(ctx, network, source, address)
}

// set changes what a primary has, or takes it away.
func (l *lab) set(f **fakePrimary, to *fakePrimary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*f = to
}

// start starts a process: what was in memory is gone.
func (l *lab) start(served ...*zone.Zone) {
	l.store = commit.New(commit.Options{Journal: l.journal})
	for _, z := range served {
		if err := l.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Kept: true, Verbatim: true}}}); err != nil {
			l.t.Fatal(err)
		}
		delete(l.journal.zones, z.Key()) // it was served, but not kept
	}
	l.k = NewFollower(Options{Store: l.store, Journal: l.journal, Now: l.time, Steps: l.clock, Dial: l.dial, Random: func() float64 { return 0 }})
	l.k.client.now = unhurried // deadlines of connections are by the system's
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan struct{})
	k := l.k
	l.stop = func() { cancel(); <-ended }
	l.configure(l.conf)
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
}

func (l *lab) configure(zones ...Zone) {
	l.t.Helper()
	p := l.k.Plan(zones, l.store.Set(), func(dname.Name) bool { return false })
	if err := l.store.Publish(&zone.Batch{Changes: p.Changes}); err != nil {
		l.t.Fatal(err)
	}
	l.k.Adopt(p)
}

func (l *lab) served() *zone.Zone { return l.store.Set().Get(l.conf.Apex) }

// await waits for something to become true.
func (l *lab) await(what string, cond func(s State) bool) State {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		list := l.k.States()
		if len(list) == 1 && cond(list[0]) {
			return list[0]
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: still not so after a minute: %+v", what, list)
		}
	}
}

// idle waits until a check has ended and none is under way.
func (l *lab) idle() State {
	l.t.Helper()
	return l.await("idle", func(s State) bool { return !s.Tried.IsZero() && s.Doing == "" })
}

func (l *lab) refresh(whole bool) State {
	l.t.Helper()
	s, err := l.k.Refresh(l.t.Context(), l.conf.Apex, whole)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func (l *lab) notify(from string) wire.RCode {
	rcode, _ := l.k.notified(l.conf.Apex, netip.MustParseAddr(from), nil, notification(l.conf.Apex, 0))
	return rcode
}

// notification returns a NOTIFY, with a serial unless that is 0.
func notification(apex dname.Name, serial zone.Serial) []byte {
	q := query{apex: apex, typ: rr.TypeSOA}
	msg, _ := q.pack(nil, 0)
	msg[2] = byte(wire.OpcodeNotify) << 3
	if serial != 0 {
		msg[7] = 1
		msg = append(msg, 0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0, byte(serial>>24), byte(serial>>16), byte(serial>>8), byte(serial))
		msg = append(msg, make([]byte, 16)...)
	}
	return msg
}

func (l *lab) primary(text string) *fakePrimary {
	return &fakePrimary{t: l.t, o: oracle(l.t, text), since: map[zone.Serial]*zonetest.Oracle{1: oracle(l.t, soa1+rest), 2: newFake(l.t).o}}
}
