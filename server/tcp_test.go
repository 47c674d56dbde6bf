package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"
)

// tcpClient is a client with one connection.
type tcpClient struct {
	t testing.TB
	*net.TCPConn
}

func dial(t testing.TB, to netip.AddrPort) *tcpClient {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &tcpClient{t, c.(*net.TCPConn)}
}

// wait waits for the release, or for the end of a test that failed before it.
func wait(ctx context.Context, release <-chan struct{}) {
	select {
	case <-release:
	case <-ctx.Done():
	}
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func (c *tcpClient) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *tcpClient) receive() []byte {
	c.t.Helper()
	m, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *tcpClient) next() ([]byte, error) {
	var prefix [2]byte
	if _, err := io.ReadFull(c, prefix[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(prefix[:]))
	_, err := io.ReadFull(c, m)
	return m, err
}

// ask sends a query and checks that what comes back is the answer to it.
func (c *tcpClient) ask(id uint16, name string) []byte {
	c.t.Helper()
	c.send(framed(fakeQuery(id, name)))
	m := c.receive()
	if got := binary.BigEndian.Uint16(m); got != id || m[2]&0x80 == 0 {
		c.t.Fatalf("asked %d, got %x", id, m)
	}
	return m
}

// isClosed waits for the end of the connection.
func (c *tcpClient) isClosed() bool {
	_, err := io.Copy(io.Discard, c)
	return err == nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

// isRefused reports whether the server resets a new connection.
func isRefused(t testing.TB, to netip.AddrPort) bool {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if errors.Is(err, syscall.ECONNRESET) { // before we had time to see it made
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return (&tcpClient{t, c}).isClosed()
}

func TestTCPPipelining(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		c := dial(t, r.addr())
		const n = 1000
		var all []byte
		for i := range n {
			name := "a.example"
			if i%100 == 50 {
				name = "mid.example"
			}
			all = append(all, framed(fakeQuery(uint16(i), name))...)
		}
		go c.Write(all)
		for i := range n {
			if m := c.receive(); binary.BigEndian.Uint16(m) != uint16(i) {
				t.Fatalf("answer %d has id %x", i, m[:2])
			}
		}
		c.Close()
		await(t, "the end of the connection", func() bool { return r.Totals().Closed[CloseByClient] == 1 })
		r.end()
		if total := r.Totals(); total.Transports[answer.TCP].Answered != n || total.Accepted != 1 {
			t.Errorf("%+v", total.Transports[answer.TCP])
		}
	})
}

func TestTCPAnyCuttingOfTheStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		c := dial(t, r.addr())
		c.SetNoDelay(true)
		var all []byte
		for i := range 20 {
			all = append(all, framed(fakeQuery(uint16(i), "a.example"))...)
		}
		go func() {
			for size := 1; len(all) > 0; size++ {
				n := min(size, len(all))
				c.Write(all[:n])
				all = all[n:]
			}
		}()
		for i := range 20 {
			if m := c.receive(); m[1] != byte(i) {
				t.Fatalf("answer %d is %x", i, m)
			}
		}
	})
}

func TestTCPLargestMessages(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		c := dial(t, r.addr())
		large := append(fakeQuery(7, "a.example"), make([]byte, maxMessage)...)[:maxMessage]
		go func() {
			c.Write(framed(large))
			c.Write(framed(fakeQuery(8, "big.example")))
			c.Write(framed(fakeQuery(9, "a.example")))
		}()
		if m := c.receive(); len(m) != maxMessage || m[1] != 7 {
			t.Errorf("%d octets, id %d", len(m), m[1])
		}
		if m := c.receive(); len(m) != 60000 || m[1] != 8 {
			t.Errorf("%d octets, id %d", len(m), m[1])
		}
		if m := c.receive(); m[1] != 9 {
			t.Errorf("id %d", m[1])
		}
	})
}

