package transfer

import (
	"sync"

	"github.com/ptrd/ptrd/zone"
)

// span is what an IXFR asks for: the changes of a zone between two serials.
type span struct {
	zone     string // zone.Zone.Key
	from, to zone.Serial
}

// largeHistory has the changes of spans with many records, of which each takes up to some 300 octets while
// they are condensed. They are computed one span at a time, and once for all clients that ask while one of
// them is sent them: ten secondaries of a zone with a million names would need gigabytes.
type largeHistory struct {
	turn sync.Mutex // held by the one that computes

	mu    sync.Mutex
	spans map[span]*spanChanges
}

// spanChanges are the changes of a span.
type spanChanges struct {
	clients int // that have joined; largeHistory.mu is held
	once    sync.Once
	chain   []*zone.Changeset // set by once; nil: there are none. Read-only.
}

// join returns what is shared by the clients that ask for a span. The caller calls leave once.
func (l *largeHistory) join(key span) *spanChanges {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.spans[key]
	if c == nil {
		c = new(spanChanges)
		l.spans[key] = c
	}
	c.clients++
	return c
}

// leave forgets the changes of a span that no client is sent any more.
func (l *largeHistory) leave(key span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.spans[key]; c.clients > 1 {
		c.clients--
		return
	}
	delete(l.spans, key)
}
