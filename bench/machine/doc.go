// Package machine starts the processes of a comparison on the processors that they
// are to have, and reads from the kernel what they cost.
//
// Processor time is taken from /proc/PID/task/*/schedstat, in nanoseconds, over all
// threads of a process and of its children. Where threads have come and gone between
// two readings, which schedstat forgets, the ticks of /proc/PID/stat count.
//
// It works on Linux only; elsewhere every function returns ErrSystem.
package machine

import (
	"errors"
	"time"
)

// ErrSystem reports that this system has no counters for what is to be measured.
var ErrSystem = errors.New("comparisons of servers read /proc and need Linux")

// Usage is what a tree of processes has used of processors so far.
type Usage struct {
	onCPU        time.Duration // by schedstat
	user, system time.Duration // by ticks
	threads      map[int]bool
}

// Since returns the processor time between two readings, and the part of it that
// was spent outside the kernel, which is coarse.
func (u Usage) Since(before Usage) (all, user time.Duration) {
	const (
		tick = 10 * time.Millisecond
		// Both clocks are right within some ticks; schedstat is trusted where they agree.
		tolerance = 0.03
	)
	byClock := u.onCPU - before.onCPU
	byTick := u.user + u.system - before.user - before.system
	user = u.user - before.user
	same := true
	for t := range before.threads {
		same = same && u.threads[t]
	}
	if same && float64(byTick) <= float64(byClock)*(1+tolerance)+float64(3*tick) {
		return byClock, user
	}
	return byTick, user
}

// Memory is what a tree of processes takes.
type Memory struct {
	PSS     uint64 // octets now; what several processes share is counted once
	Private uint64 // octets that are no pages of a file
	Peak    uint64 // the greatest resident size of each process so far, added up
}

// Load is what a processor did between two readings of its time.
type Load struct {
	Busy, Stolen time.Duration
}