func TestTCPSlowQueryDoesNotHoldUpFastOnes(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.slow = handlerFunc(func(ctx context.Context, q *SlowRequest) {
				wait(ctx, release)
				q.Reply(append(q.Message[:3:3], 9))
				q.Reply(append(q.Message[:3:3], 10)) // a transfer is many messages
			})
		}, "127.0.0.1")
		c := dial(t, r.addr())
		c.send(append(framed(fakeQuery(1, "slow.example")), framed(fakeQuery(2, "fast.example"))...))
		if m := c.receive(); m[1] != 2 {
			t.Fatalf("first answer has id %d, want the fast one", m[1])
		}
		close(release)
		for _, want := range []byte{9, 10} {
			if m := c.receive(); m[1] != 1 || m[3] != want {
				t.Fatalf("got %x", m)
			}
		}
	})
}

func TestTCPIsNotIdleWhileTheSlowLaneWorks(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.Limits.TCPIdle = 20 * time.Millisecond
			o.slow = handlerFunc(func(ctx context.Context, q *SlowRequest) {
				wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := dial(t, r.addr())
		c.send(framed(fakeQuery(1, "slow.example")))
		other := dial(t, r.addr()) // is idle for as long
		if !other.isClosed() {
			t.Error("an idle connection stays")
		}
		await(t, "the reason", func() bool { return r.Totals().Closed[CloseIdle] == 1 })
		other = dial(t, r.addr())
		if !other.isClosed() {
			t.Error("an idle connection stays")
		}
		c.ask(2, "fast.example")
		close(release)
		if m := c.receive(); m[1] != 1 {
			t.Errorf("got %x", m)
		}
	})
}

func TestTCPPipelineLimitStopsReading(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.Limits.TCPPipeline = 3
			o.slow = handlerFunc(func(ctx context.Context, q *SlowRequest) {
				wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := dial(t, r.addr())
		for i := range 6 {
			c.send(framed(fakeQuery(uint16(i), "slow.example")))
		}
		await(t, "three queries in work", func() bool { return r.Totals().Slow.Working == 3 })
		if total := r.Totals(); total.Transports[answer.TCP].Deferred > 3 || total.Slow.Waiting > 0 {
			t.Errorf("more than the limit: %+v", total)
		}
		close(release)
		for range 6 {
			c.receive()
		}
	})
}

func TestTCPFullSlowLaneIsServfail(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.Limits.TCPPipeline = slowQueueTCP + slowWorkers + 10
			o.slow = handlerFunc(func(ctx context.Context, q *SlowRequest) {
				wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := dial(t, r.addr())
		for i := range slowQueueTCP + slowWorkers + 1 {
			if i == slowWorkers {
				await(t, "busy workers", func() bool { return r.Totals().Slow.Working == slowWorkers })
			}
			c.send(framed(fakeQuery(uint16(i), "slow.example")))
		}
		m := c.receive()
		want := fakeQuery(binary.BigEndian.Uint16(m), "slow.example")
		want[2], want[3] = 0x80, 2
		if !bytes.Equal(m, want) {
			t.Errorf("got %x, want %x", m, want)
		}
		if r.slow.hasRoom(answer.TCP, false) || !r.slow.hasRoom(answer.UDP, false) {
			t.Error("connections that fill the queue leave no room for datagrams")
		}
		close(release)
		for range slowQueueTCP + slowWorkers {
			c.receive()
		}
		await(t, "rest", func() bool { return r.Totals().Slow.Working == 0 })
		if total := checkLaws(t, r.Server); total.Slow.Full != 1 {
			t.Errorf("%+v", total.Slow)
		}
	})
}

func TestTCPHalfClosedClientGetsItsAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.slow = handlerFunc(func(ctx context.Context, q *SlowRequest) {
				wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := dial(t, r.addr())
		c.send(append(framed(fakeQuery(1, "slow.example")), framed(fakeQuery(2, "fast.example"))...))
		c.CloseWrite()
		if m := c.receive(); m[1] != 2 {
			t.Errorf("got %x", m)
		}
		close(release)
		if m := c.receive(); m[1] != 1 {
			t.Errorf("got %x", m)
		}
		if !c.isClosed() {
			t.Error("the connection stays open")
		}
	})
}

