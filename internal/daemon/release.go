package daemon

import (
	"runtime"
	"runtime/debug"
	"time"
)

// releaseFrom is the octets of zones made anew from which the system gets back
// what making them took, and what the zones before them had. The runtime would do so
// when the next load makes it collect garbage, if ever; and a collection at every
// small change would be waste.
const releaseFrom = 8 << 20

const (
	// releasePercent is how much more than what is in use the runtime keeps while
	// memory is given back. It gives back the rest by itself, in pieces of a
	// millisecond and in one hundredth of the time.
	releasePercent = 10

	// releaseFor is how long it may. The runtime gives back some 30 MB a second; of a
	// zone of ten million names, 400. After that the collector works as usual: with
	// so little room it would run at each change.
	releaseFor = 15 * time.Second
)

// freed is the giving back of memory under way.
type freed struct {
	ends    <-chan time.Time // nil: none is
	percent int              // the collector's, before
}

// releaseAtOnce gives memory back after the first load. It takes some
// milliseconds, in which queries wait.
func (d *Daemon) releaseAtOnce() {
	if d.made >= releaseFrom {
		debug.FreeOSMemory()
	}
	d.made = 0
}

// release begins to give memory back after a large load, and is done soon: queries
// do not wait for it.
func (d *Daemon) release() {
	if d.made < releaseFrom {
		return
	}
	d.made = 0
	d.endRelease()
	d.freed = freed{time.After(releaseFor), debug.SetGCPercent(releasePercent)}
	// The first one finds what is no longer used. What the runtime keeps goes by what
	// was in use when the last one ended, and it keeps stretches that were full at the
	// one before that. There is next to nothing to look through: zones have no pointers.
	for range 3 {
		runtime.GC()
	}
}

// interrupt has the collector work as before until the returned function is called:
// with so little room it would run again and again while a zone loads.
func (f *freed) interrupt() (resume func()) {
	if f.ends == nil {
		return func() {}
	}
	debug.SetGCPercent(f.percent)
	return func() {
		debug.SetGCPercent(releasePercent)
		runtime.GC() // after which the runtime looks again whether there is something to give back
	}
}

// endRelease has the collector work as before.
func (d *Daemon) endRelease() {
	if d.freed.ends == nil {
		return
	}
	debug.SetGCPercent(d.freed.percent)
	d.freed = freed{}
}
