package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
)

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
	c.SetDeadline(time.Now().Add(await.Patience))
	return (&workertest.StreamClient{T: t, TCPConn: c}).IsClosed()
}

func TestTCPPipelining(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		const n = 1000
		var all []byte
		for i := range n {
			name := "a.example"
			if i%100 == 50 {
				name = "mid.example"
			}
			all = append(all, workertest.Framed(workertest.FakeQuery(uint16(i), name))...)
		}
		go c.Write(all)
		for i := range n {
			if m := c.Receive(); binary.BigEndian.Uint16(m) != uint16(i) {
				t.Fatalf("answer %d has id %x", i, m[:2])
			}
		}
		c.Close()
		await.That(t, "the end of the connection", func() bool { return r.Totals().Closed[answer.CloseByClient] == 1 })
		r.end()
		if total := r.Totals(); total.Transports[answer.TCP].Answered != n || total.Accepted != 1 {
			t.Errorf("%+v", total.Transports[answer.TCP])
		}
	})
}

func TestTCPAnyCuttingOfTheStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.SetNoDelay(true)
		var all []byte
		for i := range 20 {
			all = append(all, workertest.Framed(workertest.FakeQuery(uint16(i), "a.example"))...)
		}
		go func() {
			for size := 1; len(all) > 0; size++ {
				n := min(size, len(all))
				c.Write(all[:n])
				all = all[n:]
			}
		}()
		for i := range 20 {
			if m := c.Receive(); m[1] != byte(i) {
				t.Fatalf("answer %d is %x", i, m)
			}
		}
	})
}

func TestTCPLargestMessages(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		large := append(workertest.FakeQuery(7, "a.example"), make([]byte, maxMessage)...)[:maxMessage]
		go func() {
			c.Write(workertest.Framed(large))
			c.Write(workertest.Framed(workertest.FakeQuery(8, "big.example")))
			c.Write(workertest.Framed(workertest.FakeQuery(9, "a.example")))
		}()
		if m := c.Receive(); len(m) != maxMessage || m[1] != 7 {
			t.Errorf("%d octets, id %d", len(m), m[1])
		}
		if m := c.Receive(); len(m) != 60000 || m[1] != 8 {
			t.Errorf("%d octets, id %d", len(m), m[1])
		}
		if m := c.Receive(); m[1] != 9 {
			t.Errorf("id %d", m[1])
		}
	})
}

func TestTCPSlowQueryDoesNotHoldUpFastOnes(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) {
				workertest.Wait(ctx, release)
				q.Reply(append(q.Message[:3:3], 9))
				q.Reply(append(q.Message[:3:3], 10)) // a transfer is many messages
			})
		}, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.Send(append(workertest.Framed(workertest.FakeQuery(1, "slow.example")), workertest.Framed(workertest.FakeQuery(2, "fast.example"))...))
		if m := c.Receive(); m[1] != 2 {
			t.Fatalf("first answer has id %d, want the fast one", m[1])
		}
		close(release)
		for _, want := range []byte{9, 10} {
			if m := c.Receive(); m[1] != 1 || m[3] != want {
				t.Fatalf("got %x", m)
			}
		}
	})
}

func TestTCPIsNotIdleWhileTheSlowLaneWorks(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		clock := newHandClock()
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.Now = clock.now
			o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) {
				workertest.Wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.Send(workertest.Framed(workertest.FakeQuery(1, "slow.example")))
		await.Equal(t, "connections in work", 1, func() int { return r.inPhase(tcpWorking) })
		for closed := range uint64(2) {
			other := workertest.Dial(t, r.addr()) // is idle for as long
			await.Equal(t, "open connections", 2, func() int { return r.Totals().Open })
			clock.advance(workertest.TestLimits.TCPIdle)
			r.look()
			if !other.IsClosed() {
				t.Error("an idle connection stays")
			}
			await.Equal(t, "idle connections that were closed", closed+1, func() uint64 { return r.Totals().Closed[answer.CloseIdle] })
		}
		c.Ask(2, "fast.example")
		close(release)
		if m := c.Receive(); m[1] != 1 {
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
			o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) {
				workertest.Wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		for i := range 6 {
			c.Send(workertest.Framed(workertest.FakeQuery(uint16(i), "slow.example")))
		}
		await.That(t, "three queries in work", func() bool { return r.Totals().Deferred.Working == 3 })
		if total := r.Totals(); total.Transports[answer.TCP].Deferred > 3 || total.Deferred.Waiting > 0 {
			t.Errorf("more than the limit: %+v", total)
		}
		close(release)
		for range 6 {
			c.Receive()
		}
	})
}