func TestTCPLimitsOfTime(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		for _, c := range []struct {
			name string
			edit func(*Limits)
			send []byte
			want CloseReason
		}{
			{"idle", func(l *Limits) { l.TCPIdle = 30 * time.Millisecond }, framed(fakeQuery(1, "a.example")), CloseIdle},
			{"slow query", func(l *Limits) { l.TCPWrite = 30 * time.Millisecond }, framed(fakeQuery(1, "a.example"))[:9], CloseSlowQuery},
			{"no request", func(*Limits) {}, framed(fakeQuery(1, "drop.example")), CloseProtocol},
			{"fault", func(*Limits) {}, framed(fakeQuery(1, "panic.example")), CloseFault},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := serve(t, func(o *Options) { way(o); c.edit(&o.Limits) }, "127.0.0.1")
				client := dial(t, r.addr())
				client.send(c.send)
				if !client.isClosed() {
					t.Error("not closed")
				}
				await(t, "the reason", func() bool { return r.Totals().Closed[c.want] == 1 })
			})
		}
	})
}

// TestTCPSlowloris feeds octet after octet: each resets no clock.
func TestTCPSlowloris(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, func(o *Options) { way(o); o.Limits.TCPWrite = 20 * time.Millisecond }, "127.0.0.1")
		c := dial(t, r.addr())
		c.SetNoDelay(true)
		endless := framed(make([]byte, maxMessage))
		for i := 0; ; i++ {
			if _, err := c.Write(endless[i : i+1]); err != nil {
				break
			}
			if i == maxMessage {
				t.Fatal("a whole message went through")
			}
		}
		await(t, "the reason", func() bool { return r.Totals().Closed[CloseSlowQuery] == 1 })
	})
}

func TestTCPSlowReaderIsCutOff(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, func(o *Options) { way(o); o.Limits.TCPWrite = 100 * time.Millisecond }, "127.0.0.1")
		c := dial(t, r.addr())
		c.SetReadBuffer(4096)
		query := framed(fakeQuery(1, "big.example"))
		for { // until what is between us and it is full
			if _, err := c.Write(query); err != nil {
				break
			}
			if r.Totals().Closed[CloseSlowReader] == 1 {
				break
			}
		}
		await(t, "the reason", func() bool { return r.Totals().Closed[CloseSlowReader] == 1 })
		if n := r.Totals().Transports[answer.TCP].Unsent[answer.SendTimeout]; n == 0 {
			t.Error("the answers that it did not take are not counted")
		}
	})
}

func TestTCPSlowReaderDoesNotHoldUpTheStop(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1") // whose clients have a minute
		c := dial(t, r.addr())
		query := framed(fakeQuery(1, "big.example"))
		for range 400 {
			c.send(query) // 24 MB of answers, more than is room for on the way
		}
		before, same := uint64(0), 0
		await(t, "a blocked write", func() bool {
			now := r.Totals().Transports[answer.TCP].Received
			if same++; now != before || now == 0 {
				before, same = now, 0
			}
			return same == 100
		})
		begin := time.Now()
		r.end()
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("stopping took %v", d)
		}
		if n := r.Totals().Closed[CloseSlowReader]; n != 1 {
			t.Errorf("%d slow readers, want 1", n)
		}
	})
}

func TestTCPSlowReaderOfTheSlowLaneDoesNotHoldUpTheStop(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, func(o *Options) {
			way(o) // whose clients have a minute
			o.slow = handlerFunc(func(ctx context.Context, q *SlowRequest) {
				<-ctx.Done()
				for q.Reply(make([]byte, 60000)) == nil {
				}
			})
		}, "127.0.0.1")
		c := dial(t, r.addr())
		c.send(framed(fakeQuery(1, "slow.example")))
		await(t, "work", func() bool { return r.Totals().Slow.Working == 1 })
		begin := time.Now()
		r.end()
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("stopping took %v", d)
		}
	})
}

