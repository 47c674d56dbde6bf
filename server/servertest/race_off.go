//go:build !race

package servertest

// RaceEnabled reports whether the race detector is on.
const RaceEnabled = false
