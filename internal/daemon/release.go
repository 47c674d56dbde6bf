package daemon

import (
	"runtime"
	"runtime/debug"
	"time"
)

// releaseFrom is from how many octets of newly built zones memory is returned to the system: what
// building them took, and what the zones before them had. Otherwise the runtime would only do so when
// the next load makes it collect garbage. A collection after every small change would be wasteful.
const releaseFrom = 8 << 20

const (
	// releasePercent is how much more memory than is in use the runtime keeps during a release, in
	// percent. It returns the rest in the background, in pieces of a millisecond and in one
	// hundredth of the time.
	releasePercent = 10

	// releaseFor is the duration of a release. The runtime returns some 30 MB a second, and needs
	// to return 400 MB after a zone of ten million names was built. A longer release would make
	// the collector run at each change.
	releaseFor = 15 * time.Second
)

// freed is the current release of memory.
type freed struct {
	ends    <-chan time.Time // nil: there is none
	percent int              // setting of the collector before it
}

// releaseAtOnce returns memory to the system after the first load. It takes some milliseconds, in which
// queries wait.
func (d *Daemon) releaseAtOnce() {
	if d.made >= releaseFrom {
		debug.FreeOSMemory()
	}
	d.made = 0
}

// release begins to return memory to the system after a large load. Queries do not wait for it.
func (d *Daemon) release() {
	if d.made < releaseFrom {
		return
	}
	d.made = 0
	d.endRelease()
	d.freed = freed{time.After(releaseFor), debug.SetGCPercent(releasePercent)}
	// The first collection finds what is no longer used. How much memory the runtime keeps depends on
	// what was in use at the end of the last collection, and it keeps spans that were full at the
	// one before. Collections are fast: zones have no pointers.
	for range 3 {
		runtime.GC()
	}
}

// interrupt restores the setting of the collector until resume is called. Otherwise the collector would
// run again and again while a zone is loaded.
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

// endRelease restores the setting of the collector.
func (d *Daemon) endRelease() {
	if d.freed.ends == nil {
		return
	}
	debug.SetGCPercent(d.freed.percent)
	d.freed = freed{}
}
