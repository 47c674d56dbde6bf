package stream

import (
	"time"

	"github.com/ptrd/ptrd/server/answer"
)

const (
	// evictSample is how many connections, at random, are looked at for the one
	// that is closed to make room. Of a table whose half is hostile, all sixteen
	// are legitimate once in 65,536 times; looking at more costs each connection
	// of a flood more, some 30 ns each.
	evictSample = 16

	// evictAll is up to how many connections all of them are looked at.
	evictAll = 64

	// evictPart: where descriptors or memory are short, one in so many connections
	// is closed at once, for accepting rests afterwards.
	evictPart = 32
)

// evict closes a connection to make room and reports whether there was one to
// close: one that the deferred lane works for stays. t.mu is held.
func (t *Set) evict() bool {
	now := t.Clock()
	var worst *tcpConn
	var most float64
	look := func(c *tcpConn) {
		if phase, since := c.phase(); phase.isEvictable() {
			if s := evictionScore(now-since, *c.ofPrefix); worst == nil || s > most {
				worst, most = c, s
			}
		}
	}
	if len(t.all) <= evictAll {
		for _, c := range t.all {
			look(c)
		}
	} else {
		for range evictSample {
			look(t.all[t.random.IntN(len(t.all))])
		}
	}
	if worst == nil {
		return false
	}
	t.drop(worst)
	t.closed[answer.CloseShed].Add(1)
	worst.sock.abort()
	return true
}

// evictionScore is higher the less a connection deserves its place: by how long ago it made
// progress, times the connections that its neighbourhood has. So a client that
// just came stays in front of all that are quiet, however many those are and
// whoever holds them, and somebody with many addresses side by side makes room
// for somebody with a few. Progress is a query answered, or answers taken: octets
// that come in drips are none.
func evictionScore(quiet time.Duration, ofPrefix int) float64 {
	return float64(max(quiet, time.Millisecond)) * float64(ofPrefix)
}
