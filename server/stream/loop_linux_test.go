package stream

import (
	"bytes"
	"context"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/workertest"
	"golang.org/x/sys/unix"
)

// newTestLoop returns a loop that does not run: the test calls what it would do.
func newTestLoop(t testing.TB, edit func(*Options)) *tcpLoop {
	t.Helper()
	s := newTestServer(t, edit)
	l := s.conns.engines[answer.TCP].(*loopEngine).loops[0]
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// connect returns a connection of the loop and the client's end of it.
func (l *tcpLoop) connect(t testing.TB) (c *loopConn, client int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c = &loopConn{loop: l, fd: pair[0]}
	c.tcpConn = tcpConn{conns: l.conns, listener: new(Listener), sock: c, transport: answer.TCP, place: -1, client: workertest.MemClient, local: workertest.MemLocal}
	if !l.conns.add(&c.tcpConn) {
		t.Fatal("no place")
	}
	c.slot = l.acquireSlot()
	l.slots[c.slot].conn = c
	c.enter(tcpFresh, l.now)
	l.waiting[tcpFresh].push(c)
	if err := c.watch(unix.EPOLL_CTL_ADD); err != nil {
		t.Fatal(err)
	}
	return c, pair[1]
}

// takeAll reads what is there for the client.
func takeAll(client int, into []byte) []byte {
	var room [8192]byte
	for {
		n, err := unix.Read(client, room[:])
		if n <= 0 || err != nil {
			return into
		}
		into = append(into, room[:n]...)
	}
}

// turn is one turn of the loop that does not wait.
func (l *tcpLoop) turn() {
	l.poll(uintptr(l.epoll.FD))
	l.round()
}

// FuzzTCPLoop is FuzzTCPStream over sockets.
func FuzzTCPLoop(f *testing.F) {
	streamSeeds(f)
	l := newTestLoop(f, nil)
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		want, wantSlow, wantEnd := wantedOf(stream)
		c, client := l.connect(t)
		defer unix.Close(client)
		var got []byte
		slow := 0
		for rest := stream; len(rest) > 0 && c.fd >= 0 && !c.ending; {
			n, err := unix.Write(client, rest[:min(int(piece)+1, len(rest))])
			if err == nil {
				rest = rest[n:]
			}
			l.turn()
			slow += l.conns.lane.Discard()
			got = takeAll(client, got)
		}
		for quiet := 0; quiet < 3; quiet++ { // what it answers in the end
			l.turn()
			before := len(got) + slow
			slow += l.conns.lane.Discard()
			if got = takeAll(client, got); len(got)+slow > before || len(l.again) > 0 {
				quiet = -1
			}
		}
		if !bytes.Equal(got, want) || slow != wantSlow || c.ending != wantEnd {
			t.Errorf("%d octets of answers (want %d), equal %v, %d deferred (want %d), ended %v (want %v)",
				len(got), len(want), bytes.Equal(got, want), slow, wantSlow, c.ending, wantEnd)
		}
		if c.fd >= 0 {
			c.end(answer.CloseByClient)
			l.settle(c, false)
		}
		if c.fd >= 0 || len(l.conns.all) > 0 {
			t.Fatal("the connection is still there")
		}
	})
}

