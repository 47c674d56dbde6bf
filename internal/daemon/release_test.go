package daemon

import (
	"runtime/debug"
	"testing"
)

// While memory is given back the collector keeps little, and works as before
// afterwards, and while a load comes in between.
func TestRelease(t *testing.T) {
	const before = 70
	defer debug.SetGCPercent(debug.SetGCPercent(before))
	percent := func() int {
		p := debug.SetGCPercent(before)
		debug.SetGCPercent(p)
		return p
	}
	d := &Daemon{writing: writing{made: releaseFrom - 1}}
	d.freed.interrupt()()
	if d.release(); percent() != before || d.freed.ends != nil {
		t.Errorf("collects at %d %% after a small change", percent())
	}
	for range 2 {
		d.made = releaseFrom
		if d.release(); percent() != releasePercent || d.freed.ends == nil || d.made != 0 {
			t.Errorf("collects at %d %% while memory is given back, want %d", percent(), releasePercent)
		}
	}
	resume := d.freed.interrupt()
	if percent() != before {
		t.Errorf("collects at %d %% during a load, want %d", percent(), before)
	}
	if resume(); percent() != releasePercent {
		t.Errorf("collects at %d %% after the load, want %d", percent(), releasePercent)
	}
	for range 2 {
		if d.endRelease(); percent() != before || d.freed.ends != nil {
			t.Errorf("collects at %d %% afterwards, want %d", percent(), before)
		}
	}
}
