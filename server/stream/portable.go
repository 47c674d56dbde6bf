package stream

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/sock"
)

const (
	// connBuffer is the first read buffer of a connection: some six queries of eighty
	// octets. It grows for clients that send more, up to readSize for pipelined queries
	// and to the whole size of a longer message, and shrinks when reads are small again.
	connBuffer = 512

	// keptOutput is the largest output buffer that a connection keeps for its next
	// answers.
	keptOutput = 4 << 10

	// checkTick is how often the time limits are checked. It is short compared with all
	// useful limits, and a check of a connection takes some nanoseconds.
	checkTick = 100 * time.Millisecond

	// transferChunk is how much of a transfer is written at once: a TLS record. A client
	// makes progress with each.
	transferChunk = 16 << 10
)

// connEngine serves each connection in a goroutine, with package net: for TLS, and for
// systems without the epoll of tcpLoop. It behaves as tcpLoop does, but is slower and needs
// a stack for each connection.
type connEngine struct {
	conns     *Set
	transport answer.Transport
	turns     chan *connAnswerer // one for each goroutine that may compute; nil: not made yet
	checking  sync.Once
	running   sync.WaitGroup // what checking started
	stopped   chan struct{}
}

func newConnEngine(conns *Set, t answer.Transport) *connEngine {
	w := &connEngine{conns: conns, transport: t, turns: make(chan *connAnswerer, conns.Workers), stopped: make(chan struct{})}
	for range conns.Workers {
		w.turns <- nil
	}
	return w
}

func (w *connEngine) start() error { return nil }

func (w *connEngine) limitsChanged() {}

// attend does nothing: the scheduler serves goroutines in turn.
func (w *connEngine) attend(int) {}

func (w *connEngine) stop() {
	close(w.stopped)
	w.running.Wait()
	for range w.conns.Workers {
		if d := <-w.turns; d != nil {
			w.conns.Lanes.Put(d.worker)
		}
	}
}

func (w *connEngine) listen(l *Listener) error {
	w.checking.Do(func() { w.running.Go(w.checkTimes) })
	for _, ln := range l.sockets {
		l.accepting.Go(func() {
			w.conns.KeepRunning("TCP accept loop", func() {
				if err := w.run(l, ln); err != nil {
					w.conns.Fail(l.Local, w.transport.String(), err)
				}
			})
		})
	}
	return nil
}

func (w *connEngine) unlisten(l *Listener) {
	for _, s := range l.sockets {
		// An error means that the socket is closed, which ends accepting as well.
		_ = s.SetDeadline(time.Now().Add(sock.DrainTime))
	}
	l.accepting.Wait()
	l.Close()
	w.each(func(c *netConn) {
		if c.listener == l {
			c.leave()
		}
	})
}

// each calls f for each connection, with conns.mu held.
func (w *connEngine) each(f func(c *netConn)) {
	w.conns.mu.Lock()
	defer w.conns.mu.Unlock()
	for _, c := range w.conns.all {
		if c, ok := c.sock.(*netConn); ok && c.engine == w {
			f(c)
		}
	}
}

// checkTimes ends the connections whose time is over, until the engine stops.
func (w *connEngine) checkTimes() {
	tick := time.NewTicker(checkTick)
	defer tick.Stop()
	w.conns.KeepRunning("TCP time limits", func() {
		for {
			select {
			case <-w.stopped:
				return
			case <-tick.C:
				w.check()
			}
		}
	})
}

func (w *connEngine) check() {
	now := w.conns.Clock()
	w.each(func(c *netConn) { c.check(now) })
}

