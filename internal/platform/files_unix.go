//go:build unix

package platform

import (
	"math"
	"syscall"
)

// OpenFiles returns how many file descriptors the process may have; ok is false if that is not known.
// The Go runtime has raised the limit as far as it may.
func OpenFiles() (n int, ok bool) {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0, false
	}
	return int(min(uint64(r.Cur), math.MaxInt32)), true
}
