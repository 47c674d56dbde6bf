package server

import (
	"cmp"
	"slices"
)

// shedPart: one in so many connections of the limit is closed when the limit is
// reached and some are idle.
const shedPart = 32

// idleConn is a connection that could be closed to make room.
type idleConn struct {
	conn   *tcpConn
	others int   // connections of its client
	since  int64 // Unix nanoseconds
}

// worstIdle returns the n connections to close first: greediest client before
// others, longest idle before others. A client that loses some counts for less
// afterwards, so that it is levelled with the others and not wiped out.
func worstIdle(idle []idleConn, n int) []idleConn {
	slices.SortFunc(idle, func(a, b idleConn) int {
		return cmp.Or(a.conn.key.Compare(b.conn.key), cmp.Compare(a.since, b.since))
	})
	// The k-th oldest of a client's goes as if the client had k fewer.
	for i, k := 0, 0; i < len(idle); i++ {
		if i > 0 && idle[i].conn.key != idle[i-1].conn.key {
			k = 0
		}
		idle[i].others -= k
		k++
	}
	slices.SortFunc(idle, func(a, b idleConn) int {
		return cmp.Or(cmp.Compare(b.others, a.others), cmp.Compare(a.since, b.since))
	})
	return idle[:min(n, len(idle))]
}
