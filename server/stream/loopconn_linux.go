package stream

import (
	"encoding/binary"
	"net"

	"github.com/ptrd/ptrd/server/answer"
	"golang.org/x/sys/unix"
)

// keptPart is the size of the largest incomplete message that is copied in front of the next
// read, so that one read gets its rest and further messages. The rest of a longer one is
// read separately: otherwise a client that sends single octets would cause a copy for each.
// A connection keeps a buffer of up to this size for its next part.
const keptPart = 512

// loopConn is a connection that a tcpLoop serves. Only the loop uses its fields, with the
// exceptions noted.
type loopConn struct {
	tcpConn
	loop *tcpLoop
	slot int32

	queued   bool // in loop.again
	hungUp   bool // the kernel reported the end of the stream, which is still to be read
	clogged  bool // answers are queued
	broken   bool // nothing can be sent
	watched  bool // fd is in epoll
	writable bool // epoll reports when fd takes more
	taken    int  // octets of the queue that the client took since the phase began

	part           []byte // octets read and not answered
	before, behind *loopConn

	// Changed by the loop, with out.mu held; other goroutines read it with out.mu held.
	fd      int // -1: closed
	aborted bool
}

// serve answers what one read gets, as long as the client takes the answers.
func (l *tcpLoop) serve(c *loopConn) {
	if c.fd < 0 {
		return
	}
	l.served = c
	l.answer(c)
	l.served = nil
}

func (l *tcpLoop) answer(c *loopConn) {
	moved := false
	if c.clogged {
		if moved = c.flush(); c.clogged {
			l.settle(c, moved)
			return
		}
	}
	read := false
	for !c.ending && !c.clogged && !c.isFull() {
		if _, whole := wholeMessage(c.part); whole {
			taken := c.answer(l.answerer, c.part)
			c.keep(c.part[taken:])
			moved = moved || taken > 0
			continue
		}
		if read {
			if !c.queued { // the others first
				c.queued = true
				l.again = append(l.again, c)
			}
			break
		}
		stream, more := l.read(c)
		if stream != nil {
			taken := c.answer(l.answerer, stream)
			c.keep(stream[taken:])
			moved = moved || taken > 0
		}
		if !more {
			break
		}
		read = true
	}
	l.settle(c, moved)
}

// read reads what follows c.part and returns both; nil if there is nothing. more means that
// there may be more to read. The end of the stream ends c.
func (l *tcpLoop) read(c *loopConn) (stream []byte, more bool) {
	front := len(c.part)
	var room []byte
	if front > keptPart {
		size := prefixSize + int(binary.BigEndian.Uint16(c.part))
		if front == cap(c.part) {
			c.part = append(make([]byte, 0, min(2*front, size)), c.part...)
		}
		room = c.part[:min(cap(c.part), size)]
	} else {
		room = l.in[:front+readSize]
		copy(room, c.part)
	}
	n, errno := receive(c.fd, room[front:])
	switch {
	case errno == unix.EAGAIN:
		return nil, false
	case n <= 0:
		c.endBroken()
		return nil, false
	}
	return room[:front+n], n == len(room)-front || c.hungUp
}

// keep keeps what is left of a stream for the next read.
func (c *loopConn) keep(rest []byte) {
	switch {
	case len(rest) > 0 && cap(c.part) > 0 && &rest[0] == &c.part[:1][0]: // read into c.part
		c.part = rest
	case len(rest) > 0:
		c.part = append(c.part[:0], rest...)
	case cap(c.part) > keptPart:
		c.part = nil
	default:
		c.part = c.part[:0]
	}
}

// settle determines what the connection waits for now, and closes it if that is nothing. If
// moved is set, it made progress, and its time begins again.
func (l *tcpLoop) settle(c *loopConn, moved bool) {
	p := tcpWorking
	switch {
	case c.broken:
		c.endBroken()
		l.closeConn(c)
		return
	case c.clogged:
		p = c.clogging()
	case c.ending && c.inWork.Load() == 0:
		l.closeConn(c)
		return
	default:
		p = c.waitsFor(c.part)
	}
	if was, _ := c.phase(); p != was || moved {
		l.waiting[was].remove(c)
		c.enter(p, l.now)
		l.waiting[p].push(c)
		c.taken = 0
		if p == tcpSending {
			c.unacked = unacked(c.fd)
		}
	}
}

// overdue ends a connection that stayed in a phase for too long.
func (l *tcpLoop) overdue(c *loopConn, p tcpPhase) {
	if p == tcpSending && unacked(c.fd) < c.unacked { // progress in what the kernel holds
		l.settle(c, true)
		return
	}
	c.end(p.overdue(len(c.part) > 0))
	if p.isWriting() {
		c.reason, c.broken = answer.CloseSlowReader, true
		c.out.mu.Lock()
		c.expireQueue()
		c.out.mu.Unlock()
	}
	l.settle(c, false)
}

