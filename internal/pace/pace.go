// Package pace keeps long computations from delaying queries.
//
// Go's scheduler preempts a goroutine only after 10 ms, and polls the network only
// when a processor has nothing to run. On one core a query would wait for 10 ms and
// more while a zone loads. More processors than cores (GOMAXPROCS) would leave the
// choice to the kernel and cost each query a thread switch, some 20 µs; thread
// priorities would make every garbage collection wait for the weakest thread.
//
// So a computation calls its pause often, and every [Slice] the pause goes through the
// poller. Queries that have arrived are found there and answered as one batch before the
// computation continues. That costs some microseconds per slice.
//
// What waits for a disk needs no pause: the runtime takes the processor away from a
// system call after two rounds of its monitor, 40 µs while the server is busy.
// Raising GOMAXPROCS meanwhile does harm instead. Each call waits until the garbage
// collection under way has ended (seconds with 500 MB of pointers) and then stops the
// world, which was seen to take 88 ms: the stop waits until every running thread reaches
// a safe point, and a thread that the kernel does not run, because there is now one
// more than cores, reaches none. It also ends Go's own adaptation of GOMAXPROCS to
// cgroup limits.
package pace

import (
	"runtime"
	"sync"
	"time"
)

// Slice is how long a computation runs before it yields, and so bounds what a query
// waits. Half of it would lengthen loading, 3 % of which are spent on yielding; twice as
// much would show in the latency of queries and save only another percent.
const Slice = 200 * time.Microsecond

// Pacer makes the pauses of computations. Create one with New; its methods may be
// called concurrently.
type Pacer struct {
	now   func() time.Time
	mu    sync.Mutex
	wakes []*wake // unused ones
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
		p.Yield()
		last = p.now()
	}
}

// Yield runs every goroutine that can run or that the network has data for.
func (p *Pacer) Yield() {
	if w := p.acquire(); w != nil {
		w.poll()
		p.release(w)
	}
	// A goroutine found in the poller may have been queued behind this one.
	runtime.Gosched()
}

func (p *Pacer) acquire() *wake {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.wakes); n > 0 {
		w := p.wakes[n-1]
		p.wakes = p.wakes[:n-1]
		return w
	}
	return newWake()
}

func (p *Pacer) release(w *wake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakes = append(p.wakes, w)
}

// Close closes the descriptors that the Pacer holds. No computation may be running.
func (p *Pacer) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.wakes {
		w.close()
	}
	p.wakes = nil
}
