package clock

import "time"

var began = time.Now()

// monotonic returns the time since the process began, by a clock that is never set.
func monotonic() time.Duration { return time.Since(began) }
