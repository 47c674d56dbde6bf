package loadgen

import (
	"context"
	"errors"
	"time"
)

// batchSize is how many messages one call sends or receives. More would make the
// first answer of a batch wait for the last, without saving much.
const batchSize = 64

// recvBuffer and sendBuffer are asked for each UDP socket: room for the answers
// that come while a worker does not run, so that they are not counted as lost by
// the server. See drops.
const (
	recvBuffer = 4 << 20
	sendBuffer = 1 << 20
)

// answerBuffer takes the longest answer over UDP that a server of good sense
// sends; a longer one is cut off and so malformed. A larger payload size in the
// queries makes the buffers larger.
const answerBuffer = 4096

// dialTimeout is how long a TCP connection may take to come about; the other flows
// of its worker wait meanwhile.
const dialTimeout = time.Second

// transport is one socket or connection. It belongs to one goroutine.
type transport interface {
	// send sends messages in order and returns how many were taken. Fewer than all
	// without an error means that there is no room now, and wait waits for it.
	send(msgs [][]byte) (int, error)

	// recv returns messages that have come, at most batchSize, none if there are
	// none; it does not wait. They are valid until the next recv of the same group.
	recv() ([][]byte, error)

	// drops returns how many answers this host has dropped for want of room, where
	// that is known.
	drops() uint64

	close()
}

// group holds the transports of one worker.
type group interface {
	// open connects transport i, in place of the one before, which was closed.
	open(ctx context.Context, i int) (transport, error)

	// wait returns when there is something to receive, or room to send where a send
	// stopped for want of it, or after d. It sets ready[i] for each transport for which
	// recv may find something, and leaves the others as they are.
	wait(d time.Duration, ready []bool) error

	close()
}

// errUnreachable says that an earlier datagram found no program at its port. It has
// nothing to do with the call that returned it.
var errUnreachable = errors.New("port unreachable: no program listens there")

// errClosed says that the peer closed the connection.
var errClosed = errors.New("the server closed the connection")