func TestTCPLoopAllocatesNothing(t *testing.T) {
	servertest.SkipAllocs(t)
	l := newTestLoop(t, nil)
	_, client := l.connect(t)
	defer unix.Close(client)
	query := workertest.Framed(workertest.FakeQuery(1, "25.113.0.203.in-addr.arpa"))
	batch := bytes.Repeat(query, 16)
	var room [8192]byte
	exchange := func(b []byte) {
		if n, err := unix.Write(client, b); err != nil || n != len(b) {
			t.Fatal(n, err)
		}
		l.turn()
	}
	hear := func(want int) {
		if n, err := unix.Read(client, room[:]); err != nil || n != want {
			t.Fatalf("%d octets of answers, want %d: %v", n, want, err)
		}
	}
	for name, f := range map[string]func(){
		"one query": func() { exchange(query); hear(len(query)) },
		"sixteen":   func() { exchange(batch); hear(len(batch)) },
		"cut in a query": func() {
			exchange(batch[:100])
			hear(2 * len(query))
			exchange(batch[100:])
			hear(14 * len(query))
		},
		"octet by octet":  func() { exchange(query[:1]); exchange(query[1:2]); exchange(query[2:]); hear(len(query)) },
		"nothing to read": l.turn,
	} {
		if len(query) != 45 && name == "cut in a query" {
			t.Fatalf("a query has %d octets: the cut is elsewhere", len(query))
		}
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestTCPLoopTakesTurns has a client that always has more to read, and one with a
// query: it waits for one read of the other.
func TestTCPLoopTakesTurns(t *testing.T) {
	l := newTestLoop(t, nil)
	greedy, much := l.connect(t)
	defer unix.Close(much)
	_, modest := l.connect(t)
	defer unix.Close(modest)
	query := workertest.Framed(workertest.FakeQuery(1, "a.example"))
	flood := bytes.Repeat(query, 10*readSize/len(query))
	if n, err := unix.Write(much, flood); err != nil || n != len(flood) {
		t.Fatal(n, err)
	}
	l.turn()
	if got := len(takeAll(much, nil)); got == 0 || got > 2*readSize {
		t.Fatalf("%d octets answered in the first turn, a read is %d", got, readSize)
	}
	if len(l.again) != 1 || l.again[0] != greedy {
		t.Fatalf("%d connections wait for their turn", len(l.again))
	}
	if _, err := unix.Write(modest, query); err != nil {
		t.Fatal(err)
	}
	l.turn()
	if got := takeAll(modest, nil); len(got) != len(query) {
		t.Errorf("the modest client got %d octets", len(got))
	}
	var got []byte
	for range 20 {
		l.turn()
		got = takeAll(much, got)
	}
	if len(l.again) > 0 {
		t.Error("the greedy client is not done")
	}
}

// TestTCPLoopIgnoresEventsOfBefore closes a connection whose event is under way,
// and gives its slot to another.
func TestTCPLoopIgnoresEventsOfBefore(t *testing.T) {
	l := newTestLoop(t, nil)
	old, client := l.connect(t)
	unix.Close(client)
	l.poll(uintptr(l.epoll.FD))
	if l.ready == 0 {
		t.Fatal("no event")
	}
	old.end(answer.CloseByClient)
	l.settle(old, false)
	next, client := l.connect(t)
	defer unix.Close(client)
	if next.slot != old.slot {
		t.Fatalf("slot %d, not %d again", next.slot, old.slot)
	}
	l.round()
	if next.hungUp || next.fd < 0 {
		t.Error("the end of one connection was taken for that of another")
	}
}

// TestTCPLoopDripsCostNoCopies lets a long message come octet by octet: it is put
// where it belongs, and grows by doubling.
func TestTCPLoopDripsCostNoCopies(t *testing.T) {
	l := newTestLoop(t, nil)
	c, client := l.connect(t)
	defer unix.Close(client)
	message := workertest.Framed(append(workertest.FakeQuery(1, "a.example"), make([]byte, 5000)...))
	if _, err := unix.Write(client, message[:prefixSize]); err != nil {
		t.Fatal(err)
	}
	l.turn()
	if cap(c.part) > 64 {
		t.Errorf("%d octets are held for a length of a message", cap(c.part))
	}
	moves := 0
	var at *byte
	for i := prefixSize; i < len(message)-1; i++ {
		if _, err := unix.Write(client, message[i:i+1]); err != nil {
			t.Fatal(err)
		}
		l.turn()
		if len(c.part) != i+1 {
			t.Fatalf("%d octets kept of %d", len(c.part), i+1)
		}
		if p := &c.part[0]; i > keptPart && p != at {
			moves, at = moves+1, p
		}
	}
	if moves > 6 {
		t.Errorf("moved %d times", moves)
	}
	if _, err := unix.Write(client, message[len(message)-1:]); err != nil {
		t.Fatal(err)
	}
	l.turn()
	if got := takeAll(client, nil); len(got) != len(message) {
		t.Errorf("%d octets answered, want %d", len(got), len(message))
	}
	if c.part != nil {
		t.Errorf("%d octets are kept", cap(c.part))
	}
}

// loopClock is a clock that the test sets, for a server that runs.
type loopClock struct {
	base  time.Time
	ahead atomic.Int64
}

func (c *loopClock) now() time.Time { return c.base.Add(time.Duration(c.ahead.Load())) }

// settled lets all loops of a server have a round that began now.
func (r *running) settled() {
	for range 2 { // a call may come within a round that began before
		for _, l := range r.conns.engines[answer.TCP].(*loopEngine).loops {
			l.do(func() {})
		}
	}
}

// TestTCPTimes moves the clock to just before and just behind the end of each time.
func TestTCPTimes(t *testing.T) {
	const idle, message = 10 * time.Second, 4 * time.Second
	query := workertest.Framed(workertest.FakeQuery(1, "a.example"))
	for _, c := range []struct {
		name  string
		shed  bool
		send  []byte // before the clock moves
		drip  int    // octets of an endless message, in equal spans
		limit time.Duration
		want  answer.CloseReason
	}{
		{"idle", false, query, 0, idle, answer.CloseIdle},
		{"idle while places are short", true, query, 0, idle / 4, answer.CloseIdle},
		{"a part of the first query", false, query[:5], 0, message, answer.CloseSlowQuery},
		{"a part of the next query", false, append(bytes.Clone(query), query[:5]...), 0, message, answer.CloseSlowQuery},
		{"a part while places are short", true, query[:5], 0, message / 4, answer.CloseSlowQuery},
		{"a length", false, []byte{255, 255}, 0, message, answer.CloseSlowQuery},
		{"drips", false, []byte{255, 255}, 7, message, answer.CloseSlowQuery},
		{"drips of the next query", false, append(bytes.Clone(query), 255, 255), 7, message, answer.CloseSlowQuery},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := &loopClock{base: time.Now()}
			r := serve(t, func(o *Options) {
				o.Now = clock.now
				o.Limits.TCPIdle, o.Limits.TCPWrite = idle, message
				o.HandleAll = workertest.HandlerFunc(func(ctx context.Context, _ *deferred.Request) { <-ctx.Done() })
				o.Limits.TCPClients = 4
			}, "127.0.0.1")
			others := 0
			if c.shed { // with three more, whom the deferred lane works for without end
				for others = range 3 {
					workertest.Dial(t, r.addr()).Send(workertest.Framed(workertest.FakeQuery(1, "slow.example")))
				}
				others++
				await.That(t, "work", func() bool { return r.Totals().Deferred.Working == others })
			}
			client := workertest.Dial(t, r.addr())
			client.SetNoDelay(true)
			client.Send(c.send)
			if len(c.send) >= len(query) {
				client.Receive()
			}
			wantPart := len(c.send) % len(query)
			kept := func() (n int) {
				for _, l := range r.conns.engines[answer.TCP].(*loopEngine).loops {
					l.do(func() {
						for i := range l.slots {
							if c := l.slots[i].conn; c != nil {
								n += len(c.part)
							}
						}
					})
				}
				return n
			}
			await.That(t, "the octets", func() bool { return r.Totals().Open == 1+others && kept() == wantPart })
			for range c.drip {
				clock.ahead.Add(int64(c.limit) / int64(c.drip+1))
				client.Send([]byte{0})
				wantPart++
				await.That(t, "the drip", func() bool { return kept() == wantPart })
			}
			clock.ahead.Store(int64(c.limit - 1))
			r.settled()
			if total := r.Totals(); total.Open != 1+others {
				t.Fatalf("closed too early: %v", total.Closed)
			}
			clock.ahead.Store(int64(c.limit))
			r.settled()
			if total := r.Totals(); total.Closed[c.want] != 1 {
				t.Fatalf("not closed as %v: open %d, %v", c.want, total.Open, total.Closed)
			}
			if !client.IsClosed() {
				t.Error("the client does not know")
			}
		})
	}
}

