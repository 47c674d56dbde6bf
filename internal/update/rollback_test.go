package update

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// twin is what a zone that takes updates must hold, kept by hand: a record is its line
// `owner value`, an RRset the records of one owner.
type twin struct {
	sources map[string]bool  // records from the sources, which go before updates
	layer   map[string]int64 // records of updates: when they end; 0: never
	leased  map[string]bool  // which of them an update added
	ended   map[string]bool  // records whose latest removal was the end of their lifetime
	past    map[zone.Serial]twin
}

func (w *twin) keep(serial zone.Serial) {
	w.past[serial] = twin{layer: maps.Clone(w.layer), leased: maps.Clone(w.leased)}
}

func ownerOf(record string) string { owner, _, _ := strings.Cut(record, " "); return owner }

// covers reports whether the sources have the RRset of a record.
func (w *twin) covers(record string) bool {
	for s := range w.sources {
		if ownerOf(s) == ownerOf(record) {
			return true
		}
	}
	return false
}

// served returns the records that are served.
func (w *twin) served() (list []string) {
	list = slices.Collect(maps.Keys(w.sources))
	for r := range w.layer {
		if !w.covers(r) {
			list = append(list, r)
		}
	}
	slices.Sort(list)
	return list
}

// Rollbacks between updates, reloads and the end of lifetimes leave the layer of updates,
// or the zone that has no other source, as it was at the serial, but for records whose
// lifetime has ended; those that return have a lifetime exactly if an update added them.
// A twin that is kept by hand says what is served, now and when the lifetimes end.
func TestRollbackRandomly(t *testing.T) {
	seed := rand.Uint64()
	for _, layered := range []bool{false, true} {
		for n := range 6 {
			t.Run(fmt.Sprintf("layered=%v/%d", layered, n), func(t *testing.T) {
				testRollback(t, rand.New(rand.NewPCG(seed, uint64(n))), layered)
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			})
		}
	}
}

