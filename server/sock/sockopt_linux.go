package sock

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PerWorker: each worker has a socket of its own in one SO_REUSEPORT
// group, among which the kernel spreads the clients by a hash of their address.
const PerWorker = true

const (
	// udpReceiveBuffer bridges the time in which a worker does not run. The kernel
	// takes this twice and charges a small datagram some 1,280 octets of it, so
	// there is room for about 6,500 queries: 30 ms at 200,000 a second on one
	// socket, longer than the collector or the scheduler of a busy host takes. A
	// larger one would only hold queries whose clients have asked again already.
	ReceiveBuffer = 4 << 20

	// udpSendBuffer takes several batches of full-sized responses while the device
	// works; what does not fit is dropped, see mmsgSocket.transmit.
	udpSendBuffer = 1 << 20
)

// Option is one socket option and the behaviour that needs it.
type Option struct {
	Level, Name, Value int
	Optional           bool // an old kernel may lack it
}

// SetUDPOptions prepares the socket fd, bound to local or about to be, and
// returns the size of its receive buffer. reuse puts it in the group of the
// sockets with its address.
func SetUDPOptions(fd uintptr, local netip.Addr, reuse bool) (receiveBuffer int, err error) {
	wildcard := local.IsUnspecified()
	options := []Option{
		// The net package allows sending to broadcast addresses; a response never goes there.
		{unix.SOL_SOCKET, unix.SO_BROADCAST, 0, false},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, udpSendBuffer, false},
	}
	if reuse {
		options = append(options, Option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, false})
	}
	// RFC 9715 §3.1: no DF bit, and no path MTU from ICMP messages that anybody
	// can forge; Respond keeps the responses small enough.
	if local.Is4() {
		options = append(options, Option{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT, true})
		if wildcard { // which address was asked
			options = append(options, Option{unix.IPPROTO_IP, unix.IP_PKTINFO, 1, false})
		}
	} else {
		options = append(options, Option{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT, true},
			// An inherited socket may carry IPv4 as well.
			Option{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT, true})
		if wildcard {
			options = append(options, Option{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, false})
		}
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(int(fd), o.Level, o.Name, o.Value); err != nil && !o.Optional {
			return 0, fmt.Errorf("socket option %d of level %d: %w", o.Name, o.Level, err)
		}
	}
	return setReceiveBuffer(int(fd))
}

// setReceiveBuffer asks for udpReceiveBuffer, past the host's limit where the
// process may, and returns what it got.
func setReceiveBuffer(fd int) (int, error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, ReceiveBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, ReceiveBuffer); err != nil {
			return 0, fmt.Errorf("size of the receive buffer: %w", err)
		}
	}
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return n / 2, err // the kernel tells the double
}

// ReceiveBufferRemedy says what to do about a receive buffer that is too small.
const ReceiveBufferRemedy = "raise the sysctl net.core.rmem_max"

// ParsePacketInfo reads the control messages of a datagram.
func ParsePacketInfo(control []byte) (PacketInfo, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return PacketInfo{}, false
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			p := (*unix.Inet4Pktinfo)(unsafe.Pointer(&m.Data[0]))
			return PacketInfo{
				Addr:    netip.AddrFrom4(p.Addr),
				Index:   uint32(p.Ifindex),
				Unicast: p.Spec_dst == p.Addr || p.Spec_dst == [4]byte{},
			}, true
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
		return append(b, unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: int32(info.Index), Spec_dst: info.Addr.As4()})...)
	}
	return append(b, unix.PktInfo6(&unix.Inet6Pktinfo{Ifindex: info.Index, Addr: info.Addr.As16()})...)
}

// bindRemedy says what an operator can do about an address that cannot be bound.
func bindRemedy(err error, addr netip.AddrPort) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Sprintf("another server has it (ss -lnptu 'sport = :%d' names it); stop that one or choose another address", addr.Port())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "a port below 1024 needs CAP_NET_BIND_SERVICE or socket activation"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no interface has this address; add it there or listen elsewhere"
	case errors.Is(err, unix.EAFNOSUPPORT):
		return "this host has no such address family; leave the address out"
	}
	return "listen on another address"
}
