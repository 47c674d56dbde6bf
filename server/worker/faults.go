package worker

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxFaults is how many panics of the parts of a server are contained within
	// faultSpan. What panics more often than that does nothing else, and to be started
	// again by the service manager may help.
	MaxFaults = 20
	faultSpan = time.Minute

	// faultPause is the rest of a part before it goes on after more panics than that,
	// while Serve ends.
	faultPause = 10 * time.Millisecond
)

// faults are the panics of the parts of a server, beyond those of single requests: faults
// of ptrd that no client must be able to turn into an outage.
type faults struct {
	log   *slog.Logger
	now   func() time.Time
	count atomic.Uint64

	mu     sync.Mutex
	recent []time.Time // of parts, within faultSpan
}

// note counts and logs what was recovered from the panic of a part.
func (f *faults) note(fault any, part string) {
	f.count.Add(1)
	f.log.LogAttrs(context.Background(), slog.LevelError, "a part of the server panicked and goes on; this is a fault of ptrd, please report it",
		slog.String("fault", fmt.Sprint(fault)), slog.String("part", part), slog.String("stack", string(debug.Stack())))
}

// isTooMany notes the panic of a part and reports whether there were too many of them.
func (f *faults) isTooMany() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for len(f.recent) > 0 && now.Sub(f.recent[0]) >= faultSpan {
		f.recent = f.recent[1:]
	}
	f.recent = append(f.recent, now)
	return len(f.recent) > MaxFaults
}

// contain calls f and reports whether it panicked.
func (h *Group) Contain(part string, f func()) (fault bool) {
	defer func() {
		if v := recover(); v != nil {
			fault = true
			h.faults.note(v, part)
		}
	}()
	f()
	return false
}

// keepRunning calls f, a part of the server that works for all clients, until it returns.
// A panic costs what was in work, and f is called again; too many of them end Serve.
func (h *Group) KeepRunning(part string, f func()) {
	for h.Contain(part, f) {
		if h.faults.isTooMany() {
			h.failWith(fmt.Errorf("%s: more than %d panics within %v, of which the log has the stacks; please report them", part, MaxFaults, faultSpan))
			time.Sleep(faultPause)
		}
	}
}
