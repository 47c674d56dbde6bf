//go:build bench

package bench

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// BenchmarkLoad measures a master file read, checked and built into a zone, and
// what of memory the zone takes.
func BenchmarkLoad(b *testing.B) {
	for _, f := range families(b) {
		b.Run(f.name, func(b *testing.B) {
			path := f.path(b)
			b.ReportAllocs()
			var z *zone.Zone
			for b.Loop() {
				z = load(b, f.apex, path)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/names, "ns/name")
			b.ReportMetric(float64(z.Stats().Bytes)/names, "B/name")
		})
	}
}

// BenchmarkChange measures a changed target published: the changeset applied and the
// new snapshot put in the place of the old one.
func BenchmarkChange(b *testing.B) {
	for _, f := range families(b) {
		for _, records := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s/%d", f.name, records), func(b *testing.B) {
				z := load(b, f.apex, f.path(b))
				store := commit.New(commit.Options{})
				if err := store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}); err != nil {
					b.Fatal(err)
				}
				c := newChanger(b, &f, records)
				b.ReportAllocs()
				for b.Loop() {
					c.next(b, store)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
			})
		}
	}
}

// changer gives records new targets, others each time.
type changer struct {
	owners  []dname.Name
	apex    dname.Name
	records int // of a change
	made    int
}

func newChanger(b *testing.B, f *family, records int) *changer {
	c := &changer{apex: dname.MustParse(f.apex), records: records}
	seen := map[string]bool{}
	f.set.Questions(questions, func(q dataset.Question) {
		if q.Target != "" && !seen[q.Name] {
			seen[q.Name] = true
			c.owners = append(c.owners, dname.MustParse(q.Name))
		}
	})
	return c
}

// next makes one change.
func (c *changer) next(b *testing.B, store *commit.Writer) {
	old := store.Set().Get(c.apex)
	change := &zone.Changeset{}
	for range c.records {
		owner := c.owners[c.made%len(c.owners)]
		c.made++
		set, ok := old.Get(owner, rr.TypePTR)
		if !ok {
			b.Fatalf("%v is not there", owner)
		}
		change.Removed = append(change.Removed, zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 3600, Data: set.First(nil)})
		change.Added = append(change.Added, zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 3600, Data: dname.MustParse(fmt.Sprintf("new-%d.example.org", c.made))})
	}
	next, err := old.Apply(change)
	if err != nil {
		b.Fatal(err)
	}
	if err := store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: next, Apex: c.apex, Base: old, Steps: []zone.Step{{Changeset: change}}}}}); err != nil {
		b.Fatal(err)
	}
}
