package journal

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

var (
	seedFlag = flag.Uint64("seed", 0, "repeat the random tests with this seed alone; 0: seeds 1 to -seeds")
	kills    = flag.Int("kills", 12, "number of times TestKill kills the writer")
	seeds    = flag.Uint64("seeds", 6, "number of random histories a test makes; more find more")
)

// eachSeed runs test for every seed, which a failure names.
func eachSeed(t *testing.T, test func(t *testing.T, seed uint64)) {
	first, last := uint64(1), *seeds
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { test(t, seed) })
		if t.Failed() {
			t.Fatalf("repeat with -run '^%s$' -seed %d", t.Name(), seed)
		}
	}
}

// twin is a zone, and beside it all that ever became of it.
type twin struct {
	zone     *zone.Zone       // the last with data
	gone     bool             // it is not served
	kept     bool             // the journal is its only source
	versions []version        // since the history began anew
	lines    []Line           // all of them, the oldest first
	oracle   *zonetest.Oracle // of zone
}

type version struct {
	serial   zone.Serial
	extended uint64 // counted on over wraps
	oracle   *zonetest.Oracle
}

func builtOf(t *testing.T, o *zonetest.Oracle) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(o.Apex)
	for _, r := range o.Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// edit returns a change of the zone of some steps, and takes it over.
func (w *twin) edit(t *testing.T, g *zonetest.Random, at int64) zone.Change {
	t.Helper()
	c := zone.Change{Apex: w.zone.Apex(), Base: w.zone, Kept: w.kept}
	for range 1 + g.IntN(4) {
		edited := g.Edit(w.oracle)
		leap := 1
		switch g.IntN(6) {
		case 0:
			leap += g.IntN(1 << 20)
		case 1:
			leap += g.IntN(1<<31 - 1)
		}
		edited.SetSerial(w.oracle.Serial() + zone.Serial(leap))
		extended := w.versions[len(w.versions)-1].extended + uint64(leap)
		s := zone.Step{Changeset: zonetest.Diff(w.oracle, edited), Source: fmt.Sprintf("update %d", g.IntN(3)), At: at + int64(g.IntN(9))}
		next, err := w.zone.Apply(s.Changeset)
		if err != nil {
			t.Fatal(err)
		}
		c.Steps = append(c.Steps, s)
		l := Line{Kind: Changed, Sequence: uint64(len(w.lines) + 1), From: s.Changeset.From, To: s.Changeset.To, At: s.At, Source: s.Source}
		l.Removed, l.Added = countChanges(s.Changeset)
		w.lines = append(w.lines, l)
		w.zone, w.oracle = next, edited
		w.versions = append(w.versions, version{edited.Serial(), extended, edited})
	}
	c.Zone = w.zone
	return c
}

// countChanges returns the numbers of records that are removed and added, without the SOA if only its
// serial changes.
func countChanges(c *zone.Changeset) (removed, added int) {
	soa := func(list []zone.Record) (numbers string) {
		for _, r := range list {
			if r.Type == rr.TypeSOA {
				data := slices.Clone(r.Data)
				copy(data[len(data)-20:], "\x00\x00\x00\x00")
				numbers += fmt.Sprint(r.TTL, data)
			}
		}
		return numbers
	}
	removed, added = len(c.Removed), len(c.Added)
	if before := soa(c.Removed); before != "" && before == soa(c.Added) {
		return removed - 1, added - 1
	}
	return removed, added
}

// anew returns a change that the history of the zone begins anew with.
func (w *twin) anew(t *testing.T, g *zonetest.Random, at int64, source string) zone.Change {
	t.Helper()
	before := zone.Serial(0)
	c := zone.Change{Apex: w.oracle.Apex, Kept: w.kept}
	if w.zone != nil {
		before = w.zone.Serial()
		if !w.gone {
			c.Base = w.zone
		}
		w.oracle = g.Zone(w.oracle.Apex, 3+g.IntN(30))
	}
	w.oracle.SetSerial(before + 1 + zone.Serial(g.IntN(1<<30)))
	w.zone, w.gone = builtOf(t, w.oracle), false
	w.versions = []version{{w.oracle.Serial(), 0, w.oracle}}
	w.lines = append(w.lines, Line{Kind: Began, Sequence: uint64(len(w.lines) + 1), From: before, To: w.oracle.Serial(), At: at, Source: source, Added: len(w.oracle.Records())})
	c.Zone = w.zone
	return c
}