func TestTCPClientLimit(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, func(o *Options) { way(o); o.Limits.TCPClientsPer = 2 }, "127.0.0.1")
		first, second := dial(t, r.addr()), dial(t, r.addr())
		first.ask(1, "a.example")
		second.ask(1, "a.example")
		if !isRefused(t, r.addr()) {
			t.Error("a third connection")
		}
		first.ask(2, "a.example")
		first.Close()
		await(t, "room", func() bool { return r.Totals().Open == 1 })
		dial(t, r.addr()).ask(1, "a.example")
		if n := r.Totals().Closed[CloseClientLimit]; n != 1 {
			t.Errorf("%d over the limit, want 1", n)
		}
		// A higher limit holds at once.
		limits := testLimits
		if err := r.SetLimits(limits); err != nil {
			t.Fatal(err)
		}
		dial(t, r.addr()).ask(1, "a.example")
	})
}

func TestTCPTotalLimitMakesRoom(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.Limits.TCPClients = 3
			o.slow = handlerFunc(func(ctx context.Context, q *SlowRequest) {
				wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		var clients []*tcpClient
		for i := range 3 { // one after the other, so that the first is idle for longest
			clients = append(clients, dial(t, r.addr()))
			clients[i].ask(1, "a.example")
			await(t, "idleness", func() bool { return r.idle() == i+1 })
		}
		dial(t, r.addr()).ask(1, "a.example")
		if !clients[0].isClosed() {
			t.Error("the longest idle connection is still there")
		}
		if n := r.Totals().Closed[CloseShed]; n != 1 {
			t.Errorf("%d closed to make room, want 1", n)
		}
		clients[1].ask(2, "a.example")

		// With everybody at work, the new one goes.
		busy := []*tcpClient{clients[1], clients[2]}
		for _, c := range busy {
			c.send(framed(fakeQuery(3, "slow.example")))
		}
		await(t, "work", func() bool { return r.Totals().Slow.Working == 2 })
		last := dial(t, r.addr()) // takes the place of the fourth
		last.send(framed(fakeQuery(3, "slow.example")))
		await(t, "work", func() bool { return r.Totals().Slow.Working == 3 })
		if !isRefused(t, r.addr()) {
			t.Error("over the limit")
		}
		close(release)
		for _, c := range append(busy, last) {
			c.receive()
		}
		if n := r.Totals().Closed[CloseTotalLimit]; n != 1 {
			t.Errorf("%d refused, want 1", n)
		}
	})
}

func (r *running) idle() (n int) {
	r.conns.mu.Lock()
	defer r.conns.mu.Unlock()
	for _, c := range r.conns.all {
		if p, _ := c.phase(); p == tcpIdle {
			n++
		}
	}
	return n
}

func TestKeepaliveIsZeroWhileShedding(t *testing.T) {
	l := Limits{TCPClients: 100, TCPIdle: 10 * time.Second}
	if k := l.keepalive(75); k != 100 || l.idle(75) != l.TCPIdle {
		t.Errorf("keepalive %d, idle %v", k, l.idle(75))
	}
	if k := l.keepalive(76); k != 0 || l.idle(76) != l.TCPIdle/4 {
		t.Errorf("keepalive %d, idle %v while shedding", k, l.idle(76))
	}
	l.TCPIdle = 30 * time.Millisecond
	if k := l.keepalive(1); k != 1 {
		t.Errorf("keepalive %d would ask the client to close", k)
	}
	l.TCPIdle = 24 * time.Hour
	if k := l.keepalive(1); k != 0xffff {
		t.Errorf("keepalive %d", k)
	}
}

func TestServfail(t *testing.T) {
	q := fakeQuery(5, "a.example")
	q[2], q[3] = 0x29, 0xff // opcode 5, RD
	q[11] = 1               // an additional record
	q = append(q, 0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0)
	n := servfail(q, len(q))
	want := fakeQuery(5, "a.example")
	want[2], want[3] = 0xa9, 2
	if !bytes.Equal(q[:n], want) {
		t.Errorf("got %x, want %x", q[:n], want)
	}
	broken := append(make([]byte, 0, wire.HeaderLen+1), 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63)
	if n := servfail(broken, len(broken)); n != wire.HeaderLen || broken[5] != 0 {
		t.Errorf("question that cannot be read: %x", broken[:n])
	}
}
