package faulttest

import (
	"net"
	"sync"
)

// Conn is a connection that fails where Fail says so.
type Conn struct {
	net.Conn

	// Fail returns the error of the read or write ("read", "write") after which so many
	// octets went that way; nil: it is carried out. A write writes as many octets as
	// Fail leaves: limit says how many, at most, of the next call.
	Fail func(op string, octets int) (limit int, err error)

	mu      sync.Mutex
	in, out int
}

// Cut returns a function for [Conn.Fail] that ends one way of a connection with an error
// after so many octets.
func Cut(op string, after int, err error) func(string, int) (int, error) {
	return func(o string, octets int) (int, error) {
		switch {
		case o != op:
			return -1, nil
		case octets >= after:
			return 0, err
		}
		return after - octets, nil
	}
}

func (c *Conn) limit(op string, octets int, b []byte) ([]byte, error) {
	if c.Fail == nil {
		return b, nil
	}
	n, err := c.Fail(op, octets)
	if err != nil {
		return nil, err
	}
	if n >= 0 && n < len(b) {
		b = b[:n]
	}
	return b, nil
}

func (c *Conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	part, err := c.limit("read", c.in, b)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(part)
	c.mu.Lock()
	c.in += n
	c.mu.Unlock()
	return n, err
}

// Write writes all, or what goes before the error.
func (c *Conn) Write(b []byte) (done int, err error) {
	for len(b) > 0 {
		c.mu.Lock()
		part, err := c.limit("write", c.out, b)
		c.mu.Unlock()
		if err != nil {
			return done, err
		}
		n, err := c.Conn.Write(part)
		c.mu.Lock()
		c.out += n
		c.mu.Unlock()
		done += n
		if err != nil {
			return done, err
		}
		b = b[n:]
	}
	return done, nil
}

// Listener wraps what it accepts in a Conn.
type Listener struct {
	net.Listener
	Fail func(op string, octets int) (limit int, err error)
}

func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, Fail: l.Fail}, nil
}
