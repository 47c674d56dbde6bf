//go:build !linux

package udp

import "net"

// newUDPPort returns the port of conn's socket, and takes conn over.
func newUDPPort(conn *net.UDPConn, _ *Drops, _ bool) (udpPort, error) {
	return connPort{conn}, nil
}
