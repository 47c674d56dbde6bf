// Package connlimit bounds the connections of an HTTP server, so that clients that
// open many, or send half a request, take neither descriptors nor memory from others.
//
// If the table is full, a new connection replaces one without a request in progress:
// the oldest of those that never sent a whole request, or else the one that has been
// idle longest. A client that sends its request at once is therefore answered even
// while others hold all places. If every connection has a request in progress, the new
// one is closed.
package connlimit

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Table holds the connections of one server, over all of its listeners. Its methods may
// be called concurrently.
type Table struct {
	max int

	mu    sync.Mutex
	conns []*conn // the oldest, or longest idle, first
}

// conn is one connection.
type conn struct {
	net.Conn
	table  *Table
	work   int  // requests in progress
	served bool // a whole request was received
}

// New returns a table of at most max connections.
func New(max int) *Table { return &Table{max: max} }

// Open returns the number of connections.
func (t *Table) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// shutdownTime is how long Serve waits for requests in progress when ctx is done.
const shutdownTime = time.Second

// Serve accepts connections from ln into the table and serves them until ctx is done, then
// waits at most a second for requests in progress. The requests themselves end with
// their clients, not with ctx. It may be called for several listeners, each with its own
// http.Server, of which it sets ConnContext and wraps the Handler.
func (t *Table) Serve(ctx context.Context, s *http.Server, ln net.Listener) error {
	s.Handler = t.handler(s.Handler)
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if s.Shutdown(bound) != nil {
			s.Close()
		}
	})
	err := s.Serve(listener{ln, t})
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

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

// add adds c, if necessary in place of another, and reports whether it could.
func (t *Table) add(c *conn) bool {
	t.mu.Lock()
	if len(t.conns) < t.max {
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

// remove removes c and reports whether it was in the table.
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

// handler returns a handler during whose requests the connection is not closed for another.
func (t *Table) handler(h http.Handler) http.Handler {
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

// end moves the connection behind all others: it is the most recently active.
func (c *conn) end() {
	t := c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	c.work--
	if t.remove(c) {
		t.conns = append(t.conns, c)
	}
}
