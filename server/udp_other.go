//go:build !linux

package server

import "net"

// newUDPPort returns the port of conn's socket, and takes conn over.
func newUDPPort(conn *net.UDPConn, _ *socketDrops, _ bool) (udpPort, error) {
	return connPort{conn}, nil
}
