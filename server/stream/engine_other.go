//go:build !linux

package stream

import (
	"net"

	"github.com/ptrd/ptrd/server/answer"
)

// newEngine returns the engine for TCP.
func newEngine(t *Set) engine { return newConnEngine(t, answer.TCP) }

// prepareTCP does nothing: the options exist on Linux only.
func prepareTCP(*net.TCPListener) error { return nil }

// unackedBy returns 0: only Linux reports how many octets the client has not acknowledged.
// Elsewhere the octets that the kernel takes are progress.
func unackedBy(*net.TCPConn) int { return 0 }
