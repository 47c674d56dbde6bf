package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/workertest"
)

// handClock is a clock that a test sets.
type handClock struct {
	base  time.Time
	ahead atomic.Int64
}

func newHandClock() *handClock { return &handClock{base: time.Now()} }

func (c *handClock) now() time.Time { return c.base.Add(time.Duration(c.ahead.Load())) }

func (c *handClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// streamWay is one of the ways to serve connections, with the lab's zones.
type streamWay struct {
	*running
	dial func() *streamClient
}

// streamClient is a client with a connection of TCP or TLS.
type streamClient struct {
	net.Conn
	raw *workertest.StreamClient
}

func (c *streamClient) send(t testing.TB, message []byte) {
	t.Helper()
	if _, err := c.Write(workertest.Framed(message)); err != nil {
		t.Fatal(err)
	}
}

func (c *streamClient) receive(t testing.TB) []byte {
	t.Helper()
	var prefix [prefixSize]byte
	_, err := io.ReadFull(c, prefix[:])
	m := make([]byte, binary.BigEndian.Uint16(prefix[:]))
	if err == nil {
		_, err = io.ReadFull(c, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// readBuffer is how many octets the kernel takes for a client before that reads: less
// than a server has to say in these tests, and enough for the two to keep going.
const readBuffer = 128 << 10

// eachStream runs a test over TCP, TCP as other systems have it, and TLS.
func eachStream(t *testing.T, edit func(*Options), test func(t *testing.T, w *streamWay)) {
	for _, name := range []string{"system", "portable", "TLS"} {
		t.Run(name, func(t *testing.T) {
			a := workertest.NewTestIssuer(t)
			w := &streamWay{running: frontServer(t, func(o *Options) {
				o.Portable = name == "portable"
				o.ListenTLS = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
				o.TLS = &Identity{Certificate: a.Named("ns1.example")}
				edit(o)
			})}
			w.dial = func() *streamClient {
				if name == "TLS" {
					raw := workertest.Dial(t, w.TLSAddrs()[0])
					raw.SetReadBuffer(readBuffer)
					c := workertest.MustHandshake(t, raw, a.Client())
					return &streamClient{c.Conn, raw}
				}
				raw := workertest.Dial(t, w.addr())
				raw.SetReadBuffer(readBuffer)
				return &streamClient{raw.TCPConn, raw}
			}
			test(t, w)
		})
	}
}

// connections calls f with each open connection.
func (s *Server) connections(f func(*tcpConn)) {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	for _, c := range s.conns.all {
		f(c)
	}
}

// clogged returns how many connections answer nothing more because their clients do not
// take what they were answered.
func (s *Server) clogged() (n int) {
	s.connections(func(c *tcpConn) {
		if p, _ := c.phase(); p == tcpClogged || p == tcpSending || c.isFull() {
			n++
		}
	})
	return n
}

// awaitDeaf waits until so many connections are clogged and nothing moves any more: all buffers on the
// way to clients that do not read are full.
func (r *running) awaitDeaf(n int) {
	r.t.Helper()
	type state struct {
		clogged           int
		received, replies uint64
	}
	var last state
	same := 0
	await.Value(r.t, fmt.Sprintf("%d deaf clients", n), func() state {
		now := state{clogged: r.clogged(), replies: r.Totals().Deferred.Done}
		for _, t := range r.Totals().Transports {
			now.received += t.Received
		}
		if same++; now != last {
			last, same = now, 0
		}
		return now
	}, func(now state) bool { return now.clogged == n && same >= 20 })
}

// opcode returns a request about the SOA of a zone.
func opcode(t testing.TB, code int, name string) []byte {
	t.Helper()
	m := servertest.Query(name, dns.TypeSOA)
	m.Opcode = code
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Clients that ask for what the deferred lane answers, and never read, have their connections
// stay as they are, and hold up nobody: no worker, and not the one goroutine that answers
// held requests. The clock does not move, so that no time ends them.
func TestDeafClientsHoldUpNobody(t *testing.T) {
	const own, away = "2.0.192.in-addr.arpa.", "example.com."
	known, stranger := servertest.Key(t, "key."), servertest.Key(t, "stranger.")
	hostile := map[string][]byte{
		"UPDATE": opcode(t, dns.OpcodeUpdate, away),
		"NOTIFY": opcode(t, dns.OpcodeNotify, away),
	}
	clock := newHandClock()
	hostile["unknown key"], _ = stranger.Request(opcode(t, dns.OpcodeQuery, own), clock.now().Unix())
	hostile["AXFR that is refused"], _ = known.Request(func() []byte {
		b, err := servertest.Query(away, dns.TypeAXFR).Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}(), clock.now().Unix())
	for what, request := range hostile {
		t.Run(what, func(t *testing.T) {
			held := make(chan *deferred.Request, 1<<16)
			eachStream(t, func(o *Options) {
				o.Now = clock.now
				o.Limits.TCPPipeline = 64
				o.Update = workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) { r.Hold(); held <- r })
				o.Notify = workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) { _ = r.Fail(wire.RCodeNotAuth, 0, "") })
				o.Views.Load().Policy.Keys = tsig.NewKeys([]*tsig.Key{known})
			}, func(t *testing.T, w *streamWay) {
				var ended sync.WaitGroup
				stop := make(chan struct{})
				ended.Go(func() { // as the updater does
					for {
						select {
						case r := <-held:
							_ = r.Fail(wire.RCodeNotAuth, 0, "")
							r.End()
						case <-stop:
							return
						}
					}
				})
				const deaf = 4
				defer ended.Wait()
				defer close(stop)
				defer w.end()
				for range deaf {
					c := w.dial()
					c.raw.SetReadBuffer(4096) // little work until it is full
					ended.Go(func() {         // until it is closed
						for {
							if _, err := c.Write(workertest.Framed(request)); err != nil {
								return
							}
						}
					})
					defer c.raw.Close()
				}
				w.awaitDeaf(deaf)
				honest := w.dial()
				for i := range 3 * deferred.Workers {
					for _, code := range []int{dns.OpcodeNotify, dns.OpcodeUpdate} {
						b := opcode(t, code, own)
						b[0] = byte(i)
						honest.send(t, b)
						if m := honest.receive(t); m[0] != byte(i) || m[2]>>3&15 != byte(code) {
							t.Fatalf("answer %x", m[:12])
						}
					}
				}
				if n := w.Totals().Open; n != deaf+1 {
					t.Errorf("%d connections are open, want %d", n, deaf+1)
				}
			})
		})
	}
}

// A client that leaves more unread than is queued for one loses its connection.
func TestQueueIsBounded(t *testing.T) {
	eachStream(t, func(o *Options) {
		o.Now = newHandClock().now // no time ends it
		o.Notify = workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) {
			for r.Reply(make([]byte, 60_000)) == nil {
			}
		})
	}, func(t *testing.T, w *streamWay) {
		c := w.dial()
		c.send(t, opcode(t, dns.OpcodeNotify, "2.0.192.in-addr.arpa."))
		await.That(t, "the reason", func() bool { return w.Totals().Closed[answer.CloseSlowReader] == 1 })
		await.That(t, "rest", func() bool { return w.Totals().Deferred.Working == 0 })
		total := checkLaws(t, w.Server)
		if kernel := total.Deferred.Replies - total.Deferred.Unsent; total.Deferred.Unsent < maxQueued/60_000 || kernel*60_000 > 16<<20 {
			t.Errorf("%d messages made, %d unsent", total.Deferred.Replies, total.Deferred.Unsent)
		}
	})
}

