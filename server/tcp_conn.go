package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxMessage = 65535 // octets of a message on TCP (RFC 1035 §4.2.2)
	prefixSize = 2     // octets of the length in front of it

	// connBuffer is what a connection reads into at first: some six queries of
	// eighty octets. It grows for clients that send more, and a connection that
	// went quiet has a small one again, so ten thousand idle connections hold
	// 5 MiB.
	connBuffer = 512

	// connBufferMax is how far it grows for pipelined queries; a single longer
	// message gets what it needs. At 16 KiB one read takes some two hundred
	// queries, and the system call no longer counts.
	connBufferMax = 16 << 10

	// writeSize is how many octets of answers make a write. It bounds what a slow
	// reader makes us hold: this much and one message.
	writeSize = 16 << 10

	// deskBuffer has room for writeSize octets and one more message of any length.
	deskBuffer = writeSize + prefixSize + maxMessage

	// keptOutput is the largest output buffer that a connection keeps for its next
	// answers.
	keptOutput = 4 << 10

	// stopGrace is how long a client may take for its answers, at most, once the
	// server stops or its address is removed.
	stopGrace = time.Second
)

// tcpConn is one connection. Its goroutine reads and answers; the workers of the
// slow lane write to it as well, a whole message at a time.
type tcpConn struct {
	server   *Server
	listener *tcpListener
	conn     *net.TCPConn
	client   netip.AddrPort
	local    netip.AddrPort
	key      netip.Addr // clientKey of client

	in     []byte // in[:filled] is read and not yet answered
	filled int
	peak   int       // most that a read found since the buffer was last made
	began  time.Time // when the message that in starts with began to come
	out    []byte    // answers being written

	slots    chan struct{} // one for each query in the slow lane; nil before the first
	inWork   atomic.Int32  // queries in the slow lane
	active   atomic.Int64  // Unix nanoseconds of the last answer
	waiting  atomic.Bool   // for the client to send
	stopping atomic.Bool
	writing  sync.Mutex  // held while messages are written
	tooSlow  atomic.Bool // a write did not complete in time

	deferred *SlowRequest // the query that ended the last batch, for the slow lane
	fault    bool         // answering the last message panicked
}

func newTCPConn(s *Server, l *tcpListener, conn *net.TCPConn) *tcpConn {
	c := &tcpConn{
		server: s, listener: l, conn: conn,
		client: addrPort(conn.RemoteAddr()),
		local:  addrPort(conn.LocalAddr()),
	}
	if c.client.IsValid() {
		c.key = clientKey(c.client.Addr())
	}
	c.active.Store(s.now().UnixNano())
	return c
}

// addrPort returns the address of a TCP end, without an IPv6 zone; the zero value
// where the system could not tell it, because the connection had ended.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// idleSince returns when the connection last answered; ok is false while it has
// something in work.
func (c *tcpConn) idleSince() (since int64, ok bool) {
	return c.active.Load(), c.waiting.Load() && c.inWork.Load() == 0
}

// stop makes the connection end once it has answered what it read.
func (c *tcpConn) stop() {
	c.stopping.Store(true)
	c.conn.SetReadDeadline(time.Unix(1, 0))
	c.conn.SetWriteDeadline(time.Now().Add(stopGrace))
}

// serve answers until the client, a limit or the server ends the connection,
// closes it and returns why.
func (c *tcpConn) serve() CloseReason {
	reason := c.exchange()
	c.waitForSlow()
	if reason == CloseSlowQuery {
		c.conn.SetLinger(0) // nothing is on its way to it
	}
	c.conn.Close()
	return reason
}

// waitForSlow waits until the slow lane has answered, also to a client that
// closed only its own half (RFC 7766 §6.2.4, RFC 9293 §3.6).
func (c *tcpConn) waitForSlow() {
	if c.slots == nil {
		return
	}
	for range cap(c.slots) {
		c.slots <- struct{}{}
	}
}

func (c *tcpConn) exchange() CloseReason {
	for {
		for c.hasMessage() {
			if reason, ok := c.answerBatch(); !ok {
				return reason
			}
		}
		err := c.read()
		if err != nil && !c.isBusy(err) {
			return c.readEnded(err)
		}
	}
}