func testRollback(t *testing.T, rnd *rand.Rand, layered bool) {
	const apex, lifetime = parent, time.Hour
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	now := time.Unix(1_800_000_000, 0)
	store := commit.New(commit.Options{Journal: j})
	u := New(Options{Store: store, Notes: j, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	w := &twin{sources: map[string]bool{}, layer: map[string]int64{}, leased: map[string]bool{}, ended: map[string]bool{}, past: map[zone.Serial]twin{}}
	record := func() string { return fmt.Sprintf("n%d v%d", rnd.IntN(4), rnd.IntN(3)) }
	served := func() *zone.Zone { return store.Set().Get(dname.MustParse(apex)) }
	policy := &Policy{Zones: map[string]*ZonePolicy{dname.MustParse(apex).Key(): anybody(!layered)}}
	policy.Zones[dname.MustParse(apex).Key()].Lifetime = lifetime

	// load serves the sources, with the layer of updates on top.
	load := func(list map[string]bool) {
		text := soaNS
		for r := range list {
			text += fmt.Sprintf("%s 60 TXT %s\n", ownerOf(r), r[len(r)-2:])
		}
		static := build(t, dname.MustParse(apex), zonetest.MustParse(apex, text).Records())
		z := static
		if layered {
			layer, err := commit.ReadDynamic(j, static.Apex())
			if err != nil {
				t.Fatal(err)
			}
			if z, err = commit.Merge(zone.Layers{Static: static}, layer, nil); err != nil {
				t.Fatal(err)
			}
		}
		base := served()
		change := zone.Change{Zone: z, Apex: z.Apex(), Base: base, Kept: !layered}
		if base != nil {
			change.Zone = z.WithSerial(base.Serial() + 1)
			change.Steps = []zone.Step{{Changeset: zone.Diff(base, change.Zone, nil), Source: "reload file", At: now.UnixMilli()}}
		}
		if _, err := store.Commit(commit.Request{
			Propose: func(*zone.Set) (*zone.Batch, error) { return &zone.Batch{Changes: []zone.Change{change}}, nil },
			After:   func() error { return u.Adopt(policy) },
		}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string) {
		t.Helper()
		var got []string
		for r := range served().All() {
			if r.Type == rr.TypeTXT {
				got = append(got, fmt.Sprintf("%s %s", r.Owner.Label(), r.Data[1:]))
			}
		}
		slices.Sort(got)
		if want := w.served(); !slices.Equal(got, want) {
			t.Fatalf("after %s: served %v, want %v", what, got, want)
		}
		if err := served().Check(); err != nil {
			t.Fatal(err)
		}
	}
	first := map[string]bool{"n0 v0": true, "n1 v0": true, "n1 v1": true}
	load(first)
	if layered {
		w.sources = first
	} else {
		for r := range first {
			w.layer[r] = 0
		}
	}
	w.keep(served().Serial())
	check("the start")

	for range 120 {
		now = now.Add(time.Duration(rnd.IntN(15)) * time.Minute)
		hidden := slices.ContainsFunc(slices.Collect(maps.Keys(w.layer)), w.covers)
		what := ""
		switch n := rnd.IntN(10); {
		case n < 5: // an update
			r := record()
			add := zone.Record{Owner: dname.MustParse(ownerOf(r) + "." + apex), Type: rr.TypeTXT, Data: []byte("\x02" + r[len(r)-2:])}
			one := Record{Owner: add.Owner, Type: add.Type, Class: rr.ClassIN, TTL: 60, Data: add.Data}
			if n < 2 {
				one.Class, one.TTL = rr.ClassNONE, 0
			}
			what = fmt.Sprintf("update %d of %s", n, r)
			m := &Message{Zone: dname.MustParse(apex), Updates: []Record{one}}
			sent := &job{Request: &Request{}, m: m}
			u.commit([]*job{sent}, func() {})
			_, exists := w.layer[r]
			if w.covers(r) {
				exists = w.sources[r]
			}
			switch {
			case w.covers(r) && exists == (n < 2):
				if sent.fault == nil || sent.fault.RCode != wire.RCodeRefused {
					t.Fatalf("%s, which comes from the sources: %v", what, sent.fault)
				}
			case w.covers(r):
				if _, hidden := w.layer[r]; hidden && n >= 2 { // the record of the sources is the same
					w.layer[r] = now.Add(lifetime).Unix()
				}
			case sent.fault != nil:
				t.Fatalf("%s: %v", what, sent.fault)
			case n < 2:
				if exists {
					delete(w.ended, r)
				}
				delete(w.layer, r)
			default:
				if !exists {
					w.leased[r] = true
				}
				w.layer[r] = now.Add(lifetime).Unix()
			}
		case n < 6 && layered: // a reload
			next := map[string]bool{}
			for range rnd.IntN(4) {
				next[record()] = true
			}
			what = fmt.Sprintf("reload of %v", next)
			load(next)
			w.sources = next
		case n < 8 && !hidden: // the end of lifetimes
			what = "the end of lifetimes"
			u.expire()
			for r, end := range w.layer {
				if end != 0 && end <= now.Unix() {
					delete(w.layer, r)
					w.ended[r] = true
				}
			}
		default:
			all := slices.Sorted(maps.Keys(w.past))
			to := all[rnd.IntN(len(all))]
			what = fmt.Sprintf("rollback from %d to %d", served().Serial(), to)
			next, renewed := twin{layer: map[string]int64{}, leased: w.leased}, 0
			changed := false
			for r := range w.past[to].layer {
				end, stays := w.layer[r]
				switch {
				case w.covers(r): // below
				case stays:
					next.layer[r] = end
				case w.ended[r]:
				case w.past[to].leased[r]:
					next.layer[r], next.leased[r], changed = now.Add(lifetime).Unix(), true, true
					renewed++
				default:
					next.layer[r], changed = 0, true
					delete(next.leased, r)
				}
			}
			for r := range w.layer {
				if w.covers(r) { // what the sources hide stays as it is
					next.layer[r] = w.layer[r]
				} else if _, stays := next.layer[r]; !stays {
					delete(w.ended, r)
					changed = true
				}
			}
			out, err := u.Rollback(dname.MustParse(apex), to, past{j})
			if !changed {
				break // whether it is an error depends on what else changed
			}
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if out.Layer != layered || out.Renewed != renewed || out.Serial != served().Serial() {
				t.Fatalf("%s: %+v, want %d renewed", what, out, renewed)
			}
			w.layer, w.leased = next.layer, next.leased
		}
		t.Logf("serial %d, %s, layer %v, ended %v", served().Serial(), what, slices.Sorted(maps.Keys(w.layer)), slices.Sorted(maps.Keys(w.ended)))
		check(what)
		w.keep(served().Serial())
	}
	// Every record ends by itself that has a lifetime, and no other one.
	if layered {
		load(nil)
		w.sources = map[string]bool{}
	}
	now = now.Add(2 * lifetime)
	u.expire()
	maps.DeleteFunc(w.layer, func(_ string, end int64) bool { return end != 0 })
	check("all lifetimes")
}

// past is a journal as a History.
type past struct{ *journal.Journal }

func (p past) Back(z *zone.Zone, to zone.Serial) (*zone.Changeset, error) {
	return history.Back(p.Journal, z, to, 0)
}
