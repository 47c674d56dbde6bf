package sock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PerWorker is whether each worker has its own socket, in one SO_REUSEPORT group: the kernel
// distributes the clients by a hash of their address.
const PerWorker = true

const (
	// ReceiveBuffer holds the queries that arrive while a worker does not run. The kernel
	// doubles it and charges some 1,280 octets for a small datagram, so there is room for
	// about 6,500 queries: 30 ms at 200,000 queries a second on one socket, which is longer
	// than garbage collection or the scheduler of a busy host takes. A larger one would
	// only hold queries that the clients have sent again already.
	ReceiveBuffer = 4 << 20

	// udpSendBuffer has room for several batches of full-sized responses. Responses that
	// do not fit are dropped, see mmsgSocket.transmit of package udp.
	udpSendBuffer = 1 << 20
)

// Option is one socket option and the behaviour that needs it.
type Option struct {
	Level, Name, Value int
	Optional           bool // an old kernel may lack it
}

// SetUDPOptions sets the options of the socket fd, which is or will be bound to local, and
// returns the size of its receive buffer. reuse adds it to the group of the sockets with its
// address.
func SetUDPOptions(fd uintptr, local netip.Addr, reuse bool) (receiveBuffer int, err error) {
	wildcard := local.IsUnspecified()
	options := []Option{
		// Package net allows sending to broadcast addresses; a response never goes there.
		{unix.SOL_SOCKET, unix.SO_BROADCAST, 0, false},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, udpSendBuffer, false},
	}
	if reuse {
		options = append(options, Option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, false})
	}
	// RFC 9715 §3.1: no DF bit, and no path MTU from ICMP messages, which can be
	// forged; Respond keeps the responses small enough.
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

// setReceiveBuffer requests ReceiveBuffer, above the host's limit if the process has the
// privilege, and returns the size granted.
func setReceiveBuffer(fd int) (int, error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, ReceiveBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, ReceiveBuffer); err != nil {
			return 0, fmt.Errorf("size of the receive buffer: %w", err)
		}
	}
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return n / 2, err // the kernel reports the double
}

// SetFreebind allows fd to be bound to an address that no interface has yet.
func SetFreebind(fd uintptr, is6 bool) error {
	level, name := unix.IPPROTO_IP, unix.IP_FREEBIND
	if is6 {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	if err := unix.SetsockoptInt(int(fd), level, name, 1); err != nil {
		return fmt.Errorf("socket option for freebind: %w", err)
	}
	return nil
}

// ReceiveBufferRemedy says what to do about a receive buffer that is too small.
const ReceiveBufferRemedy = "raise the sysctl net.core.rmem_max"

// bindRemedy returns what an operator can do about an address that cannot be bound.
func bindRemedy(transport string, err error, addr netip.AddrPort) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		if h, ok := findHolder(transport, addr); ok {
			return h.remedy(addr)
		}
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

// Sockaddr returns the address in sa, without an IPv6 zone.
func Sockaddr(sa *unix.RawSockaddrInet6) netip.AddrPort {
	if sa.Family == unix.AF_INET {
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), ntohs(sa4.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), ntohs(sa.Port))
}

// ntohs returns the number that the kernel wrote in network order.
func ntohs(n uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&n))[:])
}
