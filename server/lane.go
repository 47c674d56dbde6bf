package server

import (
	"context"
	"fmt"
	"github.com/ptrd/ptrd/server/answer"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// answerer is what a lane needs of a [Responder].
type answerer interface {
	LookAhead(v *answer.View, batch []answer.Message)
	Respond(v *answer.View, q *answer.Request, buf []byte, n int) (int, answer.Verdict)
	Publish()
	LimitNote() answer.LimitNote
}

// lane is what a goroutine needs to answer requests: one goroutine at a time
// holds it. A lane given back is used again, so its counters never go back and
// a reload that adds and removes addresses leaves nothing behind.
type lane struct {
	answerer
	stats         *answer.Stats
	request       answer.Request
	sample        sampler
	transports    [answer.NumTransports]answer.TransportStats
	kernelDropped atomic.Uint64
}

// lookUp is lookAhead, and contains its panics: the requests then take the general way.
func (l *lane) lookUp(v *answer.View, batch []answer.Message, log *slog.Logger) {
	defer func() {
		if fault := recover(); fault != nil {
			logFault(log, fault, &l.request)
			for i := range batch {
				batch[i].Plain = answer.Plain{}
			}
		}
	}()
	l.LookAhead(v, batch)
}

// logLimited logs the last response that was over a rate limit, if there is one to log.
func (l *lane) logLimited(limits *answer.RateLimit, elapsed time.Duration, log *slog.Logger) {
	if prefix, kind, ok := limits.Report(l.LimitNote(), elapsed); ok {
		warn(log, "answers are over a rate limit", slog.String("prefix", prefix.String()), slog.String("kind", kind), slog.Bool("log_only", limits.IsLogOnly()))
	}
}

// respondSampled is Respond with a sample for the query log. It is a call of its
// own, so that what is done for few queries costs the others no register.
func (l *lane) respondSampled(v *answer.View, q *answer.Request, buf []byte, n int) (int, answer.Verdict) {
	l.sample.take(q, buf, n)
	n, verdict := l.Respond(v, q, buf, n)
	l.sample.send(buf, n, verdict)
	return n, verdict
}

// lanes hands out lanes.
type lanes struct {
	new  func(*answer.Stats) answerer
	log  *queryLog
	mu   sync.Mutex
	all  []*lane
	free []*lane
}

func (p *lanes) get() *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		l := p.free[n-1]
		p.free = p.free[:n-1]
		return l
	}
	l := &lane{stats: new(answer.Stats)}
	l.answerer = p.new(l.stats)
	l.sample.log, l.sample.turn = p.log, noTurn
	p.all = append(p.all, l)
	return l
}

func (p *lanes) put(l *lane) {
	p.mu.Lock()
	p.free = append(p.free, l)
	p.mu.Unlock()
}

func (p *lanes) addTo(t *Totals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.all {
		for c := range answer.NumCounters {
			t.Respond[c] += l.stats.Load(c)
		}
		for i := range l.transports {
			l.transports[i].AddTo(&t.Transports[i])
		}
		t.KernelDropped += l.kernelDropped.Load()
	}
}

// socketDrops is how many of a kernel socket's drops are counted. Those who share
// the socket share it, and it lasts as long as the socket: the kernel counts on
// while an inherited one is not listened on.
type socketDrops struct{ counted atomic.Uint32 }

// advance takes the kernel's count, which goes round, and returns by how many it is
// ahead of what is counted. A count that another worker was told later is not.
func (d *socketDrops) advance(count uint32) uint64 {
	for {
		counted := d.counted.Load()
		if int32(count-counted) <= 0 {
			return 0
		}
		if d.counted.CompareAndSwap(counted, count) {
			return uint64(count - counted)
		}
	}
}

// tally are the counts of one batch, added to the lane's at its end.
type tally struct {
	answered, deferred int
	dropped            [answer.NumDropReasons]int
}

func (t *tally) addTo(c *answer.TransportStats, received int) {
	c.Received.Add(uint64(received))
	if t.answered > 0 {
		c.Answered.Add(uint64(t.answered))
	}
	if t.deferred > 0 {
		c.Deferred.Add(uint64(t.deferred))
	}
	for i, n := range t.dropped {
		if n > 0 {
			c.Dropped[i].Add(uint64(n))
		}
	}
}

// logFault logs a recovered panic.
func logFault(log *slog.Logger, fault any, q *answer.Request) {
	log.LogAttrs(context.Background(), slog.LevelError, "answering a request panicked; this is a fault of ptrd, please report it",
		slog.String("fault", fmt.Sprint(fault)), slog.String("client", q.Client.String()), slog.String("stack", string(debug.Stack())))
}

// warn logs a warning.
func warn(log *slog.Logger, message string, attrs ...slog.Attr) {
	log.LogAttrs(context.Background(), slog.LevelWarn, message, attrs...)
}
