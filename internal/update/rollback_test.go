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
	sources map[string]bool        // records from the sources, which go before updates
	derived map[string]string      // by owner, the record that is derived; it goes before updates as well
	made    map[string]string      // by owner, the record that a range makes if there is no other
	layer   map[string]int64       // records of updates: when they end; 0: never
	leased  map[string]bool        // which of them an update added
	ended   map[string]zone.Serial // records whose latest removal that shows was the end of their lifetime, and the serial after it
	past    map[zone.Serial]twin
}

func (w *twin) keep(serial zone.Serial) {
	w.past[serial] = twin{layer: maps.Clone(w.layer), leased: maps.Clone(w.leased)}
}

func ownerOf(record string) string { owner, _, _ := strings.Cut(record, " "); return owner }

// isStatic reports whether the sources have the RRset of a record.
func (w *twin) isStatic(record string) bool {
	for s := range w.sources {
		if ownerOf(s) == ownerOf(record) {
			return true
		}
	}
	return false
}

// derivedAt returns the derived record in place of the RRset of a record; empty: there is none.
func (w *twin) derivedAt(record string) string {
	if w.isStatic(record) {
		return ""
	}
	return w.derived[ownerOf(record)]
}

// covers reports whether a higher layer has the RRset of a record.
func (w *twin) covers(record string) bool { return w.isStatic(record) || w.derivedAt(record) != "" }

// at returns the records of the layer at the owner of a record.
func (w *twin) at(record string) (list []string) {
	for r := range w.layer {
		if ownerOf(r) == ownerOf(record) {
			list = append(list, r)
		}
	}
	return list
}

// hasJust reports whether the layer has a record and no others at its owner.
func (w *twin) hasJust(record string) bool { return slices.Equal(w.at(record), []string{record}) }

// isRemoved records that a record left the layer, by the end of its lifetime if end is not 0. It is
// known to the history only if the record is no longer served.
func (w *twin) isRemoved(record string, end zone.Serial) {
	delete(w.layer, record)
	switch {
	case w.covers(record) || slices.Contains(w.served(), record):
	case end != 0:
		w.ended[record] = end
	default:
		delete(w.ended, record)
	}
}

// served returns the records that are served.
func (w *twin) served() (list []string) {
	for n := range 4 {
		owner := fmt.Sprintf("n%d", n)
		var own []string
		for r := range w.sources {
			if ownerOf(r) == owner {
				own = append(own, r)
			}
		}
		if d := w.derived[owner]; len(own) == 0 && d != "" {
			own = []string{d}
		}
		if len(own) == 0 {
			own = w.at(owner)
		}
		if m := w.made[owner]; len(own) == 0 && m != "" {
			own = []string{m}
		}
		list = append(list, own...)
	}
	slices.Sort(list)
	return list
}

