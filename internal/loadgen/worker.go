package loadgen

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// longestWait is how long a worker may not look whether it is to stop.
	longestWait = 20 * time.Millisecond

	// retryAfter is the time between attempts to connect.
	retryAfter = 100 * time.Millisecond

	// deafAfter is for how long a server that refuses everything and has answered
	// nothing is taken for one that is just starting.
	deafAfter = time.Second
)

// worker runs some of the flows, on one thread.
type worker struct {
	o      *Options
	now    func() int64 // ns after the start of the run
	group  group
	flows  []*flow
	ready  []bool
	cursor cursor
	plan   schedule
	turn   int // the flow that takes the next query of an open loop
	end    int64
	counts counts

	stopped   int64  // when sending ended
	idle      int64  // ns of sending in which there was nothing to send or receive
	byCount   bool   // there was no query left
	unsent    uint64 // were due and not sent
	abandoned uint64 // were in flight when the run was stopped

	// The totals so far, for Progress.
	sent, answered, timeouts atomic.Uint64
}

// newWorker returns worker number i, which runs each flow whose number is i modulo
// the number of workers.
func newWorker(o *Options, i int, now func() int64) *worker {
	w := &worker{
		o: o, now: now,
		cursor: o.Source.cursor(i, o.Workers),
		plan:   schedule{rate: o.Rate, worker: uint64(i), workers: uint64(o.Workers), count: o.Count},
		end:    int64(o.Duration),
	}
	for k := i; k < o.Sockets; k += o.Workers {
		window := o.Window / o.Sockets
		if k < o.Window%o.Sockets {
			window++
		}
		// The same seed gives the same IDs and cookies, other ones for each flow.
		random := (o.Seed + uint64(k) + 1) * 0x9e3779b97f4a7c15
		w.flows = append(w.flows, newFlow(window, o, &w.counts, random>>16))
	}
	w.ready = make([]bool, len(w.flows))
	w.counts.samples = make([]Sample, 0, (o.Samples+o.Workers-1)/o.Workers)
	return w
}

// open connects all flows.
func (w *worker) open(ctx context.Context, g group) error {
	w.group = g
	for i, f := range w.flows {
		t, err := g.open(ctx, i)
		if err != nil {
			return err
		}
		f.t, f.up = t, true
	}
	return nil
}

// close closes what is open.
func (w *worker) close() {
	for _, f := range w.flows {
		if f.up {
			w.counts.drops += f.t.drops()
			f.t.close()
			f.up = false
		}
	}
	w.group.close()
}

// run sends until it is time to end, and receives until nothing is in flight or
// ctx is done.
func (w *worker) run(ctx context.Context) error {
	// The thread's timer is set fine, so that queries are sent when they are due. The
	// thread ends with this goroutine and takes the setting along.
	runtime.LockOSThread()
	fineTimer()
	sending, busy, last := true, true, int64(0)
	for {
		wasBusy := busy
		var err error
		if busy, err = w.receive(); err != nil {
			return err
		}
		now := w.now()
		if w.o.Spin && !wasBusy && !busy && sending {
			w.idle += now - last // a whole turn for nothing
		}
		last = now
		stop := ctx.Err() != nil
		if sending && (stop || now >= w.end || !w.plan.more() && !w.hasBatch()) {
			sending = false
			w.stopSending(now)
		}
		inFlight := 0
		for _, f := range w.flows {
			f.expire(now - int64(w.o.Timeout))
			inFlight += f.inFlight
		}
		w.publish()
		if !sending && (inFlight == 0 || stop) {
			w.abandoned = uint64(inFlight)
			return nil
		}
		if sending {
			w.reconnect(ctx, now)
			sent, err := w.send()
			if err != nil {
				return err
			}
			busy = busy || sent
		}
		if w.o.Spin {
			for i, f := range w.flows {
				w.ready[i] = f.inFlight > 0
			}
			continue
		}
		d := time.Duration(0)
		if !busy {
			d = w.untilNext(now, sending)
		}
		if err := w.group.wait(d, w.ready); err != nil {
			return err
		}
		if d > 0 && sending {
			w.idle += w.now() - now
		}
	}
}

