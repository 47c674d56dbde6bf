package server

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"

	"github.com/ptrd/ptrd/zone/dname"
)

// fakeAnswerer answers by the first label of QNAME, so that the transports are
// tested without zones:
//
//	drop   no answer        panic  a fault
//	slow   the slow lane    big    an answer of 60,000 octets, where there is room
//	mid    1,000 octets  trip   a fault of lookAhead, then the request back
//
// Any other name gets the request back as its response.
type fakeAnswerer struct {
	stats    *answer.Stats
	requests atomic.Uint64
	faults   *atomic.Int32 // how often Publish is still to panic; nil: never
}

func (f *fakeAnswerer) LookAhead(_ *answer.View, batch []answer.Message) {
	for i := range batch {
		if fakeLabel(batch[i].Buf[:batch[i].Len]) == "trip" {
			panic("asked to")
		}
	}
}

func (f *fakeAnswerer) Respond(_ *answer.View, q *answer.Request, buf []byte, n int) (int, answer.Verdict) {
	if q != nil && q.Deferred != nil {
		buf[2] |= 0x80
		buf[3] = 4 // NOTIMP, to be told from a fast answer
		return n, answer.Answered
	}
	f.requests.Add(1)
	if n < wire.HeaderLen || buf[2]&0x80 != 0 {
		return 0, answer.Drop
	}
	size := n
	switch fakeLabel(buf[:n]) {
	case "drop":
		return 0, answer.Drop
	case "slow":
		return 0, answer.Defer
	case "panic":
		panic("asked to")
	case "big":
		size = min(len(buf), 60000)
	case "mid":
		size = 1000
	}
	if size > n {
		clear(buf[n:size])
	}
	buf[2] |= 0x80
	return size, answer.Answered
}

func (f *fakeAnswerer) Publish() {
	if f.faults != nil && f.faults.Add(-1) >= 0 {
		panic("asked to")
	}
}

func (f *fakeAnswerer) LimitNote() answer.LimitNote { return answer.LimitNote{} }

func fakeLabel(request []byte) string {
	if len(request) > wire.HeaderLen && wire.HeaderLen+1+int(request[wire.HeaderLen]) <= len(request) {
		return string(request[wire.HeaderLen+1:][:request[wire.HeaderLen]])
	}
	return ""
}

// fakeQuery returns a query for the name.
func fakeQuery(id uint16, name string) []byte {
	q := make([]byte, wire.HeaderLen, 64)
	binary.BigEndian.PutUint16(q, id)
	q[5] = 1
	q = append(q, dname.MustParse(name)...)
	return append(q, 0, 12, 0, 1)
}

// memSocket is a packetSocket in memory: what a test puts into in comes out of
// recv, in batches; responses are kept.
type memSocket struct {
	msgs    []answer.Message
	in      chan memDatagram
	broken  chan error    // an error that recv returns
	stopped chan struct{} // closed: interrupted
	fail    func(d *answer.Message) error

	mu  sync.Mutex
	out []memDatagram
}

func (m *memSocket) rest() { answer.Release(m.msgs) }

type memDatagram struct {
	client, local netip.AddrPort
	unfit         answer.DropReason
	data          []byte
}

func newMemSocket() *memSocket {
	return &memSocket{
		msgs: newBuffers(answer.BatchSize), in: make(chan memDatagram, 4*answer.BatchSize),
		broken: make(chan error), stopped: make(chan struct{}),
	}
}

func (m *memSocket) recv(wait bool) ([]answer.Message, error) {
	n := 0
	if wait {
		select { // as a deadline goes before what is there to read
		case <-m.stopped:
			return nil, os.ErrDeadlineExceeded
		default:
		}
		select {
		case d := <-m.in:
			n = m.take(n, d)
		case err := <-m.broken:
			return nil, err
		case <-m.stopped:
			return nil, os.ErrDeadlineExceeded
		}
	}
	for n < answer.BatchSize {
		select {
		case d := <-m.in:
			n = m.take(n, d)
			continue
		default:
		}
		break
	}
	return m.msgs[:n], nil
}

func (m *memSocket) take(i int, in memDatagram) int {
	d := &m.msgs[i]
	d.Client, d.Local, d.Unfit, d.Len, d.Out = in.client, in.local, in.unfit, copy(d.Buf, in.data), 0
	return i + 1
}

func (m *memSocket) send(msgs []answer.Message, failed func(error)) {
	for i := range msgs {
		d := &msgs[i]
		if d.Out == 0 {
			continue
		}
		if m.fail != nil {
			if err := m.fail(d); err != nil {
				failed(err)
				continue
			}
		}
		m.keep(memDatagram{client: d.Client, local: d.Local, data: append([]byte(nil), d.Buf[:d.Out]...)})
	}
}

func (m *memSocket) keep(d memDatagram) {
	m.mu.Lock()
	m.out = append(m.out, d)
	m.mu.Unlock()
}

func (m *memSocket) replier(i int) func([]byte) error {
	client, local := m.msgs[i].Client, m.msgs[i].Local
	return func(message []byte) error {
		m.keep(memDatagram{client: client, local: local, data: append([]byte(nil), message...)})
		return nil
	}
}

func (m *memSocket) sent() []memDatagram {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]memDatagram(nil), m.out...)
}

var testLimits = Limits{
	TCPClients: 100, TCPClientsPer: 50, TCPIdle: time.Minute, TCPWrite: time.Minute, TCPPipeline: 16, Transfers: 4, TransfersPer: 2, TransferStall: time.Minute,
}

// newTestServer returns a server with fake answers.
func newTestServer(t testing.TB, edit func(*Options)) *Server {
	t.Helper()
	o := Options{Views: new(answer.Views), Limits: testLimits, Workers: 2}
	o.newAnswerer = func(stats *answer.Stats) answerer { return &fakeAnswerer{stats: stats} }
	o.Views.Swap(&answer.View{Policy: new(answer.Policy)})
	if edit != nil {
		edit(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// await fails the test unless the condition comes true.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); !condition(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// checkLaws fails the test unless the totals, at rest, add up as the package doc
// says.
func checkLaws(t testing.TB, s *Server) Totals {
	t.Helper()
	total := s.Totals()
	var deferred uint64
	for i := range total.Transports {
		c, name := &total.Transports[i], answer.Transport(i)
		deferred += c.Deferred
		if sum := c.Answered + c.Deferred + sumOf(c.Dropped[:]); c.Received != sum {
			t.Errorf("%s: received %d, answered + deferred + dropped %d: %+v", name, c.Received, sum, c)
		}
		if unsent := sumOf(c.Unsent[:]); unsent > c.Answered {
			t.Errorf("%s: unsent %d of %d answered", name, unsent, c.Answered)
		}
		if n := c.Latency.Count(); n != c.Received {
			t.Errorf("%s: received %d, latencies %d", name, c.Received, n)
		}
	}
	if sum := uint64(total.Open) + sumOf(total.Closed[:]); total.Accepted != sum {
		t.Errorf("accepted %d, open + closed %d: %+v", total.Accepted, sum, total)
	}
	slow := uint64(total.Slow.Waiting+total.Slow.Working) + total.Slow.Done
	if deferred != slow {
		t.Errorf("deferred %d, in the slow lane %d: %+v", deferred, slow, total.Slow)
	}
	return total
}

func sumOf(counts []uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// testLog is a log that a test reads.
type testLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *testLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *testLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

var errUnreachable error = &net.OpError{Op: "write", Err: os.NewSyscallError("sendmsg", errnoUnreachable)}