// Rollbacks between updates, reloads and the end of lifetimes leave the layer of updates,
// or the zone that has no other source, as it was at the serial, but for records whose
// lifetime has ended; those that return have a lifetime exactly if an update added them. So it is if
// records are derived or made in the place of those of updates, whatever was so at the serial.
// A twin that is kept by hand says what is served, now and when the lifetimes end, and what
// the layer has.
func TestRollbackRandomly(t *testing.T) {
	for _, layered := range []bool{false, true} {
		t.Run(fmt.Sprintf("layered=%v", layered), func(t *testing.T) {
			eachSeed(t, func(t *testing.T, seed uint64) {
				if *seedFlag == 0 && seed > *zonesFlag/2 {
					return
				}
				testRollback(t, rand.New(rand.NewPCG(seed, 18)), layered)
			})
		})
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
	w := &twin{sources: map[string]bool{}, layer: map[string]int64{}, leased: map[string]bool{}, ended: map[string]zone.Serial{}, past: map[zone.Serial]twin{}}
	record := func() string { return fmt.Sprintf("n%d v%d", rnd.IntN(4), rnd.IntN(3)) }
	some := func() map[string]string {
		list := map[string]string{}
		for range rnd.IntN(5) {
			r := record()
			list[ownerOf(r)] = r
		}
		return list
	}
	served := func() *zone.Zone { return store.Set().Get(dname.MustParse(apex)) }
	policy := &Policy{Zones: map[string]*ZonePolicy{dname.MustParse(apex).Key(): anybody(!layered)}}
	policy.Zones[dname.MustParse(apex).Key()].Lifetime = lifetime

	ptr := func(r string) zone.Record {
		return zone.Record{Owner: dname.MustParse(ownerOf(r) + "." + apex), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse(r[len(r)-2:] + ".")}
	}
	made := func(list map[string]string) *zone.Zone {
		if len(list) == 0 {
			return nil
		}
		z, err := commit.NewLayer(dname.MustParse(apex), func(yield func(zone.Record) bool) {
			for _, r := range list {
				if !yield(ptr(r)) {
					return
				}
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}

	// load serves the sources and what is derived and made, with the layer of updates.
	load := func() {
		text := soaNS
		for r := range w.sources {
			text += fmt.Sprintf("%s 60 PTR %s.\n", ownerOf(r), r[len(r)-2:])
		}
		static := build(t, dname.MustParse(apex), zonetest.MustParse(apex, text).Records())
		z := static
		if layered {
			layer, err := commit.ReadDynamic(j, static.Apex())
			if err != nil {
				t.Fatal(err)
			}
			if z, err = commit.Merge(zone.Layers{Static: static, Derived: made(w.derived), Made: made(w.made)}, layer, nil); err != nil {
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
			if r.Type == rr.TypePTR {
				got = append(got, fmt.Sprintf("%s %s", r.Owner.Label(), dname.Name(r.Data).Label()))
			}
		}
		slices.Sort(got)
		if want := w.served(); !slices.Equal(got, want) {
			t.Fatalf("after %s: served %v, want %v", what, got, want)
		}
		if err := served().Check(); err != nil {
			t.Fatal(err)
		}
		if !layered {
			return
		}
		layer, err := commit.ReadDynamic(j, dname.MustParse(apex))
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, s := range layer {
			for _, d := range s.Data {
				have = append(have, fmt.Sprintf("%s %s", s.Owner.Label(), dname.Name(d).Label()))
			}
		}
		slices.Sort(have)
		if want := slices.Sorted(maps.Keys(w.layer)); !slices.Equal(have, want) {
			t.Fatalf("after %s: the layer is %v, want %v", what, have, want)
		}
	}
	w.sources = map[string]bool{"n0 v0": true, "n1 v0": true, "n1 v1": true}
	load()
	if !layered {
		for r := range w.sources {
			w.layer[r] = 0
		}
		w.sources = nil
	}
	w.keep(served().Serial())
	check("the start")

	for range 120 {
		now = now.Add(time.Duration(rnd.IntN(15)) * time.Minute)
		hidden := slices.ContainsFunc(slices.Collect(maps.Keys(w.layer)), func(r string) bool { return w.covers(r) })
		what := ""
		switch n := rnd.IntN(12); {
		case n < 7: // an update
			r, isRemoval := record(), n < 3
			if d := w.derivedAt(r); d != "" && rnd.IntN(2) == 0 {
				r = d
			}
			one := Record{Owner: ptr(r).Owner, Type: rr.TypePTR, Class: rr.ClassIN, TTL: 60, Data: ptr(r).Data}
			what = "update: add " + r
			if isRemoval {
				one.Class, one.TTL = rr.ClassNONE, 0
				what = "update: remove " + r
			}
			m := &Message{Zone: dname.MustParse(apex), Updates: []Record{one}}
			sent := &job{Request: &Request{}, m: m}
			u.commit([]*job{sent}, func() {})
			isRefused := false
			_, exists := w.layer[r]
			end := now.Add(lifetime).Unix()
			switch d := w.derivedAt(r); {
			case w.isStatic(r):
				isRefused = w.sources[r] == isRemoval
				if exists && !isRemoval && !isRefused { // the record of the sources is the same
					w.layer[r] = end
				}
			case d != "" && isRemoval:
				isRefused = r == d && !w.hasJust(r)
				if r == d && !isRefused {
					w.isRemoved(r, 0)
				}
			case d != "":
				if isRefused = r != d; isRefused {
					break
				}
				for _, old := range w.at(r) {
					delete(w.layer, old)
				}
				w.layer[r], w.leased[r] = end, true
			case isRemoval:
				if exists {
					w.isRemoved(r, 0)
				}
			default:
				if !exists {
					w.leased[r] = true
				}
				w.layer[r] = end
			}
			if isRefused != (sent.fault != nil) || isRefused && sent.fault.RCode != wire.RCodeRefused {
				t.Fatalf("%s: %v, is to be refused: %v", what, sent.fault, isRefused)
			}
		case n < 9 && layered: // a reload
			if rnd.IntN(2) == 0 {
				w.sources = map[string]bool{}
				for range rnd.IntN(4) {
					w.sources[record()] = true
				}
			}
			if rnd.IntN(2) == 0 {
				w.derived = some()
			}
			if rnd.IntN(2) == 0 {
				w.made = some()
			}
			what = fmt.Sprintf("reload of %v, derived %v, made %v", w.sources, w.derived, w.made)
			load()
		case n < 10 && !hidden: // the end of lifetimes
			what = "the end of lifetimes"
			u.expire()
			all := maps.Clone(w.layer)
			maps.DeleteFunc(w.layer, func(_ string, end int64) bool { return end != 0 && end <= now.Unix() })
			for r := range all {
				if _, stays := w.layer[r]; !stays {
					w.isRemoved(r, served().Serial())
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
				case to.Before(w.ended[r]):
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
			before := w.layer
			w.layer, w.leased = next.layer, next.leased
			for r := range before {
				if _, stays := w.layer[r]; !stays {
					w.isRemoved(r, 0)
				}
			}
		}
		t.Logf("serial %d, %s, layer %v, ended %v", served().Serial(), what, slices.Sorted(maps.Keys(w.layer)), w.ended)
		check(what)
		w.keep(served().Serial())
	}
	// Every record ends by itself that has a lifetime, and no other one.
	if layered {
		w.sources, w.derived, w.made = nil, nil, nil
		load()
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

// madeZone is a zone in which a range makes a record, with updates of its layer.
type madeZone struct {
	t       *testing.T
	journal *journal.Journal
	store   *commit.Writer
	apex    dname.Name
	made    commit.RRset
	*Updater
}

func newMadeZone(t *testing.T) *madeZone {
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	m := &madeZone{t: t, journal: j, store: commit.New(commit.Options{Journal: j}), apex: dname.MustParse(parent)}
	m.made = commit.RRset{Owner: dname.MustParse("1." + parent), Type: rr.TypePTR, TTL: 60, Data: [][]byte{dname.MustParse("made.")}}
	made, err := commit.NewLayer(m.apex, slices.Values(m.made.Records()), nil)
	if err != nil {
		t.Fatal(err)
	}
	z, err := commit.Merge(zone.Layers{Static: build(t, m.apex, zonetest.MustParse(parent, soaNS).Records()), Made: made}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: m.apex}}}); err != nil {
		t.Fatal(err)
	}
	m.Updater = New(Options{Store: m.store, Notes: j, Log: slog.New(slog.DiscardHandler)})
	m.adopt()
	return m
}

func (m *madeZone) adopt() {
	m.t.Helper()
	if err := m.Adopt(&Policy{Zones: map[string]*ZonePolicy{m.apex.Key(): anybody(false)}}); err != nil {
		m.t.Fatal(err)
	}
}

// update carries out messages of one record each in one round.
func (m *madeZone) update(records ...Record) {
	m.t.Helper()
	var jobs []*job
	for _, r := range records {
		jobs = append(jobs, &job{Request: &Request{}, m: &Message{Zone: m.apex, Updates: []Record{r}}})
	}
	m.commit(jobs, func() {})
	for _, j := range jobs {
		if j.fault != nil {
			m.t.Fatal(j.fault)
		}
	}
}

// wantNoLayer rolls back, and wants the layer to be empty then, so that what the range makes is served.
func (m *madeZone) wantNoLayer(to zone.Serial) {
	m.t.Helper()
	if _, err := m.Rollback(m.apex, to, past{m.journal}); err != nil {
		m.t.Fatal(err)
	}
	if layer, err := commit.ReadDynamic(m.journal, m.apex); err != nil || len(layer) > 0 {
		m.t.Errorf("the layer is %v %v", layer, err)
	}
	if got := commit.ReadRRset(m.store.Set().Get(m.apex), m.made.Owner, rr.TypePTR); !got.Equal(m.made) {
		m.t.Errorf("served %v", got)
	}
}

// The history that an earlier ptrd made does not say which records were made: one that is still made in the place of an
// update does not become an update. So it is if this one has made steps since.
func TestRollbackOfEarlierHistory(t *testing.T) {
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later=%v", later), func(t *testing.T) {
			m := newMadeZone(t)
			m.update(add("1."+parent, "a."))
			m.update(add("4."+parent, "d."))
			notes, err := m.journal.Notes(m.apex, "update/undo")
			if err != nil || len(notes) != 2 {
				t.Fatalf("%q %v", notes, err)
			}
			for i := range notes {
				notes[i].Value = nil
			}
			if err := m.journal.SetNotes(m.apex, notes); err != nil {
				t.Fatal(err)
			}
			if m.adopt(); later {
				m.update(add("2."+parent, "b."))
				m.update(add("3."+parent, "c."))
			}
			if since, err := commit.UndoSince(m.journal, m.apex); err != nil || (since != nil) != later {
				t.Errorf("undo notes are complete from %v on, %v", since, err)
			}
			m.wantNoLayer(1)
		})
	}
}

// Of changes after one step that the zone does not show, in one round, a rollback undoes all.
func TestRollbackOfRound(t *testing.T) {
	m := newMadeZone(t)
	m.update(add("2."+parent, "b."))
	same := add("1."+parent, "made.")
	removal := same
	removal.Class, removal.TTL = rr.ClassNONE, 0
	m.update(same, removal)
	m.wantNoLayer(1)
}
