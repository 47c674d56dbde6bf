//go:build darwin || freebsd || openbsd || netbsd

package sock

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PerWorker: SO_REUSEPORT does not spread clients on these systems, so the
// workers share one socket.
const PerWorker = false

// udpReceiveBuffer is within the default limit of these systems and holds some
// hundred queries.
const ReceiveBuffer = 256 << 10

// SetUDPOptions prepares the socket fd, bound to local or about to be, and
// returns the size of its receive buffer.
func SetUDPOptions(fd uintptr, local netip.Addr, _ bool) (receiveBuffer int, err error) {
	// The net package allows sending to broadcast addresses; a response never goes there.
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err != nil {
		return 0, fmt.Errorf("socket option SO_BROADCAST: %w", err)
	}
	if local.IsUnspecified() { // which address was asked
		level, name := unix.IPPROTO_IP, receiveInfo4
		if local.Is6() {
			level, name = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
		}
		if err := unix.SetsockoptInt(int(fd), level, name, 1); err != nil {
			return 0, fmt.Errorf("socket option for the address asked: %w", err)
		}
	}
	// A smaller buffer than wanted is what setUDPOptions reports, not an error.
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, ReceiveBuffer)
	return unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
}

const ReceiveBufferRemedy = "raise the system's limit of socket buffers (sysctl kern.ipc.maxsockbuf, on NetBSD kern.sbmax)"

// ParsePacketInfo reads the control messages of a datagram.
func ParsePacketInfo(control []byte) (PacketInfo, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return PacketInfo{}, false
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == receiveInfo4:
			return parseInfo4(m.Data)
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			p := (*unix.Inet6Pktinfo)(unsafe.Pointer(&m.Data[0]))
			return PacketInfo{Addr: netip.AddrFrom16(p.Addr), Index: p.Ifindex, Unicast: true}, true
		}
	}
	return PacketInfo{}, false
}

// AppendPacketInfo appends the control message that makes a response come from
// info.addr.
func AppendPacketInfo(b []byte, info PacketInfo) []byte {
	if info.Addr.Is4() {
		return appendControl(b, unix.IPPROTO_IP, sendInfo4, info4(info))
	}
	var p unix.Inet6Pktinfo
	p.Addr, p.Ifindex = info.Addr.As16(), info.Index
	return appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unsafe.Slice((*byte)(unsafe.Pointer(&p)), unix.SizeofInet6Pktinfo))
}

func appendControl(b []byte, level, name int32, data []byte) []byte {
	message := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&message[0]))
	h.Level, h.Type = level, name
	h.SetLen(unix.CmsgLen(len(data)))
	copy(message[unix.CmsgLen(0):], data)
	return append(b, message...)
}

// bindRemedy says what an operator can do about an address that cannot be bound.
func bindRemedy(err error, addr netip.AddrPort) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Sprintf("another server has port %d; stop that one or choose another address", addr.Port())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "a port below 1024 needs more rights"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no interface has this address; add it there or listen elsewhere"
	}
	return "listen on another address"
}