// look makes the engines check the times.
func (s *Server) look() {
	s.conns.LimitsChanged()
	for _, e := range s.conns.engines {
		if e, ok := e.(*connEngine); ok {
			e.check()
		}
	}
}

// stallOptions have transfers of so many messages of 60,000 octets.
func stallOptions(o *Options, clock *handClock, messages int) {
	o.Now = clock.now
	o.Limits.TransferStall, o.Limits.Transfers, o.Limits.TransfersPer = time.Hour, 1, 1
	o.Limits.TCPIdle = 1000 * time.Hour
	o.Transfer = workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) {
		for i := range messages {
			m := make([]byte, 60_000)
			copy(m, r.Message)
			binary.BigEndian.PutUint16(m[wire.HeaderLen:], uint16(i))
			if r.Reply(m) != nil {
				return
			}
		}
	})
	o.Notify = workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) { _ = r.Fail(wire.RCodeNoError, 0, "") })
}

// moved returns when the phase of the connection began: in a transfer, when the client last
// made progress, by the server's clock.
func (c *tcpConn) moved() time.Duration {
	_, since := c.phase()
	return since
}

// A client that takes a transfer slowly gets all of it, however long that takes; one that
// stops loses it, and its place goes to the next.
func TestTransferEndsOnlyWithoutProgress(t *testing.T) {
	axfr, err := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeAXFR).Pack()
	if err != nil {
		t.Fatal(err)
	}
	const messages = 150
	clock := newHandClock()
	eachStream(t, func(o *Options) { stallOptions(o, clock, messages) }, func(t *testing.T, w *streamWay) {
		first := func() (c *tcpConn) {
			w.connections(func(x *tcpConn) {
				if x.transfers.Load() > 0 {
					c = x
				}
			})
			return c
		}
		slow := w.dial()
		slow.send(t, axfr)
		received := 0
		receive := func() {
			if m := slow.receive(t); len(m) != 60_000 || int(binary.BigEndian.Uint16(m[wire.HeaderLen:])) != received {
				t.Fatalf("message %d: %d octets, number %d", received, len(m), binary.BigEndian.Uint16(m[wire.HeaderLen:]))
			}
			received++
		}
		began := clock.now()
		isQueued := func() bool {
			c := first()
			if c == nil {
				return false
			}
			c.out.mu.Lock()
			defer c.out.mu.Unlock()
			return len(c.out.octets) > 0
		}
		for received < messages {
			await.That(t, "a queue, or the end", func() bool { return isQueued() || w.Totals().Deferred.Done == 1 })
			clock.advance(59 * time.Minute)
			w.look()
			now := clock.now().Sub(w.Began)
			for received < messages {
				receive()
				// The first octets that it takes may be those of before.
				if c := first(); c == nil || c.moved() == now {
					break
				}
			}
		}
		if d := clock.now().Sub(began); d < 5*time.Hour {
			t.Errorf("the transfer took %v, which is no test of one that takes long", d)
		}
		await.That(t, "rest", func() bool { return w.Totals().Deferred.Working == 0 })
		if n := w.Totals().Deferred.Unsent; n != 0 {
			t.Errorf("%d messages unsent", n)
		}

		slow.send(t, axfr)
		await.That(t, "a transfer that stalls", isQueued)
		for range 2 * deferred.Workers { // nothing else waits
			slow := w.dial()
			slow.send(t, opcode(t, dns.OpcodeNotify, "2.0.192.in-addr.arpa."))
			slow.receive(t)
			slow.Close()
		}
		await.Equal(t, "open connections", 1, func() int { return w.Totals().Open })
		// At first what the client acknowledged before it stopped is progress.
		await.That(t, "its end", func() bool {
			clock.advance(time.Hour)
			w.look()
			return w.Totals().Closed[answer.CloseSlowReader] == 1
		})
		next := w.dial()
		next.send(t, axfr) // in the only place
		for range messages {
			next.receive(t)
		}
		await.That(t, "rest", func() bool { return w.Totals().Deferred.Working == 0 })
		checkLaws(t, w.Server)
	})
}