// hasMessage reports whether the buffer starts with a whole message.
func (c *tcpConn) hasMessage() bool {
	return c.filled >= prefixSize && c.filled-prefixSize >= int(binary.BigEndian.Uint16(c.in))
}

// read waits for more octets. A message that has begun must be complete in time,
// counted from its first octet, however often a few of them come.
func (c *tcpConn) read() error {
	c.makeRoom()
	limits := c.server.limits.Load()
	deadline := c.began.Add(limits.TCPWrite)
	if c.filled == 0 {
		// The poller's clock, not the server's: a deadline is a matter of the
		// operating system.
		deadline = time.Now().Add(limits.idle(int(c.server.conns.open.Load())))
	}
	if err := c.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	if c.stopping.Load() { // stop may have come before the line above
		return os.ErrDeadlineExceeded
	}
	c.waiting.Store(true)
	n, err := c.conn.Read(c.in[c.filled:])
	c.waiting.Store(false)
	if n > 0 && c.filled == 0 {
		c.began = time.Now()
	}
	c.filled += n
	c.peak = max(c.peak, c.filled)
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// makeRoom makes the buffer large enough for the message in front, twice as
// large when a read filled it, and small again when reads have become small.
func (c *tcpConn) makeRoom() {
	size := len(c.in)
	switch {
	case size == 0:
		size = connBuffer
	case c.filled == 0 && size > connBuffer && c.peak < size/4:
		size = max(size/4, connBuffer)
	case c.peak == size && size < connBufferMax:
		size = min(2*size, connBufferMax)
	}
	if c.filled >= prefixSize {
		size = max(size, prefixSize+int(binary.BigEndian.Uint16(c.in)))
	}
	if size != len(c.in) {
		in := make([]byte, size)
		copy(in, c.in[:c.filled])
		c.in = in
	}
	c.peak = c.filled
}

// isBusy reports whether err is the idle limit of a connection that is not idle,
// because the slow lane works for it.
func (c *tcpConn) isBusy(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && !c.stopping.Load() && c.filled == 0 && c.inWork.Load() > 0
}

// readEnded says why the connection ends after err.
func (c *tcpConn) readEnded(err error) CloseReason {
	switch {
	case c.tooSlow.Load():
		return CloseSlowReader
	case c.stopping.Load():
		return CloseStop
	case errors.Is(err, io.EOF):
		return CloseByClient
	case errors.Is(err, os.ErrDeadlineExceeded) && c.filled == 0:
		return CloseIdle
	case errors.Is(err, os.ErrDeadlineExceeded):
		return CloseSlowQuery
	}
	return CloseByClient
}

// answerBatch answers the whole messages in the buffer, up to one that goes to
// the slow lane, and writes the answers together. ok is false when the
// connection ends.
func (c *tcpConn) answerBatch() (reason CloseReason, ok bool) {
	desk := <-c.server.conns.desks
	size, answers, fine := c.fill(desk)
	c.out = append(c.out[:0], desk.work[:size]...)
	c.server.conns.desks <- desk

	if size > 0 {
		if err := c.write(c.out); err != nil {
			c.server.conns.unsent[sendFailure(err)].Add(uint64(answers))
			return c.writeEnded(), false
		}
		if cap(c.out) > keptOutput {
			c.out = nil
		}
	}
	c.active.Store(c.server.now().UnixNano())
	switch {
	case c.fault:
		return CloseFault, false
	case !fine:
		return CloseProtocol, false
	case c.deferred != nil:
		if err := c.deferQuery(); err != nil {
			return c.writeEnded(), false
		}
	}
	return 0, true
}

// fill answers messages into the desk's buffer until none is left, the write is
// full, or one is for the slow lane. fine is false after a message that was no
// request: what follows it on a stream cannot be trusted to be any.
func (c *tcpConn) fill(desk *tcpDesk) (size, answers int, fine bool) {
	l, s := desk.lane, c.server
	start := s.now()
	view := s.views.Load()
	l.request = Request{
		Client: c.client, Local: c.local, Transport: TCP, Now: start.Unix(),
		Keepalive: s.limits.Load().keepalive(int(s.conns.open.Load())),
	}
	l.sample.begin()
	var t tally
	taken, received := 0, 0
	fine = true
	for fine && c.deferred == nil && size < writeSize {
		rest := c.in[taken:c.filled]
		if len(rest) < prefixSize || len(rest)-prefixSize < int(binary.BigEndian.Uint16(rest)) {
			break
		}
		message := rest[prefixSize:][:binary.BigEndian.Uint16(rest)]
		taken += prefixSize + len(message)
		received++
		room := desk.work[size+prefixSize:][:maxMessage:maxMessage]
		n, verdict := c.respond(l, view, room, copy(room, message), start)
		switch verdict {
		case Answered:
			binary.BigEndian.PutUint16(desk.work[size:], uint16(n))
			size += prefixSize + n
			t.answered++
		case Defer:
			// Counted by deferQuery, which finds out whether there is room.
			c.deferred = &SlowRequest{Request: l.request, View: view, Message: append([]byte(nil), message...)}
		default:
			fine = false
			if c.fault {
				t.dropped[DropFault]++
			} else {
				t.dropped[DropByRespond]++
			}
		}
	}
	c.filled = copy(c.in, c.in[taken:c.filled])
	c.began = time.Now()
	l.Publish()
	counters := &l.transports[TCP]
	t.addTo(counters, received)
	counters.latency.observe(s.now().Sub(start), received)
	return size, t.answered, fine
}

// respond answers one message. A panic costs the connection, and nothing else.
func (c *tcpConn) respond(l *lane, view *View, room []byte, n int, at time.Time) (size int, verdict Verdict) {
	defer func() {
		if fault := recover(); fault != nil {
			c.server.rare.logFault(fault, &l.request)
			c.fault = true
			size, verdict = 0, Drop
		}
	}()
	l.sample.before(&l.request, room, n, at)
	size, verdict = l.Respond(view, &l.request, room, n)
	l.sample.after(room, size, verdict)
	return size, verdict
}

// deferQuery hands the query that ended the batch to the slow lane. It waits
// while the connection has as many there as it may have, and so reads no
// further; a full slow lane is told to the client, which waits for an answer.
func (c *tcpConn) deferQuery() error {
	r := c.deferred
	c.deferred = nil
	if c.slots == nil {
		c.slots = make(chan struct{}, c.server.limits.Load().TCPPipeline)
	}
	c.slots <- struct{}{}
	c.inWork.Add(1)
	r.reply, r.done = c.reply, c.slowDone
	conns := c.server.conns
	if c.server.slow.offer(r) {
		conns.deferred.Add(1)
		return nil
	}
	c.slowDone()
	conns.answered.Add(1)
	err := c.reply(r.Message[:servfail(r.Message, len(r.Message))])
	if err != nil {
		conns.unsent[sendFailure(err)].Add(1)
	}
	return err
}

func (c *tcpConn) slowDone() {
	c.active.Store(c.server.now().UnixNano())
	c.inWork.Add(-1)
	<-c.slots
}

// reply writes one message from the slow lane.
func (c *tcpConn) reply(message []byte) error {
	framed := make([]byte, prefixSize, prefixSize+len(message))
	binary.BigEndian.PutUint16(framed, uint16(len(message)))
	return c.write(append(framed, message...))
}

// write writes whole messages. A client that does not take them in time loses
// the connection: what is left of a message would spoil the stream.
func (c *tcpConn) write(messages []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	wait := c.server.limits.Load().TCPWrite
	err := c.conn.SetWriteDeadline(time.Now().Add(wait))
	if c.stopping.Load() { // stop may have come before the line above
		err = c.conn.SetWriteDeadline(time.Now().Add(min(wait, stopGrace)))
	}
	if err == nil {
		_, err = c.conn.Write(messages)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.tooSlow.Store(true)
	}
	if err != nil {
		c.conn.SetLinger(0)
		c.conn.Close()
	}
	return err
}

// writeEnded says why the connection ends after an error of write.
func (c *tcpConn) writeEnded() CloseReason {
	if c.tooSlow.Load() {
		return CloseSlowReader
	}
	return CloseByClient
}
