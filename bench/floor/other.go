//go:build !linux

package floor

import (
	"errors"
	"net/netip"
)

// errSystem says that there is no floor to compare with.
var errSystem = errors.New("the floor is made of system calls of Linux")

// ServeUDP returns an error.
func ServeUDP(netip.AddrPort) error { return errSystem }

// ServeTCP returns an error.
func ServeTCP(netip.AddrPort) error { return errSystem }
