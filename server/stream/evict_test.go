package stream

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
)

// abortedStream is the socket of a connection that can only be closed to make
// room.
type abortedStream struct {
	memStream
	aborted bool
}

func (a *abortedStream) abort() { a.aborted = true }

// tableOf returns a server whose clock the test sets, and a function that adds a
// connection from addr which has been in a phase for so long.
func tableOf(t *testing.T, limits worker.Limits) (*Server, func(addr string, p tcpPhase, quiet time.Duration) (*tcpConn, bool)) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := newTestServer(t, func(o *Options) {
		o.Limits = limits
		o.Now = func() time.Time { return now }
	})
	now = now.Add(time.Hour)
	s.conns = New(s.Group, s.lane, 1)
	return s, func(addr string, p tcpPhase, quiet time.Duration) (*tcpConn, bool) {
		c := &tcpConn{conns: s.conns, place: -1, client: netip.AddrPortFrom(netip.MustParseAddr(addr), 4242), sock: new(abortedStream)}
		c.enter(p, s.Clock()-quiet)
		return c, s.conns.add(c)
	}
}

func wasEvicted(c *tcpConn) bool { return c.sock.(*abortedStream).aborted }

// TestEvictTheOneWithoutProgress fills a small table, of which all connections
// are looked at.
func TestEvictTheOneWithoutProgress(t *testing.T) {
	type conn struct {
		addr  string
		phase tcpPhase
		quiet time.Duration
	}
	for _, c := range []struct {
		name  string
		conns []conn
		want  []int // in this order they go; then nobody does
	}{
		{"the longest without progress, whatever it waits for", []conn{
			{"192.0.2.1", tcpIdle, 3 * time.Second}, {"198.51.100.1", tcpOwing, 4 * time.Second},
			{"203.0.113.1", tcpClogged, 5 * time.Second}, {"10.0.0.1", tcpFresh, 2 * time.Second},
		}, []int{2, 1, 0, 3}},
		{"nobody whom the deferred lane works for", []conn{
			{"192.0.2.1", tcpWorking, time.Hour}, {"198.51.100.1", tcpLeaving, time.Hour}, {"203.0.113.1", tcpIdle, time.Millisecond},
		}, []int{2}},
		{"the neighbourhood with most, at the same time", []conn{
			{"192.0.2.1", tcpIdle, time.Second}, {"198.51.100.1", tcpIdle, time.Second}, {"198.51.100.2", tcpIdle, time.Second},
		}, []int{1}},
		{"of many side by side the one that just came rather than one alone that has been quiet for a bit", []conn{
			{"192.0.2.1", tcpIdle, 2 * time.Second},
			{"198.51.100.1", tcpOwing, time.Second}, {"198.51.100.2", tcpOwing, time.Second}, {"198.51.100.3", tcpOwing, time.Second},
		}, []int{1}},
		{"of IPv6, a /48 is one neighbourhood", []conn{
			{"2001:db8:1::1", tcpIdle, 2 * time.Second}, {"2001:db8:2:100::1", tcpIdle, 1500 * time.Millisecond}, {"2001:db8:2:200::1", tcpIdle, 1400 * time.Millisecond},
		}, []int{1}},
	} {
		limits := workertest.TestLimits
		limits.TCPClients = len(c.conns)
		s, add := tableOf(t, limits)
		var conns []*tcpConn
		for _, k := range c.conns {
			conn, ok := add(k.addr, k.phase, k.quiet)
			if !ok {
				t.Fatalf("%s: no place for %s", c.name, k.addr)
			}
			conns = append(conns, conn)
		}
		for step, want := range c.want {
			if _, ok := add(fmt.Sprintf("233.252.%d.1", step), tcpWorking, 0); !ok {
				t.Fatalf("%s: step %d: no place was made", c.name, step)
			}
			for i, conn := range conns {
				gone := false
				for _, w := range c.want[:step+1] {
					gone = gone || w == i
				}
				if wasEvicted(conn) != gone {
					t.Errorf("%s: step %d, which closes %d: closed(%d) is %v", c.name, step, want, i, wasEvicted(conn))
				}
			}
		}
		total := s.Totals()
		if total.Closed[answer.CloseShed] != uint64(len(c.want)) || total.Open != len(c.conns) {
			t.Errorf("%s: %d closed, %d open", c.name, total.Closed[answer.CloseShed], total.Open)
		}
	}
}

// TestFreshClientsStayInAFlood lets each of a stream of legitimate clients have
// its connection for as long as five hundred hostile ones need to come.
func TestFreshClientsStayInAFlood(t *testing.T) {
	for name, hostile := range map[string]func(i int) string{
		"from one /24":          func(i int) string { return fmt.Sprintf("198.51.100.%d", i%256) },
		"from everywhere":       func(i int) string { return fmt.Sprintf("%d.%d.%d.1", 11+i>>16&63, i>>8&255, i&255) },
		"from one IPv6 network": func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i&0xffff) },
	} {
		limits := workertest.TestLimits
		limits.TCPClients, limits.TCPClientsPer = 1000, 32
		s, add := tableOf(t, limits)
		now := s.Clock()
		s.Now = func() time.Time { return s.Began.Add(now) }
		attack := func(n int) {
			for i := range n {
				now += 100 * time.Microsecond // ten thousand a second
				add(hostile(i), tcpOwing, 0)
			}
		}
		attack(5000)
		lost := 0
		for i := range 200 {
			c, ok := add(fmt.Sprintf("192.0.2.%d", i), tcpFresh, 0)
			if !ok {
				t.Fatalf("%s: no place for client %d", name, i)
			}
			attack(500)
			if wasEvicted(c) {
				lost++
				continue
			}
			s.conns.mu.Lock()
			s.conns.drop(c)
			s.conns.mu.Unlock()
		}
		// The table turns over in 100 ms, a client stays for 50: that all of sixteen are
		// younger than it, and not of one neighbourhood, is once in 2^16.
		if lost > 0 {
			t.Errorf("%s: %d of 200 clients lost their connections", name, lost)
		}
		if open := s.Totals().Open; open > limits.TCPClients {
			t.Errorf("%s: %d connections", name, open)
		}
	}
}

func TestClientLimitIsOfTheClient(t *testing.T) {
	limits := workertest.TestLimits
	limits.TCPClientsPer = 2
	s, add := tableOf(t, limits)
	for _, c := range []struct {
		addr string
		ok   bool
	}{
		{"192.0.2.1", true}, {"192.0.2.2", true}, {"::ffff:192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8:1:100::1", true}, {"2001:db8:1:1ff::2", true}, {"2001:db8:1:101::3", false}, {"2001:db8:1:200::1", true},
	} {
		if _, ok := add(c.addr, tcpIdle, 0); ok != c.ok {
			t.Errorf("%s: admitted %v, want %v", c.addr, ok, c.ok)
		}
	}
	for _, c := range append([]*tcpConn(nil), s.conns.all...) {
		s.conns.ended(c, answer.CloseByClient)
	}
	if n := len(s.conns.clients) + len(s.conns.prefixes); n > 0 {
		t.Errorf("%d clients are left behind", n)
	}
	checkLaws(t, s)
}
