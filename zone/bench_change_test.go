package zone_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// sizes runs a benchmark with zones of growing size. Ten million names take a
// minute to make; -short leaves them out.
func sizes(b *testing.B, f func(b *testing.B, names int)) {
	for _, names := range []int{100_000, 1_000_000, 10_000_000} {
		if names > 1_000_000 && testing.Short() {
			break
		}
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) { f(b, names) })
	}
}

// replaceTarget is the changeset that gives the PTR at owner another target, and
// the SOA the next serial.
func replaceTarget(tb testing.TB, z *zone.Zone, owner, target dname.Name) *zone.Changeset {
	set, ok := z.Get(owner, rr.TypePTR)
	if !ok {
		tb.Fatalf("no PTR at %v", owner)
	}
	soa, _ := z.Get(z.Apex(), rr.TypeSOA)
	old := soa.First(nil)
	next := append([]byte{}, old...)
	serial := next[len(next)-20:]
	for i := 3; i >= 0; i-- {
		if serial[i]++; serial[i] != 0 {
			break
		}
	}
	return &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: z.Serial() + 1,
		Removed: []zone.Record{{Owner: z.Apex(), Type: rr.TypeSOA, TTL: soa.TTL, Data: old}, {Owner: owner, Type: rr.TypePTR, TTL: set.TTL, Data: set.First(nil)}},
		Added:   []zone.Record{{Owner: z.Apex(), Type: rr.TypeSOA, TTL: soa.TTL, Data: next}, {Owner: owner, Type: rr.TypePTR, TTL: set.TTL, Data: target}}}
}

// BenchmarkApply changes one PTR and the serial.
func BenchmarkApply(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		sizes(b, func(b *testing.B, names int) {
			src := newBenchZoneOf(b, names, v6, false)
			z := src.zone
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c := replaceTarget(b, z, src.present[i%len(src.present)], dname.MustParse(fmt.Sprintf("new-%d.pool%d.example.net", i, i%5)))
				var err error
				if z, err = z.Apply(c); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	})
}

// BenchmarkChurn makes a million changes of one PTR and the serial each, and reports
// the times that one takes, and the memory of the chunks as multiples of what a
// build of the same content takes: at the end, and at the worst moment.
func BenchmarkChurn(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		sizes(b, func(b *testing.B, names int) {
			const changes = 1_000_000
			src := newBenchZoneOf(b, names, v6, false)
			rng := rand.New(rand.NewPCG(5, 6))
			times := make([]time.Duration, 0, changes)
			z, most := src.zone, int64(0)
			for b.Loop() {
				times = times[:0]
				for i := range changes {
					c := replaceTarget(b, z, src.present[rng.IntN(len(src.present))], dname.MustParse(fmt.Sprintf("new-%d-%d.pool%d.example.net", i>>8, i&255, i%5)))
					start := time.Now()
					next, err := z.Apply(c)
					times = append(times, time.Since(start))
					if err != nil {
						b.Fatal(err)
					}
					z = next
					most = max(most, z.Stats().Bytes)
				}
			}
			fresh := float64(rebuild(b, z).Stats().Bytes)
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(times[len(times)/100*99].Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(times[len(times)-1].Nanoseconds()), "max-ns")
			b.ReportMetric(float64(z.Stats().Bytes)/fresh, "×fresh")
			b.ReportMetric(float64(most)/fresh, "×fresh-most")
		})
	})
}

// rebuild builds the zone's content anew.
func rebuild(b *testing.B, z *zone.Zone) *zone.Zone {
	bld := zone.NewBuilder(z.Apex())
	for r := range z.All() {
		bld.Add(r)
	}
	built, findings := bld.Build()
	if built == nil {
		b.Fatal(findings)
	}
	return built
}

// bulk is a changeset of n records: half of them names that go, half names that
// come, in random order.
func bulk(z benchZone, n int) *zone.Changeset {
	c := &zone.Changeset{Apex: z.zone.Apex()}
	seen := map[string]bool{}
	for i := range min(n/2, len(z.present)) {
		set, _ := z.zone.Get(z.present[i], rr.TypePTR)
		c.Removed = append(c.Removed, zone.Record{Owner: z.present[i], Type: rr.TypePTR, TTL: set.TTL, Data: set.First(nil)})
		if seen[z.wrong[i].Key()] {
			continue
		}
		seen[z.wrong[i].Key()] = true
		c.Added = append(c.Added, zone.Record{Owner: z.wrong[i], Type: rr.TypePTR, TTL: 3600, Data: dname.MustParse(fmt.Sprintf("new-%d.example.org", i))})
	}
	return c
}

// BenchmarkApplyBulk applies one changeset that has a fifth to a tenth as many
// records as the zone has names.
func BenchmarkApplyBulk(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		sizes(b, func(b *testing.B, names int) {
			src := newBenchZoneOf(b, names, v6, false)
			c := bulk(src, names/5)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := src.zone.Apply(c); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.Removed)+len(c.Added)), "ns/record")
		})
	})
}

// BenchmarkDiff compares a zone with one that grew out of it by ten changes
// (related), and with a build of its own of the same content (equal) or of content
// in which ten PTRs differ (ten).
func BenchmarkDiff(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		sizes(b, func(b *testing.B, names int) {
			src := newBenchZoneOf(b, names, v6, false)
			rng := rand.New(rand.NewPCG(3, 4))
			changed := src.zone
			for i := range 10 {
				owner := src.present[rng.IntN(len(src.present))]
				next, err := changed.Apply(replaceTarget(b, changed, owner, dname.MustParse(fmt.Sprintf("new-%d.example.org", i))))
				if err != nil {
					b.Fatal(err)
				}
				changed = next
			}
			diff := func(b *testing.B, z *zone.Zone, want int) {
				b.ReportAllocs()
				for b.Loop() {
					if c := zone.Diff(src.zone, z, nil); len(c.Added) != want || len(c.Removed) != want {
						b.Fatalf("%d removed, %d added, want %d", len(c.Removed), len(c.Added), want)
					}
				}
			}
			b.Run("related", func(b *testing.B) { diff(b, changed, 11) })
			b.Run("equal", func(b *testing.B) { diff(b, rebuild(b, src.zone), 0) })
			b.Run("ten", func(b *testing.B) { diff(b, rebuild(b, changed), 11) })
		})
	})
}
