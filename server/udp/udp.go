package udp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/worker"
)

const (
	// BufferSize is the room for a request and then its response, in octets. Responses
	// have at most Policy.UDPSize (1232 by default) or this many; requests are one
	// question and options. Larger buffers would only use more of the processor's caches.
	BufferSize = 4096

	// bufferStride is the distance of buffers. Every request uses the first octets of its
	// buffer. At a distance of 4096 octets, these would all be in the same set of a
	// first-level cache of 64 sets of 64 octets.
	bufferStride = BufferSize + 64

	// maxRecvErrors is how many errors in a row a socket may return before it counts as
	// broken. Temporary errors (no memory, a queued ICMP error) occur one at a time.
	maxRecvErrors = 1000

	// maxUnrested is how many full batches a worker answers before it publishes its counts:
	// some milliseconds of work.
	maxUnrested = 64

	// attendEvery is how long a worker that always finds queries keeps the processor before
	// it checks whether TCP has work. Otherwise the scheduler would do so after 10 ms, and
	// only once for each step of a connection. A check costs 0.2 µs. TCP then works for up to
	// loopSlice of package stream, so that UDP has two thirds of the time under a flood on
	// both.
	attendEvery = time.Millisecond

	// maxDrainBatches is how many batches a worker still answers after its address was
	// removed: more than a full receive buffer has, so only a flood is cut off.
	maxDrainBatches = 1024
)

// udpPort is a bound socket from which one or several workers receive.
type udpPort interface {
	// socket returns the packetSocket of one worker.
	socket(l *worker.Worker) packetSocket
	// interrupt ends waiting in recv of all workers.
	interrupt()
	Close()
}

// packetSocket receives and sends batches of datagrams. Each worker has one, which owns the
// datagrams; several may share a kernel socket.
type packetSocket interface {
	// recv returns the next datagrams, valid until the next recv. With wait it
	// waits for at least one, or returns os.ErrDeadlineExceeded once the socket
	// is interrupted; without, it returns none if there are none.
	recv(wait bool) ([]answer.Message, error)
	// send sends the responses (out > 0) in msgs, which recv returned. failed is
	// called for each that could not be sent.
	send(msgs []answer.Message, failed func(error))
	// rest releases the zones of all lookups so far, and counts what the kernel dropped.
	rest()
	// replier returns a function that sends responses to the i-th datagram of
	// the last recv, for use by any goroutine at any later time.
	replier(i int) func([]byte) error
}

// newBuffers returns the datagrams of a batch. Each buffer has room for at least one octet more
// than its length, so that a datagram that is too long is noticed.
func newBuffers(n int) []answer.Message {
	msgs := make([]answer.Message, n)
	room := make([]byte, n*bufferStride)
	for i := range msgs {
		msgs[i].Buf = room[i*bufferStride:][:BufferSize]
	}
	return msgs
}

// udpWorker answers the datagrams of one socket.
type udpWorker struct {
	socket  packetSocket
	worker  *worker.Worker
	views   *answer.Views
	lane    *deferred.Lane
	pending *sync.WaitGroup // deferred requests that will be answered through socket
	log     *slog.Logger
	now     func() time.Time
	began   time.Time   // of the server
	failed  func(error) // sendFailed, made once
	next    int         // datagram of the batch being answered
	batches int         // answered since the last rest
	tally   worker.Tally

	attendStreams func(turn int) // see attend
	attended      time.Time      // when attend was last called
	turns         int
}

func newUDPWorker(h *worker.Group, lane *deferred.Lane, attend func(int), socket packetSocket, own *worker.Worker, pending *sync.WaitGroup) *udpWorker {
	w := &udpWorker{socket: socket, worker: own, views: h.Views, lane: lane, pending: pending, log: h.Log, now: h.Now, began: h.Began, attendStreams: attend}
	w.failed = w.sendFailed
	return w
}

// run answers until the socket is interrupted, answers what the socket still has, and returns
// nil; or it returns the error because of which the socket cannot be used.
func (w *udpWorker) run() error {
	for failures := 0; ; {
		var msgs []answer.Message
		var err error
		if w.batches > 0 { // the last one was full: there is likely more
			msgs, err = w.socket.recv(false)
		}
		if err == nil && len(msgs) == 0 {
			w.rest()
			msgs, err = w.socket.recv(true)
		}
		switch {
		case err == nil:
			failures = 0
			w.answer(msgs)
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.drain()
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("receive: %w", err)
		}
		worker.Warn(w.log, "datagrams cannot be received", slog.Any("err", err))
		if failures++; failures == maxRecvErrors {
			return fmt.Errorf("receive: %d errors in a row, the last: %w", failures, err)
		}
	}
}

func (w *udpWorker) drain() {
	defer w.rest()
	for range maxDrainBatches {
		msgs, err := w.socket.recv(false)
		if err != nil || len(msgs) == 0 {
			return
		}
		w.answer(msgs)
	}
}

