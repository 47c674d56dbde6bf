package stream

import (
	"time"

	"github.com/ptrd/ptrd/server/answer"
)

const (
	// evictSample is how many random connections are compared to find the one that is
	// closed to make room. If half of the table is hostile, all sixteen are legitimate
	// once in 65,536 times. More would cost each connection of a flood some 30 ns each.
	evictSample = 16

	// evictAll is up to how many connections all of them are looked at.
	evictAll = 64

	// evictPart: if descriptors or memory are short, one in so many connections is closed
	// at once, because accepting pauses afterwards.
	evictPart = 32
)

// evict closes a connection to make room and reports whether there was one. A connection that the
// deferred lane works for is not closed. t.mu is held.
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

// evictionScore is the time since a connection made progress, times the number of connections of
// its prefix. The connection with the highest score is closed. So a new client is preferred to
// all idle ones, and a client with few connections to one with many addresses in a prefix.
// Progress is an answered query, or answers that were read, but not single octets.
func evictionScore(quiet time.Duration, ofPrefix int) float64 {
	return float64(max(quiet, time.Millisecond)) * float64(ofPrefix)
}
