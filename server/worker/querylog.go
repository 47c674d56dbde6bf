package worker

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math"
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
	rcode        uint8 // of the header
	flags        byte  // third octet of the response's header
	responseSize int
}

// queryLog writes samples of the queries to a logger. One goroutine writes,
// owned by the queryLog; any number of samplers feed it.
type queryLog struct {
	every   atomic.Int64 // one query of so many; 0: none
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
		if name := dname.FromWire(q[wire.HeaderLen:]); name != nil && binary.BigEndian.Uint16(q[4:]) > 0 {
			if rest := q[wire.HeaderLen+len(name):]; len(rest) >= 4 {
				a = append(a,
					slog.String("qname", name.String()),
					slog.String("qtype", rr.Type(binary.BigEndian.Uint16(rest)).String()),
					slog.String("qclass", rr.Class(binary.BigEndian.Uint16(rest[2:])).String()))
			}
		}
	}
	a = append(a, slog.Int("size", s.size), slog.String("verdict", s.verdict.String()))
	if s.verdict == answer.Answered {
		a = append(a, slog.Int("rcode", int(s.rcode)), slog.Bool("truncated", s.flags&2 != 0), slog.Int("response_size", s.responseSize))
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

// Send sends the sample, with the response, to the log.
func (p *Sampler) Send(buf []byte, n int, v answer.Verdict) {
	p.s.verdict, p.s.responseSize = v, n
	if v == answer.Answered && n >= 4 {
		p.s.flags, p.s.rcode = buf[2], buf[3]&15
	}
	select {
	case p.Log.Samples <- p.s:
	default:
		p.Log.lost.Add(1)
	}
}
