//go:build !linux

package stream

import (
	"net"

	"github.com/ptrd/ptrd/server/answer"
)

// newEngine returns the way of this system.
func newEngine(t *Set) engine { return newConnEngine(t, answer.TCP) }

// prepareTCP does nothing: what the options bound is bounded on Linux only.
func prepareTCP(*net.TCPListener) error { return nil }

// unackedBy returns 0: how many octets the client has not acknowledged is known on
// Linux only, elsewhere those count that the kernel takes.
func unackedBy(*net.TCPConn) int { return 0 }