// stopSending ends the sending; what was made and not sent never will be.
func (w *worker) stopSending(now int64) {
	w.stopped = now
	w.byCount = !w.plan.more() && !w.hasBatch()
	w.unsent = w.plan.missed(min(now, w.end))
	for _, f := range w.flows {
		for len(f.batch) > 0 {
			f.dropFirst()
			if w.plan.rate > 0 { // in a closed loop nothing is due
				w.unsent++
			}
		}
	}
}

func (w *worker) hasBatch() bool {
	for _, f := range w.flows {
		if len(f.batch) > 0 {
			return true
		}
	}
	return false
}

func (w *worker) publish() {
	w.sent.Store(w.counts.sent)
	w.answered.Store(w.counts.answered)
	w.timeouts.Store(w.counts.timeouts)
}

// receive takes what has come. It reports whether that was anything.
func (w *worker) receive() (bool, error) {
	busy := false
	for i, f := range w.flows {
		if !f.up {
			w.ready[i] = false
		}
		if !w.ready[i] {
			continue
		}
		msgs, err := f.t.recv()
		now := w.now()
		for _, m := range msgs {
			f.matchAnswer(m, now, w.o.Expect)
		}
		busy = busy || len(msgs) > 0
		if len(msgs) < batchSize {
			w.ready[i] = false
		}
		if err != nil {
			if err := w.failed(f, err); err != nil {
				return busy, err
			}
		}
	}
	return busy, nil
}

// failed handles an error of a flow's transport. It returns one that the run
// cannot go on with.
func (w *worker) failed(f *flow, err error) error {
	w.counts.lastError = err
	if w.o.TCP {
		w.counts.drops += f.t.drops()
		f.disconnect()
		f.retry = w.now()
		return nil
	}
	if errors.Is(err, errUnreachable) {
		w.counts.unreachable++
		if w.counts.answered == 0 && w.now() > int64(deafAfter) {
			return err
		}
	}
	return nil
}

// reconnect opens the flows whose connection is gone.
func (w *worker) reconnect(ctx context.Context, now int64) {
	for i, f := range w.flows {
		if f.up || now < f.retry {
			continue
		}
		t, err := w.group.open(ctx, i)
		if err != nil {
			w.counts.lastError = err
			f.retry = w.now() + int64(retryAfter)
			continue
		}
		f.t, f.up = t, true
		w.counts.reconnects++
	}
}

// send sends what is due and has room. It reports whether that was anything.
func (w *worker) send() (bool, error) {
	if w.plan.rate > 0 {
		w.fillDue(w.now())
	}
	busy := false
	for _, f := range w.flows {
		if w.plan.rate == 0 {
			// The clock is read for each flow: sending to the one before took time.
			now := w.now()
			for share := f.hasShare(); share && f.hasRoom() && w.plan.more(); {
				f.prepare(w.cursor, now)
				w.plan.taken++
			}
		}
		sent, err := f.flush(w.now())
		busy = busy || sent
		if err == nil {
			continue
		}
		if !errors.Is(err, errUnreachable) && !w.o.TCP {
			w.counts.failed++
			f.dropFirst()
		}
		if err := w.failed(f, err); err != nil {
			return busy, err
		}
	}
	return busy, nil
}

// fillDue makes the queries of an open loop that are due, in turn on each flow
// that has room.
func (w *worker) fillDue(now int64) {
	full := 0
	for full < len(w.flows) && w.plan.more() && w.plan.due() <= now {
		f := w.flows[w.turn]
		if w.turn++; w.turn == len(w.flows) {
			w.turn = 0
		}
		if !f.hasRoom() {
			full++
			continue
		}
		full = 0
		f.prepare(w.cursor, w.plan.due())
		w.plan.taken++
	}
}

// untilNext returns how long there will be nothing to do but to receive.
func (w *worker) untilNext(now int64, sending bool) time.Duration {
	next := now + int64(longestWait)
	for _, f := range w.flows {
		if f.first != none {
			next = min(next, f.slots[f.first].sent+int64(w.o.Timeout))
		}
		if sending && !f.up {
			next = min(next, f.retry)
		}
	}
	if sending {
		next = min(next, w.end)
		if w.plan.rate > 0 && w.plan.more() && w.hasRoom() {
			next = min(next, w.plan.due())
		}
	}
	return time.Duration(max(next-w.now(), 0))
}

func (w *worker) hasRoom() bool {
	for _, f := range w.flows {
		if f.hasRoom() {
			return true
		}
	}
	return false
}
