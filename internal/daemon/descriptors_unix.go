//go:build unix

package daemon

import (
	"math"
	"syscall"
)

// openFiles returns how many descriptors the process may have. The Go runtime has
// raised the limit as far as it may.
func openFiles() (n int, ok bool) {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0, false
	}
	return int(min(uint64(r.Cur), math.MaxInt32)), true
}
