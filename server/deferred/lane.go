package deferred

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/worker"

	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// queueSize is how many deferred requests wait. A TCP request has up to 64 KiB, so a
	// full queue has at most 16 MiB. With some hundred requests a second the last one waits
	// for about a second, after which its client would ask again.
	queueSize = 256

	// QueueDatagrams is the share of datagrams; the rest is for connections. Neither can use
	// the share of the other: otherwise a few connections that send as fast as they can
	// would keep out all datagrams, and a flood of datagrams all connections.
	QueueDatagrams = queueSize / 2
	QueueStreams   = queueSize - QueueDatagrams

	// QueueStrangers is the part of QueueDatagrams for unknown clients: a flood from forged
	// addresses leaves room for peers.
	QueueStrangers = QueueDatagrams / 2
)

// Handler answers deferred requests of one kind: transfers, updates or NOTIFY. It must be safe for
// concurrent use. It may wait until ctx ends, when the server stops.
type Handler interface {
	Handle(ctx context.Context, r *Request)
}

// Request is a deferred request. It belongs to the handler until Handle
// returns, or, where that calls Hold, until End.
type Request struct {
	answer.Deferred

	writer *messageWriter // nil: nothing was written yet
	held   bool
	ended  atomic.Bool

	From  client // where it came from
	paced bool   // each message of the answer waits until the client has read the last one
	since time.Time
	lane  *Lane
}

// client is the source of a deferred request, to which the answer is sent. The transport
// implements it. Only Drain waits.
type client interface {
	// Reply sends or queues the message buf[Headroom:]. The octets before it are for the
	// transport's framing. The caller may use buf again.
	Reply(buf []byte) error
	// Drain waits until the client has read what is queued; the error is why it will not.
	Drain() error
	// Transferring adds n to the number of transfers in progress for the client.
	Transferring(n int)
	// BreakOff ends the connection, if there is one, because of err.
	BreakOff(err error)
	// Done reports that the request is answered or will not be.
	Done()
}

// Headroom is how many octets before a message a transport may use for its framing.
const Headroom = 2

// ErrFault ends the connection of a request whose handler panicked.
var ErrFault = errors.New("answering a request panicked")

// Lane is a bounded queue and the workers that empty it.
type Lane struct {
	*worker.Group
	queue     chan *Request
	all       Handler                  // for tests, see New
	handlers  [answer.NumKinds]Handler // nil: such requests are refused
	transfers transferLane
	running   sync.WaitGroup

	writersMu sync.Mutex
	writers   []*messageWriter // that are free

	queued        [2]atomic.Int64 // requests in queue: those of connections, datagrams
	working       atomic.Int64
	done, replies atomic.Uint64
	unsent, full  atomic.Uint64
	latency       answer.Histogram
	latencyMu     sync.Mutex // a histogram has one writer
}

// New returns a lane. all, if not nil, answers all requests, without Respond: for tests.
func New(h *worker.Group, handlers [answer.NumKinds]Handler, all Handler) *Lane {
	l := &Lane{Group: h, queue: make(chan *Request, queueSize), all: all, handlers: handlers}
	l.transfers = transferLane{lane: l, clients: make(map[netip.Addr]transferShare)}
	return l
}

// HasRoom reports whether a request over t may join the queue; known is whether the client of a
// datagram is known.
func (l *Lane) HasRoom(t answer.Transport, known bool) bool {
	switch {
	case !t.IsDatagram():
		return l.queued[0].Load() < QueueStreams
	case known:
		return l.queued[1].Load() < QueueDatagrams
	}
	return l.queued[1].Load() < QueueStrangers
}

// inQueue returns the number of waiting requests that share the queue with those over t.
func (l *Lane) inQueue(t answer.Transport) *atomic.Int64 {
	if t.IsDatagram() {
		return &l.queued[1]
	}
	return &l.queued[0]
}

// CountFull counts a request that was turned away because the queue is full.
func (l *Lane) CountFull() { l.full.Add(1) }

// CountUnsent counts n messages of the lane that were not sent.
func (l *Lane) CountUnsent(n int) { l.unsent.Add(uint64(n)) }

// Discard empties the queue of a lane that does not run, and returns how many requests
// were in it.
func (l *Lane) Discard() (n int) {
	for {
		select {
		case r := <-l.queue:
			l.inQueue(r.Transport).Add(-1)
			r.From.Done()
			n++
		default:
			return n
		}
	}
}

// Offer puts r into the queue, or counts that there was no room.
func (l *Lane) Offer(r *Request) bool {
	r.lane, r.since, r.Plain = l, l.Now(), nil
	waiting := l.inQueue(r.Transport)
	waiting.Add(1)
	select {
	case l.queue <- r:
		return true
	default:
		waiting.Add(-1)
		l.full.Add(1)
		return false
	}
}

