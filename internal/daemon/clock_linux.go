package daemon

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootClock returns the time of CLOCK_MONOTONIC.
func bootClock() (time.Duration, bool) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}
