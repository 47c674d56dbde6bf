package zone_test

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// A large zone is built and compared with pauses in between, a small one is not
// worth one.
func TestPause(t *testing.T) {
	apex := dname.MustParse("10.in-addr.arpa")
	build := func(names int, target string) (*zone.Zone, int) {
		b := zone.NewBuilder(apex)
		pauses := 0
		b.SetPause(func() { pauses++ })
		addFixed(b, apex)
		for i := range names {
			// In no order, so that it has to be sorted.
			n := i * 7919 % names
			owner := dname.MustParse(fmt.Sprintf("%d.%d.10.in-addr.arpa", n%256, n/256))
			b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 60, Data: dname.MustParse(fmt.Sprintf("h%d.%s", n, target))})
		}
		z, findings := b.Build()
		if z == nil {
			t.Fatal(findings)
		}
		return z, pauses
	}
	small, none := build(10, "a.example")
	if none > 1 {
		t.Errorf("%d pauses for a zone of 10 names", none)
	}
	large, pauses := build(10000, "a.example")
	if pauses < 100 {
		t.Errorf("%d pauses while a zone of 10000 names was built", pauses)
	}
	other, _ := build(10000, "b.example")
	for _, from := range []*zone.Zone{nil, small, other} {
		pauses = 0
		if c := zone.Diff(from, large, func() { pauses++ }); len(c.Added) < 9000 || pauses < 100 {
			t.Errorf("%d pauses while %d records were found to be new", pauses, len(c.Added))
		}
	}
	pauses = 0
	c := zone.Diff(other, large, nil)
	next, err := other.ApplyPaused(c, func() { pauses++ })
	if err != nil || pauses < 100 {
		t.Fatalf("%d pauses while %d records were added: %v", pauses, len(c.Added), err)
	}
	pauses = 0
	if f := next.Recheck(c, func() { pauses++ }); len(f) > 0 || pauses < 100 {
		t.Errorf("%d pauses while %d records were checked: %v", pauses, len(c.Added), f)
	}
}

// Add pauses where it makes the table of suffixes larger, which takes milliseconds
// once there are many.
func TestAddPauses(t *testing.T) {
	apex := dname.MustParse("10.in-addr.arpa")
	b := zone.NewBuilder(apex)
	pauses := 0
	b.SetPause(func() { pauses++ })
	const suffixes = 20000
	for n := range suffixes {
		owner := dname.MustParse(fmt.Sprintf("%d.%d.1.10.in-addr.arpa", n%256, n/256))
		b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 60, Data: dname.MustParse(fmt.Sprintf("h.s%d.example", n))})
	}
	if pauses < suffixes/64 {
		t.Errorf("%d pauses while %d suffixes were added", pauses, suffixes)
	}
}
