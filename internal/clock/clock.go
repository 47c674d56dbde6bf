// Package clock finds out when the clock of the system is set while the process runs, as
// happens on machines that learn the time late, so that what lasts a span (a lease, the
// copy of a zone) lasts that span whatever the clock says meanwhile.
//
// A [Clock] holds the wall clock against one that is never set. Its users keep moments in
// wall time, ask for [Clock.Steps] before they act on one, and move those moments by
// what the steps have grown. The log has one line for each step, and one at the start
// for a clock that cannot be right ([Clock.Start]).
package clock

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// leap is the least difference that counts as a step. Time servers slew the clock
	// over less than that, and a virtual machine that was stopped loses about as much.
	leap = 10 * time.Second

	// behind and ahead are how far the clock may be from the last moment that is known to
	// have passed: no clock is a day behind what was written by it, and no server is
	// switched on again after ten years.
	behind = 24 * time.Hour
	ahead  = 10 * 365 * 24 * time.Hour

	// every is how often Run looks.
	every = 10 * time.Second
)

// earliest is a moment before this software existed.
var earliest = time.Unix(Earliest, 0)

// Earliest is a Unix time before this software existed: a clock that shows less is wrong.
const Earliest = 1_600_000_000 // 2020-09-13

// IsPossible reports whether a clock that was right may have shown t.
func IsPossible(t time.Time) bool { return !t.Before(earliest) }

// Options are what a Clock needs. All may be left out.
type Options struct {
	Log     *slog.Logger
	Wall    func() time.Time     // the clock that may be set; nil: time.Now
	Elapsed func() time.Duration // since some moment, by one that never is; nil: the system's, which goes on during sleep where there is such
}

// Clock is the system's clock and what is known of it. Its methods may be called at the
// same time.
type Clock struct {
	o     Options
	began time.Duration // elapsed time at the start

	mu     sync.Mutex
	newest time.Time     // that is known to have passed at the start
	base   time.Duration // wall time less elapsed time, as of the last step
	steps  Steps
}

// Steps are how far the clock was set since the start.
type Steps struct {
	// All is the sum of all steps, back ones negative: what was begun in this process
	// ends so much later by the clock.
	All time.Duration

	// Forward is the sum of the steps ahead from a clock that was not known to be wrong.
	// What an earlier process wrote down ends so much later: nothing is lost because
	// the clock was wrongly set ahead. Where it was wrong before, or goes back, what was
	// written down is right as it is.
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

// Start logs if the clock of the system cannot be right, where newest is a moment that
// is known to have passed, if there is one.
func (c *Clock) Start(newest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = newest
	now := c.o.Wall()
	switch why := c.wrong(now); {
	case why != "":
		c.o.Log.Warn("the system clock is wrong, or was; until it is set, signed messages fail (BADTIME)", "now", now.UTC(), "why", why)
	case !newest.IsZero() && now.Sub(newest) > ahead:
		c.o.Log.Warn("the system clock may be wrong: it is years after the last change on disk", "now", now.UTC(), "last", newest.UTC())
	}
}

// wrong returns why the clock cannot be right when it shows t; "": it may be.
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

// Steps returns how far the clock was set until now.
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
