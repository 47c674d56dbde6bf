package stream

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/sock"
)

const (
	// connBuffer is what a connection reads into at first: some six queries of
	// eighty octets. It grows for clients that send more, up to readSize for
	// pipelined queries and as far as it must for a longer message, and a
	// connection that went quiet has a small one again.
	connBuffer = 512

	// keptOutput is the largest output buffer that a connection keeps for its next
	// answers.
	keptOutput = 4 << 10
)

// connEngine serves each connection by a goroutine of its own, by the net package:
// for TLS, and for systems without the epoll of tcpLoop. It behaves as that does,
// slower, and with a stack for each connection.
type connEngine struct {
	conns     *Set
	transport answer.Transport
	accept    map[*Listener]*sync.WaitGroup
	mu        sync.Mutex

	turns     chan struct{}   // has room for as many as can be at work at the same time
	answerers []*connAnswerer // that are free; under mu
}

func newConnEngine(conns *Set, t answer.Transport) *connEngine {
	return &connEngine{conns: conns, transport: t, turns: make(chan struct{}, conns.Workers), accept: make(map[*Listener]*sync.WaitGroup)}
}

// acquireAnswerer waits for its turn, and returns an answerer.
func (w *connEngine) acquireAnswerer() *connAnswerer {
	w.turns <- struct{}{}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.answerers)
	if n == 0 {
		return newConnAnswerer(w.conns.Group, w.transport)
	}
	d := w.answerers[n-1]
	w.answerers = w.answerers[:n-1]
	return d
}

func (w *connEngine) releaseAnswerer(d *connAnswerer) {
	w.mu.Lock()
	w.answerers = append(w.answerers, d)
	w.mu.Unlock()
	<-w.turns
}

func (w *connEngine) start() error { return nil }

func (w *connEngine) limitsChanged() {}

// attend does nothing: a goroutine for each connection is what schedulers are made for.
func (w *connEngine) attend(int) {}

func (w *connEngine) prepare(ln *net.TCPListener) error { return prepareTCP(ln) }

func (w *connEngine) stop() {
	for _, d := range w.answerers {
		w.conns.Lanes.Put(d.worker)
	}
	w.answerers = nil
}

