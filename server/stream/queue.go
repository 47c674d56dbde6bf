package stream

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/sock"
)

// maxQueued is how many octets of messages may wait for the client of a connection, beyond
// those in the kernel. From a client that does not read its answers no more queries are
// read (tcpConn.isFull), so that an unknown client has far less here: the answers of one
// write and an error for each of Limits.TCPPipeline requests. Clients with more rights get
// sixteen of the longest answers.
const maxQueued = 1 << 20

var errQueueFull = errors.New("the client leaves too many answers unread")

// sendQueue has the messages of a connection that its client has not taken: the rest of the
// first, and complete ones behind it. The workers of the deferred lane add to it and never
// wait; the goroutine that serves the connection sends. Its fields are guarded by mu.
type sendQueue struct {
	mu      sync.Mutex
	octets  []byte
	answers int           // queued answers of the worker
	replies int           // queued messages of the deferred lane
	held    int           // requests of the deferred lane that are in work until the queue is empty
	failure error         // why nothing more is sent; the queue is empty then
	drained chan struct{} // closed once the queue is empty; nil: no goroutine waits for that
}

// enqueue appends octets, with so many replies of the deferred lane, to the queue, or fails.
// out.mu is held.
func (c *tcpConn) enqueue(octets []byte, replies int) {
	q := &c.out
	switch {
	case q.failure != nil:
	case len(q.octets)+len(octets) > maxQueued:
		c.fail(errQueueFull)
	default:
		q.octets = append(q.octets, octets...)
		q.replies += replies
	}
}

// emptied records that the client took all that was queued. out.mu is held.
func (c *tcpConn) emptied() {
	q := &c.out
	q.answers, q.replies = 0, 0
	if q.held > 0 {
		c.inWork.Add(int32(-q.held))
		q.held = 0
	}
	if q.drained != nil {
		close(q.drained)
		q.drained = nil
	}
}

// fail records why nothing more is sent, drops what is queued and counts it. The first
// failure counts. out.mu is held.
func (c *tcpConn) fail(err error) {
	q := &c.out
	if q.failure == nil {
		q.failure = err
	}
	c.countUnsent(q.answers)
	c.conns.lane.CountUnsent(q.replies)
	q.octets = nil
	c.emptied()
}

// expireQueue records that the client did not take its answers in time. out.mu is held.
func (c *tcpConn) expireQueue() { c.fail(os.ErrDeadlineExceeded) }

// countUnsent counts n answers of the worker that are not sent because sending failed.
// out.mu is held.
func (c *tcpConn) countUnsent(n int) {
	if n > 0 {
		why := answer.SendTimeout
		if c.out.failure != errQueueFull {
			why = sock.SendFailure(c.out.failure)
		}
		c.conns.unsent[c.transport][why].Add(uint64(n))
	}
}

// BreakOff ends the connection for err. It does not wait, and may be called by any
// goroutine.
func (c *tcpConn) BreakOff(err error) {
	c.out.mu.Lock()
	c.fail(err)
	c.out.mu.Unlock()
	c.sock.abort()
}

// endBroken records that the connection ends because the client is gone or nothing more can
// be sent to it.
func (c *tcpConn) endBroken() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.end(c.whyBroken())
}

// whyBroken returns why the connection ends. out.mu is held.
func (c *tcpConn) whyBroken() answer.CloseReason {
	switch err := c.out.failure; {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, errQueueFull):
		return answer.CloseSlowReader
	case errors.Is(err, deferred.ErrFault):
		return answer.CloseFault
	}
	return answer.CloseByClient
}

// Drain waits until the client took all that is queued; the error is why it will not.
// Only goroutines that work for a single client call it.
func (c *tcpConn) Drain() error {
	q := &c.out
	q.mu.Lock()
	for len(q.octets) > 0 && q.failure == nil {
		if q.drained == nil {
			q.drained = make(chan struct{})
		}
		drained := q.drained
		q.mu.Unlock()
		<-drained
		q.mu.Lock()
	}
	defer q.mu.Unlock()
	return q.failure
}

// deferredConn is the connection as the client of a deferred request.
type deferredConn struct{ *tcpConn }

// Reply frames the message with its length (RFC 1035 §4.2.2).
func (c deferredConn) Reply(buf []byte) error {
	binary.BigEndian.PutUint16(buf[deferred.Headroom-prefixSize:], uint16(len(buf)-deferred.Headroom))
	return c.sock.reply(buf[deferred.Headroom-prefixSize:])
}

func (c deferredConn) Transferring(n int) { c.transfers.Add(int32(n)) }

// Done records that the deferred lane has completed a request. The request is in work until
// the client took the answer: from a client that does not read, no more is read.
func (c deferredConn) Done() {
	c.out.mu.Lock()
	if len(c.out.octets) > 0 {
		c.out.held++
	} else {
		c.inWork.Add(-1)
	}
	c.out.mu.Unlock()
	c.sock.wake()
}