// attend serves a connection for which the deferred lane has completed or queued something.
func (l *tcpLoop) attend(c *loopConn) {
	if c.fd < 0 {
		return
	}
	c.out.mu.Lock()
	c.clogged, c.broken = len(c.out.octets) > 0, c.out.failure != nil
	c.out.mu.Unlock()
	l.serve(c)
	if c.fd >= 0 && !c.clogged {
		l.settle(c, true)
	}
}

// leave makes the connection end once the queries received by now are answered.
func (l *tcpLoop) leave(c *loopConn) {
	c.leaving = true
	l.serve(c)
	if c.fd >= 0 {
		c.end(answer.CloseStop)
		l.settle(c, true)
	}
}

// closeConn closes the connection.
func (l *tcpLoop) closeConn(c *loopConn) {
	c.out.mu.Lock()
	fd := c.fd
	c.fd = -1
	c.fail(net.ErrClosed)
	abortive := c.broken || c.aborted || c.reason == answer.CloseSlowQuery // nothing is on its way to the client
	c.out.mu.Unlock()
	p, _ := c.phase()
	l.waiting[p].remove(c)
	l.releaseSlot(c.slot)
	c.part = nil
	if abortive {
		reset(fd)
	} else {
		closeSocket(fd)
	}
	l.conns.ended(&c.tcpConn, c.reason)
}

// send sends what the client takes now, and queues the rest.
func (c *loopConn) send(answers []byte, n int) bool {
	q := &c.out
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure == nil && len(q.octets) == 0 {
		if answers = answers[c.transmit(answers):]; len(answers) == 0 && q.failure == nil {
			return true
		}
	}
	c.enqueue(answers, 0)
	if q.failure != nil {
		c.countUnsent(n)
		c.breakDown()
		return false
	}
	q.answers += n
	c.clogged = true
	c.awaitRoom()
	return false
}

// breakDown records that nothing more can be sent. out.mu is held.
func (c *loopConn) breakDown() {
	c.broken = true
	c.end(c.whyBroken())
}

// flush sends as much of the queue as the client takes now, and reports whether that is
// progress.
func (c *loopConn) flush() (moved bool) {
	q := &c.out
	q.mu.Lock()
	defer q.mu.Unlock()
	sent := c.transmit(q.octets)
	switch {
	case q.failure != nil:
		c.breakDown()
		return false
	case sent < len(q.octets):
		q.octets = q.octets[sent:]
		c.taken += sent
		c.awaitRoom()
		return c.taken >= c.clogging().quantum()
	}
	q.octets, c.clogged = nil, false
	c.emptied()
	return true
}

// reply sends a message of the deferred lane. The loop sends what the client does not take at
// once, because only the loop may change what epoll reports.
func (c *loopConn) reply(message []byte) error {
	q := &c.out
	q.mu.Lock()
	if q.failure == nil && len(q.octets) == 0 {
		message = message[c.transmit(message):]
	}
	if len(message) > 0 {
		c.enqueue(message, 1)
	}
	err, all := q.failure, len(message) == 0
	q.mu.Unlock()
	if err != nil || !all {
		c.wake() // to close it, or to limit its time
	}
	return err
}

// transmit sends as many of the octets as the client takes now and returns how many.
// out.mu is held.
func (c *loopConn) transmit(b []byte) (sent int) {
	for sent < len(b) {
		n, errno := transmit(c.fd, b[sent:])
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 {
			c.fail(errno)
			break
		}
		sent += n
	}
	return sent
}

// awaitRoom makes epoll report when the socket takes more. out.mu is held.
func (c *loopConn) awaitRoom() {
	if c.writable {
		return
	}
	c.writable = true
	if c.watched {
		if err := c.watch(unix.EPOLL_CTL_MOD); err != nil {
			c.fail(err)
			c.breakDown()
		}
	}
}

// watch adds the connection to epoll, or changes what epoll reports about it. Only the loop
// may call it: a new slot may move the others.
func (c *loopConn) watch(op int) error {
	c.watched = true
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	if c.writable {
		events |= unix.EPOLLOUT
	}
	return c.loop.control(op, c.fd, c.slot, events)
}

func (c *loopConn) wake() { c.loop.post(func() { c.loop.attend(c) }) }

// abort ends the stream. That is an event for the loop, which closes the connection.
func (c *loopConn) abort() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.fd >= 0 {
		c.aborted = true
		// An error means that the client has ended it, which is an event as well.
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
}
