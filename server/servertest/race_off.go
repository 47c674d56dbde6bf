//go:build !race

package servertest

const RaceEnabled = false
