package commit_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// many returns a Writer that serves so many zones.
func many(tb testing.TB, zones int) *commit.Writer {
	tb.Helper()
	w := commit.New(commit.Options{Show: func(*zone.Set) {}})
	var b zone.Batch
	for i := range zones {
		z := zone.Unavailable(dname.MustParse(fmt.Sprintf("%d.%d.10.in-addr.arpa.", i&255, i>>8)), "a test")
		b.Changes = append(b.Changes, zone.Change{Apex: z.Apex(), Zone: z})
	}
	if err := w.Publish(&b); err != nil {
		tb.Fatal(err)
	}
	return w
}

// add adds a zone, and removes it.
func add(tb testing.TB, w *commit.Writer, z *zone.Zone) {
	for _, c := range []zone.Change{{Apex: z.Apex(), Zone: z}, {Apex: z.Apex(), Base: z}} {
		if _, err := w.Commit(commit.Request{Propose: func(*zone.Set) (*zone.Batch, error) {
			return &zone.Batch{Changes: []zone.Change{c}}, nil
		}}); err != nil {
			tb.Fatal(err)
		}
	}
}

var added = zone.Unavailable(dname.MustParse("1.11.in-addr.arpa."), "a test")

// TestAddZoneToMany: committing a zone next to a hundred thousand copies the directories of
// the tables, 8 octets for some 20 zones, and nothing else that grows with the zones.
func TestAddZoneToMany(t *testing.T) {
	cost := func(zones int) (octets, objects uint64) {
		w := many(t, zones)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		add(t, w, added)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
	}
	_, few := cost(100)
	octets, objects := cost(100_000)
	if octets > 320<<10 || objects > few+20 {
		t.Errorf("%d octets in %d objects, next to a hundred zones %d objects", octets, objects, few)
	}
}

// BenchmarkAddZone adds a zone to 100,000, and removes it, without a journal.
func BenchmarkAddZone(b *testing.B) {
	w := many(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		add(b, w, added)
	}
}
