// Package await is how tests wait for what other goroutines and processes do. A condition is whole:
// what a test reads once after it waited for something else may come a moment later.
package await

import (
	"testing"
	"time"
)

// Patience is how long a test waits before it fails. It is far longer than anything here takes on a
// machine that stops processes for seconds.
const Patience = time.Minute

// longestPause is the time between two looks at a condition that takes long to become true: looks
// without end would take the processor from what the test waits for.
const longestPause = 5 * time.Millisecond

// That waits until the condition is true.
func That(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !until(condition) {
		t.Fatalf("did not happen in %v: %s", Patience, what)
	}
}

// Value waits until read returns a value that ok accepts, and returns it. If that does not happen,
// the test fails with the last value.
func Value[T any](t testing.TB, what string, read func() T, ok func(T) bool) (last T) {
	t.Helper()
	if !until(func() bool { last = read(); return ok(last) }) {
		t.Fatalf("did not happen in %v: %s; the last value is\n%+v", Patience, what, last)
	}
	return last
}

// Equal waits until read returns want.
func Equal[T comparable](t testing.TB, what string, want T, read func() T) {
	t.Helper()
	var last T
	if !until(func() bool { last = read(); return last == want }) {
		t.Fatalf("did not happen in %v: %s: got\n%+v, want\n%+v", Patience, what, last, want)
	}
}

func until(condition func() bool) bool {
	pause := time.Millisecond
	for deadline := time.Now().Add(Patience); !condition(); pause = min(2*pause, longestPause) {
		if time.Now().After(deadline) {
			return condition() // the process may have been stopped since
		}
		time.Sleep(pause)
	}
	return true
}
