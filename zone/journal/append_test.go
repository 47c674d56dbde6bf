package journal

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

func build(t *testing.T, apex string, serial byte) *zone.Zone {
	t.Helper()
	name := dname.MustParse(apex)
	b := zone.NewBuilder(name)
	ns := dname.MustParse("ns.example.net")
	soa := append(append([]byte(nil), ns...), ns...)
	b.Add(zone.Record{Owner: name, Type: rr.TypeSOA, TTL: 60, Data: append(soa, 0, 0, 0, serial, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0, 60)})
	b.Add(zone.Record{Owner: name, Type: rr.TypeNS, TTL: 60, Data: ns})
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// The store's batches are what the journal keeps, before anyone sees them.
func TestAppend(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	store := newStore(j)
	store.shown = func() {
		if _, ok, err := j.Last(dname.MustParse("a.example")); !ok || err != nil {
			t.Errorf("served before it was kept: %v", err)
		}
	}
	a, b := build(t, "a.example", 7), build(t, "b.example", 9)
	none := zone.Unavailable(dname.MustParse("c.example"), "test")
	publish := func(changes ...zone.Change) {
		t.Helper()
		if err := store.Publish(&zone.Batch{Changes: changes}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(apex string, want Entry, known bool) {
		t.Helper()
		if got, ok, err := j.Last(dname.MustParse(apex)); got != want || ok != known || err != nil {
			t.Errorf("%s: got %+v %v %v, want %+v %v", apex, got, ok, err, want, known)
		}
	}
	publish(
		zone.Change{Zone: a, Apex: a.Apex(), Declared: 3, HasDeclared: true},
		zone.Change{Zone: b, Apex: b.Apex(), Verbatim: true},
		zone.Change{Zone: none, Apex: none.Apex()},
	)
	expect("a.example", Entry{Serial: 7, Digest: a.Digest(), Declared: 3, HasDeclared: true, Sequence: 1, Records: a.Stats().Records}, true)
	expect("b.example", Entry{Serial: 9, Digest: b.Digest(), Verbatim: true, Sequence: 1, Records: b.Stats().Records}, true)
	expect("c.example", Entry{}, false)

	a8 := a.WithSerial(8)
	publish(zone.Change{Zone: a8, Apex: a.Apex(), Base: a, Steps: []zone.Step{{Changeset: zone.Diff(a, a8, nil)}}}, zone.Change{Apex: b.Apex(), Base: b})
	j.Close()
	j = mustOpen(t, path)
	defer j.Close()
	expect("a.example", Entry{Serial: 8, Digest: a.Digest(), Sequence: 2, Records: a.Stats().Records}, true)
	expect("b.example", Entry{Serial: 9, Digest: b.Digest(), Verbatim: true, Sequence: 2, Gone: true, Records: b.Stats().Records}, true)
}

// What cannot be kept is not served.
func TestAppendThatFails(t *testing.T) {
	j := mustOpen(t, newPath(t))
	store := newStore(j)
	j.Close()
	a := build(t, "a.example", 7)
	if err := store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: a, Apex: a.Apex()}}}); err == nil {
		t.Error("published")
	}
	if store.Set().Len() != 0 {
		t.Error("served")
	}
}

// A large change pauses while it is encoded and written, a small one need not.
func TestAppendPauses(t *testing.T) {
	pauses := 0
	j, err := Open(newPath(t), Options{Pause: func() func() { return func() { pauses++ } }})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	from := build(t, "a.example", 1)
	if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: from, Apex: from.Apex()}}}); err != nil {
		t.Fatal(err)
	}
	c := zone.Diff(from, build(t, "a.example", 2), nil)
	const records = 10000
	for n := range records {
		owner := dname.MustParse(fmt.Sprintf("h%d.a.example", n))
		c.Added = append(c.Added, zone.Record{Owner: owner, Type: rr.TypeA, TTL: 60, Data: []byte{192, 0, 2, 1}})
	}
	to, err := from.Apply(c)
	if err != nil {
		t.Fatal(err)
	}
	pauses = 0
	change := zone.Change{Zone: to, Apex: to.Apex(), Base: from, Steps: []zone.Step{{Changeset: c}}}
	if err := j.Append(&zone.Batch{Changes: []zone.Change{change}}); err != nil {
		t.Fatal(err)
	}
	if pauses < records/pauseRecords {
		t.Errorf("%d pauses while %d records were written", pauses, records)
	}
}
