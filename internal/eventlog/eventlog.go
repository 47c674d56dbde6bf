// Package eventlog bounds the log: a condition is one line per [Interval], however many
// zones and peers it concerns.
//
// A condition is a level and a constant message; attributes say what it concerns. The
// first record of a condition is written at once. Those that follow within the interval
// are counted, and one line at its end has their number and some of their attributes'
// values:
//
//	level=WARN msg="a secondary does not answer to NOTIFY" zone=a. peer=192.0.2.1:53
//	level=WARN msg="a secondary does not answer to NOTIFY" zone="a., b., c., d. and more" peer="192.0.2.1:53, 192.0.2.2:53" suppressed=30008 within=10s
//
// A single record that had to wait is written unchanged. Records below the level of a
// warning report events rather than conditions: up to [Events] of a message are written
// in an interval before the others are counted.
//
// The logger that [Every] returns writes every record. It is for the outcomes of reloads,
// start and stop, and for events that are sampled already.
package eventlog

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Interval is how long a condition's repeats are counted before they are
	// reported. A condition that lasts a day is some 1 MB of log.
	Interval = 10 * time.Second

	// Events is how many records of one message below the level of a warning are written
	// in an interval. A small server logs each transfer; one with thousands of zones logs
	// some of them and a count.
	Events = 10

	// maxConditions bounds the memory, for each of four ranges of levels. Messages are
	// constant, so that only a bug or a library with variable messages (net/http at debug)
	// gets near it; further messages share one condition.
	maxConditions = 128

	// maxValues and maxValueLen bound the values of suppressed records in a line, and
	// maxRead how many records the values are taken from.
	maxValues   = 4
	maxValueLen = 200 // octets
	maxRead     = 1000
)

// beyond is the message of the shared condition.
const beyond = "further messages"

// Handler is a slog.Handler that merges repeats and passes other records on. Close it when
// logging has ended, or the last counts are lost.
type Handler struct {
	next   slog.Handler
	every  bool // merge nothing
	merger *merger
}

// merger is the shared state of the Handlers of one log.
type merger struct {
	totals [numLevels]levelCounts
	timers sync.WaitGroup // of conditions

	mu         sync.Mutex
	closed     bool
	conditions map[condition]*repeats
	known      [numLevels]int // how many of conditions have such a level
}

type condition struct {
	level   slog.Level
	message string
}

// repeats is the state of a condition in the current interval.
type repeats struct {
	timer   *time.Timer  // ends the interval
	written int          // records written
	count   int          // records suppressed
	next    slog.Handler // of the first suppressed record
	first   slog.Record  // the first suppressed record
	values  []values     // of the suppressed records
}

// values are the distinct values of an attribute.
type values struct {
	key  string
	list []string
	more bool
}

// Totals are the numbers of records of one level since the start.
type Totals struct{ Written, Suppressed uint64 }

type levelCounts struct{ written, suppressed atomic.Uint64 }

const numLevels = 4

func indexOf(l slog.Level) int {
	switch {
	case l < slog.LevelInfo:
		return 0
	case l < slog.LevelWarn:
		return 1
	case l < slog.LevelError:
		return 2
	}
	return 3
}

// New returns a Handler that writes to next.
func New(next slog.Handler) *Handler {
	return &Handler{next: next, merger: &merger{conditions: map[condition]*repeats{}}}
}

// Every returns a logger like l that writes every record.
func Every(l *slog.Logger) *slog.Logger {
	h, ok := l.Handler().(*Handler)
	if !ok {
		return l
	}
	return slog.New(&Handler{next: h.next, every: true, merger: h.merger})
}

// Totals returns the numbers of records, by level in lower case. Lines that report
// suppressed records are not counted.
func (h *Handler) Totals() map[string]Totals {
	out := make(map[string]Totals, numLevels)
	for i, name := range [numLevels]string{"debug", "info", "warn", "error"} {
		c := &h.merger.totals[i]
		out[name] = Totals{c.written.Load(), c.suppressed.Load()}
	}
	return out
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{next: h.next.WithAttrs(attrs), every: h.every, merger: h.merger}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{next: h.next.WithGroup(name), every: h.every, merger: h.merger}
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if !h.every && h.merger.suppress(h.next, r) {
		h.merger.totals[indexOf(r.Level)].suppressed.Add(1)
		return nil
	}
	h.merger.totals[indexOf(r.Level)].written.Add(1)
	return h.next.Handle(ctx, r)
}

