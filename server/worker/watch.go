package worker

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// watchRate is how many queries a second a Watch shows. It is more than a person reads, and
	// costs little next to the answers to a flood.
	watchRate = 200

	// watchQueue is how many queries wait for the reader of a Watch.
	watchQueue = 256

	// MaxWatches is how many watches there are at a time: each query is compared with all.
	MaxWatches = 16
)

// Watch shows queries while they are answered. As long as there is one, all queries are sampled.
type Watch struct {
	Client netip.Prefix                // of the clients; invalid: all
	About  func(qname dname.Name) bool // the names; nil: all, and messages without a question

	queries chan sample
	second  atomic.Int64  // of the last query that was shown
	shown   atomic.Int64  // in this second
	missed  atomic.Uint64 // too many of them, or the reader is too slow
}

// Query is a query and what became of it.
type Query struct {
	At           time.Time `json:"at"`
	Client       string    `json:"client"`
	Local        string    `json:"local"`
	Transport    string    `json:"transport"`
	Name         string    `json:"name,omitempty"` // empty: there is no question that can be read
	Class        string    `json:"class,omitempty"`
	Type         string    `json:"type,omitempty"`
	Size         int       `json:"size"`
	Verdict      string    `json:"verdict"` // answered, dropped, deferred (a transfer, update, NOTIFY or signed query)
	RCode        string    `json:"rcode,omitempty"`
	Truncated    bool      `json:"truncated,omitempty"`
	ResponseSize int       `json:"response_size,omitempty"`
	Zone         string    `json:"zone,omitempty"`   // that is at or above the name
	Missed       uint64    `json:"missed,omitempty"` // queries before this one that were not shown
}

// wants reports whether a sample is to be shown.
func (w *Watch) wants(s *sample) bool {
	if w.Client.IsValid() && !w.Client.Contains(s.request.Client.Addr().Unmap()) {
		return false
	}
	if w.About != nil {
		if name, _, _, ok := s.read(); !ok || !w.About(name) {
			return false
		}
	}
	second := s.at.Unix()
	if w.second.Swap(second) != second {
		w.shown.Store(0)
	}
	if w.shown.Add(1) > watchRate {
		w.missed.Add(1)
		return false
	}
	return true
}

// Run calls show with the queries, and with the number that were missed before each, until show returns
// an error, or ctx is done and the queries that wait are shown.
func (w *Watch) Run(ctx context.Context, show func(*Query) error) error {
	for {
		var s sample
		select {
		case s = <-w.queries:
		case <-ctx.Done():
			select {
			case s = <-w.queries:
			default:
				return nil
			}
		}
		q := s.query()
		q.Missed = w.missed.Swap(0)
		if err := show(&q); err != nil {
			return err
		}
	}
}

// query returns what is shown of a sample.
func (s *sample) query() Query {
	q := Query{
		At: s.at.UTC(), Client: s.request.Client.String(), Local: s.request.Local.String(), Transport: s.request.Transport.String(),
		Size: s.size, Verdict: s.verdict.String(),
	}
	if name, t, class, ok := s.read(); ok {
		q.Name, q.Type, q.Class = name.String(), t.String(), class.String()
	}
	if s.zone != nil {
		q.Zone = s.zone.String()
	}
	if s.verdict == answer.Answered {
		q.RCode, q.Truncated, q.ResponseSize = s.rcode.String(), s.isTruncated(), s.responseSize
	}
	return q
}

// Watch begins a watch; false: there are too many. The caller calls its Run, and EndWatch after that.
func (g *Group) Watch(w *Watch) bool { return g.queryLog.watch(w) }

// EndWatch ends a watch.
func (g *Group) EndWatch(w *Watch) { g.queryLog.endWatch(w) }

func (l *queryLog) watch(w *Watch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.watches()
	if len(now) == MaxWatches {
		return false
	}
	w.queries = make(chan sample, watchQueue)
	l.setWatches(append(slices.Clone(now), w))
	return true
}

func (l *queryLog) endWatch(w *Watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setWatches(slices.DeleteFunc(slices.Clone(l.watches()), func(o *Watch) bool { return o == w }))
}

// watches returns the watches. The list does not change.
func (l *queryLog) watches() []*Watch {
	if p := l.watching.Load(); p != nil {
		return *p
	}
	return nil
}

// setWatches needs mu.
func (l *queryLog) setWatches(list []*Watch) {
	l.watching.Store(&list)
	l.plan()
}

// setEvery sets how many queries there are for each one that is logged; 0: none is.
func (l *queryLog) setEvery(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logEvery.Store(n)
	l.plan()
}

// plan sets which queries are sampled; it needs mu.
func (l *queryLog) plan() {
	if len(l.watches()) > 0 {
		l.every.Store(1)
	} else {
		l.every.Store(l.logEvery.Load())
	}
}
