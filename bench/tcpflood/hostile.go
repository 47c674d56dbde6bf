package main

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// maxSources is how many addresses 127.64.0.0/10 has for attackers, one of
// 256 in each /24 left out.
const maxSources = 1 << 20

var attacks = []string{"none", "idle", "length", "drip", "asked", "deaf", "churn"}

// hostileSource returns the k-th address of the attackers. Neighbours in number
// are in different /24s.
func hostileSource(k int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(64 + k>>16&15), byte(k), byte(1 + k>>8&127)})
}

// attackers hold the hostile connections.
type attackers struct {
	*options
	permits  chan struct{} // to make a connection
	standing atomic.Int64
	made     atomic.Int64
}

// run keeps the connections up until ctx ends.
func (a *attackers) run(ctx context.Context) {
	if a.attack == "none" {
		return
	}
	var all sync.WaitGroup
	all.Go(func() { a.permit(ctx) })
	for k := range a.conns {
		all.Go(func() {
			for ctx.Err() == nil {
				a.one(ctx, hostileSource(k%a.sources))
			}
		})
	}
	all.Wait()
}

// permit lets o.open connections be made a second, in steps of ten milliseconds.
func (a *attackers) permit(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, given := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * float64(a.open)); given < due; given++ {
			select {
			case a.permits <- struct{}{}:
			default:
			}
		}
	}
}

// one makes a connection and holds it until the server ends it.
func (a *attackers) one(ctx context.Context, from netip.Addr) {
	select {
	case <-a.permits:
	case <-ctx.Done():
		return
	}
	c, err := dial(ctx, from, a.server, 5*time.Second)
	if err != nil {
		return
	}
	a.made.Add(1)
	a.standing.Add(1)
	defer a.standing.Add(-1)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	c.SetLinger(0) // no TIME_WAIT: the attacker is the one who runs out of ports
	defer c.Close()
	a.annoy(ctx, c)
}

func (a *attackers) annoy(ctx context.Context, c *net.TCPConn) {
	var one [1]byte
	switch a.attack {
	case "churn":
		return
	case "length":
		c.Write([]byte{0xff, 0xff})
	case "drip":
		if _, err := c.Write([]byte{0xff, 0xff}); err != nil {
			return
		}
		go drip(ctx, c)
	case "asked":
		c.Write(a.query)
		readMessage(c)
	case "deaf":
		// What the client holds is not the server's trouble, but this host's.
		c.SetReadBuffer(2048)
		c.SetWriteBuffer(4096)
		many := make([]byte, 0, 64*len(a.query))
		for range 64 {
			many = append(many, a.query...)
		}
		for {
			if _, err := c.Write(many); err != nil {
				return
			}
		}
	}
	c.Read(one[:]) // waits for the end
}

func drip(ctx context.Context, c *net.TCPConn) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := c.Write([]byte{0}); err != nil {
			return
		}
	}
}

// dial connects from an address. The kernel looks for a port when it knows the
// destination, so that each address has all of them.
func dial(ctx context.Context, from netip.Addr, to netip.AddrPort, timeout time.Duration) (*net.TCPConn, error) {
	d := net.Dialer{
		Timeout:   timeout,
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)),
		KeepAlive: -1,
		Control: func(_, _ string, raw syscall.RawConn) error {
			var optionErr error
			err := raw.Control(func(fd uintptr) { optionErr = bindLate(fd) })
			if err == nil {
				err = optionErr
			}
			return err
		},
	}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// readMessage reads one message and returns its id.
func readMessage(c *net.TCPConn) (uint16, error) {
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, err
	}
	m := make([]byte, max(int(binary.BigEndian.Uint16(head[:])), 2))
	if _, err := io.ReadFull(c, m); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(m), nil
}
