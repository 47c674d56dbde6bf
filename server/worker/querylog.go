package worker

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

const (
	// queryLogQueue is how many samples wait for the log. A sample has some 350 octets. One
	// that finds no room is lost: the log must not delay answers.
	queryLogQueue = 128
)

// sample is what is logged of one query.
type sample struct {
	at           time.Time
	request      answer.Request
	question     [wire.HeaderLen + dname.MaxWire + 4]byte // head of the request
	questionLen  int
	size         int // octets of the request
	verdict      answer.Verdict
	rcode        wire.RCode // of the header
	flags        byte       // third octet of the response's header
	responseSize int
	zone         dname.Name // at or above the name, of samples for a Watch; nil: none
}

// read returns the question; ok is false if there is none.
func (s *sample) read() (name dname.Name, t rr.Type, class rr.Class, ok bool) {
	q := s.question[:s.questionLen]
	if len(q) < wire.HeaderLen || binary.BigEndian.Uint16(q[4:]) == 0 {
		return nil, 0, 0, false
	}
	if name = dname.FromWire(q[wire.HeaderLen:]); name == nil {
		return nil, 0, 0, false
	}
	rest := q[wire.HeaderLen+len(name):]
	if len(rest) < 4 {
		return nil, 0, 0, false
	}
	return name, rr.Type(binary.BigEndian.Uint16(rest)), rr.Class(binary.BigEndian.Uint16(rest[2:])), true
}

func (s *sample) isTruncated() bool { return s.flags&2 != 0 }

// queryLog writes samples of the queries to a logger, and sends them to watches. One goroutine
// writes, owned by the queryLog; any number of samplers feed it.
type queryLog struct {
	every    atomic.Int64 // one query of so many is sampled; 0: none, 1 while there are watches
	logEvery atomic.Int64 // one of so many is logged; 0: none
	watching atomic.Pointer[[]*Watch]
	mu       sync.Mutex // for changes of these

	Samples chan sample
	lost    atomic.Uint64
	log     *slog.Logger
	done    chan struct{}
	contain func(part string, f func()) (fault bool)
}

func newQueryLog(log *slog.Logger) *queryLog {
	return &queryLog{log: log, Samples: make(chan sample, queryLogQueue), done: make(chan struct{})}
}

// run writes until stop is called. A panic costs one sample.
func (l *queryLog) run() {
	defer close(l.done)
	for s := range l.Samples {
		l.contain("query log", func() { l.Write(&s) })
	}
}

// stop ends run and waits for it. No sampler may be in use.
func (l *queryLog) stop() {
	close(l.Samples)
	<-l.done
}

func (l *queryLog) Write(s *sample) {
	var attrs [12]slog.Attr
	a := append(attrs[:0],
		slog.Time("received", s.at),
		slog.String("client", s.request.Client.String()),
		slog.String("local", s.request.Local.String()),
		slog.String("transport", s.request.Transport.String()),
	)
	q := s.question[:s.questionLen]
	if len(q) >= wire.HeaderLen {
		a = append(a, slog.Int("opcode", int(q[2]>>3&15)))
	}
	if name, t, class, ok := s.read(); ok {
		a = append(a, slog.String("qname", name.String()), slog.String("qtype", t.String()), slog.String("qclass", class.String()))
	}
	a = append(a, slog.Int("size", s.size), slog.String("verdict", s.verdict.String()))
	if s.verdict == answer.Answered {
		a = append(a, slog.Int("rcode", int(s.rcode)), slog.Bool("truncated", s.isTruncated()), slog.Int("response_size", s.responseSize))
	}
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "query", a...)
}

// Sampler takes samples of the queries of one worker:
//
//	begin(at, n)
//	for each of n queries, the i-th of which
//		if due(i) {
//			take; Respond; send
//		} else {
//			Respond
//		}
//
// so that the queries that are not sampled cost a comparison.
type Sampler struct {
	Log   *queryLog
	Every int64
	left  int64 // queries until the next sample is due, that one included
	turn  int   // the query of the batch that is due next
	At    time.Time
	s     sample

	seen int64 // samples since one was logged, while there are watches
}

const noTurn = math.MaxInt

// Begin begins a batch of n queries that came at the given time.
func (p *Sampler) Begin(at time.Time, n int) {
	if every := p.Log.every.Load(); every != p.Every {
		p.Every, p.left = every, every
	}
	p.turn = noTurn
	if p.Every != 0 {
		p.plan(at, int64(n))
	}
}

// plan determines which queries of a batch are due.
func (p *Sampler) plan(at time.Time, n int64) {
	if p.left <= n {
		p.At, p.turn = at, int(p.left-1)
		p.left += ((n-p.left)/p.Every + 1) * p.Every
	}
	p.left -= n
}

// Due reports whether query i is to be sampled. If a due query was not sampled, the next one is
// due.
func (p *Sampler) Due(i int) bool { return i >= p.turn }

// Take notes the request in buf[:n]; Respond will write over it.
func (p *Sampler) Take(q *answer.Request, buf []byte, n int) {
	p.turn += int(p.Every)
	p.s = sample{at: p.At, request: *q, size: n}
	p.s.questionLen = copy(p.s.question[:], buf[:n])
}

// Send sends the sample, with the response, to the log and to the watches that want it.
func (p *Sampler) Send(v *answer.View, buf []byte, n int, verdict answer.Verdict) {
	p.s.verdict, p.s.responseSize = verdict, n
	if verdict == answer.Answered && n >= 4 {
		p.s.flags, p.s.rcode = buf[2], wire.RCode(buf[3]&15)
	}
	if watches := p.Log.watches(); len(watches) > 0 {
		p.show(v, watches)
		if every := p.Log.logEvery.Load(); every == 0 || p.seen+1 < every {
			p.seen++
			return
		}
		p.seen = 0
	}
	select {
	case p.Log.Samples <- p.s:
	default:
		p.Log.lost.Add(1)
	}
}

// show sends the sample to the watches that want it.
func (p *Sampler) show(v *answer.View, watches []*Watch) {
	for _, w := range watches {
		if !w.wants(&p.s) {
			continue
		}
		if name, _, _, ok := p.s.read(); ok && p.s.zone == nil {
			if z := v.Zones.Find(name); z != nil {
				p.s.zone = z.Apex()
			}
		}
		select {
		case w.queries <- p.s:
		default:
			w.missed.Add(1)
		}
	}
}
