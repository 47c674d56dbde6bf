package update

import (
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// A record that nobody adds again ends, one that somebody does lives on, over a
// restart as well.
func TestLifetime(t *testing.T) {
	b := newBed(t, parent, soaNS+"1 60 PTR file.\n")
	p := anybody(false)
	p.Lifetime = 1000 * time.Second
	b.adopt(map[string]*ZonePolicy{parent: p}, parent)
	carry := func(r ...Record) { t.Helper(); b.carry(parent, r...) }
	pass := func(s time.Duration) {
		b.now = b.now.Add(s * time.Second)
		b.expire()
	}
	carry(add("2."+parent, "a."), add("3."+parent, "b."), add("3."+parent, "c."))
	pass(500)
	carry(add("2."+parent, "a."), add("3."+parent, "c.")) // changes nothing
	b.wantZone(parent, "1."+parent+" file.", "2."+parent+" a.", "3."+parent+" b.", "3."+parent+" c.")
	pass(600)
	b.wantZone(parent, "1."+parent+" file.", "2."+parent+" a.", "3."+parent+" c.")
	carry(drop("3."+parent, rr.TypePTR))
	if got := b.untilExpiry(); got != 400*time.Second {
		t.Errorf("the next end is in %v, want 400s", got)
	}
	// After a restart it may live a tenth longer.
	restarted := New(Options{Store: b.store, Notes: b.m, Log: b.o.Log, Now: b.o.Now})
	b.Updater = restarted
	b.adopt(map[string]*ZonePolicy{parent: p})
	pass(399)
	b.wantZone(parent, "1."+parent+" file.", "2."+parent+" a.")
	if got := b.untilExpiry(); got != 101*time.Second {
		t.Errorf("the next end is in %v, want 101s", got)
	}
	pass(102)
	b.wantZone(parent, "1."+parent+" file.")
	if notes, _ := b.m.Notes(dname.MustParse(parent), "update/"); len(notes) != 1 || notes[0].Key != "update/undo-since" {
		t.Errorf("notes are left: %q", notes)
	}
}

// TestLifetimeWakes: what waits for the end of a record looks again when an update adds one that ends earlier, and
// not for each update.
func TestLifetimeWakes(t *testing.T) {
	b := newBed(t, parent, soaNS)
	p := anybody(false)
	p.Lifetime = 1000 * time.Second
	b.adopt(map[string]*ZonePolicy{parent: p}, parent)
	woken := func(want bool, wait time.Duration) {
		t.Helper()
		got := false
		select {
		case <-b.wake:
			got = true
		default:
		}
		if got != want {
			t.Errorf("woken is %v", got)
		}
		if got := b.untilExpiry(); got != wait {
			t.Errorf("waits %v, want %v", got, wait)
		}
	}
	woken(true, time.Hour) // by adopt
	b.carry(parent, add("2."+parent, "a."))
	woken(true, 1000*time.Second)
	b.now = b.now.Add(100 * time.Second)
	b.carry(parent, add("3."+parent, "a."))
	woken(false, 900*time.Second)
	b.now = b.now.Add(950 * time.Second)
	woken(false, minWait)
	b.carry(parent, add("4."+parent, "a."))
	woken(false, minWait) // so that many updates do not put it off
}

// TestLifetimeClock: a life lasts as long as it should although the clock is wrong at
// first, is set, and set back.
func TestLifetimeClock(t *testing.T) {
	right := time.Unix(1_800_000_000, 0)
	const year = 365 * 24 * 3600
	b := newBed(t, parent, soaNS)
	p := anybody(false)
	p.Lifetime = 1000 * time.Second
	var elapsed time.Duration
	restart := func(now time.Time) {
		t.Helper()
		b.now = now
		c := clock.New(clock.Options{Wall: b.o.Now, Elapsed: func() time.Duration { return elapsed }})
		c.Start(right.Add(-time.Hour))
		b.Updater = New(Options{Store: b.store, Notes: b.m, Log: b.o.Log, Now: b.o.Now, Steps: c.Steps})
		b.adopt(map[string]*ZonePolicy{parent: p})
	}
	carry := func(r ...Record) { t.Helper(); b.carry(parent, r...) }
	pass := func(s time.Duration, want ...string) {
		t.Helper()
		b.now, elapsed = b.now.Add(s*time.Second), elapsed+s*time.Second
		b.expire()
		for i := range want {
			want[i] += "." + parent + " x."
		}
		b.wantZone(parent, want...)
	}
	set := func(s time.Duration) { b.now = b.now.Add(s * time.Second) }

	b.adopt(nil, parent)
	restart(time.Unix(100, 0)) // 1970
	carry(add("1."+parent, "x."))
	pass(400, "1")
	set(1_800_000_000)
	pass(1, "1")
	carry(add("2."+parent, "x."))
	pass(598, "1", "2")
	pass(2, "2") // after 1001 seconds
	set(14 * year)
	pass(1, "2")
	set(-14 * year)
	pass(390, "2")
	pass(10)

	// A restart while the clock is years ahead: nothing is removed before it is set.
	carry(add("3."+parent, "x."))
	restart(b.now.Add(14 * year * time.Second))
	pass(100, "3")
	set(-14 * year)
	pass(100, "3")
	pass(700, "3")
	pass(300) // 1200 seconds, a tenth of which the restart may cost

	// And while the clock is at 1970, it is set to now, with the remaining lifetimes unchanged.
	carry(add("4."+parent, "x."))
	was := b.now
	restart(time.Unix(200, 0))
	pass(2000, "4")
	b.now = was.Add(900 * time.Second)
	pass(1, "4")
	pass(200)

	// What was kept with a clock that was wrong lasts once more.
	restart(time.Unix(300, 0))
	carry(add("5."+parent, "x."))
	restart(right)
	pass(999, "5")
	pass(2)
	if notes, _ := b.m.Notes(dname.MustParse(parent), "update/"); len(notes) != 1 || notes[0].Key != "update/undo-since" {
		t.Errorf("notes are left: %q", notes)
	}

	// One that ended while no server ran goes when the start is some time ago.
	carry(add("6."+parent, "x."))
	restart(b.now.Add(5000 * time.Second))
	pass(1, "6")
	if got := b.untilExpiry(); got != startGrace-time.Second {
		t.Errorf("the next end is in %v", got)
	}
	pass(299)
}
