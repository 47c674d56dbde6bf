package server

import "sync/atomic"

// Counter is one number that a worker counts.
type Counter uint8

// The counters.
const (
	CountDropShort Counter = iota
	NumCounters            // how many there are
)

// counts are a worker's own; nobody else reads them.
type counts [NumCounters]uint64

func (r *Responder) count(c Counter) { r.counts[c]++ }

// Stats are the counts of one worker as everybody may read them at any time.
// They have one writer, [Responder.Publish].
type Stats struct{ c [NumCounters]atomic.Uint64 }

// Load returns one count.
func (s *Stats) Load(c Counter) uint64 { return s.c[c].Load() }

// Publish makes the counts visible in Stats. The worker calls it once a batch,
// before it waits for the next one.
func (r *Responder) Publish() {
	for i := range r.counts {
		if n := r.counts[i]; n != r.stats.c[i].Load() {
			r.stats.c[i].Store(n)
		}
	}
}