// run accepts connections until the listener stops.
func (w *connEngine) run(l *Listener, ln *net.TCPListener) error {
	pause := acceptPause
	for {
		conn, err := ln.AcceptTCP()
		if err == nil {
			pause = acceptPause
			w.admit(l, conn)
			continue
		}
		if l.isStopped() {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		w.conns.acceptFailed(err)
		select {
		case <-l.stopped:
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

func (w *connEngine) admit(l *Listener, conn *net.TCPConn) {
	c := &netConn{engine: w, raw: conn, conn: conn, woken: make(chan struct{}, 1)}
	c.tcpConn = tcpConn{
		conns: w.conns, listener: l, sock: c, transport: w.transport, place: -1,
		client: sock.AddrPort(conn.RemoteAddr()), local: sock.AddrPort(conn.LocalAddr()),
	}
	c.enter(tcpFresh, w.conns.Clock())
	if !c.client.IsValid() || !c.local.IsValid() || !w.conns.add(&c.tcpConn) {
		c.abort()
		return
	}
	go func() {
		fault := w.conns.Contain("TCP connection", func() {
			if w.transport == answer.TLS {
				c.secure()
			}
			c.serve()
		})
		if fault {
			c.reason = answer.CloseFault
			c.BreakOff(deferred.ErrFault)
			c.finish()
		}
		w.conns.ended(&c.tcpConn, c.reason)
	}()
}

// netConn is a connection with a goroutine that reads, answers, and writes the answers.
// Replies of the deferred lane are written by another goroutine, which exists as long as
// there are any.
type netConn struct {
	tcpConn
	engine *connEngine
	raw    *net.TCPConn
	conn   net.Conn // raw, or TLS over it

	in     []byte // in[:filled] is read and not yet answered
	filled int
	peak   int  // most that a read found since the buffer was last made
	moved  bool // messages were answered since the last read

	woken    chan struct{} // has room for one
	stopping atomic.Bool   // the listener stops
	late     atomic.Bool   // the client did not send in time
	writers  sync.WaitGroup

	// Guarded by out.mu.
	idle    tcpPhase // the phase while nothing is queued
	writing bool     // one goroutine writes what is queued
}

// check ends the connection if its time is over. The goroutine that reads, or writes, then
// gets an error.
func (c *netConn) check(now time.Duration) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	p, since := c.phase()
	if p == tcpSending {
		// The kernel took or delivered some octets.
		if n := unackedBy(c.raw); n != c.unacked {
			c.unacked = n
			c.enter(p, now)
			return
		}
	}
	switch limit := c.limit(p); {
	case limit == 0 || now-since < limit:
	case p.isWriting():
		c.expireQueue()
		c.abort()
	default:
		c.late.Store(true)
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// leave makes the connection end once it has answered what it read.
func (c *netConn) leave() {
	c.stopping.Store(true)
	c.raw.SetReadDeadline(time.Unix(1, 0))
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.leaving = true
	c.settle(false)
}

// settle notes what the connection waits for now. If moved is set, it made progress, and its
// time begins again. out.mu is held.
func (c *netConn) settle(moved bool) {
	p := c.idle
	switch {
	case len(c.out.octets) > 0:
		p = c.clogging()
	case p == tcpWorking && c.inWork.Load() == 0:
		p = tcpIdle
	}
	if was, _ := c.phase(); p != was || moved {
		c.enter(p, c.conns.Clock())
	}
}

// await notes what the connection waits for while nothing is queued.
func (c *netConn) await(moved bool) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.idle = c.waitsFor(c.in[:c.filled])
	c.settle(moved)
}

// abort closes the connection and leaves nothing of it behind, not even a TIME_WAIT.
func (c *netConn) abort() {
	c.raw.SetLinger(0)
	c.raw.Close()
}

func (c *netConn) wake() {
	c.out.mu.Lock()
	c.settle(false)
	c.out.mu.Unlock()
	c.signal()
}

func (c *netConn) signal() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// serve answers until the client, a limit or the server ends the connection, and closes it.
func (c *netConn) serve() {
	for !c.ending {
		_, whole := wholeMessage(c.in[:c.filled])
		switch {
		case whole && c.isFull():
			c.await(false)
			<-c.woken
		case whole:
			c.answerBatch()
		default:
			c.read()
		}
	}
	c.finish()
	if c.reason == answer.CloseSlowQuery {
		c.raw.SetLinger(0) // nothing is on its way to the client
	}
	c.out.mu.Lock()
	c.enter(tcpLeaving, c.conns.Clock()) // TLS sends a message (RFC 8446 §6.1)
	c.out.mu.Unlock()
	c.conn.Close()
}

// finish waits until the deferred lane has answered all requests of the connection, also
// those of a client that closed only its own half (RFC 7766 §6.2.4, RFC 9293 §3.6).
func (c *netConn) finish() {
	for c.inWork.Load() > 0 {
		c.await(false)
		<-c.woken
	}
	_ = c.flush() // the connection ends in any case
	c.writers.Wait()
}

// answerBatch answers what was read, as long as there is room for the answers, and writes
// them.
func (c *netConn) answerBatch() {
	c.out.mu.Lock()
	c.idle = tcpWorking // what is deferred may be answered before read notes that the client was in time
	c.settle(false)
	c.out.mu.Unlock()
	taken := c.answerAll()
	c.filled = copy(c.in, c.in[taken:c.filled])
	c.moved = true
	if c.flush() != nil {
		c.endBroken()
	}
}

// answerAll waits for an answerer and returns how many octets were answered.
func (c *netConn) answerAll() int {
	d := <-c.engine.turns
	defer func() { c.engine.turns <- d }() // also after a panic
	if d == nil {
		d = newConnAnswerer(c.conns.Group, c.transport)
	}
	d.begin(c.conns.Now())
	taken := c.answer(d, c.in[:c.filled])
	d.publish()
	return taken
}

// send queues the answers. They are written by flush, when the answerer is free again.
func (c *netConn) send(answers []byte, n int) bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.enqueue(answers, 0)
	if c.out.failure != nil {
		c.countUnsent(n)
	} else {
		c.out.answers += n
	}
	return false
}

// flush writes what is queued, unless another goroutine does, and waits until the client
// took it.
func (c *netConn) flush() error {
	if c.beginWriting() {
		c.write()
	}
	return c.Drain()
}

// beginWriting reports whether the caller must call write.
func (c *netConn) beginWriting() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	begin := !c.writing && len(c.out.octets) > 0
	c.writing = c.writing || begin
	return begin
}

// read waits for more octets. check ends waiting: a message must be complete in time,
// counted from its first octet, however often a few of them come.
func (c *netConn) read() {
	c.makeRoom()
	c.await(c.moved)
	c.moved = false
	n, err := c.conn.Read(c.in[c.filled:])
	c.filled += n
	c.peak = max(c.peak, c.filled)
	if n == 0 && err != nil { // otherwise the next read reports it
		c.readFailed(err)
	}
}

// makeRoom makes the buffer large enough for the first message in it, twice as large when a
// read filled it, and small again when reads have become small.
func (c *netConn) makeRoom() {
	size := len(c.in)
	switch {
	case size == 0:
		size = connBuffer
	case c.filled == 0 && size > connBuffer && c.peak < size/4:
		size = max(size/4, connBuffer)
	case c.peak == size && size < readSize:
		size = min(2*size, readSize)
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

// readFailed ends the connection.
func (c *netConn) readFailed(err error) {
	c.out.mu.Lock()
	broken := c.out.failure != nil
	c.out.mu.Unlock()
	switch {
	case broken:
		c.endBroken()
	case c.stopping.Load():
		c.end(answer.CloseStop)
	case !errors.Is(err, io.EOF) && c.late.Load():
		c.end(tcpIdle.overdue(c.filled > 0))
	default:
		c.end(answer.CloseByClient)
	}
}

// reply queues a message of the deferred lane.
func (c *netConn) reply(message []byte) error {
	c.out.mu.Lock()
	c.enqueue(message, 1)
	err := c.out.failure
	c.out.mu.Unlock()
	switch {
	case err != nil:
		c.abort() // the rest of a message must not follow
	case c.beginWriting():
		c.writers.Go(c.write)
	}
	return err
}

// write writes what is queued until nothing is left. Only one goroutine does at a time.
func (c *netConn) write() {
	q := &c.out
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.failure == nil && len(q.octets) > 0 {
		size := maxMessage // the progress that a client must make in time
		if c.transfers.Load() > 0 {
			size = transferChunk
		}
		b := q.octets[:min(len(q.octets), size)] // unchanged while others queue more
		c.settle(true)
		q.mu.Unlock()
		err := c.writeContained(b)
		q.mu.Lock()
		switch {
		case q.failure != nil: // queued too much, too late, or broken off
		case err != nil:
			c.fail(err)
		case len(b) < len(q.octets):
			q.octets = q.octets[len(b):]
		case cap(b) <= keptOutput:
			q.octets = b[:0]
			c.emptied()
		default:
			q.octets = nil
			c.emptied()
		}
	}
	c.writing = false
	if q.failure != nil {
		c.abort()
	}
	c.settle(false)
	c.signal()
}

// writeContained writes b. A panic is an error.
func (c *netConn) writeContained(b []byte) (err error) {
	if c.conns.Contain("TCP connection", func() { _, err = c.conn.Write(b) }) {
		return deferred.ErrFault
	}
	return err
}