// The time of a phase ends when its limit says, not earlier, whatever serves the connection.
func TestTimesOfEachStream(t *testing.T) {
	const idle, message = 10 * time.Second, 4 * time.Second
	query, err := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	var clock *handClock
	eachStream(t, func(o *Options) {
		clock = newHandClock()
		o.Now = clock.now
		o.Limits.TCPIdle, o.Limits.TCPWrite = idle, message
	}, func(t *testing.T, w *streamWay) {
		for _, step := range []struct {
			part  int // octets of another query
			phase tcpPhase
			limit time.Duration
			want  answer.CloseReason
		}{
			{0, tcpIdle, idle, answer.CloseIdle},
			{5, tcpOwing, message, answer.CloseSlowQuery},
		} {
			c := w.dial()
			c.send(t, query)
			c.receive(t)
			if _, err := c.Write(workertest.Framed(query)[:step.part]); err != nil {
				t.Fatal(err)
			}
			await.That(t, "the phase", func() (is bool) {
				w.connections(func(c *tcpConn) {
					p, _ := c.phase()
					is = p == step.phase
				})
				return is
			})
			clock.advance(step.limit - 1)
			w.look()
			early := w.Totals().Open != 1
			w.connections(func(c *tcpConn) {
				n, ok := c.sock.(*netConn)
				early = early || ok && n.late.Load()
			})
			if early {
				t.Errorf("closed before its time as %v", step.want)
			}
			clock.advance(1)
			w.look()
			await.That(t, "its end", func() bool { return w.Totals().Closed[step.want] == 1 })
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("the client got more")
			}
		}
	})
}
