package worker

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
)

// Answerer is what a Worker needs of an [answer.Responder].
type Answerer interface {
	LookAhead(v *answer.View, batch []answer.Message)
	Respond(v *answer.View, q *answer.Request, buf []byte, n int) (int, answer.Verdict)
	Publish()
	LimitNote() answer.LimitNote
}

// Worker is what a goroutine needs to answer requests. One goroutine at a time uses it. A Pool
// reuses workers, so that counters never decrease, and reloads that add and remove addresses
// leave nothing behind.
type Worker struct {
	Answerer
	stats         *answer.Stats
	Request       answer.Request
	Sample        Sampler
	Transports    [answer.NumTransports]answer.TransportStats
	KernelDropped atomic.Uint64
}

// LookUp is LookAhead. After a panic, the requests take the general path.
func (l *Worker) LookUp(v *answer.View, batch []answer.Message, log *slog.Logger) {
	defer func() {
		if fault := recover(); fault != nil {
			LogFault(log, fault, &l.Request)
			for i := range batch {
				batch[i].Plain = answer.Plain{}
			}
		}
	}()
	l.LookAhead(v, batch)
}

// LogLimited logs the last response that was over a rate limit, if there is one to log.
func (l *Worker) LogLimited(limits *answer.RateLimit, elapsed time.Duration, log *slog.Logger) {
	if prefix, kind, ok := limits.Report(l.LimitNote(), elapsed); ok {
		Warn(log, "answers are over a rate limit", slog.String("prefix", prefix.String()), slog.String("kind", kind), slog.Bool("log_only", limits.IsLogOnly()))
	}
}

// RespondSampled is Respond with a sample for the query log. It is a separate function, so that
// other queries are not slower.
func (l *Worker) RespondSampled(v *answer.View, q *answer.Request, buf []byte, n int) (int, answer.Verdict) {
	l.Sample.Take(q, buf, n)
	n, verdict := l.Respond(v, q, buf, n)
	l.Sample.Send(v, buf, n, verdict)
	return n, verdict
}

// Pool has the workers of a server.
type Pool struct {
	new  func(*answer.Stats) Answerer
	log  *queryLog
	mu   sync.Mutex
	All  []*Worker
	free []*Worker
}

func (p *Pool) Get() *Worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		l := p.free[n-1]
		p.free = p.free[:n-1]
		return l
	}
	l := &Worker{stats: new(answer.Stats)}
	l.Answerer = p.new(l.stats)
	l.Sample.Log, l.Sample.turn = p.log, noTurn
	p.All = append(p.All, l)
	return l
}

func (p *Pool) Put(l *Worker) {
	p.mu.Lock()
	p.free = append(p.free, l)
	p.mu.Unlock()
}

// Totals are the counters of all workers.
type Totals struct {
	Respond       [answer.NumCounters]uint64
	Transports    [answer.NumTransports]answer.TransportTotals
	Faults        uint64 // panics beyond those of single requests
	LogLost       uint64 // sampled queries that the log was too slow for
	KernelDropped uint64 // datagrams that overflowed a socket's receive buffer
}

func (p *Pool) addTo(t *Totals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.All {
		for c := range answer.NumCounters {
			t.Respond[c] += l.stats.Load(c)
		}
		for i := range l.Transports {
			l.Transports[i].AddTo(&t.Transports[i])
		}
		t.KernelDropped += l.KernelDropped.Load()
	}
}

// Tally are the counts of one batch, which are added to those of the worker at its end.
type Tally struct {
	Answered, Deferred int
	Dropped            [answer.NumDropReasons]int
}

func (t *Tally) AddTo(c *answer.TransportStats, received int) {
	if t.Answered > 0 {
		c.Answered.Add(uint64(t.Answered))
	}
	if t.Deferred > 0 {
		c.Deferred.Add(uint64(t.Deferred))
	}
	for i, n := range t.Dropped {
		if n > 0 {
			c.Dropped[i].Add(uint64(n))
		}
	}
	c.Received.Add(uint64(received)) // last, and read first: what is received is counted in the others
}

// LogFault logs a recovered panic.
func LogFault(log *slog.Logger, fault any, q *answer.Request) {
	log.LogAttrs(context.Background(), slog.LevelError, "internal error while answering a request, which gets no response; please report it",
		slog.String("fault", fmt.Sprint(fault)), slog.String("client", q.Client.String()), slog.String("stack", string(debug.Stack())))
}

// Warn logs a warning.
func Warn(log *slog.Logger, message string, attrs ...slog.Attr) {
	log.LogAttrs(context.Background(), slog.LevelWarn, message, attrs...)
}
