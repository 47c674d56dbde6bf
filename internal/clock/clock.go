// Package clock detects when the system clock is set while the process runs, as on
// machines without a battery for their clock. Leases and copies of zones then last as long as
// they should.
//
// A [Clock] compares the wall clock with one that is never set. Its users store times of the
// wall clock. Before they compare one with the present, they call [Clock.Steps], and add to the
// stored time how far the clock was set since the last call. Each step is logged, and so is a
// clock that cannot be right at the start ([Clock.Start]).
package clock

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// leap is the least difference that counts as a step. Time daemons correct less than
	// that gradually, and a paused virtual machine loses about as much.
	leap = 10 * time.Second

	// behind and ahead are how far the clock may be from the last moment that is known to
	// have passed. A correct clock is not a day behind the time of the last write, and no
	// server is switched on again after ten years.
	behind = 24 * time.Hour
	ahead  = 10 * 365 * 24 * time.Hour

	// every is how often Run checks the clock.
	every = 10 * time.Second
)

// earliest is a moment before this software existed.
var earliest = time.Unix(Earliest, 0)

// Earliest is a Unix time before this software existed: a clock that shows less is wrong.
const Earliest = 1_600_000_000 // 2020-09-13

// IsPossible reports whether a correct clock may have shown t.
func IsPossible(t time.Time) bool { return !t.Before(earliest) }

// Options are what a Clock needs. All are optional.
type Options struct {
	Log     *slog.Logger
	Wall    func() time.Time     // the clock that may be set; nil: time.Now
	Elapsed func() time.Duration // since some moment, by a clock that is never set; nil: the system's, which on Linux includes sleep
}

// Clock is the system clock and its steps. Its methods may be called concurrently.
type Clock struct {
	o     Options
	began time.Duration // elapsed time at the start

	mu     sync.Mutex
	newest time.Time     // a moment that had passed at the start
	base   time.Duration // wall time less elapsed time, as of the last step
	steps  Steps
}

// Steps are how far the clock was set since the start.
type Steps struct {
	// All is the sum of all steps, those back negative. Periods that began in this process
	// end so much later by the clock.
	All time.Duration

	// Forward is the sum of the steps ahead from a clock that was not known to be wrong.
	// Periods that an earlier process stored end so much later, so that nothing expires
	// because the clock was wrongly set ahead. After a step from a wrong clock, or back,
	// stored times are right as they are.
	Forward time.Duration
}

// New returns a Clock.
func New(o Options) *Clock {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Elapsed == nil {
		o.Elapsed = elapsed
	}
	c := &Clock{o: o, began: o.Elapsed()}
	c.base = c.offset(o.Wall())
	return c
}

// Start logs if the system clock cannot be right. newest is a moment that has passed, or
// zero.
func (c *Clock) Start(newest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = newest
	now := c.o.Wall()
	switch why := c.wrong(now); {
	case why != "":
		c.o.Log.Warn("the system clock is or was wrong; until it is set, signed messages fail (BADTIME)", "now", now.UTC(), "why", why)
	case !newest.IsZero() && now.Sub(newest) > ahead:
		c.o.Log.Warn("the system clock may be wrong: it is years after the last change on disk", "now", now.UTC(), "last", newest.UTC())
	}
}

// wrong returns why a clock that shows t cannot be right; empty if it may be.
func (c *Clock) wrong(t time.Time) string {
	switch {
	case !IsPossible(t):
		return "it is before this version of ptrd"
	case !c.newest.IsZero() && c.newest.Add(c.o.Elapsed()-c.began).Sub(t) > behind:
		return "the last change on disk is of " + c.newest.UTC().Format(time.DateTime) + " UTC"
	}
	return ""
}

func (c *Clock) offset(wall time.Time) time.Duration {
	return time.Duration(wall.UnixNano()) - c.o.Elapsed()
}

// Steps returns how far the clock was set so far.
func (c *Clock) Steps() Steps {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Wall()
	by := c.offset(now) - c.base
	if by.Abs() < leap {
		return c.steps
	}
	c.base += by
	c.steps.All += by
	if before := now.Add(-by); by > 0 && c.wrong(before) == "" {
		c.steps.Forward += by
	}
	c.o.Log.Warn("the system clock was set", "by", by.Round(time.Second), "now", now.UTC())
	return c.steps
}

// Run calls stepped after each step, until ctx ends.
func (c *Clock) Run(ctx context.Context, stepped func()) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := c.Steps()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if s := c.Steps(); s != last {
				last = s
				stepped()
			}
		}
	}
}
