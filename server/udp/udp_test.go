package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/workertest"
)

// memRun is a UDP worker over a memory socket.
type memRun struct {
	t       testing.TB
	server  *Server
	socket  *memSocket
	worker  *udpWorker
	pending sync.WaitGroup
	result  chan error
}

func newMemRun(t testing.TB, edit func(*Options)) *memRun {
	r := &memRun{t: t, server: newTestServer(t, edit), socket: newMemSocket(), result: make(chan error, 1)}
	r.worker = newUDPWorker(r.server.Group, r.server.lane, func(int) {}, r.socket, r.server.Lanes.Get(), &r.pending)
	return r
}

func (r *memRun) start() {
	r.server.Group.Start()
	r.server.lane.Start(context.Background())
	go func() { r.result <- r.worker.run() }()
}

// finish interrupts the socket and returns once everything has ended.
func (r *memRun) finish() error {
	close(r.socket.stopped)
	return r.wait()
}

func (r *memRun) wait() error {
	err := <-r.result
	r.pending.Wait()
	r.server.lane.Stop()
	r.server.Group.Stop()
	return err
}

func (r *memRun) put(name string) {
	r.socket.in <- memDatagram{client: workertest.MemClient, local: workertest.MemLocal, data: workertest.FakeQuery(1, name)}
}

// attendedWay notes when it is attended to.
type attendedWay struct {
	turns []int
}

func (w *attendedWay) attend(turn int) { w.turns = append(w.turns, turn) }

// A UDP worker attends to TCP once in a while, by the time that its batches took.
func TestUDPWorkerAttendsToTCP(t *testing.T) {
	r := newMemRun(t, nil)
	way := &attendedWay{}
	now, passes := r.server.Began, time.Duration(0)
	r.worker.attendStreams, r.worker.now = way.attend, func() time.Time { now = now.Add(passes); return now }
	r.worker.attended = now
	for _, c := range []struct {
		batch time.Duration // from its begin to its end
		turns int           // so far
	}{{attendEvery / 2, 0}, {attendEvery / 4, 1}, {attendEvery / 4, 1}, {attendEvery / 8, 1}, {2 * attendEvery, 2}} {
		passes = c.batch
		r.put("a.example")
		msgs, err := r.socket.recv(true)
		if err != nil {
			t.Fatal(err)
		}
		r.worker.answer(msgs)
		if len(way.turns) != c.turns {
			t.Errorf("after a batch of %v: turns %v, want %d", c.batch, way.turns, c.turns)
		}
	}
}

func TestUDPWorkerCountsEachDatagramOnce(t *testing.T) {
	r := newMemRun(t, nil)
	refused := 0
	r.socket.fail = func(*answer.Message) error {
		if refused++; refused <= 2 {
			return errUnreachable
		}
		return nil
	}
	for range 10 {
		r.put("fine.example")
	}
	r.put("drop.example")
	r.put("panic.example")
	r.put("slow.example")
	r.put("after.example")
	r.socket.in <- memDatagram{client: netip.AddrPortFrom(workertest.MemClient.Addr(), 0), local: workertest.MemLocal, data: workertest.FakeQuery(1, "a.example")}
	r.socket.in <- memDatagram{client: workertest.MemClient, local: workertest.MemLocal, unfit: answer.DropNotUnicast, data: workertest.FakeQuery(1, "a.example")}
	r.socket.in <- memDatagram{client: workertest.MemClient, local: workertest.MemLocal, unfit: answer.DropTooLong, data: workertest.FakeQuery(1, "a.example")}
	r.start()
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	total := checkLaws(t, r.server)
	want := answer.TransportTotals{Received: 17, Answered: 11, Deferred: 1}
	want.Dropped = [answer.NumDropReasons]uint64{answer.DropByRespond: 1, answer.DropFault: 1, answer.DropPortZero: 1, answer.DropNotUnicast: 1, answer.DropTooLong: 1}
	want.Unsent[answer.SendUnreachable] = 2
	want.Latency = total.Transports[answer.UDP].Latency
	if total.Transports[answer.UDP] != want {
		t.Errorf("counted %+v, want %+v", total.Transports[answer.UDP], want)
	}
	if total.Deferred.Done != 1 || total.Deferred.Replies != 1 {
		t.Errorf("deferred lane: %+v", total.Deferred)
	}
	sent := r.socket.sent()
	if len(sent) != 10 { // 11 answers but 2, and 1 from the deferred lane
		t.Errorf("%d datagrams sent, want 10", len(sent))
	}
	for _, d := range sent {
		if d.client != workertest.MemClient || d.local != workertest.MemLocal || d.data[2]&0x80 == 0 {
			t.Errorf("sent %+v", d)
		}
	}
}

func TestUDPWorkerAnswersWhatIsThereWhenStopped(t *testing.T) {
	r := newMemRun(t, nil)
	close(r.socket.stopped)
	for range 3 * answer.BatchSize {
		r.put("a.example")
	}
	r.start()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(r.socket.sent()); n != 3*answer.BatchSize {
		t.Errorf("%d of %d answered", n, 3*answer.BatchSize)
	}
}

func TestUDPWorkerSurvivesErrorsThatPass(t *testing.T) {
	var log workertest.TestLog
	r := newMemRun(t, func(o *Options) { o.Logger = log.Logger() })
	r.start()
	for range 5 {
		r.socket.broken <- syscall.ECONNREFUSED
	}
	r.put("a.example")
	await.That(t, "an answer", func() bool { return len(r.socket.sent()) == 1 })
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "datagrams cannot be received"); n != 5 {
		t.Errorf("five errors logged %d times:\n%s", n, log.String())
	}
}