func TestTCPFullSlowLaneIsServfail(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.Limits.TCPPipeline = deferred.QueueStreams + deferred.Workers + 10
			o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) {
				workertest.Wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		for i := range deferred.QueueStreams + deferred.Workers + 1 {
			if i == deferred.Workers {
				await.That(t, "busy workers", func() bool { return r.Totals().Deferred.Working == deferred.Workers })
			}
			c.Send(workertest.Framed(workertest.FakeQuery(uint16(i), "slow.example")))
		}
		m := c.Receive()
		want := workertest.FakeQuery(binary.BigEndian.Uint16(m), "slow.example")
		want[2], want[3] = 0x80, 2
		if !bytes.Equal(m, want) {
			t.Errorf("got %x, want %x", m, want)
		}
		if r.lane.HasRoom(answer.TCP, false) || !r.lane.HasRoom(answer.UDP, false) {
			t.Error("connections that fill the queue leave no room for datagrams")
		}
		close(release)
		for range deferred.QueueStreams + deferred.Workers {
			c.Receive()
		}
		await.That(t, "rest", func() bool { return r.Totals().Deferred.Working == 0 })
		if total := checkLaws(t, r.Server); total.Deferred.Full != 1 {
			t.Errorf("%+v", total.Deferred)
		}
	})
}

func TestTCPHalfClosedClientGetsItsAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) {
				workertest.Wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.Send(append(workertest.Framed(workertest.FakeQuery(1, "slow.example")), workertest.Framed(workertest.FakeQuery(2, "fast.example"))...))
		c.CloseWrite()
		if m := c.Receive(); m[1] != 2 {
			t.Errorf("got %x", m)
		}
		close(release)
		if m := c.Receive(); m[1] != 1 {
			t.Errorf("got %x", m)
		}
		if !c.IsClosed() {
			t.Error("the connection stays open")
		}
	})
}

func TestTCPLimitsOfTime(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		for _, c := range []struct {
			name string
			send []byte
			wait time.Duration
			want answer.CloseReason
		}{
			{"idle", workertest.Framed(workertest.FakeQuery(1, "a.example")), time.Minute, answer.CloseIdle},
			{"slow query", workertest.Framed(workertest.FakeQuery(1, "a.example"))[:9], time.Minute, answer.CloseSlowQuery},
			{"no request", workertest.Framed(workertest.FakeQuery(1, "drop.example")), 0, answer.CloseProtocol},
			{"fault", workertest.Framed(workertest.FakeQuery(1, "panic.example")), 0, answer.CloseFault},
		} {
			t.Run(c.name, func(t *testing.T) {
				clock := newHandClock()
				r := serve(t, func(o *Options) { way(o); o.Now = clock.now }, "127.0.0.1")
				// Again if the server had not read the part of a query when its time was over.
				for tries := uint64(1); r.Totals().Closed[c.want] == 0; tries++ {
					if tries > 100 {
						t.Fatalf("not closed as %v: %v", c.want, r.Totals().Closed)
					}
					client := workertest.Dial(t, r.addr())
					client.Send(c.send)
					await.Equal(t, "accepted connections", tries, func() uint64 { return r.Totals().Accepted })
					clock.advance(c.wait)
					r.look()
					if !client.IsClosed() {
						t.Error("not closed")
					}
					await.Equal(t, "open connections", 0, func() int { return r.Totals().Open })
				}
			})
		}
	})
}

// heldAnswerer waits when it first publishes what it counted.
type heldAnswerer struct {
	workertest.FakeAnswerer
	held          *atomic.Bool
	came, release chan struct{}
}

func (a *heldAnswerer) Publish() {
	if !a.held.Swap(true) {
		close(a.came)
		<-a.release
	}
}

