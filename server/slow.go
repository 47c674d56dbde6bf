package server

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"

	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// slowQueue is how many deferred requests wait. A TCP request is up to 64 KiB,
	// so a full queue is 16 MiB at the very most, and at some hundred requests a
	// second the last one waits for about a second, after which its client
	// would ask again.
	slowQueue = 256

	// slowQueueUDP is the share of datagrams, whose senders may be anybody. The rest is
	// for connections. Neither can take the share of the other: a few connections that
	// send as fast as they can would otherwise keep every datagram out, and a flood of
	// datagrams every connection.
	slowQueueUDP = slowQueue / 2
	slowQueueTCP = slowQueue - slowQueueUDP

	// slowQueueStrangers is the share of that for datagrams of clients that are not
	// known: a flood from forged addresses leaves room for peers.
	slowQueueStrangers = slowQueueUDP / 2
)

// SlowHandler answers requests of one kind that the fast lane defers: transfers,
// updates or NOTIFY. Several goroutines call it at the same time. It may wait, but
// not longer than ctx lasts, which ends when the server stops.
type SlowHandler interface {
	HandleSlow(ctx context.Context, r *SlowRequest)
}

// SlowRequest is a deferred request. It belongs to the handler until HandleSlow
// returns, or, where that calls Hold, until End.
type SlowRequest struct {
	answer.Deferred

	desk  *slowDesk // nil: nothing was written yet
	held  bool
	ended atomic.Bool

	reply func(framed []byte) error // sends or queues a message that has its length in front; it does not wait
	done  func()
	conn  *tcpConn // that it came over; nil: UDP
	paced bool     // each message of the answer waits until the client took the one before
	since time.Time
	lane  *slowLane
}

// slowLane is a bounded queue and the workers that empty it.
type slowLane struct {
	queue     chan *SlowRequest
	all       SlowHandler                  // of tests: in place of the front
	handlers  [answer.NumKinds]SlowHandler // nil: such requests are refused
	transfers transferLane
	lanes     *lanes
	log       *slog.Logger
	now       func() time.Time
	workers   sync.WaitGroup

	desksMu sync.Mutex
	desks   []*slowDesk // that nobody is at

	queued        [2]atomic.Int64 // requests in queue: those of connections, datagrams
	working       atomic.Int64
	done, replies atomic.Uint64
	unsent, full  atomic.Uint64
	latency       answer.Histogram
	latencyMu     sync.Mutex // a histogram has one writer
}

// hasRoom reports whether a request that came by t may join the queue; known is for
// those over UDP.
func (l *slowLane) hasRoom(t answer.Transport, known bool) bool {
	switch {
	case !t.IsDatagram():
		return l.queued[0].Load() < slowQueueTCP
	case known:
		return l.queued[1].Load() < slowQueueUDP
	}
	return l.queued[1].Load() < slowQueueStrangers
}

// inQueue is how many requests wait that came by the same way as t: UDP, or not.
func (l *slowLane) inQueue(t answer.Transport) *atomic.Int64 {
	if t.IsDatagram() {
		return &l.queued[1]
	}
	return &l.queued[0]
}

// offer puts r into the queue, or counts that there was no room.
func (l *slowLane) offer(r *SlowRequest) bool {
	r.lane, r.since, r.Plain = l, l.now(), nil
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

// start starts n workers. They end once the queue is closed and empty.
func (l *slowLane) start(ctx context.Context, n int, keepRunning func(string, func())) {
	for range n {
		l.workers.Go(func() { keepRunning("slow lane worker", func() { l.work(ctx) }) })
	}
}

// stop ends the workers after what is queued, and waits for them. Nobody may
// defer any more.
func (l *slowLane) stop() {
	close(l.queue)
	l.workers.Wait()
	l.transfers.wait()
	l.desksMu.Lock() // a handler may hold a request whose connection is gone
	defer l.desksMu.Unlock()
	for _, d := range l.desks {
		l.lanes.put(d.lane)
	}
	l.desks = nil
}

func (l *slowLane) work(ctx context.Context) {
	for r := range l.queue {
		l.inQueue(r.Transport).Add(-1)
		l.working.Add(1)
		l.serve(ctx, r)
	}
}

// serve has a request handled and ends it, unless it is held.
func (l *slowLane) serve(ctx context.Context, r *SlowRequest) {
	if fault := l.contain(r, func() { l.handle(ctx, r) }); fault || !r.held {
		r.End()
	}
}

// contain calls f for a request and reports whether it panicked. That costs the one
// request, and its connection, whose client would wait for the rest of the answer.
func (l *slowLane) contain(r *SlowRequest, f func()) (fault bool) {
	defer func() {
		if f := recover(); f != nil {
			fault = true
			logFault(l.log, f, &r.Request)
			if r.conn != nil {
				r.conn.breakOff(errFault)
			}
		}
	}()
	f()
	return false
}

func (l *slowLane) handle(ctx context.Context, r *SlowRequest) {
	if l.all != nil {
		l.all.HandleSlow(ctx, r)
		return
	}
	if l.front(r) != answer.Defer {
		return
	}
	if r.Kind == answer.KindTransfer {
		l.transfers.take(ctx, r)
		return
	}
	l.handlers[r.Kind].HandleSlow(ctx, r)
}

// front answers what is no matter of a handler; all else is deferred further.
func (l *slowLane) front(r *SlowRequest) answer.Verdict {
	d := l.takeDesk()
	defer l.putDesk(d)
	for k, h := range l.handlers {
		r.Handled[k] = h != nil
	}
	r.Request.Deferred = &r.Deferred
	buf := d.message(r.Transport)
	n, verdict := d.lane.Respond(r.View, &r.Request, buf, copy(buf, r.Message))
	if limits := r.View.Policy.RateLimit; limits != nil {
		d.lane.logLimited(limits, r.Elapsed, l.log)
	}
	if r.Why != "" {
		warn(l.log, "refused in the slow lane", append(r.LogAttrs(), slog.String("why", r.Why))...)
	}
	if verdict == answer.Answered {
		// It has counted the error, and there is nobody else to tell.
		_ = r.transmit(d, n, nil) // signed already
	}
	return verdict
}

func (l *slowLane) takeDesk() *slowDesk {
	l.desksMu.Lock()
	defer l.desksMu.Unlock()
	if n := len(l.desks); n > 0 {
		d := l.desks[n-1]
		l.desks = l.desks[:n-1]
		return d
	}
	return &slowDesk{lane: l.lanes.get()}
}

func (l *slowLane) putDesk(d *slowDesk) {
	defer func() { // whatever Publish does
		l.desksMu.Lock()
		defer l.desksMu.Unlock()
		l.desks = append(l.desks, d)
	}()
	d.lane.Publish()
}

func (l *slowLane) addTo(t *Totals) {
	t.Slow.Waiting += len(l.queue)
	t.Slow.Working += int(l.working.Load())
	t.Slow.Done += l.done.Load()
	t.Slow.Replies += l.replies.Load()
	t.Slow.Unsent += l.unsent.Load()
	t.Slow.Full += l.full.Load()
	l.transfers.addTo(&t.Slow)
	l.latency.AddTo(&t.Slow.Latency)
}

// servfail makes the request in buf[:n] its own SERVFAIL response and returns
// the length: what a connection gets when the slow lane is full. It has the
// question, where it can be read, and no OPT record: a server that is out of
// room may leave out what is only for extensions.
func servfail(buf []byte, n int) int {
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