// Workers is how many requests the lane works on at a time. They mostly wait for a disk.
const Workers = 8

// Start starts the workers. They end once the queue is closed and empty.
func (l *Lane) Start(ctx context.Context) {
	for range Workers {
		l.running.Go(func() { l.KeepRunning("deferred lane worker", func() { l.work(ctx) }) })
	}
}

// Stop ends the workers after what is queued, and waits for them. No request may be deferred
// after that.
func (l *Lane) Stop() {
	close(l.queue)
	l.running.Wait()
	l.transfers.wait()
	l.writersMu.Lock() // a handler may hold a request whose connection is gone
	defer l.writersMu.Unlock()
	for _, d := range l.writers {
		l.Lanes.Put(d.worker)
	}
	l.writers = nil
}

func (l *Lane) work(ctx context.Context) {
	for r := range l.queue {
		l.inQueue(r.Transport).Add(-1)
		l.working.Add(1)
		l.serve(ctx, r)
	}
}

// serve has a request handled and ends it, unless it is held.
func (l *Lane) serve(ctx context.Context, r *Request) {
	if fault := l.containRequest(r, func() { l.handle(ctx, r) }); fault || !r.held {
		r.End()
	}
}

// containRequest calls f for a request and reports whether it panicked. A panic ends the
// connection of the request, whose client would otherwise wait for the rest of the answer.
func (l *Lane) containRequest(r *Request, f func()) (fault bool) {
	defer func() {
		if f := recover(); f != nil {
			fault = true
			worker.LogFault(l.Log, f, &r.Request)
			r.From.BreakOff(ErrFault)
		}
	}()
	f()
	return false
}

func (l *Lane) handle(ctx context.Context, r *Request) {
	if l.all != nil {
		l.all.Handle(ctx, r)
		return
	}
	if l.front(r) != answer.Defer {
		return
	}
	if r.Kind == answer.KindTransfer {
		l.transfers.enqueue(ctx, r)
		return
	}
	l.handlers[r.Kind].Handle(ctx, r)
}

// front answers the requests that need no handler, and returns Defer for others.
func (l *Lane) front(r *Request) answer.Verdict {
	d := l.acquireWriter()
	defer l.releaseWriter(d)
	for k, h := range l.handlers {
		r.Handled[k] = h != nil
	}
	r.Request.Deferred = &r.Deferred
	buf := d.message(r.Transport)
	n, verdict := d.worker.Respond(r.View, &r.Request, buf, copy(buf, r.Message))
	if limits := r.View.Policy.RateLimit; limits != nil {
		d.worker.LogLimited(limits, r.Elapsed, l.Log)
	}
	if r.Why != "" {
		worker.Warn(l.Log, "request refused", append(r.LogAttrs(), slog.String("why", r.Why))...)
	}
	if verdict == answer.Answered {
		// transmit has counted and logged the error.
		_ = r.transmit(d, n, nil) // signed already
	}
	return verdict
}

func (l *Lane) acquireWriter() *messageWriter {
	l.writersMu.Lock()
	defer l.writersMu.Unlock()
	if n := len(l.writers); n > 0 {
		d := l.writers[n-1]
		l.writers = l.writers[:n-1]
		return d
	}
	return &messageWriter{worker: l.Lanes.Get()}
}

func (l *Lane) releaseWriter(d *messageWriter) {
	defer func() { // also after a panic
		l.writersMu.Lock()
		defer l.writersMu.Unlock()
		l.writers = append(l.writers, d)
	}()
	d.worker.Publish()
}

func (l *Lane) AddTo(t *Totals) {
	t.Waiting += len(l.queue)
	t.Working += int(l.working.Load())
	t.Done += l.done.Load()
	t.Replies += l.replies.Load()
	t.Unsent += l.unsent.Load()
	t.Full += l.full.Load()
	l.transfers.addTo(t)
	l.latency.AddTo(&t.Latency)
}

// ServFail changes the request in buf[:n] to a SERVFAIL response, for a connection whose request
// finds the deferred lane full, and returns the length. The response has the question, if that
// can be read, and no OPT record.
func ServFail(buf []byte, n int) int {
	if n < wire.HeaderLen {
		return 0
	}
	buf[2] = buf[2]&0x79 | 0x80 // QR, and OPCODE and RD of the request
	buf[3] = 2
	end := wire.HeaderLen
	if binary.BigEndian.Uint16(buf[4:]) == 1 {
		if name := dname.FromWire(buf[wire.HeaderLen:n]); name != nil && wire.HeaderLen+len(name)+4 <= n {
			end += len(name) + 4
		}
	}
	clear(buf[4:wire.HeaderLen])
	if end > wire.HeaderLen {
		buf[5] = 1
	}
	return end
}
