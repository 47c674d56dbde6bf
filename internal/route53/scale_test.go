package route53

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// created returns the edit that makes the n-th PTR of a zone.
func created(t *testing.T, apex string, n int) hosted.Edit {
	v, err := hosted.ParseValue(rr.TypePTR, fmt.Sprintf("h%d.example.net.", n))
	if err != nil {
		t.Fatal(err)
	}
	return hosted.Edit{
		Action: hosted.Create, Owner: dname.MustParse(fmt.Sprintf("%d.%d.%s", n>>8, n&255, apex)), Type: rr.TypePTR, TTL: 60, Values: []hosted.Value{v},
	}
}

// work returns the allocations and the octets of a call, on average.
func work(n int, f func()) (allocations, octets float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
}

// TestWorkOfLargeZone checks that a batch costs in a large zone what it costs in an empty one, and
// that a page costs the same everywhere in it.
func TestWorkOfLargeZone(t *testing.T) {
	const size, pageLen = 20_000, 100
	l := newLab(t)
	type counted struct {
		id, apex string
		next     int
	}
	zones := []*counted{{apex: "1.10.in-addr.arpa"}, {apex: "2.10.in-addr.arpa"}}
	change := func(z *counted, n int) {
		var edits []hosted.Edit
		for range n {
			edits = append(edits, created(t, z.apex, z.next))
			z.next++
		}
		if _, err := l.store.ChangeRecords(z.id, edits, "a test", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, z := range zones {
		z.id = l.create(z.apex, z.apex)
	}
	empty, large := zones[0], zones[1]
	for large.next < size {
		change(large, hosted.MaxRecords)
	}
	page := func(n int) func() {
		start := hosted.Start{Owner: created(t, large.apex, n).Owner}
		return func() {
			list, _, err := l.store.Records(large.id, start, pageLen)
			if err != nil || len(list) != pageLen {
				t.Fatal(len(list), err)
			}
		}
	}
	page(0)() // the order of the names is computed
	a, b := work(50, func() { change(empty, 1) })
	c, d := work(50, func() { change(large, 1) })
	if c > 1.5*a || d > 4*b { // the last chunk of the storage is copied, which is larger in a large zone
		t.Errorf("a batch of one record: %.0f allocations of %.0f octets in an empty zone, %.0f of %.0f in one of %d record sets", a, b, c, d, size)
	}
	a, b = work(20, page(0))
	for _, n := range []int{size / 2, 40 << 8} { // in the order of text, 40 comes near the end
		if c, d := work(20, page(n)); c > 1.1*a || d > 1.1*b {
			t.Errorf("a page: %.0f allocations of %.0f octets at the start, %.0f of %.0f from record %d on", a, b, c, d, n)
		}
	}
}

// TestWorkOfManyZones checks that a page of many zones looks at the zones of the page alone.
func TestWorkOfManyZones(t *testing.T) {
	const count, pageLen = 10_000, 100
	l := newLab(t)
	var list []hosted.Listed
	for n := range count {
		list = append(list, hosted.Listed{Apex: dname.MustParse(fmt.Sprintf("%d.%d.10.in-addr.arpa", n>>8, n&255)), From: "a test"})
	}
	l.store.SetListed(list)
	seen := 0
	look := func(*hosted.Zone) bool { seen++; return true }
	pages, last := 0, ""
	for marker := ""; ; pages++ {
		seen = 0
		page, next := l.store.Zones(marker, pageLen, look)
		if len(page) != pageLen || seen > pageLen+1 {
			t.Fatalf("page %d has %d zones, for which %d were looked at", pages, len(page), seen)
		}
		if next == nil {
			break
		}
		marker = next.ID
	}
	for start := dname.Name(nil); ; pages++ {
		seen = 0
		page, next := l.store.ZonesByName(start, pageLen, look)
		if len(page) != pageLen || seen > pageLen+1 {
			t.Fatalf("page %d by name has %d zones, for which %d were looked at", pages, len(page), seen)
		}
		for _, z := range page {
			name := hosted.FormatName(z.Apex)
			if name == last {
				t.Fatalf("%s is listed twice", name)
			}
			last = name
		}
		if next == nil {
			break
		}
		start = next.Apex
	}
	if pages != 2*(count/pageLen-1) {
		t.Errorf("%d pages", pages)
	}
	a, b := work(20, func() { l.store.Zones("", pageLen, look) })
	for _, start := range []string{"ZM", "ZY"} {
		if c, d := work(20, func() { l.store.Zones(start, pageLen, look) }); c > 1.1*a || d > 1.1*b {
			t.Errorf("a page: %.0f allocations of %.0f octets at the start, %.0f of %.0f from %s on", a, b, c, d, start)
		}
	}
}
