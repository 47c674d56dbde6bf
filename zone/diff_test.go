package zone_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A changeset is made whole or, where it takes more than the limit, not at all; the
// limit that it just takes is the octets of its records.
func TestDiffWithin(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g, o, again := randomZone(seed)
		edited := again(g.Edit(g.Edit(o)))
		z, next := build(t, o, o.Records()), build(t, edited, edited.Records())
		for _, from := range []*zone.Zone{nil, z} {
			c := zone.Diff(from, next, nil)
			octets := int64(0)
			for _, list := range [][]zone.Record{c.Removed, c.Added} {
				for _, r := range list {
					octets += 64 + int64(len(r.Owner)+len(r.Data))
				}
			}
			for _, limit := range []int64{octets, octets + 1, math.MaxInt64} {
				if got := zone.DiffWithin(from, next, limit, nil); got == nil {
					t.Fatalf("no changeset of %d octets within %d", octets, limit)
				} else if !slices.EqualFunc(got.Removed, c.Removed, sameRecord) || !slices.EqualFunc(got.Added, c.Added, sameRecord) {
					t.Errorf("another changeset within %d octets", limit)
				}
			}
			for _, limit := range []int64{0, octets / 2, octets - 1} {
				if got := zone.DiffWithin(from, next, limit, nil); got != nil && octets > 0 {
					t.Errorf("a changeset of %d octets within %d", octets, limit)
				}
			}
		}
	})
}

func sameRecord(a, b zone.Record) bool {
	return a.Owner.Equal(b.Owner) && a.Type == b.Type && a.TTL == b.TTL && bytes.Equal(a.Data, b.Data)
}

// What does not fit is not looked for any further.
func TestDiffWithinEnds(t *testing.T) {
	ptrs := func(target string) *zone.Zone {
		o := zonetest.MustParse("1.10.in-addr.arpa", "@ 60 SOA ns.example. mail.example. 1 2 3 4 5\n@ 60 NS ns.example.")
		b := zone.NewBuilder(o.Apex)
		for _, r := range o.Records() {
			b.Add(r)
		}
		for n := range 20000 {
			b.Add(zone.Record{
				Owner: dname.MustParse(fmt.Sprintf("%d.%d.1.10.in-addr.arpa", n%256, n/256)), Type: rr.TypePTR, TTL: 60,
				Data: dname.MustParse(fmt.Sprintf("h%d.%s", n, target)),
			})
		}
		z, findings := b.Build()
		if z == nil {
			t.Fatal(findings)
		}
		return z
	}
	from, to := ptrs("a.example"), ptrs("b.example")
	var all, some int
	c := zone.Diff(from, to, func() { all++ })
	if next, err := from.Apply(c); err != nil || next.Digest() != to.Digest() {
		t.Errorf("%d removed and %d added do not lead from one zone to the other: %v", len(c.Removed), len(c.Added), err)
	}
	if c := zone.DiffWithin(from, to, 100_000, func() { some++ }); c != nil || some > all/5 {
		t.Errorf("a changeset %v, and %d pauses where all of it takes %d", c != nil, some, all)
	}
}
