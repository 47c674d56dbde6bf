package zone_test

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// TestReset: a Builder that built other zones before, large and small, with and without
// errors, makes the same of records as a new one, and leaves the zones before as they are.
func TestReset(t *testing.T) {
	g := zonetest.NewRandom(1)
	apexes := []string{"2.0.192.in-addr.arpa.", "10.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "0/25.2.0.192.in-addr.arpa.", "example.net."}
	reused := zone.NewBuilder(dname.MustParse("first.example."))
	var built []*zone.Zone
	var digests []zone.Digest
	for i := range 100 {
		apex := dname.MustParse(apexes[g.IntN(len(apexes))])
		records := g.Shuffled(g.Zone(apex, g.IntN(40)))
		if i == 50 { // larger than what a Builder keeps memory for
			apex = dname.MustParse("10.in-addr.arpa.")
			records = g.Shuffled(g.Zone(apex, 0))
			for j := range 5000 {
				records = append(records, zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%d.1.10.in-addr.arpa.", j&255, j>>8)), Type: rr.TypePTR, Data: dname.MustParse(fmt.Sprintf("%d.h%d.example.net.", j, j/3))})
			}
		}
		if g.Chance(4) {
			records = records[len(records)/2:] // perhaps without an SOA
		}
		fresh := zone.NewBuilder(apex)
		reused.Reset(apex)
		for j, r := range records {
			r.Tag = zone.Tag(j + 1)
			fresh.Add(r)
			reused.Add(r)
		}
		want, wantFindings := fresh.Build()
		got, findings := reused.Build()
		if a, b := fmt.Sprint(findings), fmt.Sprint(wantFindings); a != b {
			t.Fatalf("zone %d, %v: findings %v, want %v", i, apex, a, b)
		}
		if want == nil && got == nil {
			continue
		}
		check(t, got)
		a, b := got.Stats(), want.Stats()
		if a.Bytes > b.Bytes+b.Bytes/4+1024 { // where chunks end may differ
			t.Fatalf("zone %d, %v: %d octets, want about %d", i, apex, a.Bytes, b.Bytes)
		}
		a.Bytes, b.Bytes = 0, 0
		if got.Digest() != want.Digest() || got.Serial() != want.Serial() || a != b {
			t.Fatalf("zone %d, %v: %+v, want %+v", i, apex, a, b)
		}
		built, digests = append(built, got), append(digests, got.Digest())
	}
	for i, z := range built {
		check(t, z)
		if z.Digest() != digests[i] {
			t.Errorf("zone %d has changed", i)
		}
	}
	if len(built) < 50 {
		t.Errorf("only %d zones without errors", len(built))
	}
}

// TestResetAllocations: a small zone costs what it keeps, not what building it takes.
func TestResetAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	apex := dname.MustParse("2.0.192.in-addr.arpa.")
	o := zonetest.NewRandom(1).Zone(apex, 0)
	for i := range 50 {
		owner := dname.MustParse(fmt.Sprintf("%d.2.0.192.in-addr.arpa.", i*5))
		o.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 3600, Data: dname.MustParse(fmt.Sprintf("host-%d.example.net.", i))})
	}
	records := o.Records()
	b := zone.NewBuilder(apex)
	n := testing.AllocsPerRun(20, func() {
		b.Reset(apex)
		for _, r := range records {
			b.Add(r)
		}
		b.Build()
	})
	if n > 20 {
		t.Errorf("%v allocations for a zone of %d records", n, len(records))
	}
}
