package journal

import (
	"os"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
)

// What nobody changes is trimmed by age all the same; of a zone that went all is
// forgotten after the grace time but the serial.
func TestTrimByAge(t *testing.T) {
	j := mustOpen(t, newPath(t))
	defer j.Close()
	j.SetLimits(Limits{MaxSize: 1 << 20, MaxAge: time.Minute, Grace: 5 * time.Minute}, nil)
	a, b := build(t, "a.example", 7), build(t, "b.example", 9)
	at := time.UnixMilli(1_000_000)
	publish := func(changes ...zone.Change) {
		t.Helper()
		if err := j.Append(&zone.Batch{Source: "test", At: at.UnixMilli(), Changes: changes}); err != nil {
			t.Fatal(err)
		}
	}
	step := func(from, to *zone.Zone, kept bool) zone.Change {
		return zone.Change{Zone: to, Apex: from.Apex(), Base: from, Kept: kept, Steps: []zone.Step{{Changeset: zone.Diff(from, to, nil), At: at.UnixMilli()}}}
	}
	publish(zone.Change{Zone: a, Apex: a.Apex()},
		zone.Change{Zone: b, Apex: b.Apex(), Kept: true, Notes: []zone.Note{{Key: "test/x", Value: []byte("y")}}})
	a8, b10 := a.WithSerial(8), b.WithSerial(10)
	publish(step(a, a8, false), step(b, b10, true))
	lines := func(z *zone.Zone) (n int) {
		t.Helper()
		for _, err := range j.Log(z.Apex(), false) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	expect := func(what string, ofA, ofB, files int, restored bool) {
		t.Helper()
		list, err := os.ReadDir(j.contentPath(""))
		if err != nil {
			t.Fatal(err)
		}
		_, ok, err := j.Restore(b.Apex())
		notes, noteErr := j.Notes(b.Apex(), "test/")
		if err != nil || noteErr != nil || lines(a) != ofA || lines(b) != ofB || len(list) != files || ok != restored || (len(notes) == 1) != restored {
			t.Errorf("%s: %d and %d lines, want %d and %d; %d files, want %d; restored %v, %d notes: %v %v", what, lines(a), lines(b), ofA, ofB, len(list), files, ok, len(notes), err, noteErr)
		}
	}
	trim := func(after time.Duration) {
		t.Helper()
		if err := j.Trim(at.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	expect("fresh", 2, 2, 1, true)
	trim(time.Minute)
	expect("in time", 2, 2, 1, true)
	trim(2 * time.Minute)
	expect("late", 0, 1, 1, true) // the change since the content was written is needed
	publish(zone.Change{Apex: b.Apex(), Base: b10})
	expect("gone", 0, 2, 1, true)
	trim(5 * time.Minute)
	expect("gone in time", 0, 2, 1, true)
	trim(5*time.Minute + time.Second)
	expect("gone for long", 0, 0, 0, false)
	if e, ok, err := j.Last(b.Apex()); !ok || err != nil || e.Serial != 10 || !e.Gone {
		t.Errorf("%+v %v %v", e, ok, err)
	}
	publish(zone.Change{Zone: b, Apex: b.Apex(), Kept: true})
	if z, ok, err := j.Restore(b.Apex()); !ok || err != nil || z.Serial() != 9 {
		t.Errorf("back: %v %v", ok, err)
	}
}

// Content that was written ahead takes no room when another came to be published.
func TestKeepAhead(t *testing.T) {
	j := mustOpen(t, newPath(t))
	defer j.Close()
	z := build(t, "a.example", 7)
	for _, serial := range []zone.Serial{7, 8, 9} {
		if err := j.PrepareContent(z.WithSerial(serial)); err != nil {
			t.Fatal(err)
		}
	}
	for _, serial := range []zone.Serial{9, 8} {
		if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: z.WithSerial(serial), Apex: z.Apex(), Kept: true}}}); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(j.contentPath(""))
		if err != nil || len(files) != 1 {
			t.Errorf("serial %d: %d files, want 1: %v", serial, len(files), err)
		}
		if back, ok, err := j.Restore(z.Apex()); !ok || err != nil || back.Serial() != serial {
			t.Errorf("serial %d: %v %v", serial, ok, err)
		}
		if err := j.PrepareContent(z.WithSerial(serial)); err != nil { // once more what is served
			t.Fatal(err)
		}
	}
}

// A clock that is years ahead for a while does not make all histories too old.
func TestTrimClock(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	limits := Limits{MaxSize: 1 << 20, MaxAge: 30 * 24 * time.Hour}
	j.SetLimits(limits, nil)
	const year = 365 * 24 * time.Hour
	at := time.UnixMilli(1_800_000_000_000)
	z := build(t, "a.example", 7)
	change := func(at time.Time) {
		t.Helper()
		next := z.WithSerial(z.Serial() + 1)
		if err := j.Append(&zone.Batch{Source: "test", At: at.UnixMilli(), Changes: []zone.Change{{
			Zone: next, Apex: z.Apex(), Base: z, Steps: []zone.Step{{Changeset: zone.Diff(z, next, nil), At: at.UnixMilli()}},
		}}}); err != nil {
			t.Fatal(err)
		}
		z = next
	}
	has := func(what string, want int) {
		t.Helper()
		n := 0
		for _, err := range j.Log(z.Apex(), false) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != want {
			t.Errorf("%s: %d changes, want %d", what, n, want)
		}
	}
	if err := j.Append(&zone.Batch{At: at.UnixMilli(), Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}); err != nil {
		t.Fatal(err)
	}
	for day := range 9 {
		change(at.Add(time.Duration(day) * 24 * time.Hour))
	}
	at = at.Add(10 * 24 * time.Hour)
	has("ten days", 10)
	change(at.Add(14 * year))
	has("a change years ahead", 11)
	if err := j.Trim(at.Add(14 * year)); err != nil {
		t.Fatal(err)
	}
	has("trimmed years ahead", 11)
	change(at)
	has("a change with the clock set back", 12)
	j.Close()
	j = mustOpen(t, path)
	defer j.Close()
	j.SetLimits(limits, nil)
	if got := j.Newest(); !got.Equal(at) {
		t.Errorf("the newest change is of %v, want %v", got, at)
	}
	for day := range 20 {
		if err := j.Trim(at.Add(time.Duration(day) * 24 * time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	has("in time", 12)
	// By then the time has come, a day with each call.
	for range 60 {
		if err := j.Trim(at.Add(year)); err != nil {
			t.Fatal(err)
		}
	}
	if n, _, _ := j.Chain(z.Apex(), 7, z.Serial(), 0); n != nil {
		t.Error("nothing is ever too old")
	}
}
