package server

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// slowQueue is how many deferred requests wait. A TCP request is up to 64 KiB,
	// so a full queue is 16 MiB at the very most, and at some hundred requests a
	// second the last one waits for about a second, after which its client
	// would ask again.
	slowQueue = 256

	// slowQueueUDP is the share of it that datagrams may take, whose senders may
	// be anybody: a flood of them leaves room for clients that opened a
	// connection.
	slowQueueUDP = slowQueue / 2
)

// SlowHandler answers what the fast lane defers: transfers, updates, NOTIFY and
// requests with TSIG. Several workers call it at the same time. It may wait, but
// not longer than ctx lasts, which ends when the server stops.
type SlowHandler interface {
	HandleSlow(ctx context.Context, r *SlowRequest)
}

// SlowRequest is a deferred request. It belongs to the handler until HandleSlow
// returns.
type SlowRequest struct {
	Request
	View    *View  // that was in force when the request came
	Message []byte // the request

	reply func([]byte) error
	done  func()
	since time.Time
	lane  *slowLane
}

// Reply sends one message to the client. On TCP there may be several, which are
// sent in order; an error says that the client is gone and further ones are in
// vain. The message is the caller's again afterwards.
func (r *SlowRequest) Reply(message []byte) error {
	err := r.reply(message)
	if err != nil {
		r.lane.unsent.Add(1)
		if !errors.Is(err, net.ErrClosed) {
			r.lane.log.warn("sending from the slow lane", slog.String("client", r.Client.String()), slog.Any("error", err))
		}
		return err
	}
	r.lane.replies.Add(1)
	return nil
}

// slowLane is a bounded queue and the workers that empty it.
type slowLane struct {
	queue   chan *SlowRequest
	handler SlowHandler // nil: each worker's answerer
	lanes   *lanes
	log     *rareLog
	now     func() time.Time
	workers sync.WaitGroup

	working       atomic.Int64
	done, replies atomic.Uint64
	unsent, full  atomic.Uint64
	latency       histogram
	latencyMu     sync.Mutex // a histogram has one writer
}

// hasRoom reports whether a request that came by t may join the queue.
func (l *slowLane) hasRoom(t Transport) bool {
	if t == UDP {
		return len(l.queue) < slowQueueUDP
	}
	return len(l.queue) < slowQueue
}

// offer puts r into the queue, or counts that there was no room.
func (l *slowLane) offer(r *SlowRequest) bool {
	r.lane, r.since = l, l.now()
	select {
	case l.queue <- r:
		return true
	default:
		l.full.Add(1)
		return false
	}
}

// start starts n workers. They end once the queue is closed and empty.
func (l *slowLane) start(ctx context.Context, n int) {
	for range n {
		l.workers.Go(func() { l.work(ctx) })
	}
}

// stop ends the workers after what is queued, and waits for them. Nobody may
// defer any more.
func (l *slowLane) stop() {
	close(l.queue)
	l.workers.Wait()
}

func (l *slowLane) work(ctx context.Context) {
	own := l.lanes.get()
	defer l.lanes.put(own)
	handler := l.handler
	if handler == nil {
		handler = &slowResponder{lane: own, buf: make([]byte, 1<<16)}
	}
	for r := range l.queue {
		l.working.Add(1)
		l.handle(ctx, handler, r)
		own.Publish()
		r.done()
		l.latencyMu.Lock()
		l.latency.observe(l.now().Sub(r.since), 1)
		l.latencyMu.Unlock()
		l.done.Add(1)
		l.working.Add(-1)
	}
}

func (l *slowLane) handle(ctx context.Context, h SlowHandler, r *SlowRequest) {
	defer func() {
		if fault := recover(); fault != nil {
			l.log.logFault(fault, &r.Request)
		}
	}()
	h.HandleSlow(ctx, r)
}

func (l *slowLane) addTo(t *Totals) {
	t.Slow.Waiting += len(l.queue)
	t.Slow.Working += int(l.working.Load())
	t.Slow.Done += l.done.Load()
	t.Slow.Replies += l.replies.Load()
	t.Slow.Unsent += l.unsent.Load()
	t.Slow.Full += l.full.Load()
	l.latency.addTo(&t.Slow.Latency)
}

// slowResponder answers by RespondDeferred, one message a request.
type slowResponder struct {
	lane *lane
	buf  []byte
}

func (s *slowResponder) HandleSlow(_ context.Context, r *SlowRequest) {
	room := s.buf[:maxMessage]
	if r.Transport == UDP {
		room = s.buf[:udpBuffer:udpBuffer]
	}
	n := copy(room, r.Message)
	s.lane.request = r.Request
	n, verdict := s.lane.RespondDeferred(r.View, &s.lane.request, room, n)
	if verdict == Answered {
		// Reply has counted the error, and there is nobody else to tell.
		_ = r.Reply(room[:n])
	}
}

// servfail makes the request in buf[:n] its own SERVFAIL response and returns
// the length: what a connection gets when the slow lane is full. It has the
// question, where it can be read, and no OPT record: a server that is out of
// room may leave out what is only for extensions.
func servfail(buf []byte, n int) int {
	if n < headerSize {
		return 0
	}
	buf[2] = buf[2]&0x79 | 0x80 // QR, and OPCODE and RD of the request
	buf[3] = 2
	end := headerSize
	if binary.BigEndian.Uint16(buf[4:]) == 1 {
		if name := dname.FromWire(buf[headerSize:n]); name != nil && headerSize+len(name)+4 <= n {
			end += len(name) + 4
		}
	}
	clear(buf[4:headerSize])
	if end > headerSize {
		buf[5] = 1
	}
	return end
}
