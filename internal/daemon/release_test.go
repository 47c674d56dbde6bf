package daemon

import (
	"runtime/debug"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
)

// TestRelease: during a release the collector keeps little memory. Afterwards, and during a
// load in between, it has its setting for the zones that are served.
func TestRelease(t *testing.T) {
	const before = 70
	defer debug.SetGCPercent(debug.SetGCPercent(before))
	percent := func() int {
		p := debug.SetGCPercent(before)
		debug.SetGCPercent(p)
		return p
	}
	d := &Daemon{components: components{zones: commit.New(commit.Options{})}}
	d.releaseAtOnce()
	d.made = releaseFrom - 1
	d.freed.interrupt()()
	if d.release(); percent() != before || d.freed.ends != nil {
		t.Errorf("collects at %d %% after a small change", percent())
	}
	for range 2 {
		d.made = releaseFrom
		if d.release(); percent() != releasePercent || d.freed.ends == nil || d.made != 0 {
			t.Errorf("collects at %d %% during a release, want %d", percent(), releasePercent)
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

// TestCollectorPercent: garbage may take as much memory as everything but the zones.
func TestCollectorPercent(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		base        int
		used, zones int64
		want        int
	}{
		{100, 0, 0, 100},
		{100, 10 * mb, 1 * mb, 100}, // less than minGarbage
		{100, 400 * mb, 300 * mb, 25},
		{50, 400 * mb, 300 * mb, 12},
		{100, 400 * mb, 0, 100},
		{100, 100_000 * mb, 99_999 * mb, releasePercent},
		{5, 400 * mb, 300 * mb, 5},
		{-1, 400 * mb, 300 * mb, -1},
	} {
		if got := collectorPercent(c.base, c.used, c.zones); got != c.want {
			t.Errorf("%d %% of %d MB with zones of %d MB: %d %%, want %d", c.base, c.used/mb, c.zones/mb, got, c.want)
		}
	}
}
