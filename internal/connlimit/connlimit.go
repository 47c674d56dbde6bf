// Package connlimit bounds the connections of an HTTP server, so that clients that
// open many, or send half of a request, take neither descriptors nor memory from
// others.
//
// Where the table is full, a new connection takes the place of one that no request
// is answered on: of those that never brought a whole request, if there is one, the
// oldest; else of the one that has been idle longest. So a client that sends its
// request at once is answered even while others hold all places. Where each
// connection has a request in work, the new one is closed.
package connlimit

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Table holds the connections of one server, over all of its listeners. It may be used
// by any number of goroutines.
type Table struct {
	most int

	mu    sync.Mutex
	conns []*conn // the oldest, or longest idle, first
}

// conn is one connection.
type conn struct {
	net.Conn
	table  *Table
	work   int  // requests in work
	served bool // a whole request came
}

// New returns a table of at most so many connections.
func New(most int) *Table { return &Table{most: most} }

// Open returns how many connections there are.
func (t *Table) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// Listener returns a listener whose connections are in the table.
func (t *Table) Listener(ln net.Listener) net.Listener { return listener{ln, t} }

type listener struct {
	net.Listener
	table *Table
}

func (l listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: inner, table: l.table}
		if l.table.add(c) {
			return c, nil
		}
		inner.Close()
	}
}

// add makes room for c and reports whether there is some.
func (t *Table) add(c *conn) bool {
	t.mu.Lock()
	if len(t.conns) < t.most {
		t.conns = append(t.conns, c)
		t.mu.Unlock()
		return true
	}
	victim := -1
	for i, o := range t.conns {
		if o.work == 0 && (victim < 0 || t.conns[victim].served && !o.served) {
			victim = i
		}
	}
	if victim < 0 {
		t.mu.Unlock()
		return false
	}
	gone := t.conns[victim]
	t.conns = append(append(t.conns[:victim], t.conns[victim+1:]...), c)
	t.mu.Unlock()
	gone.Conn.Close() // its descriptor is free before the new one is served
	return true
}

// remove takes c out, if it is in the table.
func (t *Table) remove(c *conn) (found bool) {
	for i, o := range t.conns {
		if o == c {
			t.conns = append(t.conns[:i], t.conns[i+1:]...)
			return true
		}
	}
	return false
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.table.mu.Lock()
	c.table.remove(c)
	c.table.mu.Unlock()
	return c.Conn.Close()
}

type connKey struct{}

// ConnContext is for http.Server.ConnContext: Handler finds the connection by it.
func (t *Table) ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// Handler returns a handler whose requests keep their connections from being closed
// for others.
func (t *Table) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.begin()
			defer c.end()
		}
		h.ServeHTTP(w, r)
	})
}

func (c *conn) begin() {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	c.work++
	c.served = true
}

// end puts the connection behind all others: it is the one that was busy last.
func (c *conn) end() {
	t := c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	c.work--
	if t.remove(c) {
		t.conns = append(t.conns, c)
	}
}
