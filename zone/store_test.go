package zone_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// recorder is a Journal that writes down in which order things happen.
type recorder struct {
	events []string
	err    error
}

func (r *recorder) Append(b *zone.Batch) error {
	r.events = append(r.events, "journal "+b.Source)
	return r.err
}

func smallZone(t *testing.T, apex string) *zone.Zone {
	o := zonetest.MustParse(apex, soaNS+"1 300 PTR a.example.\n")
	return build(t, o, o.Records())
}

// A batch is journalled, then visible, then swapped in; all of it or nothing.
func TestStorePublish(t *testing.T) {
	r := &recorder{}
	var store *zone.Store
	store = zone.NewStore(r, func(s *zone.Set) {
		r.events = append(r.events, fmt.Sprintf("swap %d", s.Len()))
		if store.Set() != s {
			t.Error("swapped before it is the Store's own")
		}
	}, func(b *zone.Batch) { r.events = append(r.events, "published "+b.Source) })
	a, b := smallZone(t, "1.in-addr.arpa."), smallZone(t, "2.in-addr.arpa.")
	publish := func(source string, changes ...zone.Change) error {
		return store.Publish(&zone.Batch{Source: source, Changes: changes})
	}
	if err := publish("first", zone.Change{Zone: a, Apex: a.Apex()}, zone.Change{Zone: b, Apex: b.Apex()}); err != nil {
		t.Fatal(err)
	}
	before := store.Set()
	newA := a.WithSerial(7)

	// One change of two is stale: nothing happens.
	err := publish("stale", zone.Change{Zone: newA, Apex: a.Apex(), Base: a}, zone.Change{Zone: b.WithSerial(7), Apex: b.Apex(), Base: newA})
	if !errors.Is(err, zone.ErrStale) {
		t.Errorf("a change of another base: %v, want ErrStale", err)
	}
	for what, c := range map[string]zone.Change{
		"a zone that is there already": {Zone: newA, Apex: a.Apex()},
		"removal from another base":    {Apex: a.Apex(), Base: newA},
		"a change of no zone":          {Zone: smallZone(t, "3.in-addr.arpa."), Apex: dname.MustParse("3.in-addr.arpa."), Base: a},
	} {
		if err := publish("stale", c); !errors.Is(err, zone.ErrStale) {
			t.Errorf("%s: %v, want ErrStale", what, err)
		}
	}
	// The journal fails: nothing happens.
	r.err = errors.New("disk full")
	if err := publish("full", zone.Change{Zone: newA, Apex: a.Apex(), Base: a}); !errors.Is(err, r.err) {
		t.Errorf("journal fails: %v", err)
	}
	r.err = nil
	if store.Set() != before {
		t.Error("a failed batch changed the Set")
	}

	if err := publish("second", zone.Change{Zone: newA, Apex: a.Apex(), Base: a}, zone.Change{Apex: b.Apex(), Base: b}); err != nil {
		t.Fatal(err)
	}
	if s := store.Set(); s.Len() != 1 || s.Get(a.Apex()) != newA {
		t.Error("the second batch is not what is served")
	}
	if before.Len() != 2 || before.Get(a.Apex()) != a || before.Get(b.Apex()) != b {
		t.Error("an older Set changed")
	}
	// A Swap of the batch's own is called instead, also without changes.
	called := 0
	if err := store.Publish(&zone.Batch{Source: "policy", Swap: func(s *zone.Set) { called = s.Len() }}); err != nil || called != 1 {
		t.Errorf("batch without changes: %v, swap saw %d zones", err, called)
	}
	want := []string{"journal first", "swap 2", "published first", "journal full", "journal second", "swap 1", "published second"}
	if !slices.Equal(r.events, want) {
		t.Errorf("events %q, want %q", r.events, want)
	}
}

// Many writers of one zone, who start anew when another came first, lose no
// change, while readers ask every snapshot they see.
func TestStoreConcurrent(t *testing.T) {
	const writers, changes = 4, 50
	store := zone.NewStore(nil, nil, nil)
	z := smallZone(t, "2.0.192.in-addr.arpa.")
	if err := store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers, all sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var a zone.Answer
			for {
				set := store.Set()
				z := set.Get(dname.MustParse("2.0.192.in-addr.arpa."))
				for i := range writers {
					a.Reset()
					z.Lookup(dname.MustParse(fmt.Sprintf("w%d.2.0.192.in-addr.arpa.", i)), rr.TypeTXT, false, &a)
					if a.Kind == zone.Success && a.Items[0].Set.Len() > changes {
						t.Errorf("%d records", a.Items[0].Set.Len())
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range writers {
		all.Go(func() {
			for n := 0; n < changes; {
				base := store.Set().Get(z.Apex())
				c := &zone.Changeset{Apex: z.Apex(), From: base.Serial(), To: base.Serial(), Added: []zone.Record{{
					Owner: dname.MustParse(fmt.Sprintf("w%d.2.0.192.in-addr.arpa.", i)), Type: rr.TypeTXT, TTL: 60, Data: []byte{1, byte(n)}}}}
				next, err := base.Apply(c)
				if err != nil {
					t.Error(err)
					return
				}
				err = store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: next, Apex: z.Apex(), Base: base, Steps: []zone.Step{{Changeset: c}}}}})
				switch {
				case err == nil:
					n++
				case !errors.Is(err, zone.ErrStale):
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	close(done)
	readers.Wait()
	final := store.Set().Get(z.Apex())
	check(t, final)
	for i := range writers {
		if set, _ := final.Get(dname.MustParse(fmt.Sprintf("w%d.2.0.192.in-addr.arpa.", i)), rr.TypeTXT); set.Len() != changes {
			t.Errorf("writer %d: %d records, want %d", i, set.Len(), changes)
		}
	}
}
