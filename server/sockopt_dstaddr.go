//go:build freebsd || openbsd || netbsd

package server

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// The control messages that carry the address asked, and back, on IPv4. The second
// one is IP_SENDSRCADDR, which has the number of the first on these systems; x/sys
// does not name it for NetBSD.
const (
	receiveInfo4 = unix.IP_RECVDSTADDR
	sendInfo4    = unix.IP_RECVDSTADDR
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
