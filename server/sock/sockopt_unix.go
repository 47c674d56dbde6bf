//go:build unix

package sock

import (
	"errors"
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/ptrd/ptrd/server/answer"
	"golang.org/x/sys/unix"
)

// ShareTCPPort lets fd be bound next to another socket of this process on the same port.
func ShareTCPPort(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

func isIPv6Only(fd uintptr) bool {
	only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return err != nil || only != 0
}

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

// AppendPacketInfo appends the control message that sets the source address of a response to
// info.Addr.
func AppendPacketInfo(b []byte, info PacketInfo) []byte {
	if info.Addr.Is4() {
		return appendControl(b, unix.IPPROTO_IP, sendInfo4, info4(info))
	}
	p := unix.Inet6Pktinfo{Addr: info.Addr.As16(), Ifindex: info.Index}
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

// errnoFailure sorts an error of the kernel into its counter.
func errnoFailure(errno syscall.Errno) answer.SendFailure {
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN:
		return answer.SendRefused
	case unix.EPERM, unix.EACCES:
		return answer.SendForbidden
	case unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
		return answer.SendNoBuffer
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, unix.EINVAL, unix.EADDRNOTAVAIL:
		return answer.SendUnreachable
	case unix.EMSGSIZE:
		return answer.SendTooLong
	}
	return answer.SendOther
}

// IsAbsent reports whether binding addr failed because no interface has it, or not yet: the
// interface of a link-local address is not there (EINVAL, ENODEV), or the address is still
// being checked for a duplicate (RFC 4862 §5.4).
func IsAbsent(err error, addr netip.Addr) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) ||
		addr.Zone() != "" && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO))
}

// IsScarcity reports whether an accept failed for want of descriptors or memory.
func IsScarcity(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}
