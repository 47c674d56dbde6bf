package stream

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/worker"
)

const (
	maxMessage = 65535 // octets of a message on TCP (RFC 1035 §4.2.2)
	prefixSize = 2     // octets of the length in front of it

	// writeSize is how many octets of answers make a write. It bounds what a slow
	// reader makes us hold: this much and one message.
	writeSize = 16 << 10

	// answerBuffer has room for writeSize octets and one more message of any length.
	answerBuffer = writeSize + prefixSize + maxMessage

	// readSize is how much is read at once: some ninety queries, so that the system
	// call no longer counts. A client that sends without end keeps the others
	// waiting for no longer than that, some 60 µs.
	readSize = 4 << 10

	// stopGrace is how long a client may take for its answers, at most, once the
	// server stops or its address is removed.
	stopGrace = time.Second
)

// tcpPhase is what a connection waits for. [tcpConn.waitsFor] decides it.
type tcpPhase uint8

const (
	tcpFresh   tcpPhase = iota // the first query of the client
	tcpOwing                   // the rest of a later query
	tcpIdle                    // another query
	tcpClogged                 // the client has to read its answers
	tcpWorking                 // the deferred lane
	tcpSending                 // the client has to continue to read a transfer
	tcpLeaving                 // the client has to read its last answers; the listener stops
	numTCPPhases
)

func (p tcpPhase) isEvictable() bool { return p < tcpWorking }

// isWriting reports whether the client has octets to read.
func (p tcpPhase) isWriting() bool { return p == tcpClogged || p == tcpSending || p == tcpLeaving }

// limit returns how long a connection may stay in the phase while so many connections are
// open; 0: without limit.
func (p tcpPhase) limit(l *worker.Limits, open int) time.Duration {
	switch p {
	case tcpFresh:
		return min(l.Idle(open), l.Message(open))
	case tcpOwing, tcpClogged:
		return l.Message(open)
	case tcpIdle:
		return l.Idle(open)
	case tcpSending:
		return l.TransferStall
	case tcpLeaving:
		return min(l.TCPWrite, stopGrace)
	}
	return 0
}

// quantum returns how many octets the client has to read for its time to begin again: the
// size of the largest message, so that a client that reads a few octets at a time does not
// stay; of a transfer a single octet, so that it can complete over a slow link.
func (p tcpPhase) quantum() int {
	if p == tcpSending {
		return 1
	}
	return maxMessage
}

// overdue returns why a connection ends that stayed in the phase for too long; begun means
// that a part of a query was received.
func (p tcpPhase) overdue(begun bool) answer.CloseReason {
	switch {
	case p.isWriting():
		return answer.CloseSlowReader
	case begun:
		return answer.CloseSlowQuery
	}
	return answer.CloseIdle
}

// tcpSocket is what a connection needs of the engine that serves it.
type tcpSocket interface {
	// send sends n answers and reports whether the client took them all. The socket keeps
	// the rest, and the connection answers nothing until that is sent. The caller may use
	// the octets again.
	send(answers []byte, n int) bool
	// reply sends a message of the deferred lane, with its length in front, or queues what
	// the client does not take at once. It does not wait, and may be called by any
	// goroutine. The caller may use the octets again.
	reply(message []byte) error
	// wake reports that the deferred lane has completed a request. It may be called by any
	// goroutine.
	wake()
	// abort ends the connection. It does not wait, and may be called by any goroutine.
	abort()
}

// tcpConn is one connection. One goroutine reads and answers. The workers of the deferred
// lane add whole messages to what it sends.
type tcpConn struct {
	conns       *Set
	listener    *Listener
	sock        tcpSocket
	transport   answer.Transport
	client      netip.AddrPort
	local       netip.AddrPort
	withoutALPN bool // see Request

	// Guarded by Set.mu.
	place              int // in Set.all; -1: not there
	ofClient, ofPrefix *int

	state     atomic.Int64 // phase in the lowest bits, above them when it began, by Group.Clock
	inWork    atomic.Int32 // queries in the deferred lane, and those whose answers are queued
	transfers atomic.Int32 // of inWork: zones being transferred
	out       sendQueue

	asked   bool // a query was answered or deferred
	ending  bool // nothing more is read
	reason  answer.CloseReason
	leaving bool // the listener stops
	unacked int  // octets that the client had not acknowledged when it last made progress in a transfer
}

