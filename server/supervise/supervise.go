// Package supervise contains panics of goroutines that live as long as the server. A panic
// costs the item in work, or restarts the part, and is logged with its stack and counted;
// a part that keeps failing ends the server with a reason. None ends silently.
//
// A part is a loop that the daemon starts (Run). Where it works on items that do not depend
// on each other, as the zones of a follower, its package contains each of them (Do), so
// that the loop goes on. A part that answers clients is started again without a pause
// (Keep). What a part locks it must unlock by defer, or a panic blocks it; the watchdog of
// package daemon finds that out.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// firstPause is between a failure of a part and its restart; it doubles up to lastPause.
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
	// steady is how long a part has to run until a failure counts as its first.
	steady = 10 * time.Minute
	// maxFailures is how often a part may fail in a row. With the pauses this takes about
	// two minutes: a part that fails at each start will not recover.
	maxFailures = 12
)

const (
	// MaxPanics is how many panics of parts that answer clients are contained within
	// panicSpan. A part that panics more often does nothing else, and a restart by the
	// service manager may help.
	MaxPanics = 20
	panicSpan = time.Minute

	// panicPause is the pause of such a part after more panics than that, while the server
	// stops.
	panicPause = 10 * time.Millisecond
)

// Supervisor counts and logs what it contains. A nil Supervisor contains nothing. Its
// methods may be called at the same time.
type Supervisor struct {
	log  *slog.Logger
	wait func(context.Context, time.Duration) // nil: a timer
	now  func() time.Time

	mu     sync.Mutex
	counts map[string]uint64
	recent []time.Time // panics within Keep, of panicSpan
}

// New returns a Supervisor.
func New(log *slog.Logger) *Supervisor {
	return &Supervisor{log: log, now: time.Now, counts: map[string]uint64{}}
}

// Do runs one item of work of a part. It reports whether the work came to its end; false
// after a panic.
func (s *Supervisor) Do(part string, work func()) (ok bool) {
	if s == nil {
		work()
		return true
	}
	defer func() {
		if ok {
			return
		}
		if fault := recover(); fault != nil {
			s.note(part, fmt.Sprint(fault), debug.Stack())
		}
	}()
	work()
	return true
}

// Run runs a part until ctx ends, and starts it again when it panics, or returns without an
// error before. An error that it returns, or that it failed too often, is returned: the
// server cannot go on.
func (s *Supervisor) Run(ctx context.Context, part string, run func(context.Context) error) error {
	failures, pause := 0, firstPause
	for {
		begin := s.now()
		var err error
		ended := s.Do(part, func() { err = run(ctx) })
		if ended && (err != nil || ctx.Err() != nil) {
			return err
		}
		if ended {
			s.note(part, "it ended before the server", nil)
		}
		if s.now().Sub(begin) >= steady {
			failures, pause = 0, firstPause
		}
		if failures++; failures >= maxFailures {
			return fmt.Errorf("%s: %w %d times in a row; the log has the reasons", part, ErrFailing, failures)
		}
		s.sleep(ctx, pause)
		if ctx.Err() != nil {
			return nil
		}
		pause = min(2*pause, lastPause)
	}
}

// Keep runs a part that answers clients until it returns, and starts it again at once when
// it panics: no client may be able to cause a pause. After more than MaxPanics within a
// minute it calls fail with the reason, which ends the server, and goes on until then.
func (s *Supervisor) Keep(part string, run func(), fail func(error)) {
	for !s.Do(part, run) {
		if s.isTooMany() {
			fail(fmt.Errorf("%s: more than %d panics within %v, of which the log has the stacks; please report them", part, MaxPanics, panicSpan))
			time.Sleep(panicPause)
		}
	}
}

// isTooMany records a panic and reports whether there were too many.
func (s *Supervisor) isTooMany() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for len(s.recent) > 0 && now.Sub(s.recent[0]) >= panicSpan {
		s.recent = s.recent[1:]
	}
	s.recent = append(s.recent, now)
	return len(s.recent) > MaxPanics
}

// ErrFailing says that a part failed too often to be started again.
var ErrFailing = errors.New("failed")

// Counts returns how often each part failed since the start.
func (s *Supervisor) Counts() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// Total returns how often parts failed since the start.
func (s *Supervisor) Total() (n uint64) {
	for _, c := range s.Counts() {
		n += c
	}
	return n
}

// note counts and logs a failure. Of a panic the stack is that of where it happened.
func (s *Supervisor) note(part, what string, stack []byte) {
	s.mu.Lock()
	s.counts[part]++
	s.mu.Unlock()
	attrs := []any{"part", part, "fault", what}
	if stack != nil {
		attrs = append(attrs, "stack", string(stack))
	}
	s.log.Error("internal error; this part of the server goes on with the next item or starts again, please report it", attrs...)
}

func (s *Supervisor) sleep(ctx context.Context, d time.Duration) {
	if s.wait != nil {
		s.wait(ctx, d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