// answer answers one batch. It allocates nothing, deferred requests apart.
func (w *udpWorker) answer(msgs []answer.Message) {
	start := w.now()
	view := w.views.Load()
	l := w.worker
	l.Request = answer.Request{Transport: answer.UDP, Now: start.Unix()}
	limits := view.Policy.RateLimit
	if limits != nil {
		l.Request.Elapsed = start.Sub(w.began)
	}
	l.Sample.Begin(start, len(msgs))
	w.tally = worker.Tally{}
	l.LookUp(view, msgs, w.log)
	for w.next = 0; w.next < len(msgs); {
		w.answerFrom(msgs, view)
	}
	w.socket.send(msgs, w.failed)
	if w.batches++; len(msgs) < answer.BatchSize || w.batches == maxUnrested {
		w.rest()
	}
	if limits != nil {
		l.LogLimited(limits, l.Request.Elapsed, w.log)
	}
	c := &l.Transports[answer.UDP]
	w.tally.AddTo(c, len(msgs))
	end := w.now()
	c.Latency.Observe(end.Sub(start), len(msgs))
	if end.Sub(w.attended) > attendEvery {
		w.attend(end)
	}
}

// attend yields the processor to TCP if that has work. It is called between batches.
func (w *udpWorker) attend(now time.Time) {
	w.attended = now
	w.turns++
	w.attendStreams(w.turns)
}

// rest publishes the counts and releases the zones of the last queries. A worker calls it before
// it waits, and under load at intervals.
func (w *udpWorker) rest() {
	if w.batches == 0 {
		return
	}
	w.batches = 0
	w.socket.rest()
	w.worker.Publish()
}

// answerFrom answers the datagrams from next on. After a panic, one datagram gets no answer.
func (w *udpWorker) answerFrom(msgs []answer.Message, view *answer.View) {
	defer w.contain(msgs)
	l := w.worker
	q := &l.Request
	for ; w.next < len(msgs); w.next++ {
		d := &msgs[w.next]
		d.Out = 0
		if d.Unfit != answer.DropByRespond {
			w.tally.Dropped[d.Unfit]++
			continue
		}
		if d.Client.Port() == 0 {
			w.tally.Dropped[answer.DropPortZero]++
			continue
		}
		q.Client, q.Local, q.Plain = d.Client, d.Local, &d.Plain
		var n int
		var verdict answer.Verdict
		if l.Sample.Due(w.next) {
			n, verdict = l.RespondSampled(view, q, d.Buf[:BufferSize:BufferSize], d.Len)
		} else {
			n, verdict = l.Respond(view, q, d.Buf[:BufferSize:BufferSize], d.Len)
		}
		switch verdict {
		case answer.Answered:
			d.Out = n
			w.tally.Answered++
		case answer.Defer:
			w.deferRequest(view, d)
		default:
			w.tally.Dropped[answer.DropByRespond]++
		}
	}
}

func (w *udpWorker) contain(msgs []answer.Message) {
	if fault := recover(); fault != nil {
		worker.LogFault(w.log, fault, &w.worker.Request)
		msgs[w.next].Out = 0
		w.tally.Dropped[answer.DropFault]++
		w.next++
	}
}

// deferRequest queues the datagram for the deferred lane. If that is full, the request is
// dropped: the client tries again, and the address may be forged.
func (w *udpWorker) deferRequest(view *answer.View, d *answer.Message) {
	if !w.lane.HasRoom(answer.UDP, w.worker.Request.Known) {
		w.lane.CountFull()
		w.tally.Dropped[answer.DropDeferredFull]++
		return
	}
	w.pending.Add(1)
	r := &deferred.Request{
		Deferred: answer.Deferred{Request: w.worker.Request, View: view, Message: append([]byte(nil), d.Buf[:d.Len]...)},
		From:     &datagramClient{w.socket.replier(w.next), w.pending},
	}
	if !w.lane.Offer(r) {
		w.pending.Done()
		w.tally.Dropped[answer.DropDeferredFull]++
		return
	}
	w.tally.Deferred++
}

// datagramClient is the client of a deferred datagram.
type datagramClient struct {
	send    func(message []byte) error
	pending *sync.WaitGroup
}

func (c *datagramClient) Reply(buf []byte) error { return c.send(buf[deferred.Headroom:]) }

func (c *datagramClient) Done() { c.pending.Done() }

// Drain, Transferring and BreakOff do nothing: no answers to datagrams are queued, and there is
// no connection.

func (c *datagramClient) Drain() error { return nil }

func (c *datagramClient) Transferring(int) {}

func (c *datagramClient) BreakOff(error) {}

func (w *udpWorker) sendFailed(err error) {
	w.worker.Transports[answer.UDP].Unsent[sock.SendFailure(err)].Add(1)
	worker.Warn(w.log, "responses cannot be sent by UDP", slog.Any("err", err))
}