const phaseBits = 3 // of tcpConn.state

// enter records that the connection is in the phase from now on.
func (c *tcpConn) enter(p tcpPhase, now time.Duration) {
	c.state.Store(int64(now)<<phaseBits | int64(p))
}

// phase returns what the connection waits for, and since when.
func (c *tcpConn) phase() (tcpPhase, time.Duration) {
	s := c.state.Load()
	return tcpPhase(s & (1<<phaseBits - 1)), time.Duration(s >> phaseBits)
}

// end records that nothing more is read, and why. The first reason counts.
func (c *tcpConn) end(reason answer.CloseReason) {
	if !c.ending {
		c.ending, c.reason = true, reason
	}
}

// clogging returns the phase while answers are queued.
func (c *tcpConn) clogging() tcpPhase {
	switch {
	case c.leaving:
		return tcpLeaving
	case c.transfers.Load() > 0:
		return tcpSending
	}
	return tcpClogged
}

// waitsFor returns the phase while no answers are queued; part is what was read and is not
// answered.
func (c *tcpConn) waitsFor(part []byte) tcpPhase {
	inWork := c.inWork.Load() > 0
	_, whole := wholeMessage(part)
	switch {
	case c.ending || inWork && (whole || len(part) == 0):
		return tcpWorking
	case !c.asked:
		return tcpFresh
	case len(part) > 0:
		return tcpOwing
	}
	return tcpIdle
}

// limit returns how long the connection may stay in a phase; 0: without limit.
func (c *tcpConn) limit(p tcpPhase) time.Duration {
	return p.limit(c.conns.Limits.Load(), int(c.conns.open.Load()))
}

// isFull reports whether the connection has as many queries in the deferred lane as it may
// have. Then nothing more is read.
func (c *tcpConn) isFull() bool {
	n := c.inWork.Load()
	return n > 0 && int(n) >= c.conns.Limits.Load().TCPPipeline
}

// wholeMessage returns the message that stream begins with; false if it is incomplete.
func wholeMessage(stream []byte) ([]byte, bool) {
	if len(stream) < prefixSize {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(stream))
	if len(stream)-prefixSize < n {
		return nil, false
	}
	return stream[prefixSize:][:n], true
}

// connAnswerer is what a goroutine needs to answer messages. A goroutine that has one does
// not wait for anything.
type connAnswerer struct {
	worker    *worker.Worker
	log       *slog.Logger
	transport answer.Transport // of the connections
	view      *answer.View
	at        time.Time // when the messages being answered arrived
	work      []byte    // answerBuffer octets

	ahead []answer.Message // batchSize messages that are looked up together, as datagrams are

	size, answers int // octets and number of the answers in work

	tally    worker.Tally // of the round
	received int          // likewise
}

func newConnAnswerer(h *worker.Group, t answer.Transport) *connAnswerer {
	return &connAnswerer{worker: h.Lanes.Get(), log: h.Log, transport: t, work: make([]byte, answerBuffer), ahead: make([]answer.Message, answer.BatchSize)}
}

// begin begins a round, which publish ends.
func (d *connAnswerer) begin(at time.Time) { d.at = at }

// publish adds the counts of the round to the counters of the worker.
func (d *connAnswerer) publish() {
	if d.received == 0 {
		return
	}
	d.worker.Publish()
	d.tally.AddTo(&d.worker.Transports[d.transport], d.received)
	d.tally, d.received = worker.Tally{}, 0
}

// answer answers the complete messages that stream begins with, as long as the client takes
// the answers, and returns how many octets were answered: all but an incomplete message,
// unless the connection is clogged, full or ends.
func (c *tcpConn) answer(d *connAnswerer, stream []byte) (taken int) {
	for more := true; more; {
		var n int
		n, more = c.fill(d, stream[taken:])
		taken += n
		if d.size > 0 && !c.sock.send(d.work[:d.size], d.answers) {
			return taken
		}
	}
	return taken
}

