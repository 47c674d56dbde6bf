//go:build freebsd || openbsd || netbsd

package sock

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// The control messages with the local IPv4 address of a received and of a sent datagram. The
// second is IP_SENDSRCADDR, which has the number of the first on these systems; x/sys does
// not define it for NetBSD.
const (
	receiveInfo4 = unix.IP_RECVDSTADDR
	sendInfo4    = unix.IP_RECVDSTADDR
)

func parseInfo4(data []byte) (PacketInfo, bool) {
	if len(data) < 4 {
		return PacketInfo{}, false
	}
	return PacketInfo{Addr: netip.AddrFrom4([4]byte(data)), Unicast: true}, true
}

func info4(info PacketInfo) []byte {
	a := info.Addr.As4()
	return a[:]
}
