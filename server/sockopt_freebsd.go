package server

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// The control messages that carry the address asked, and back, on IPv4.
const (
	receiveInfo4 = unix.IP_RECVDSTADDR
	sendInfo4    = unix.IP_SENDSRCADDR
)

func parseInfo4(data []byte) (packetInfo, bool) {
	if len(data) < 4 {
		return packetInfo{}, false
	}
	return packetInfo{addr: netip.AddrFrom4([4]byte(data)), unicast: true}, true
}

func info4(info packetInfo) []byte {
	a := info.addr.As4()
	return a[:]
}
