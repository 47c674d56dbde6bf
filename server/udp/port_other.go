//go:build !linux

package udp

import "net"

// newUDPPort returns the port of conn's socket. It owns conn.
func newUDPPort(conn *net.UDPConn, _ *Drops, _ bool) (udpPort, error) {
	return connPort{conn}, nil
}
