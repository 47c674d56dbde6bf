package loadgen

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// sim is a network with a server in simulated time: waiting lets it pass, nothing
// else takes any.
type sim struct {
	now    int64
	n      int                                        // queries so far
	answer func(t *simTransport, n int, query []byte) // gets the n-th query, from 0
	flows  map[int]*simTransport
	opened int
	refuse bool // connections
}

// simTransport is one of its sockets. What is to come is sorted by time.
type simTransport struct {
	*sim
	events []simEvent
}

type simEvent struct {
	at  int64
	msg []byte
	err error // ends a connection
}

// after lets something come.
func (t *simTransport) after(d time.Duration, msg []byte, err error) {
	t.events = append(t.events, simEvent{t.now + int64(d), msg, err})
	slices.SortStableFunc(t.events, func(a, b simEvent) int { return int(a.at - b.at) })
}

func (s *sim) open(_ context.Context, i int) (transport, error) {
	if s.refuse {
		return nil, errUnreachable
	}
	s.opened++
	s.flows[i] = &simTransport{sim: s}
	return s.flows[i], nil
}

func (s *sim) wait(d time.Duration, ready []bool) error {
	next := s.now + int64(d)
	for _, t := range s.flows {
		if len(t.events) > 0 {
			next = min(next, max(t.events[0].at, s.now))
		}
	}
	s.now = next
	for i, t := range s.flows {
		if len(t.events) > 0 && t.events[0].at <= s.now {
			ready[i] = true
		}
	}
	return nil
}

func (s *sim) close() {}

func (t *simTransport) send(msgs [][]byte) (int, error) {
	for _, m := range msgs {
		t.answer(t, t.n, slices.Clone(m))
		t.n++
	}
	return len(msgs), nil
}

func (t *simTransport) recv() ([][]byte, error) {
	var got [][]byte
	for len(t.events) > 0 && t.events[0].at <= t.now && len(got) < batchSize {
		e := t.events[0]
		if t.events = t.events[1:]; e.err != nil {
			return got, e.err
		}
		got = append(got, e.msg)
	}
	return got, nil
}

func (t *simTransport) drops() uint64 { return 0 }
func (t *simTransport) close()        { t.events = nil }

// local is where a simulated server would be.
var local = netip.MustParseAddrPort("127.0.0.1:53")

// simulate runs one worker in simulated time.
func simulate(t *testing.T, o Options, answer func(t *simTransport, n int, query []byte)) (*Result, *sim) {
	t.Helper()
	return simulateUntil(t, t.Context(), o, answer)
}

func simulateUntil(t *testing.T, ctx context.Context, o Options, answer func(t *simTransport, n int, query []byte)) (*Result, *sim) {
	t.Helper()
	o.Server = local
	o.Workers = 1
	if o.Source == nil {
		o.Source = prefixSource(t, "10.0.0.0/8")
	}
	o, err := o.withDefaults(1)
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{answer: answer, flows: map[int]*simTransport{}}
	w := newWorker(&o, 0, func() int64 { return s.now })
	if err := w.open(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := w.run(ctx); err != nil {
		t.Fatal(err)
	}
	w.close()
	for i, f := range w.flows {
		checkFlow(t, i, f, w.abandoned > 0)
	}
	r := newResult(&o, []*worker{w}, ctx.Err() != nil)
	checkLaw(t, r)
	return r, s
}

// checkFlow checks that every slot is in the free list, or in flight after an interrupt.
func checkFlow(t *testing.T, n int, f *flow, interrupted bool) {
	t.Helper()
	free := 0
	for i := f.free; i != none && free <= len(f.slots); i = f.slots[i].next {
		free++
	}
	used := 0
	for _, state := range f.ids {
		if state >= idSlot {
			used++
		}
	}
	if free+f.inFlight != len(f.slots) || used != f.inFlight || f.inFlight > 0 && !interrupted {
		t.Errorf("flow %d of %d slots: %d free, %d in flight, %d IDs in use", n, len(f.slots), free, f.inFlight, used)
	}
}

// checkLaw checks what must add up in every result.
func checkLaw(t *testing.T, r *Result) {
	t.Helper()
	if r.Sent != r.Answered+r.Timeouts+r.Disconnected+r.Abandoned {
		t.Errorf("%d sent are not %d answered, %d timed out, %d disconnected and %d abandoned",
			r.Sent, r.Answered, r.Timeouts, r.Disconnected, r.Abandoned)
	}
	var codes uint64
	for _, n := range r.RCodes {
		codes += n
	}
	if codes != r.Answered || r.Latency.Count != r.Answered || r.SendLag.Count != r.Sent {
		t.Errorf("%d answered and %d sent, but %d RCODEs, %d latencies and %d lags", r.Answered, r.Sent, codes, r.Latency.Count, r.SendLag.Count)
	}
	if x := r.Expected; x != nil && x.Different > x.Compared {
		t.Errorf("%d of %d compared are different", x.Different, x.Compared)
	}
}

func prefixSource(t testing.TB, p string) *Prefix {
	t.Helper()
	s, err := NewPrefix(netip.MustParsePrefix(p), 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// response makes the response to a query, with PTR records if it has targets.
func response(query []byte, flags wire.Flags, targets ...string) []byte {
	h, _ := wire.ReadHeader(query)
	q, end := wire.ReadQuestion(query, wire.HeaderLen)
	msg := slices.Clone(query[:end])
	for _, name := range targets {
		target := dname.MustParse(name)
		msg = append(msg, 0xc0, wire.HeaderLen, byte(q.Type>>8), byte(q.Type), 0, byte(rr.ClassIN), 0, 0, 0, 60, 0, byte(len(target)))
		msg = append(msg, target...)
	}
	wire.Header{ID: h.ID, Flags: wire.QR | wire.AA | flags, Questions: 1, Answers: uint16(len(targets))}.Put(msg)
	return msg
}