func (w *connEngine) listen(l *Listener) error {
	accepting := new(sync.WaitGroup)
	w.mu.Lock()
	w.accept[l] = accepting
	w.mu.Unlock()
	for _, ln := range l.sockets {
		accepting.Go(func() {
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
	w.mu.Lock()
	accepting := w.accept[l]
	delete(w.accept, l)
	w.mu.Unlock()
	for _, s := range l.sockets {
		// An error says that it is closed, which ends accepting as well.
		_ = s.SetDeadline(time.Now().Add(sock.DrainTime))
	}
	accepting.Wait()
	l.Close()
	w.conns.mu.Lock()
	defer w.conns.mu.Unlock()
	for _, c := range w.conns.all {
		if c.listener == l {
			c.sock.(*netConn).leave()
		}
	}
}

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
		timer := time.NewTimer(pause)
		select {
		case <-l.stopped:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

func (w *connEngine) admit(l *Listener, conn *net.TCPConn) {
	c := &netConn{engine: w, raw: conn, woken: make(chan struct{}, 1)}
	c.conn = &clientConn{TCPConn: conn, c: c}
	c.tcpConn = tcpConn{
		conns: w.conns, listener: l, sock: c, transport: w.transport, place: -1,
		client: sock.AddrPort(conn.RemoteAddr()), local: sock.AddrPort(conn.LocalAddr()),
	}
	c.began = time.Now()
	c.enter(tcpFresh, w.conns.Clock())
	if !c.client.IsValid() || !c.local.IsValid() || !w.conns.add(&c.tcpConn) {
		c.reset()
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

// netConn is a connection with a goroutine.
type netConn struct {
	tcpConn
	engine *connEngine
	raw    *net.TCPConn
	conn   net.Conn // a clientConn, or TLS over it

	in     []byte // in[:filled] is read and not yet answered
	filled int
	peak   int       // most that a read found since the buffer was last made
	began  time.Time // when the message that in starts with began to come

	woken    chan struct{} // has room for one
	stopping atomic.Bool
	writers  sync.WaitGroup // goroutines that write replies of the deferred lane

	// Guarded by out.mu.
	writing bool          // one goroutine writes what is queued
	leaving bool          // and was told that the connection stops
	since   time.Duration // when the client last made progress in taking it, by Group.Clock
	unacked int           // octets that it had not acknowledged then
}

// leave makes the connection end once it has answered what it read.
func (c *netConn) leave() {
	c.stopping.Store(true)
	c.raw.SetReadDeadline(time.Unix(1, 0))
	c.raw.SetWriteDeadline(time.Unix(1, 0)) // to have whoever writes look at the time
}

// reset closes the connection and leaves nothing of it behind, not even a
// TIME_WAIT.
func (c *netConn) reset() {
	c.raw.SetLinger(0)
	c.raw.Close()
}

func (c *netConn) abort() { c.reset() }

func (c *netConn) wake() {
	if s := c.state.Load(); c.inWork.Load() == 0 && tcpPhase(s&(1<<phaseBits-1)) == tcpWorking {
		// The goroutine may be reading: it is idle now, and may be closed for others.
		c.state.CompareAndSwap(s, int64(c.conns.Clock())<<phaseBits|int64(tcpIdle))
	}
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// serve answers until the client, a limit or the server ends the connection, and
// closes it.
func (c *netConn) serve() {
	for !c.ending {
		_, whole := wholeMessage(c.in[:c.filled])
		switch {
		case whole && c.isFull():
			c.enter(tcpWorking, c.conns.Clock())
			<-c.woken
		case whole:
			c.answerBatch()
		default:
			c.read()
		}
	}
	c.finish()
	if c.reason == answer.CloseSlowQuery {
		c.raw.SetLinger(0) // nothing is on its way to it
	}
	c.close()
}

// finish waits until the deferred lane has done with the connection, which answers also a
// client that closed only its own half (RFC 7766 §6.2.4, RFC 9293 §3.6).
func (c *netConn) finish() {
	for c.inWork.Load() > 0 {
		c.enter(tcpWorking, c.conns.Clock())
		<-c.woken
	}
	_ = c.flush() // nothing more comes of it
	c.writers.Wait()
}

// answerAll answers what is there, as long as there is room for the answers, and returns
// how many octets that were.
func (c *netConn) answerAll() int {
	d := c.engine.acquireAnswerer()
	defer c.engine.releaseAnswerer(d) // also after a panic
	d.begin(c.conns.Now())
	taken := c.answer(d, c.in[:c.filled])
	d.publish()
	return taken
}

// answerBatch answers what is there and writes the answers.
func (c *netConn) answerBatch() {
	taken := c.answerAll()
	c.filled = copy(c.in, c.in[taken:c.filled])
	c.began = time.Now()
	if c.flush() != nil {
		c.endBroken()
	}
}

// send queues the answers for serve, which has them written when it has given back
// its answerer.
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

// flush waits until the client took what is queued, and writes that unless another
// goroutine does.
func (c *netConn) flush() error {
	c.out.mu.Lock()
	queued, writing := len(c.out.octets) > 0, c.writing
	c.writing = writing || queued
	c.out.mu.Unlock()
	if queued {
		c.enter(c.clogging(), c.conns.Clock())
	}
	if queued && !writing {
		c.write()
	}
	return c.Drain()
}

// read waits for more octets. A message that has begun must be complete in time,
// counted from its first octet, however often a few of them come.
func (c *netConn) read() {
	c.makeRoom()
	phase, began := tcpFresh, c.began
	switch {
	case c.filled == 0 && c.inWork.Load() > 0:
		phase, began = tcpWorking, time.Now()
	case c.filled == 0 && c.asked:
		phase, began = tcpIdle, time.Now()
	case c.asked:
		phase = tcpOwing
	}
	if was, _ := c.phase(); was != phase || phase == tcpIdle {
		c.enter(phase, c.conns.Clock())
	}
	if phase == tcpWorking { // it is idle soon
		phase = tcpIdle
	}
	// The poller's clock, not the server's: a deadline is a matter of the
	// operating system.
	deadline := began.Add(phase.limit(c.conns.Limits.Load(), int(c.conns.open.Load())))
	err := c.conn.SetReadDeadline(deadline)
	if err == nil && c.stopping.Load() { // leave may have come before the line above
		err = os.ErrDeadlineExceeded
	}
	n := 0
	if err == nil {
		n, err = c.conn.Read(c.in[c.filled:])
	}
	if n > 0 && c.filled == 0 && c.asked {
		c.began = time.Now()
	}
	c.filled += n
	c.peak = max(c.peak, c.filled)
	if n == 0 && err != nil { // otherwise it comes again
		c.readFailed(err)
	}
}

// makeRoom makes the buffer large enough for the message in front, twice as
// large when a read filled it, and small again when reads have become small.
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

// readFailed ends the connection for err, unless that is the idle limit and the
// connection is not idle, because the deferred lane works for it.
func (c *netConn) readFailed(err error) {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case c.isBroken():
		c.endBroken()
	case c.stopping.Load():
		c.end(answer.CloseStop)
	case errors.Is(err, io.EOF):
		c.end(answer.CloseByClient)
	case late && c.filled == 0 && (c.inWork.Load() > 0 || c.isQueued()):
	case late:
		p, _ := c.phase()
		c.end(p.overdue(c.filled > 0))
	default:
		c.end(answer.CloseByClient)
	}
}

// isBroken reports whether nothing more can be sent.
func (c *netConn) isBroken() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.failure != nil
}

// isQueued reports whether the client has answers to take.
func (c *netConn) isQueued() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return len(c.out.octets) > 0
}

// reply is the deferred lane's. It begins a goroutine that writes, unless there is one.
func (c *netConn) reply(message []byte) error {
	c.out.mu.Lock()
	c.enqueue(message, 1)
	err, begin := c.out.failure, !c.writing
	c.writing = true
	c.out.mu.Unlock()
	switch {
	case err != nil:
		c.reset() // what is left of a message would spoil the stream
	case begin:
		c.writers.Go(c.write)
	}
	return err
}

// write writes what is queued until nothing is left, alone. A client that does not take
// it in time loses the connection.
func (c *netConn) write() {
	q := &c.out
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.failure == nil && len(q.octets) > 0 {
		b := q.octets[:min(len(q.octets), tcpClogged.quantum())] // stays as it is while others queue more
		c.begun(c.conns.Clock())
		q.mu.Unlock()
		err := c.writeContained(b)
		q.mu.Lock()
		switch {
		case q.failure != nil: // queued too much, or broken off
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
		c.reset()
	}
	c.wake()
}

// writeContained writes b. A panic is an error.
func (c *netConn) writeContained(b []byte) (err error) {
	if c.conns.Contain("TCP connection", func() { _, err = c.conn.Write(b) }) {
		return deferred.ErrFault
	}
	return err
}

// begun notes that the client has its time from now on to take octets. out.mu is held.
func (c *netConn) begun(now time.Duration) {
	c.since = now
	if c.transfers.Load() > 0 {
		c.unacked = unackedBy(c.raw)
	}
}

// mayTakeLonger reports whether the client has time left for what it was sent, of which
// it took n octets since it was last asked.
func (c *netConn) mayTakeLonger(n int) bool {
	now := c.conns.Clock()
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	p := c.clogging()
	switch {
	case c.stopping.Load():
		p = tcpLeaving
		if !c.leaving {
			c.leaving, c.since = true, now
		}
	case p == tcpSending && (n > 0 || unackedBy(c.raw) < c.unacked):
		c.begun(now)
	}
	return c.out.failure == nil && now-c.since < p.limit(c.conns.Limits.Load(), int(c.conns.open.Load()))
}

// writeTick is how often a write that waits for the client looks at the time.
const writeTick = time.Second

// clientConn is the TCP connection of a netConn. Its writes wait for the client as long
// as that may take, and its reads give back the turn of a handshake meanwhile: a
// handshake takes some hundred times as long to compute as an answer, and however many
// clients shake hands at a time, no more of them compute than there are workers.
type clientConn struct {
	*net.TCPConn
	c         *netConn
	handshake bool // is under way
}

func (w *clientConn) Write(b []byte) (n int, err error) {
	if w.handshake {
		return w.TCPConn.Write(b)
	}
	for {
		// The poller's clock, not the server's: a deadline is a matter of the
		// operating system.
		if err := w.SetWriteDeadline(time.Now().Add(writeTick)); err != nil {
			return n, err
		}
		m, err := w.TCPConn.Write(b[n:])
		n += m
		if !errors.Is(err, os.ErrDeadlineExceeded) || !w.c.mayTakeLonger(m) {
			return n, err
		}
	}
}

func (w *clientConn) Read(b []byte) (int, error) {
	if !w.handshake {
		return w.TCPConn.Read(b)
	}
	<-w.c.engine.turns
	defer func() { w.c.engine.turns <- struct{}{} }()
	return w.TCPConn.Read(b)
}
