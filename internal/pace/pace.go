// Package pace keeps long computations from keeping queries waiting.
//
// A goroutine that computes holds its processor for ten milliseconds before Go's
// scheduler takes it away, and even then the network is not asked: while there is
// a runnable goroutine for each processor nobody waits in the poller, and a
// datagram that arrives wakes nobody. On one core every query would wait for ten
// milliseconds and more while a zone loads. Leaving the choice to the kernel, with
// more processors than cores, costs a change of threads for each query, some 20 µs,
// and with a priority for the one or the other side the collector, which waits for
// all of them, waits for the weakest.
//
// So the computation gives way by itself: it calls its pause often, and once a
// [Slice] pause goes through the poller. Whatever came in the meantime is found
// there, and is answered as one batch before the computation goes on. That costs
// some microseconds a slice.
package pace

import (
	"runtime"
	"sync"
	"time"
)

// Slice is how long a computation goes on before it gives way. It bounds what a
// query waits for. Half of it would be felt in the time of a load, about 3 % of
// which are spent on giving way; twice as much would show in the latency of
// queries, for no more than another percent.
const Slice = 200 * time.Microsecond

// Pacer lets computations give way. Make one with New.
type Pacer struct {
	now   func() time.Time
	mu    sync.Mutex
	doors []*door // that nobody is at
}

// New returns a Pacer.
func New() *Pacer { return &Pacer{now: time.Now} }

// Pause returns a function for one goroutine that computes, to be called every
// few microseconds of its work. Most calls only read the clock.
func (p *Pacer) Pause() func() {
	last := p.now()
	return func() {
		if p.now().Sub(last) < Slice {
			return
		}
		p.giveWay()
		last = p.now()
	}
}

// giveWay lets every goroutine go first that can run or that the network has
// something for.
func (p *Pacer) giveWay() {
	if d := p.take(); d != nil {
		d.pass()
		p.put(d)
	}
	// Who was found in the poller may have been queued behind us.
	runtime.Gosched()
}

// Aside calls f, which does not call a pause, with one processor more for that
// time, so that the kernel shares the cores between f and the queries. It is for
// calls that wait for a disk, or that the runtime does not interrupt.
func (p *Pacer) Aside(f func()) {
	p.processors(+1)
	defer p.processors(-1)
	f()
}

func (p *Pacer) processors(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
}

func (p *Pacer) take() *door {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.doors); n > 0 {
		d := p.doors[n-1]
		p.doors = p.doors[:n-1]
		return d
	}
	return newDoor()
}

func (p *Pacer) put(d *door) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doors = append(p.doors, d)
}

// Close lets go of what the Pacer holds. No computation may go on.
func (p *Pacer) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.doors {
		d.close()
	}
	p.doors = nil
}