// Whatever zones go through, the journal tells all of it: from every serial kept
// the changesets lead to every later one, the log is what happened, kept zones come
// back as they were; over restarts as well.
func TestHistory(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g := zonetest.NewRandom(seed)
		path := newPath(t)
		limits := Limits{MaxSize: 1 << 30, MaxAge: time.Hour}
		trims := seed%2 == 0
		if trims {
			limits.MaxAge = 20 * time.Second
		}
		var j *Journal
		open := func() {
			j = mustOpen(t, path)
			j.db.Load().NoSync = true // no power fails here
			j.SetLimits(limits, nil)
		}
		open()
		defer func() { j.Close() }()
		store := newStore(j)
		var twins []*twin
		for i, apex := range zonetest.Apexes() {
			twins = append(twins, &twin{oracle: g.Zone(dname.MustParse(apex), 3+g.IntN(30)), kept: i%2 == 0})
		}
		for round := range 40 {
			at := int64(1+round) * 1000
			b := &zone.Batch{Source: fmt.Sprintf("reload %d", round), At: at}
			for _, w := range twins {
				switch {
				case w.zone == nil || g.Chance(30):
					b.Changes = append(b.Changes, w.anew(t, g, at, b.Source))
				case w.gone && g.Chance(2):
					b.Changes = append(b.Changes, w.anew(t, g, at, b.Source))
				case w.gone || !g.Chance(3):
				case g.Chance(12):
					b.Changes = append(b.Changes, zone.Change{Apex: w.zone.Apex(), Base: w.zone})
					w.gone = true
					w.lines = append(w.lines, Line{Kind: Ended, Sequence: uint64(len(w.lines) + 1), From: w.zone.Serial(), To: w.zone.Serial(), At: at, Source: b.Source})
				default:
					b.Changes = append(b.Changes, w.edit(t, g, at))
				}
			}
			if err := store.Publish(b); err != nil {
				t.Fatal(err)
			}
			if w := twins[g.IntN(len(twins))]; w.kept && !w.gone && g.Chance(3) {
				if err := j.UpdateContent(w.zone); err != nil {
					t.Fatal(err)
				}
			}
			if g.Chance(10) {
				j.Close()
				open()
				store = newStore(j)
				again := &zone.Batch{}
				for _, w := range twins {
					if !w.gone {
						again.Changes = append(again.Changes, zone.Change{Zone: w.zone, Apex: w.zone.Apex(), Kept: w.kept})
					}
				}
				if err := store.Publish(again); err != nil {
					t.Fatal(err)
				}
			}
			if trims && g.Chance(10) {
				if err := j.Trim(time.UnixMilli(at)); err != nil {
					t.Fatal(err)
				}
			}
			w := twins[g.IntN(len(twins))]
			w.checkChains(t, g, j, trims)
			w.checkLog(t, j, trims)
			w.checkRestore(t, j)
		}
	})
}

