package sock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/ptrd/ptrd/server/answer"
	"golang.org/x/sys/windows"
)

// PerWorker is false: the workers share one socket.
const PerWorker = false

// ReceiveBuffer holds some thousand queries.
const ReceiveBuffer = 1 << 20

// Options and control messages of ws2ipdef.h that x/sys does not define.
const (
	ipPacketInfo = 19 // IP_PKTINFO and IPV6_PKTINFO
	ipv6Only     = 27 // IPV6_V6ONLY
)

// SetUDPOptions sets the options of the socket fd, which is or will be bound to local, and
// returns the size of its receive buffer.
func SetUDPOptions(fd uintptr, local netip.Addr, _ bool) (receiveBuffer int, err error) {
	h := windows.Handle(fd)
	if local.IsUnspecified() { // which address was asked
		level := windows.IPPROTO_IP
		if local.Is6() {
			level = windows.IPPROTO_IPV6
		}
		if err := windows.SetsockoptInt(h, level, ipPacketInfo, 1); err != nil {
			return 0, fmt.Errorf("socket option for the address asked: %w", err)
		}
	}
	if err := windows.SetsockoptInt(h, windows.SOL_SOCKET, windows.SO_RCVBUF, ReceiveBuffer); err != nil {
		return 0, fmt.Errorf("size of the receive buffer: %w", err)
	}
	return ReceiveBuffer, nil
}

// ReceiveBufferRemedy is what to do about a receive buffer that is too small.
const ReceiveBufferRemedy = "lower the load"

// ShareTCPPort does nothing: SO_REUSEADDR would allow any process to take over the port.
func ShareTCPPort(uintptr) error { return nil }

func isIPv6Only(fd uintptr) bool {
	only, err := windows.GetsockoptInt(windows.Handle(fd), windows.IPPROTO_IPV6, ipv6Only)
	return err != nil || only != 0
}

// A control message is a WSACMSGHDR, a size_t and two ints, and data that start
// and end at a multiple of the size of a pointer.
const (
	wordSize      = int(unsafe.Sizeof(uintptr(0)))
	controlHeader = (wordSize + 8 + wordSize - 1) / wordSize * wordSize
)

// ParsePacketInfo reads the control messages of a datagram.
func ParsePacketInfo(control []byte) (PacketInfo, bool) {
	for len(control) >= controlHeader {
		size := int(control[0]) | int(control[1])<<8
		if size < controlHeader || size > len(control) {
			break
		}
		level := binary.LittleEndian.Uint32(control[wordSize:])
		name := binary.LittleEndian.Uint32(control[wordSize+4:])
		data := control[controlHeader:size]
		switch {
		case level == windows.IPPROTO_IP && name == ipPacketInfo && len(data) >= 8:
			return PacketInfo{Addr: netip.AddrFrom4([4]byte(data)), Index: binary.LittleEndian.Uint32(data[4:]), Unicast: true}, true
		case level == windows.IPPROTO_IPV6 && name == ipPacketInfo && len(data) >= 20:
			return PacketInfo{Addr: netip.AddrFrom16([16]byte(data)), Index: binary.LittleEndian.Uint32(data[16:]), Unicast: true}, true
		}
		control = control[min((size+wordSize-1)/wordSize*wordSize, len(control)):]
	}
	return PacketInfo{}, false
}

// AppendPacketInfo appends the control message that sets the source address of a response to
// info.Addr.
func AppendPacketInfo(b []byte, info PacketInfo) []byte {
	level, addr := uint32(windows.IPPROTO_IPV6), info.Addr.AsSlice()
	if info.Addr.Is4() {
		level = windows.IPPROTO_IP
	}
	size := controlHeader + len(addr) + 4
	message := make([]byte, (size+wordSize-1)/wordSize*wordSize)
	message[0] = byte(size)
	binary.LittleEndian.PutUint32(message[wordSize:], level)
	binary.LittleEndian.PutUint32(message[wordSize+4:], ipPacketInfo)
	copy(message[controlHeader:], addr)
	binary.LittleEndian.PutUint32(message[controlHeader+len(addr):], info.Index)
	return append(b, message...)
}

// SetFreebind returns an error: this system does not support it.
func SetFreebind(uintptr, bool) error { return errors.New("freebind is there on Linux only") }

// bindRemedy returns what an operator can do about an address that cannot be bound.
func bindRemedy(_ string, err error, addr netip.AddrPort) string {
	switch {
	case errors.Is(err, windows.WSAEADDRINUSE):
		return fmt.Sprintf("another server has port %d; stop that one or choose another address", addr.Port())
	case errors.Is(err, windows.WSAEADDRNOTAVAIL):
		return "no interface has this address; add it there or listen elsewhere"
	}
	return "listen on another address"
}

// errnoFailure sorts an error of the kernel into its counter.
func errnoFailure(errno syscall.Errno) answer.SendFailure {
	switch errno {
	case windows.WSAECONNREFUSED, windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.WSAENOTCONN:
		return answer.SendRefused
	case windows.WSAEACCES:
		return answer.SendForbidden
	case windows.WSAENOBUFS, windows.WSAEWOULDBLOCK:
		return answer.SendNoBuffer
	case windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAENETDOWN, windows.WSAEINVAL, windows.WSAEADDRNOTAVAIL:
		return answer.SendUnreachable
	case windows.WSAEMSGSIZE:
		return answer.SendTooLong
	}
	return answer.SendOther
}

// IsAbsent reports whether binding addr failed because no interface has it, or not yet.
func IsAbsent(err error, addr netip.Addr) bool {
	return errors.Is(err, windows.WSAEADDRNOTAVAIL) || addr.Zone() != "" && errors.Is(err, windows.WSAEINVAL)
}

// IsScarcity reports whether an accept failed for want of descriptors or memory.
func IsScarcity(err error) bool {
	return errors.Is(err, windows.WSAEMFILE) || errors.Is(err, windows.WSAENOBUFS)
}