// A query that came in time is not late because it is deferred, and answered, before the goroutine of
// its connection goes on.
func TestTCPQueryInTimeIsNotLate(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		clock := newHandClock()
		came, release := make(chan struct{}), make(chan struct{})
		var held atomic.Bool
		r := serve(t, func(o *Options) {
			way(o)
			o.Now, o.Limits.TCPWrite = clock.now, time.Second
			o.NewAnswerer = func(stats *answer.Stats) worker.Answerer {
				return &heldAnswerer{workertest.FakeAnswerer{Stats: stats}, &held, came, release}
			}
			o.HandleAll = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) { <-came; _ = q.Reply(q.Message) })
		}, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.Send(workertest.Framed(workertest.FakeQuery(1, "slow.example")))
		c.Receive()
		await.That(t, "the end of the request", func() bool { return r.Totals().Deferred.Done == 1 && r.inPhase(tcpClogged) == 0 })
		clock.advance(time.Second)
		r.look()
		close(release)
		c.Ask(2, "a.example")
	})
}

// TestTCPSlowloris feeds octet after octet: each resets no clock.
func TestTCPSlowloris(t *testing.T) {
	const drips = 1000
	eachWay(t, func(t *testing.T, way func(*Options)) {
		clock := newHandClock()
		r := serve(t, func(o *Options) { way(o); o.Now, o.Limits.TCPWrite = clock.now, drips*time.Millisecond }, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.SetNoDelay(true)
		c.Ask(1, "a.example")
		endless := workertest.Framed(make([]byte, maxMessage))
		c.Send(endless[:1])
		await.Equal(t, "connections that owe the rest of a message", 1, func() int { return r.inPhase(tcpOwing) })
		for i := range drips {
			_, _ = c.Write(endless[1+i : 2+i]) // the connection may be closed by now
			clock.advance(time.Millisecond)
			r.look()
		}
		await.That(t, "the reason", func() bool { return r.Totals().Closed[answer.CloseSlowQuery] == 1 })
	})
}

func TestTCPSlowReaderIsCutOff(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		clock := newHandClock()
		r := serve(t, func(o *Options) { way(o); o.Now = clock.now }, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.SetReadBuffer(4096)
		var ended sync.WaitGroup
		ended.Go(func() {
			for err := error(nil); err == nil; { // until it is closed
				_, err = c.Write(workertest.Framed(workertest.FakeQuery(1, "big.example")))
			}
		})
		r.awaitDeaf(1)
		await.That(t, "the reason", func() bool {
			clock.advance(workertest.TestLimits.TCPWrite)
			r.look()
			return r.Totals().Closed[answer.CloseSlowReader] == 1
		})
		ended.Wait()
		if n := r.Totals().Transports[answer.TCP].Unsent[answer.SendTimeout]; n == 0 {
			t.Error("the answers that it did not take are not counted")
		}
	})
}

func TestTCPSlowReaderDoesNotHoldUpTheStop(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1") // whose clients have a minute
		c := workertest.Dial(t, r.addr())
		query := workertest.Framed(workertest.FakeQuery(1, "big.example"))
		for range 400 {
			c.Send(query) // 24 MB of answers, more than is room for on the way
		}
		r.awaitDeaf(1)
		begin := time.Now()
		r.end()
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("stopping took %v", d)
		}
		if n := r.Totals().Closed[answer.CloseSlowReader]; n != 1 {
			t.Errorf("%d slow readers, want 1", n)
		}
	})
}

func TestTCPSlowReaderOfTheSlowLaneDoesNotHoldUpTheStop(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, func(o *Options) {
			way(o) // whose clients have a minute
			o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) {
				<-ctx.Done()
				for q.Reply(make([]byte, 60000)) == nil {
				}
			})
		}, "127.0.0.1")
		c := workertest.Dial(t, r.addr())
		c.Send(workertest.Framed(workertest.FakeQuery(1, "slow.example")))
		await.That(t, "work", func() bool { return r.Totals().Deferred.Working == 1 })
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
		first, second := workertest.Dial(t, r.addr()), workertest.Dial(t, r.addr())
		first.Ask(1, "a.example")
		second.Ask(1, "a.example")
		if !isRefused(t, r.addr()) {
			t.Error("a third connection")
		}
		first.Ask(2, "a.example")
		first.Close()
		await.That(t, "room", func() bool { return r.Totals().Open == 1 })
		workertest.Dial(t, r.addr()).Ask(1, "a.example")
		if n := r.Totals().Closed[answer.CloseClientLimit]; n != 1 {
			t.Errorf("%d over the limit, want 1", n)
		}
		// A higher limit holds at once.
		limits := workertest.TestLimits
		if err := r.SetLimits(limits); err != nil {
			t.Fatal(err)
		}
		workertest.Dial(t, r.addr()).Ask(1, "a.example")
	})
}