// checkChains compares what Chain leads to with what was there.
func (w *twin) checkChains(t *testing.T, g *zonetest.Random, j *Journal, trims bool) {
	t.Helper()
	apex := w.oracle.Apex
	served := false
	last := w.versions[len(w.versions)-1]
	for i, from := range w.versions {
		if last.extended-from.extended >= 1<<32 {
			continue // a whole turn of serials ago
		}
		to := w.versions[i+g.IntN(len(w.versions)-i)]
		list, ok, err := j.Chain(apex, from.serial, to.serial, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !ok && (!trims || served) {
			t.Errorf("%v: no way from serial %d, version %d of %d, to %d", apex, from.serial, i, len(w.versions), to.serial)
		}
		if !ok {
			continue
		}
		served = served || to.serial != from.serial // nothing is needed for no way
		o := from.oracle.Clone()
		for _, c := range list {
			if err := o.Apply(c); err != nil {
				t.Fatalf("%v: from %d to %d: %v", apex, c.From, c.To, err)
			}
		}
		if !zonetest.Equal(o, to.oracle) || o.Serial() != to.serial {
			t.Errorf("%v: the way from serial %d to %d leads elsewhere", apex, from.serial, to.serial)
		}
		if len(list) == 0 {
			continue
		}
		condensed := zone.Condense(list)
		if want := zonetest.Diff(from.oracle, to.oracle); len(condensed.Removed) != len(want.Removed) || len(condensed.Added) != len(want.Added) {
			t.Errorf("%v: condensed to %d removed, %d added, want %d and %d", apex, len(condensed.Removed), len(condensed.Added), len(want.Removed), len(want.Added))
		}
		o = from.oracle.Clone()
		if err := o.Apply(condensed); err != nil || !zonetest.Equal(o, to.oracle) {
			t.Errorf("%v: condensed, the way from serial %d to %d leads elsewhere: %v", apex, from.serial, to.serial, err)
		}
		records := 0
		for _, c := range list {
			records += len(c.Removed) + len(c.Added)
		}
		for most, want := range map[int]bool{records: true, records - 1: false} {
			if _, ok, err := j.Chain(apex, from.serial, to.serial, most); ok != want || err != nil {
				t.Errorf("%v: %d records, at most %d: %v %v", apex, records, most, ok, err)
			}
		}
	}
	// Serials that there never were, and ways back.
	for _, from := range []zone.Serial{last.serial + 1, zone.Serial(g.IntN(1<<30) << 2)} {
		if slices.ContainsFunc(w.lines, func(l Line) bool { return l.To == from || l.From == from }) {
			continue
		}
		if _, ok, err := j.Chain(apex, from, last.serial, 0); ok || err != nil {
			t.Errorf("%v: a way from serial %d, which never was: %v", apex, from, err)
		}
	}
	if first := w.versions[0]; first.serial != last.serial && last.extended < 1<<32 {
		if _, ok, err := j.Chain(apex, last.serial, first.serial, 0); ok || err != nil {
			t.Errorf("%v: a way back from %d to %d: %v", apex, last.serial, first.serial, err)
		}
	}
}

// checkLog compares the log with what happened; with trims the oldest may be gone.
func (w *twin) checkLog(t *testing.T, j *Journal, trims bool) {
	t.Helper()
	n := len(w.lines)
	for l, err := range j.Log(w.oracle.Apex, true) {
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			t.Fatalf("%v: a line too many: %+v", w.oracle.Apex, l)
		}
		n--
		if (l.Changeset != nil) != (l.Kind == Changed) {
			t.Errorf("%v: %v line with changeset %v", w.oracle.Apex, l.Kind, l.Changeset)
		} else if c := l.Changeset; c != nil && (fmt.Sprint(countChanges(c)) != fmt.Sprint(l.Removed, l.Added) || c.From != l.From || c.To != l.To) {
			t.Errorf("%v: the line says %+v, its changeset has %d and %d records", w.oracle.Apex, l, len(c.Removed), len(c.Added))
		}
		if l.Changeset = nil; l != w.lines[n] {
			t.Errorf("%v: line\n%+v, want\n%+v", w.oracle.Apex, l, w.lines[n])
		}
	}
	if n > 0 && !trims {
		t.Errorf("%v: %d lines are not there", w.oracle.Apex, n)
	}
	count := 0
	for l, err := range j.Log(w.oracle.Apex, false) {
		if err != nil || l.Changeset != nil {
			t.Fatalf("%v: %+v %v", w.oracle.Apex, l, err)
		}
		count++
	}
	if count != len(w.lines)-n {
		t.Errorf("%v: %d lines without records, %d with", w.oracle.Apex, count, len(w.lines)-n)
	}
}

func (w *twin) checkRestore(t *testing.T, j *Journal) {
	t.Helper()
	z, ok, err := j.Restore(w.oracle.Apex)
	if ok != w.kept && !w.gone || err != nil {
		t.Fatalf("%v: restored %v, want %v: %v", w.oracle.Apex, ok, w.kept, err)
	}
	if !ok {
		return
	}
	if c := zone.Diff(w.zone, z, nil); !c.IsEmpty() || z.Serial() != w.zone.Serial() {
		t.Errorf("%v: restored with serial %d, want %d; %d records differ", w.oracle.Apex, z.Serial(), w.zone.Serial(), len(c.Removed)+len(c.Added))
	}
}
