package loadgen

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// connGroup is a group on connections of the net package. A goroutine for each
// connection receives into buffers and hands them to the worker.
type connGroup struct {
	o     *Options
	conns []*connTransport
	wake  chan struct{} // holds one item if something has come
	timer *time.Timer
	pumps sync.WaitGroup
}

func newConnGroup(o *Options, n int) *connGroup {
	return &connGroup{o: o, conns: make([]*connTransport, n), wake: make(chan struct{}, 1), timer: time.NewTimer(0)}
}

func (g *connGroup) open(ctx context.Context, i int) (transport, error) {
	network := "udp"
	if g.o.TCP {
		network = "tcp"
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, network, g.o.Server.String())
	if err != nil {
		return nil, err
	}
	c := &connTransport{
		conn: conn, tcp: g.o.TCP,
		in:   make(chan received, 2*batchSize),
		free: make(chan []byte, 2*batchSize),
		quit: make(chan struct{}),
		size: max(answerBuffer, int(g.o.UDPSize)),
	}
	if u, ok := conn.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(recvBuffer) // what does not fit counts as lost
		_ = u.SetWriteBuffer(sendBuffer)
	}
	g.conns[i] = c
	g.pumps.Go(func() { c.pump(g.signal) })
	return c, nil
}

func (g *connGroup) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *connGroup) wait(d time.Duration, ready []bool) error {
	for _, r := range ready {
		if r {
			d = 0
		}
	}
	if d > 0 {
		g.timer.Reset(d)
		select {
		case <-g.wake:
		case <-g.timer.C:
		}
	}
	for i, c := range g.conns {
		if c != nil && !c.closed && len(c.in) > 0 {
			ready[i] = true
		}
	}
	return nil
}

// close waits for the goroutines. The transports are closed before.
func (g *connGroup) close() {
	g.timer.Stop()
	g.pumps.Wait()
}

// received is a message that came, or the error that ended the receiving.
type received struct {
	msg []byte
	err error
}

// connTransport is one connection.
type connTransport struct {
	conn net.Conn
	tcp  bool
	size int // of a buffer for datagrams
	in   chan received
	free chan []byte // buffers to be used again
	quit chan struct{}
	got  [][]byte
	out  []byte

	closed bool // by the worker
}

// pump receives until the connection ends. If the worker does not keep up, it
// waits, and the host's buffer fills.
func (c *connTransport) pump(signal func()) {
	var f frames
	if c.tcp {
		f = newFrames()
	}
	for {
		r := c.receive(&f)
		select {
		case c.in <- r:
			signal()
		case <-c.quit:
			return
		}
		if r.err != nil && (c.tcp || errors.Is(r.err, net.ErrClosed)) {
			return
		}
	}
}

// receive returns the next message in a buffer of its own.
func (c *connTransport) receive(f *frames) received {
	var buf []byte
	select {
	case buf = <-c.free:
	default:
	}
	if !c.tcp {
		if cap(buf) < c.size {
			buf = make([]byte, c.size)
		}
		n, err := c.conn.Read(buf[:c.size])
		return received{buf[:n], connError(err)}
	}
	for {
		if m := f.next(); m != nil {
			return received{append(buf[:0], m...), nil}
		}
		n, err := c.conn.Read(f.room())
		f.came(n)
		if n == 0 && err != nil {
			return received{nil, errClosed}
		}
	}
}

func connError(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errUnreachable
	}
	return err
}

func (c *connTransport) send(msgs [][]byte) (int, error) {
	if c.tcp {
		// A server that does not read for so long is as good as gone.
		if err := c.conn.SetWriteDeadline(time.Now().Add(dialTimeout)); err != nil {
			return 0, err
		}
		c.out = appendFrames(c.out[:0], msgs)
		if _, err := c.conn.Write(c.out); err != nil {
			return 0, err
		}
		return len(msgs), nil
	}
	for i, m := range msgs {
		if _, err := c.conn.Write(m); err != nil {
			return i, connError(err)
		}
	}
	return len(msgs), nil
}

func (c *connTransport) recv() ([][]byte, error) {
	for _, b := range c.got {
		select {
		case c.free <- b:
		default:
		}
	}
	c.got = c.got[:0]
	for len(c.got) < batchSize {
		select {
		case r := <-c.in:
			if r.err != nil {
				return c.got, r.err
			}
			c.got = append(c.got, r.msg)
		default:
			return c.got, nil
		}
	}
	return c.got, nil
}

// drops returns 0: the net package has no counter for it.
func (c *connTransport) drops() uint64 { return 0 }

func (c *connTransport) close() {
	c.closed = true
	close(c.quit)
	c.conn.Close()
}
