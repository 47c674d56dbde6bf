package stream

import "github.com/ptrd/ptrd/server/answer"

// ConnTotals count connections. At rest, Accepted = Open + Σ Closed.
type ConnTotals struct {
	Accepted     uint64 // connections of TCP and TLS
	Open         int
	Closed       [answer.NumCloseReasons]uint64
	AcceptErrors uint64
}