func TestTCPTotalLimitMakesRoom(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		release := make(chan struct{})
		r := serve(t, func(o *Options) {
			way(o)
			o.Limits.TCPClients = 3
			o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) {
				workertest.Wait(ctx, release)
				q.Reply(q.Message)
			})
		}, "127.0.0.1")
		var clients []*workertest.StreamClient
		for i := range 3 { // one after the other, so that the first is idle for longest
			clients = append(clients, workertest.Dial(t, r.addr()))
			clients[i].Ask(1, "a.example")
			await.Equal(t, "idle connections", i+1, func() int { return r.inPhase(tcpIdle) })
		}
		workertest.Dial(t, r.addr()).Ask(1, "a.example")
		if !clients[0].IsClosed() {
			t.Error("the longest idle connection is still there")
		}
		if n := r.Totals().Closed[answer.CloseShed]; n != 1 {
			t.Errorf("%d closed to make room, want 1", n)
		}
		clients[1].Ask(2, "a.example")

		// With everybody at work, the new one goes.
		busy := []*workertest.StreamClient{clients[1], clients[2]}
		for _, c := range busy {
			c.Send(workertest.Framed(workertest.FakeQuery(3, "slow.example")))
		}
		await.That(t, "work", func() bool { return r.Totals().Deferred.Working == 2 })
		last := workertest.Dial(t, r.addr()) // takes the place of the fourth
		last.Send(workertest.Framed(workertest.FakeQuery(3, "slow.example")))
		await.That(t, "work", func() bool { return r.Totals().Deferred.Working == 3 })
		if !isRefused(t, r.addr()) {
			t.Error("over the limit")
		}
		close(release)
		for _, c := range append(busy, last) {
			c.Receive()
		}
		if n := r.Totals().Closed[answer.CloseTotalLimit]; n != 1 {
			t.Errorf("%d refused, want 1", n)
		}
	})
}

// inPhase returns how many connections are in a phase.
func (r *running) inPhase(phase tcpPhase) (n int) {
	r.connections(func(c *tcpConn) {
		if p, _ := c.phase(); p == phase {
			n++
		}
	})
	return n
}

func TestKeepaliveIsZeroWhileShedding(t *testing.T) {
	l := worker.Limits{TCPClients: 100, TCPIdle: 10 * time.Second}
	if k := l.Keepalive(75); k != 100 || l.Idle(75) != l.TCPIdle {
		t.Errorf("keepalive %d, idle %v", k, l.Idle(75))
	}
	if k := l.Keepalive(76); k != 0 || l.Idle(76) != l.TCPIdle/4 {
		t.Errorf("keepalive %d, idle %v while shedding", k, l.Idle(76))
	}
	l.TCPIdle = 30 * time.Millisecond
	if k := l.Keepalive(1); k != 1 {
		t.Errorf("keepalive %d would ask the client to close", k)
	}
	l.TCPIdle = 24 * time.Hour
	if k := l.Keepalive(1); k != 0xffff {
		t.Errorf("keepalive %d", k)
	}
}

func TestServfail(t *testing.T) {
	q := workertest.FakeQuery(5, "a.example")
	q[2], q[3] = 0x29, 0xff // opcode 5, RD
	q[11] = 1               // an additional record
	q = append(q, 0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0)
	n := deferred.ServFail(q, len(q))
	want := workertest.FakeQuery(5, "a.example")
	want[2], want[3] = 0xa9, 2
	if !bytes.Equal(q[:n], want) {
		t.Errorf("got %x, want %x", q[:n], want)
	}
	broken := append(make([]byte, 0, wire.HeaderLen+1), 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63)
	if n := deferred.ServFail(broken, len(broken)); n != wire.HeaderLen || broken[5] != 0 {
		t.Errorf("question that cannot be read: %x", broken[:n])
	}
}
