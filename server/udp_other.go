//go:build !linux

package server

import (
	"net"
	"net/netip"
)

// newPacketSocket returns the packetSocket of one worker over conn.
func newPacketSocket(conn *net.UDPConn, local netip.AddrPort, _ *lane, _ *socketDrops, _ bool) (packetSocket, error) {
	return newConnSocket(conn, local), nil
}
