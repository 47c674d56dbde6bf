//go:build !linux

package daemon

import "time"

// bootClock is for service managers that only Linux has.
func bootClock() (time.Duration, bool) { return 0, false }
