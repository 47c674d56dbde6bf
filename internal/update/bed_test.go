package update

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// memory is a journal in memory.
type memory struct {
	mu      sync.Mutex
	batches []*zone.Batch
	notes   map[string]map[string][]byte // by key of the apex
	fail    error
}

func (m *memory) Append(b *zone.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.batches = append(m.batches, b)
	for _, c := range b.Changes {
		m.set(c.Apex, c.Notes)
	}
	for _, n := range b.Notes {
		m.set(n.Apex, n.Notes)
	}
	return nil
}

func (m *memory) set(apex dname.Name, notes []zone.Note) {
	if m.notes == nil {
		m.notes = map[string]map[string][]byte{}
	}
	if m.notes[apex.Key()] == nil {
		m.notes[apex.Key()] = map[string][]byte{}
	}
	for _, n := range notes {
		if n.Value == nil {
			delete(m.notes[apex.Key()], n.Key)
		} else {
			m.notes[apex.Key()][n.Key] = n.Value
		}
	}
}

func (m *memory) SetNotes(apex dname.Name, notes []zone.Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(apex, notes)
	return nil
}

func (m *memory) Notes(apex dname.Name, prefix string) (list []zone.Note, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, value := range m.notes[apex.Key()] {
		if strings.HasPrefix(key, prefix) {
			list = append(list, zone.Note{Key: key, Value: value})
		}
	}
	slices.SortFunc(list, func(a, b zone.Note) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

// bed is an Updater with zones and a clock of its own.
type bed struct {
	*Updater
	t     *testing.T
	store *commit.Writer
	m     *memory
	log   *bytes.Buffer
	mu    sync.Mutex
	now   time.Time
	stop  func()
}

const (
	parent = "2.0.192.in-addr.arpa."
	child  = "64/26.2.0.192.in-addr.arpa."
	soaNS  = "@ 60 SOA ns.example. hostmaster.example. 1 1 1 1 1\n@ 60 NS ns.example.\n"
)

// newBed serves zones given as apex and text in turn.
func newBed(t *testing.T, zones ...string) *bed {
	b := &bed{t: t, m: &memory{}, log: new(bytes.Buffer), now: time.Unix(1_800_000_000, 0)}
	b.store = commit.New(commit.Options{Journal: b.m})
	for ; len(zones) > 0; zones = zones[2:] {
		z := build(t, dname.MustParse(zones[0]), zonetest.MustParse(zones[0], zones[1]).Records())
		if err := b.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}); err != nil {
			t.Fatal(err)
		}
	}
	b.Updater = New(Options{
		Store: b.store, Notes: b.m, Log: slog.New(slog.NewTextHandler(b.log, nil)),
		Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
	})
	return b
}

// adopt puts a policy in force; the zones named have what they hold now as sources.
func (b *bed) adopt(p map[string]*ZonePolicy, static ...string) {
	b.t.Helper()
	policy, batch := &Policy{Zones: map[string]*ZonePolicy{}}, &zone.Batch{}
	for apex, zp := range p {
		policy.Zones[dname.MustParse(apex).Key()] = zp
	}
	for _, apex := range static {
		z := b.zone(apex)
		batch.Layers = append(batch.Layers, zone.Change{Zone: z.WithLayers(zone.Layers{Static: z}), Apex: z.Apex(), Base: z})
	}
	if err := b.store.Publish(batch); err != nil {
		b.t.Fatal(err)
	}
	if err := b.Adopt(policy); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) zone(apex string) *zone.Zone { return b.store.Set().Get(dname.MustParse(apex)) }

// run starts the Updater until the test ends.
func (b *bed) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.Run(ctx) })
	b.stop = func() { cancel(); wg.Wait() }
	b.t.Cleanup(b.stop)
}

// expire removes the records that have ended.
func (u *Updater) expire() { u.process(u.expiries()) }

// carry has a message carried out without Run.
func (b *bed) carry(apex string, updates ...Record) {
	b.t.Helper()
	r := &Request{Client: netip.MustParseAddrPort(localhost), Answer: func(wire.RCode, uint16, string) {}}
	m, fault := Parse(encode(b.t, dname.MustParse(apex), nil, updates, false))
	if fault != nil {
		b.t.Fatal(fault)
	}
	b.process([]*job{{Request: r, m: m, who: Who{Addr: r.Client.Addr()}}})
}

// reply is what a client got.
type reply struct {
	rcode wire.RCode
	text  string
}

// submit sends a message and returns where its answer comes.
func (b *bed) submit(apex, client string, key dname.Name, updates ...Record) <-chan reply {
	c := make(chan reply, 2)
	b.Submit(&Request{
		Message: encode(b.t, dname.MustParse(apex), nil, updates, false), Client: netip.MustParseAddrPort(client), Key: key,
		Answer: func(rcode wire.RCode, ede uint16, text string) {
			if (rcode == wire.RCodeRefused) != (ede == wire.EDEProhibited) {
				b.t.Errorf("%v with extended error %d", rcode, ede)
			}
			c <- reply{rcode, text}
		},
	})
	return c
}

const localhost = "127.0.0.1:53"

func add(owner, target string) Record {
	return Record{Owner: dname.MustParse(owner), Type: rr.TypePTR, Class: rr.ClassIN, TTL: 60, Data: dname.MustParse(target)}
}

func drop(owner string, t rr.Type) Record {
	return Record{Owner: dname.MustParse(owner), Type: t, Class: rr.ClassANY}
}

func (b *bed) want(got <-chan reply, want wire.RCode, text string) {
	b.t.Helper()
	if a := <-got; a.rcode != want || !strings.Contains(a.text, text) {
		b.t.Errorf("%v %q, want %v %q", a.rcode, a.text, want, text)
	}
}

// wantZone compares all but the SOA and NS of a zone with a list of "owner target".
func (b *bed) wantZone(apex string, want ...string) {
	b.t.Helper()
	var got []string
	for _, r := range records(b.zone(apex)) {
		if r.Type == rr.TypePTR {
			got = append(got, r.Owner.String()+" "+dname.Name(r.Data).String())
		}
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("%v has %q, want %q", apex, got, want)
	}
}

func anybody(dynamic bool) *ZonePolicy {
	return &ZonePolicy{Rules: []Rule{{}}, Dynamic: dynamic}
}
