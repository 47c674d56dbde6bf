package transfer

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// History has the changes between the serials of a zone.
type History interface {
	// Chain returns the changesets in order; ok is false if one is missing or they have
	// more than most records in total.
	Chain(apex dname.Name, from, to zone.Serial, most int) (list []*zone.Changeset, ok bool, err error)
}

// Options are what a Handler needs.
type Options struct {
	History History          // nil: every IXFR is answered by the whole zone
	Pause   func() func()    // returns a function that is called every few microseconds of a computation; nil: none
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
	// Sent is called when a client has the zone or its changes, or knows that it is up to date; nil:
	// it is not.
	Sent func(z *zone.Zone, client netip.Addr, kind Kind)
	// Failed is called when a client did not receive all of an answer; nil: it is not.
	Failed func(z *zone.Zone, client netip.Addr)
}

// Handler answers AXFR and IXFR. It may be called concurrently.
type Handler struct {
	o     Options
	turns chan struct{} // its capacity is how many transfers may compute at a time
	large largeHistory

	counts [NumKinds]counts
}

// Kind is how a request for a transfer was answered.
type Kind uint8

// The kinds.
const (
	Full        Kind = iota // the whole zone, asked for by AXFR
	FullByIXFR              // the whole zone, asked for by IXFR
	Incremental             // the changes
	Current                 // our SOA alone: the client is up to date, or must ask over TCP
	Broken                  // the answer is incomplete
	NumKinds
)

// String returns the name of the kind in metrics and the log.
func (k Kind) String() string {
	return [NumKinds]string{"axfr", "axfr_by_ixfr", "ixfr", "soa", "broken"}[k]
}

type counts struct{ answers, records, octets atomic.Uint64 }

// Totals are the answers of one kind.
type Totals struct{ Answers, Records, Octets uint64 }

// Totals returns what was sent, by Kind. Broken answers count with the records and octets
// that were sent.
func (h *Handler) Totals() (t [NumKinds]Totals) {
	for k := range t {
		c := &h.counts[k]
		t[k] = Totals{c.answers.Load(), c.records.Load(), c.octets.Load()}
	}
	return t
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Pause == nil {
		o.Pause = func() func() { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sent == nil {
		o.Sent = func(*zone.Zone, netip.Addr, Kind) {}
	}
	if o.Failed == nil {
		o.Failed = func(*zone.Zone, netip.Addr) {}
	}
	return &Handler{
		o: o, turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), large: largeHistory{spans: make(map[span]*spanChanges)},
	}
}

// Handle answers one request of a client that is allowed to transfer the zone.
func (h *Handler) Handle(ctx context.Context, r *deferred.Request) {
	begin := h.o.Now()
	z := r.Zone()
	s := &stream{ctx: ctx, r: r, turns: h.turns, pause: h.o.Pause()}
	defer s.endTurn() // also after a panic, which the server contains
	attrs := r.LogAttrs()
	kind, isCurrent := Full, false
	if r.Question().Type == rr.TypeIXFR {
		from, ok := clientSerial(r.Message)
		if !ok {
			_ = r.Fail(wire.RCodeFormErr, 0, "") // the client may be gone
			return
		}
		attrs = append(attrs, slog.Uint64("from", uint64(from)))
		isCurrent = from == z.Serial() || z.Serial().Before(from)
		kind = h.incremental(s, z, from)
	} else {
		s.zone(z)
	}
	if s.err == nil {
		s.end()
	}
	if s.err != nil {
		kind = Broken
	}
	switch {
	case kind == Broken:
		h.o.Failed(z, r.Client.Addr())
	case kind != Current || isCurrent: // else it has to ask over TCP
		h.o.Sent(z, r.Client.Addr(), kind)
	}
	c := &h.counts[kind]
	c.records.Add(uint64(s.records))
	c.octets.Add(uint64(s.octets))
	c.answers.Add(1) // last: Totals never has an answer without its records
	attrs = append(attrs, slog.String("kind", kind.String()), slog.Uint64("serial", uint64(z.Serial())),
		slog.Int("records", s.records), slog.Int("messages", s.messages), slog.Int("octets", s.octets),
		slog.Duration("took", h.o.Now().Sub(begin).Round(time.Microsecond)))
	switch {
	case kind == Broken:
		h.o.Log.LogAttrs(ctx, slog.LevelWarn, "a zone transfer to a client failed", append(attrs, slog.Any("err", s.err))...)
	case kind == Current:
		h.o.Log.LogAttrs(ctx, slog.LevelDebug, "zone transfer to a client: it has the current serial", attrs...)
	default:
		h.o.Log.LogAttrs(ctx, slog.LevelInfo, "zone transferred to a client", attrs...)
	}
}
