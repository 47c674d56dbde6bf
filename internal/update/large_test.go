package update

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// cutAbove returns the NS record that hides many names of a zone.
func cutAbove(apex string) Record {
	return Record{Owner: dname.MustParse("dyn." + apex), Type: rr.TypeNS, Class: rr.ClassIN, TTL: 60, Data: dname.MustParse("ns.example.")}
}

// manyNames returns a zone with more names below dyn than a round changes.
func manyNames(t *testing.T, apex string) *zone.Zone {
	b := zone.NewBuilder(dname.MustParse(apex))
	for _, r := range zonetest.MustParse(apex, soaNS).Records() {
		b.Add(r)
	}
	for i := range roundWork + 1 {
		b.Add(zone.Record{Owner: dname.MustParse(fmt.Sprintf("h%d.dyn.%s", i, apex)), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse("x.")})
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// While what follows from a zone cut above many names is computed, updates of other zones are carried out; those of
// the zone, and of zones from which the same PTRs are derived, wait and come in their order.
func TestLargeUpdateHoldsUpNoOtherZone(t *testing.T) {
	const large, sharing, other = "large.example.", "sharing.example.", "other.example."
	b := newBed(t)
	begun, end := make(chan bool), make(chan bool)
	b.store = commit.New(commit.Options{Journal: b.m, Stages: []commit.Stage{func(_ *zone.Set, batch *zone.Batch) error {
		for _, c := range batch.Changes {
			if len(c.Steps) > 0 && slices.ContainsFunc(c.Steps[0].Changeset.Added, func(r zone.Record) bool { return r.Type == rr.TypeNS }) {
				begun <- true
				<-end
			}
		}
		return nil
	}}})
	o := b.o
	o.Store = b.store
	o.Shares = func(x, y dname.Name) bool {
		return x.Equal(dname.MustParse(large)) && y.Equal(dname.MustParse(sharing))
	}
	b.Updater = New(o)
	empty := func(apex string) *zone.Zone {
		return build(t, dname.MustParse(apex), zonetest.MustParse(apex, soaNS).Records())
	}
	policy := map[string]*ZonePolicy{}
	for _, z := range []*zone.Zone{manyNames(t, large), empty(sharing), empty(other)} {
		if err := b.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}); err != nil {
			t.Fatal(err)
		}
		policy[z.Apex().String()] = anybody(true)
	}
	b.adopt(policy)
	b.run()

	removal := &Message{Updates: []Record{drop("dyn."+large, rr.TypeANY), drop("dyn."+large, rr.TypeNS), drop(large, rr.TypeANY)}}
	if got := removal.work(b.zone(large)); got != 3 {
		t.Errorf("work %d to remove no zone cut, want 3", got)
	}
	first := b.submit(large, localhost, nil, cutAbove(large))
	<-begun
	second := b.submit(large, localhost, nil, add("h."+large, "a."))
	shares := b.submit(sharing, localhost, nil, add("h."+sharing, "a."))
	for i := range 3 {
		b.want(b.submit(other, localhost, nil, add(fmt.Sprintf("h%d.%s", i, other), "a.")), wire.RCodeNoError, "")
	}
	if n := b.queue.Len(); n != 2 {
		t.Errorf("%d updates wait, want those of two zones", n)
	}
	if got := b.zone(large).Serial(); got != 1 {
		t.Errorf("serial %d of the zone with the large update", got)
	}
	end <- true
	b.want(first, wire.RCodeNoError, "")
	b.want(second, wire.RCodeNoError, "")
	b.want(shares, wire.RCodeNoError, "")
	if got := b.zone(large).Serial(); got != 3 {
		t.Errorf("serial %d after two updates, want 3", got)
	}

	if got := removal.work(b.zone(large)); got <= roundWork {
		t.Errorf("work %d to remove the zone cut", got)
	}

	// A small one is no large one, whatever the zone has elsewhere.
	go func() { <-begun; end <- true }()
	small := cutAbove(large)
	small.Owner = dname.MustParse("small." + large)
	m := &Message{Updates: []Record{small, drop("x."+large, rr.TypeANY), drop(large, rr.TypeNS)}}
	if got := m.work(b.zone(large)); got != 3 {
		t.Errorf("work %d, want 3", got)
	}
	b.want(b.submit(large, localhost, nil, small), wire.RCodeNoError, "")
}