// fill answers messages into the answerer's buffer until none is left, and returns how many
// octets they were. more means that the buffer was full before.
func (c *tcpConn) fill(d *connAnswerer, stream []byte) (taken int, more bool) {
	l, s := d.worker, c.conns
	// Loaded after the messages were read: a client that asks after a change was
	// acknowledged gets an answer that has the change.
	d.view = s.Views.Load()
	l.Request = answer.Request{
		Client: c.client, Local: c.local, Transport: d.transport, WithoutALPN: c.withoutALPN, Now: d.at.Unix(),
		Keepalive: s.Limits.Load().Keepalive(int(s.open.Load())),
	}
	d.size, d.answers = 0, 0
	received := 0
	more = true
batches:
	for more {
		batch := d.lookAhead(stream[taken:])
		more = len(batch) == len(d.ahead)
		for i := range batch {
			if c.ending || c.isFull() {
				more = false
				break batches
			}
			if d.size >= writeSize {
				more = true
				break batches
			}
			message := batch[i].Buf[:batch[i].Len]
			taken += prefixSize + len(message)
			received++
			l.Request.Plain = &batch[i].Plain
			c.answerOne(d, message)
		}
	}
	if received > 0 {
		c.asked = true
		d.received += received
		now := s.Now()
		l.Transports[d.transport].Latency.Observe(now.Sub(d.at), received)
		d.at = now
	}
	return taken, more
}

// lookAhead looks up the first messages of stream together, and returns them.
func (d *connAnswerer) lookAhead(stream []byte) []answer.Message {
	n := 0
	for ; n < len(d.ahead); n++ {
		message, ok := wholeMessage(stream)
		if !ok {
			break
		}
		// Plain may read behind the message, where the octets have no meaning.
		d.ahead[n].Buf, d.ahead[n].Len = message[:cap(message)], len(message)
		stream = stream[prefixSize+len(message):]
	}
	d.worker.LookUp(d.view, d.ahead[:n], d.log)
	return d.ahead[:n]
}

// answerOne answers one message into the answerer's buffer, defers it, or ends the
// connection.
func (c *tcpConn) answerOne(d *connAnswerer, message []byte) {
	room := d.work[d.size+prefixSize:][:maxMessage:maxMessage]
	n, verdict, fault := c.respond(d, room, copy(room, message))
	switch {
	case fault:
		d.tally.Dropped[answer.DropFault]++
		c.end(answer.CloseFault)
		return
	case verdict == answer.Defer && c.deferQuery(d, message):
		d.tally.Deferred++
		return
	case verdict == answer.Defer: // the client waits for an answer
		n = deferred.ServFail(room, copy(room, message))
	case verdict != answer.Answered:
		// On a stream, what follows a message that was no request cannot be trusted.
		d.tally.Dropped[answer.DropByRespond]++
		c.end(answer.CloseProtocol)
		return
	}
	binary.BigEndian.PutUint16(d.work[d.size:], uint16(n))
	d.size += prefixSize + n
	d.answers++
	d.tally.Answered++
}

// respond answers one message. A panic ends the connection, and nothing else.
func (c *tcpConn) respond(d *connAnswerer, room []byte, n int) (size int, verdict answer.Verdict, fault bool) {
	l := d.worker
	defer func() {
		if f := recover(); f != nil {
			worker.LogFault(c.conns.Log, f, &l.Request)
			size, verdict, fault = 0, answer.Drop, true
		}
	}()
	l.Sample.Begin(d.at, 1)
	if l.Sample.Due(0) {
		size, verdict = l.RespondSampled(d.view, &l.Request, room, n)
	} else {
		size, verdict = l.Respond(d.view, &l.Request, room, n)
	}
	return size, verdict, false
}

// deferQuery queues a query for the deferred lane; false if the lane is full.
func (c *tcpConn) deferQuery(d *connAnswerer, message []byte) bool {
	lane := c.conns.lane
	if !lane.HasRoom(d.transport, false) {
		lane.CountFull()
		return false
	}
	c.inWork.Add(1)
	ok := lane.Offer(&deferred.Request{
		Deferred: answer.Deferred{Request: d.worker.Request, View: d.view, Message: append([]byte(nil), message...)},
		From:     deferredConn{c},
	})
	if !ok {
		c.inWork.Add(-1)
	}
	return ok
}
