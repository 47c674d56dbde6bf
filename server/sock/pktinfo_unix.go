//go:build linux || darwin

package sock

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The control messages with the local IPv4 address of a received and of a sent datagram.
const (
	receiveInfo4 = unix.IP_PKTINFO
	sendInfo4    = unix.IP_PKTINFO
)

func parseInfo4(data []byte) (PacketInfo, bool) {
	if len(data) < unix.SizeofInet4Pktinfo {
		return PacketInfo{}, false
	}
	p := (*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0]))
	return PacketInfo{
		Addr:    netip.AddrFrom4(p.Addr),
		Index:   uint32(p.Ifindex),
		Unicast: p.Spec_dst == p.Addr || p.Spec_dst == [4]byte{},
	}, true
}

func info4(info PacketInfo) []byte {
	p := &unix.Inet4Pktinfo{Spec_dst: info.Addr.As4()}
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unix.SizeofInet4Pktinfo)
}