func TestUDPWorkerEndsOnABrokenSocket(t *testing.T) {
	for _, c := range []struct {
		err   error
		times int
	}{{net.ErrClosed, 1}, {syscall.EBADF, maxRecvErrors}} {
		r := newMemRun(t, nil)
		r.start()
		for range c.times {
			r.socket.broken <- c.err
		}
		if err := r.wait(); !errors.Is(err, c.err) {
			t.Errorf("ended with %v, want %v", err, c.err)
		}
	}
}

func TestUDPWorkerDropsWhatTheSlowLaneHasNoRoomFor(t *testing.T) {
	block := make(chan struct{})
	r := newMemRun(t, func(o *Options) {
		o.HandleAll = workertest.HandlerFunc(func(context.Context, *deferred.Request) { <-block })
	})
	r.start()
	for range deferred.Workers {
		r.put("slow.example")
	}
	await.That(t, "work", func() bool { return r.server.Totals().Deferred.Working == deferred.Workers })
	for range deferred.QueueStrangers + 20 {
		r.put("slow.example")
	}
	r.put("fast.example")
	await.That(t, "a fast answer past the full deferred lane", func() bool { return len(r.socket.sent()) == 1 })
	if !r.server.lane.HasRoom(answer.TCP, false) {
		t.Error("datagrams took the room of TCP in the deferred lane")
	}
	close(block)
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	total := checkLaws(t, r.server)
	if n := total.Transports[answer.UDP].Dropped[answer.DropDeferredFull]; n != 20 || n != total.Deferred.Full {
		t.Errorf("dropped %d, the lane turned away %d; want 20", n, total.Deferred.Full)
	}
}

func TestSlowHandlerPanicCostsOneRequest(t *testing.T) {
	var panicked atomic.Bool
	r := newMemRun(t, func(o *Options) {
		o.HandleAll = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) {
			if panicked.CompareAndSwap(false, true) {
				panic("asked to")
			}
			q.Reply(q.Message)
		})
	})
	r.put("slow.example")
	r.put("slow.example")
	r.start()
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if total := checkLaws(t, r.server); total.Deferred.Done != 2 || total.Deferred.Replies != 1 {
		t.Errorf("deferred lane: %+v", total.Deferred)
	}
}

// udpBatch is the work of TestNoAllocs and of the benchmark: one batch of
// queries through a worker.
func udpBatch(t testing.TB, edit func(*Options)) func() {
	r := newMemRun(t, edit)
	query := workertest.FakeQuery(1, "25.113.0.203.in-addr.arpa")
	msgs := r.socket.msgs
	socket := &countingSocket{memSocket: r.socket}
	r.worker.socket = socket
	return func() {
		for i := range msgs {
			d := &msgs[i]
			d.Client, d.Local, d.Unfit, d.Len, d.Out = workertest.MemClient, workertest.MemLocal, answer.DropByRespond, copy(d.Buf, query), 0
		}
		r.worker.answer(msgs)
		if socket.sent != len(msgs) {
			t.Fatalf("%d of %d answered", socket.sent, len(msgs))
		}
	}
}

// countingSocket only counts what is sent.
type countingSocket struct {
	*memSocket
	sent int
}

func (c *countingSocket) send(msgs []answer.Message, _ func(error)) {
	c.sent = 0
	for i := range msgs {
		if msgs[i].Out > 0 {
			c.sent++
		}
	}
}

func TestUDPBatchAllocatesNothing(t *testing.T) {
	servertest.SkipAllocs(t)
	for name, edit := range map[string]func(*Options){
		"plain":             nil,
		"log of one in two": func(o *Options) { o.Limits.LogQueries = 2 },
	} {
		batch := udpBatch(t, edit)
		if n := testing.AllocsPerRun(100, batch); n != 0 {
			t.Errorf("%s: %v allocations a batch", name, n)
		}
	}
}

func BenchmarkUDPBatch(b *testing.B) {
	batch := udpBatch(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		batch()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/answer.BatchSize, "ns/query")
}

func TestQueryLogTakesOneOfSoMany(t *testing.T) {
	var log workertest.TestLog
	r := newMemRun(t, func(o *Options) {
		o.Limits.LogQueries = 4
		o.Logger = log.Logger()
	})
	for i := range 8 {
		r.put(fmt.Sprintf("n%d.example", i))
	}
	r.start()
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("8 queries logged %d times, want 2:\n%s", len(lines), log.String())
	}
	for i, name := range []string{"n3", "n7"} {
		for _, want := range []string{
			"msg=query", "client=198.51.100.7:4242", "local=203.0.113.1:53", "transport=udp", "opcode=0",
			"qname=" + name + ".example.", "qtype=PTR", "qclass=IN", "verdict=answered", "rcode=0", "response_size=28",
		} {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%q is not in %s", want, lines[i])
			}
		}
	}
}

// Workers that share a socket hear of the kernel's count in any order, and it goes
// round after 2^32.
func TestSocketDropsAreCountedOnce(t *testing.T) {
	var d Drops
	sum := uint64(0)
	for _, count := range []uint32{5, 3, 5, 9, 8, 1 << 31, 1<<32 - 2, 1 << 31, 3, 1<<32 - 1, 4} {
		sum += d.advance(count)
	}
	if want := uint64(1<<32 + 4); sum != want {
		t.Errorf("%d drops, want %d", sum, want)
	}
}
