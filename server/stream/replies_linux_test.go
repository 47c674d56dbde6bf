package stream

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/workertest"
)

// TestRemovedAddressAnswersWhatWaits removes an address while connections with
// queries wait to be accepted.
func TestRemovedAddressAnswersWhatWaits(t *testing.T) {
	r := serve(t, func(o *Options) { o.Workers = 1 }, "127.0.0.1")
	workertest.Dial(t, r.addr()).Ask(1, "a.example") // it serves
	held, release := make(chan struct{}), make(chan struct{})
	loop := r.conns.engines[answer.TCP].(*loopEngine).loops[0]
	go loop.do(func() { close(held); <-release })
	<-held
	var clients []*workertest.StreamClient
	for i := range 40 { // more than one round accepts
		c := workertest.Dial(t, r.addr())
		c.Send(workertest.Framed(workertest.FakeQuery(uint16(i), "a.example")))
		clients = append(clients, c)
	}
	removed := make(chan error)
	go func() { r.removeListeners(); removed <- nil }()
	await.That(t, "the removal", func() bool {
		loop.mu.Lock()
		defer loop.mu.Unlock()
		return len(loop.calls) > 0
	})
	close(release)
	for i, c := range clients {
		if m := c.Receive(); m[1] != byte(i) {
			t.Errorf("client %d got %x", i, m)
		}
		if !c.IsClosed() {
			t.Errorf("connection %d stays", i)
		}
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
}

// TestTCPRepliesAndAnswersDoNotMix has a client that does not take its answers at first
// while the fast and the deferred lane answer large ones: each comes once, and whole.
func TestTCPRepliesAndAnswersDoNotMix(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, func(o *Options) {
			way(o)
			o.HandleAll = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) {
				for range 3 {
					answer := make([]byte, 20000)
					copy(answer, q.Message)
					answer[2], answer[len(answer)-1] = 0x81, q.Message[1]
					if err := q.Reply(answer); err != nil {
						t.Errorf("reply: %v", err)
					}
				}
			})
		}, "127.0.0.1")
		rng := rand.New(rand.NewPCG(seed, 0))
		c := workertest.Dial(t, r.addr())
		const n = 400 // some 12 MB of answers, more than is room for on the way
		var all []byte
		want := map[uint16]int{}
		for id := range uint16(n) {
			name := [...]string{"slow.example", "big.example", "mid.example", "a.example"}[rng.IntN(4)]
			all = append(all, workertest.Framed(workertest.FakeQuery(id, name))...)
			if want[id] = 1; name == "slow.example" {
				want[id] = 3
			}
		}
		go c.Write(all)
		await.That(t, "a client that does not take its answers", func() bool {
			r.conns.mu.Lock()
			defer r.conns.mu.Unlock()
			if len(r.conns.all) == 0 {
				return false
			}
			// Or all that it may have in work are replies that it does not take.
			p, _ := r.conns.all[0].phase()
			return p == tcpClogged || r.conns.all[0].isFull()
		})
		for total := 0; len(want) > 0; total++ {
			m := c.Receive()
			id := uint16(m[0])<<8 | uint16(m[1])
			if want[id] == 0 || m[2] == 0x81 && (len(m) != 20000 || m[len(m)-1] != m[1]) {
				t.Fatalf("message %d: id %d, %d octets: %x", total, id, len(m), m[:12])
			}
			if want[id]--; want[id] == 0 {
				delete(want, id)
			}
		}
		r.end()
		if total := r.Totals(); workertest.SumOf(total.Transports[answer.TCP].Unsent[:])+total.Deferred.Unsent > 0 {
			t.Errorf("unsent: %v, %d of the deferred lane", total.Transports[answer.TCP].Unsent, total.Deferred.Unsent)
		}
	})
}

// A client that acknowledges octets of a transfer, but too few for the kernel to take
// more of us, makes progress.
func TestAcknowledgedOctetsAreProgress(t *testing.T) {
	axfr, err := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeAXFR).Pack()
	if err != nil {
		t.Fatal(err)
	}
	clock := newHandClock()
	eachStream(t, func(o *Options) { stallOptions(o, clock, 1000) }, func(t *testing.T, w *streamWay) {
		c := w.dial()
		c.send(t, axfr)
		var served *tcpConn
		await.That(t, "a queue", func() bool {
			if w.connections(func(c *tcpConn) { served = c }); served == nil {
				return false
			}
			served.out.mu.Lock()
			defer served.out.mu.Unlock()
			return len(served.out.octets) > 0
		})
		owed := func() int {
			if n, ok := served.sock.(*netConn); ok {
				return unackedBy(n.raw)
			}
			served.out.mu.Lock()
			defer served.out.mu.Unlock()
			return unacked(served.sock.(*loopConn).fd)
		}
		// Until it moves no more: all buffers on the way are full.
		last, same := 0, 0
		await.That(t, "full buffers", func() bool {
			if n := owed(); n != last {
				last, same = n, 0
			}
			same++
			return same == 60
		})
		for range 5 {
			before := owed()
			for owed() == before { // a few octets are acknowledged only with others
				if _, err := io.CopyN(io.Discard, c, 1000); err != nil {
					t.Fatal(err)
				}
			}
			// The server sees it now, or has already.
			now := clock.now().Sub(w.Began)
			clock.advance(40 * time.Minute) // of an hour that it may make none
			w.look()
			await.That(t, "progress", func() bool { return served.moved() >= now || w.Totals().Open == 0 })
		}
		if w.Totals().Open != 1 {
			t.Fatal("the connection was closed")
		}
		await.That(t, "its end", func() bool {
			clock.advance(time.Hour)
			w.look()
			return w.Totals().Closed[answer.CloseSlowReader] == 1
		})
	})
}

// Answers of the deferred lane clog connections while the loop takes others: what a
// connection has in epoll is the loop's alone (to be run with the race detector).
func TestRepliesClogWhileConnectionsCome(t *testing.T) {
	r := serve(t, func(o *Options) {
		o.Workers = 1
		o.Limits.TCPClients, o.Limits.TCPClientsPer = 500, 500
		o.HandleAll = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) {
			for range 10 {
				if q.Reply(make([]byte, 60_000)) != nil {
					return
				}
			}
		})
	}, "127.0.0.1")
	var deaf []*workertest.StreamClient
	for range 20 {
		c := workertest.Dial(t, r.addr())
		c.SetReadBuffer(readBuffer)
		c.Ask(1, "a.example")
		deaf = append(deaf, c)
	}
	var ended sync.WaitGroup
	for i, c := range deaf {
		ended.Go(func() {
			for id := range 2 {
				if _, err := c.Write(workertest.Framed(workertest.FakeQuery(uint16(id), "slow.example"))); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for range 200 {
		workertest.Dial(t, r.addr()).Ask(1, "a.example")
	}
	ended.Wait()
	await.That(t, "clogged connections", func() bool { return r.clogged() == len(deaf) })
	for _, c := range deaf {
		for range 20 {
			if n := len(c.Receive()); n != 60_000 {
				t.Fatalf("%d octets", n)
			}
		}
	}
	await.That(t, "rest", func() bool { return r.Totals().Deferred.Working == 0 })
	checkLaws(t, r.Server)
}