// TestTCPLoopWaitsAfterItsLastConnection has the time of the only connection end: the
// loop, which has nothing to wait for any more, waits all the same.
func TestTCPLoopWaitsAfterItsLastConnection(t *testing.T) {
	r := serve(t, func(o *Options) { o.Workers, o.Limits.TCPIdle = 1, time.Millisecond }, "127.0.0.1")
	if !workertest.Dial(t, r.addr()).IsClosed() {
		t.Fatal("the connection stays")
	}
	l := r.conns.engines[answer.TCP].(*loopEngine).loops[0]
	l.do(func() {
		if err := l.epoll.Raw.Read(func(uintptr) bool { return true }); err != nil || l.alarm != 0 {
			t.Errorf("an alarm at %v, and waiting ends with %v", l.alarm, err)
		}
	})
}

// TestAttend has a goroutine that never waits keep the only processor. One call lets the
// loop answer, whose socket the scheduler has not looked at; or a further one, for once in
// 61 times the scheduler takes up first what has just let others run, and the system may stop
// the processor at any time.
func TestAttend(t *testing.T) {
	r := serve(t, func(o *Options) { o.Workers = 1 }, "127.0.0.1")
	c := workertest.Dial(t, r.addr())
	c.Ask(0, "a.example")
	w := r.conns.engines[answer.TCP].(*loopEngine)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	calls := 0
	for id := range uint16(100) {
		w.loops[0].do(func() {})
		runtime.Gosched() // it waits again
		c.Send(workertest.Framed(workertest.FakeQuery(id, "a.example")))
		begin := time.Now()
		for there := false; !there; {
			if w.loops[0].isReady() { // else a packet is still on its way in the kernel
				calls++
			}
			if calls > 2*100 || time.Since(begin) > await.Patience {
				t.Fatalf("query %d is not answered after %d calls in all", id, calls)
			}
			w.attend(int(id))
			if err := raw.Control(func(fd uintptr) {
				n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
				there = there || n > 0 && err == nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		c.Receive()
	}
	if w.loops[0].isReady() {
		t.Error("the loop has left something")
	}
}

// TestTCPSocketOptions looks at an accepted connection: that it inherits what the
// listening socket was told.
func TestTCPSocketOptions(t *testing.T) {
	r := serve(t, nil, "127.0.0.1", "0.0.0.0")
	for _, to := range r.Addrs() {
		if to.Addr().IsUnspecified() {
			to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), to.Port())
		}
		client := workertest.Dial(t, to)
		client.Ask(1, "a.example")
		seen := false
		for _, l := range r.conns.engines[answer.TCP].(*loopEngine).loops {
			l.do(func() {
				for i := range l.slots {
					c := l.slots[i].conn
					if c == nil || c.local != to {
						continue
					}
					seen = true
					if got := sock.AddrPort(client.LocalAddr()); c.client != got {
						t.Errorf("the client is %v, not %v", c.client, got)
					}
					for _, o := range []sock.Option{
						{Level: unix.IPPROTO_TCP, Name: unix.TCP_NODELAY, Value: 1},
						{Level: unix.IPPROTO_TCP, Name: unix.TCP_NOTSENT_LOWAT, Value: unsentLimit},
						{Level: unix.SOL_SOCKET, Name: unix.SO_RCVBUF, Value: 2 * tcpReceiveBuffer},
					} {
						if got, err := unix.GetsockoptInt(c.fd, o.Level, o.Name); err != nil || got != o.Value {
							t.Errorf("option %d of level %d is %d, want %d: %v", o.Name, o.Level, got, o.Value, err)
						}
					}
				}
			})
		}
		if !seen {
			t.Errorf("no connection at %v", to)
		}
	}
}
