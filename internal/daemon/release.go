package daemon

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// releaseFrom is from how many octets of newly built zones memory is returned to the system: what
// building them took, and what the zones before them had. Otherwise the runtime would only do so when
// the next load makes it collect garbage. A collection after every small change would be wasteful.
const releaseFrom = 8 << 20

// itemOctets is about how much memory it takes to read and check one item of the configuration,
// which counts as made.
const itemOctets = 2 << 10

const (
	// releasePercent is how much more memory than is in use the runtime keeps during a release, in
	// percent. It returns the rest in the background, in pieces of a millisecond and in one
	// hundredth of the time.
	releasePercent = 10

	// releaseFor is the duration of a release. The runtime returns some 30 MB a second, and needs
	// to return 400 MB after a zone of ten million names was built. A longer release would make
	// the collector run at each change.
	releaseFor = 15 * time.Second

	// minGarbage is how many octets of garbage may come together at least before the collector
	// runs, as in a heap of this size.
	minGarbage = 32 << 20
)

// freed is the current release of memory, and the collector's setting outside of one.
type freed struct {
	ends    <-chan time.Time // nil: there is none
	base    int              // setting of the process, in percent
	percent int              // setting for the zones that are served
}

// collectorPercent returns how much garbage there may be before the collector runs, in percent of
// what is in use. Zones have no pointers, so that the collector does not read them: it runs as
// often as if they were not there, and their memory allows no garbage of its own.
func collectorPercent(base int, used, zones int64) int {
	if base < 0 || used <= 0 {
		return base
	}
	return min(base, max(releasePercent, int(int64(base)*max(used-zones, minGarbage)/used)))
}

// adjustCollector adapts the setting to what is in use since the last collection.
func (d *Daemon) adjustCollector() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	d.freed.percent = collectorPercent(d.freed.base, int64(live[0].Value.Uint64()), d.zones.Set().Bytes())
}

// releaseAtOnce returns memory to the system after the first load. It takes some milliseconds, in which
// queries wait.
func (d *Daemon) releaseAtOnce() {
	d.freed.base = debug.SetGCPercent(releasePercent)
	if d.made >= releaseFrom {
		debug.FreeOSMemory()
	}
	d.made = 0
	d.adjustCollector()
	debug.SetGCPercent(d.freed.percent)
}

// release begins to return memory to the system after a large load. Queries do not wait for it.
func (d *Daemon) release() {
	if d.made < releaseFrom {
		return
	}
	d.made = 0
	d.freed.ends = time.After(releaseFor)
	debug.SetGCPercent(releasePercent)
	// The first collection finds what is no longer used. How much memory the runtime keeps depends on
	// what was in use at the end of the last collection, and it keeps spans that were full at the
	// one before. Collections are fast: zones have no pointers.
	for range 3 {
		runtime.GC()
	}
	d.adjustCollector()
}

// interrupt ends the release until resume is called. Otherwise the collector would run again and
// again while a zone is loaded.
func (f *freed) interrupt() (resume func()) {
	if f.ends == nil {
		return func() {}
	}
	debug.SetGCPercent(f.percent)
	return func() {
		debug.SetGCPercent(releasePercent)
		runtime.GC() // after which the runtime returns memory again
	}
}

// endRelease ends the release.
func (d *Daemon) endRelease() {
	if d.freed.ends == nil {
		return
	}
	debug.SetGCPercent(d.freed.percent)
	d.freed.ends = nil
}

// restoreCollector leaves the collector as it was before the first load.
func (d *Daemon) restoreCollector() { debug.SetGCPercent(d.freed.base) }
