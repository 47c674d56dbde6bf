package server

import (
	"encoding/binary"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// keptPart is the largest part of a message that is put in front of what is read
// next, so that one read finds its rest and further messages. The rest of a
// longer one is read by itself, or each octet of a client that drips would have
// it copied. A connection keeps a buffer of up to this size for its next part.
const keptPart = 512

// loopConn is a connection that a tcpLoop serves.
type loopConn struct {
	tcpConn
	loop *tcpLoop
	slot int32

	queued  bool // in loop.again
	hungUp  bool // the kernel told that the end is near: it is there to be read
	clogged bool // answers are held
	broken  bool // nothing can be sent
	leaving bool // the listener stops

	part           []byte // octets read and not answered
	before, behind *loopConn

	mu       sync.Mutex // held while octets are sent, which never waits
	fd       int        // -1: closed
	watched  bool       // fd is in epoll
	writable bool       // epoll is to tell when fd takes more
	aborted  bool
	out      []byte       // octets that the client has not taken, in front of all others
	answers  int          // of the fast lane in out; the slow lane counts its own
	waiters  []chan error // of the slow lane: nil once out is empty, or why it will not be
	failure  error        // why nothing more can be sent
}

// serve answers what the client sent, as far as the client takes the answers and
// one read goes.
func (l *tcpLoop) serve(c *loopConn) {
	if c.fd < 0 {
		return
	}
	moved := false
	if c.clogged {
		if c.flush(); c.clogged {
			l.settle(c, false)
			return
		}
		moved = true
	}
	read := false
	for !c.ending && !c.clogged && !c.isFull() {
		if _, whole := wholeMessage(c.part); whole {
			taken := c.answer(l.desk, c.part)
			c.keep(c.part[taken:])
			moved = moved || taken > 0
			continue
		}
		if read {
			l.queue(c) // the others first
			break
		}
		stream, more := l.read(c)
		if stream != nil {
			taken := c.answer(l.desk, stream)
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

func (l *tcpLoop) queue(c *loopConn) {
	if !c.queued {
		c.queued = true
		l.again = append(l.again, c)
	}
}

// read reads what follows c.part and returns both; nothing if nothing came. more
// says that there may be more to read. The end of the stream ends c.
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
		c.end(CloseByClient)
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

// settle finds out what the connection waits for now, and closes it if that is
// nothing. moved says that it made progress: its time begins anew.
func (l *tcpLoop) settle(c *loopConn, moved bool) {
	inWork := c.inWork.Load() > 0
	_, whole := wholeMessage(c.part)
	p := tcpIdle
	switch {
	case c.broken:
		l.closeConn(c)
		return
	case c.clogged && c.leaving:
		p = tcpLeaving
	case c.clogged:
		p = tcpClogged
	case c.ending && !inWork:
		l.closeConn(c)
		return
	case c.ending || inWork && (whole || len(c.part) == 0):
		p = tcpWorking
	case !c.asked:
		p = tcpFresh
	case len(c.part) > 0:
		p = tcpOwing
	}
	if was, _ := c.phase(); p != was || moved {
		l.waiting[was].remove(c)
		c.enter(p, l.now)
		l.waiting[p].push(c)
	}
}

// overdue ends a connection that stayed in a phase for too long.
func (l *tcpLoop) overdue(c *loopConn, p tcpPhase) {
	if p == tcpClogged || p == tcpLeaving {
		c.ending, c.reason, c.broken = true, CloseSlowReader, true
		c.mu.Lock()
		c.fail(os.ErrDeadlineExceeded)
		c.mu.Unlock()
	}
	c.end(p.overdue(len(c.part) > 0))
	l.settle(c, false)
}

// woke looks at a connection after the slow lane did something with it.
func (l *tcpLoop) woke(c *loopConn) {
	if c.fd < 0 {
		return
	}
	c.mu.Lock()
	c.clogged, c.broken = len(c.out) > 0, c.failure != nil
	c.mu.Unlock()
	if c.broken {
		c.end(CloseByClient)
	}
	l.serve(c)
	if c.fd >= 0 {
		l.settle(c, true)
	}
}

// leave makes the connection end once what came by now is answered.
func (l *tcpLoop) leave(c *loopConn) {
	c.leaving = true
	l.serve(c)
	if c.fd >= 0 {
		c.end(CloseStop)
		l.settle(c, true)
	}
}

// closeConn closes the connection.
func (l *tcpLoop) closeConn(c *loopConn) {
	c.mu.Lock()
	fd := c.fd
	c.fd = -1
	c.fail(net.ErrClosed)
	if c.answers > 0 {
		l.conns.unsent[TCP][sendFailure(c.failure)].Add(uint64(c.answers))
	}
	c.out, c.answers = nil, 0
	abortive := c.broken || c.aborted || c.reason == CloseSlowQuery // nothing is on its way to the client
	c.mu.Unlock()
	p, _ := c.phase()
	l.waiting[p].remove(c)
	l.release(c.slot)
	c.part = nil
	if abortive {
		reset(fd)
	} else {
		closeSocket(fd)
	}
	l.conns.ended(&c.tcpConn, c.reason)
}

// fail notes why nothing more can be sent, and tells whoever waits for it. c.mu is
// held.
func (c *loopConn) fail(err error) {
	if c.failure == nil {
		c.failure = err
	}
	c.notify(c.failure)
}

func (c *loopConn) notify(err error) {
	for _, w := range c.waiters {
		w <- err
	}
	c.waiters = nil
}

// send is the fast lane's.
func (c *loopConn) send(answers []byte, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil && len(c.out) == 0 {
		sent, err := c.transmit(answers)
		if err == nil && sent == len(answers) {
			return true
		}
		answers = answers[sent:]
	}
	if c.failure != nil {
		c.loop.conns.unsent[TCP][sendFailure(c.failure)].Add(uint64(n))
		c.broken = true
		c.end(CloseByClient)
		return false
	}
	c.out = append(c.out, answers...)
	c.answers += n
	c.clogged = true
	return false
}

// flush sends what the client has not taken.
func (c *loopConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, err := c.transmit(c.out)
	switch {
	case err != nil:
		c.broken = true
		c.end(CloseByClient)
	case sent < len(c.out):
		c.out = c.out[:copy(c.out, c.out[sent:])]
	default:
		c.out, c.answers, c.clogged = nil, 0, false
		c.notify(nil)
	}
}

// reply is the slow lane's. Messages of several workers do not mix: each waits
// until the client took what is in front.
func (c *loopConn) reply(message []byte) error {
	for {
		c.mu.Lock()
		sent, err := 0, c.failure
		ahead := len(c.out) > 0
		if err == nil && !ahead {
			sent, err = c.transmit(message)
			c.out = append(c.out, message[sent:]...)
		}
		if err != nil || len(c.out) == 0 {
			c.mu.Unlock()
			if err != nil {
				c.wake() // to be closed
			}
			return err
		}
		taken := make(chan error, 1)
		c.waiters = append(c.waiters, taken)
		c.mu.Unlock()
		if !ahead {
			c.wake() // has a time to be watched
		}
		if err := <-taken; err != nil || !ahead {
			return err
		}
	}
}

// transmit sends as many of the octets as the client takes now and returns how
// many; for the rest epoll tells when to go on. c.mu is held.
func (c *loopConn) transmit(b []byte) (sent int, err error) {
	for sent < len(b) {
		n, errno := transmit(c.fd, b[sent:])
		switch {
		case errno == 0:
			sent += n
			continue
		case errno != unix.EAGAIN:
			c.failure = errno
			return sent, errno
		}
		if !c.writable {
			c.writable = true
			if c.watched {
				err = c.watch(unix.EPOLL_CTL_MOD)
			}
		}
		return sent, err
	}
	return sent, nil
}

// watch puts the connection into epoll, or changes what epoll tells of it. c.mu
// is held.
func (c *loopConn) watch(op int) error {
	c.watched = true
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	if c.writable {
		events |= unix.EPOLLOUT
	}
	err := c.loop.control(op, c.fd, c.slot, events)
	if err != nil {
		c.failure = err
	}
	return err
}

func (c *loopConn) wake() { c.loop.look(c) }

// abort makes the kernel end the stream, which is an event for the loop.
func (c *loopConn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		c.aborted = true
		// An error says that the client has ended it, which is an event as well.
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
}