// suppress reports whether the record must not be written now, and counts it then.
func (m *merger) suppress(next slog.Handler, r slog.Record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	key := condition{r.Level, r.Message}
	c := m.conditions[key]
	if c == nil && m.known[indexOf(r.Level)] >= maxConditions {
		key.message = beyond
		c = m.conditions[key]
	}
	if c == nil {
		c = new(repeats)
		m.conditions[key] = c
		m.known[indexOf(r.Level)]++
		m.timers.Add(1)
		c.timer = time.AfterFunc(Interval, func() { m.endInterval(key, c) })
	}
	if c.written == 0 || r.Level < slog.LevelWarn && c.written < Events {
		c.written++
		return false
	}
	c.add(next, r)
	return true
}

// add counts a suppressed record.
func (c *repeats) add(next slog.Handler, r slog.Record) {
	if c.count++; c.count == 1 {
		c.next, c.first = next, r.Clone()
	}
	if c.count > maxRead {
		return
	}
	r.Attrs(func(a slog.Attr) bool {
		c.addValue(a)
		return true
	})
}

// addValue adds the value of an attribute unless it is a number: numbers differ from
// record to record and do not say what the record concerns.
func (c *repeats) addValue(a slog.Attr) {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime, slog.KindGroup:
		return
	}
	i := slices.IndexFunc(c.values, func(v values) bool { return v.key == a.Key })
	if i < 0 {
		i = len(c.values)
		c.values = append(c.values, values{key: a.Key})
	}
	v := &c.values[i]
	if v.more {
		return
	}
	text := a.Value.String()
	if len(text) > maxValueLen {
		text = strings.ToValidUTF8(text[:maxValueLen], "") + "…"
	}
	switch {
	case slices.Contains(v.list, text):
	case len(v.list) == maxValues:
		v.more = true
	default:
		v.list = append(v.list, text)
	}
}

// endInterval reports the records suppressed in the interval of a condition. The report is
// the line of the next interval. A condition without repeats is removed.
func (m *merger) endInterval(key condition, c *repeats) {
	defer m.timers.Done()
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	if c.count == 0 {
		delete(m.conditions, key)
		m.known[indexOf(key.level)]--
		m.mu.Unlock()
		return
	}
	report, next := c.report(key), c.next
	*c = repeats{timer: c.timer, written: 1}
	m.timers.Add(1)
	c.timer.Reset(Interval)
	m.mu.Unlock()
	_ = next.Handle(context.Background(), report) // an error has no other place to go
}

// report returns the record that summarizes the suppressed ones.
func (c *repeats) report(key condition) slog.Record {
	if c.count == 1 {
		return c.first
	}
	r := slog.NewRecord(time.Now(), key.level, key.message, 0)
	for _, v := range c.values {
		text := strings.Join(v.list, ", ")
		if v.more {
			text += " and more"
		}
		r.AddAttrs(slog.String(v.key, text))
	}
	r.AddAttrs(slog.Int("suppressed", c.count), slog.Duration("within", Interval))
	return r
}

// Close reports the suppressed records and ends the merging: further records are written
// one by one. It returns after the last line was written.
func (h *Handler) Close() {
	m := h.merger
	m.mu.Lock()
	rest := m.conditions
	if m.closed {
		rest = nil
	}
	m.closed, m.conditions = true, nil
	m.mu.Unlock()
	var keys []condition
	for key, c := range rest {
		if c.timer.Stop() {
			m.timers.Done()
		}
		if c.count > 0 {
			keys = append(keys, key)
		}
	}
	m.timers.Wait()
	slices.SortFunc(keys, func(a, b condition) int {
		return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(a.message, b.message))
	})
	for _, key := range keys {
		c := rest[key]
		_ = c.next.Handle(context.Background(), c.report(key))
	}
}
