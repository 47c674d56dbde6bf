package sock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/ptrd/ptrd/server/answer"
)

// BindError returns an error with the address, the reason of the system and the remedy.
func BindError(transport string, addr netip.AddrPort, err error) error {
	cause := err
	var op *net.OpError
	if errors.As(err, &op) {
		cause = op.Err
		var call *os.SyscallError
		if errors.As(cause, &call) {
			cause = call.Err
		}
	}
	return fmt.Errorf("listen %v %s: %w; %s", addr, transport, cause, bindRemedy(transport, err, addr))
}

// Network returns the network's name for package net. With the digit, IPv6 sockets do not
// receive IPv4 (IPV6_V6ONLY), which has its own sockets.
func Network(transport string, addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return transport + "4"
	}
	return transport + "6"
}

// InterfaceIndex returns the number of the interface that an address's IPv6 zone names; 0
// if there is none. It differs after the interface was created again.
func InterfaceIndex(zone string) int {
	if i, err := net.InterfaceByName(zone); err == nil {
		return i.Index
	}
	if n, err := strconv.Atoi(zone); err == nil { // a number may be given as it is
		if i, err := net.InterfaceByIndex(n); err == nil {
			return i.Index
		}
	}
	return 0
}

// BindName returns the address for package net, with the number of the interface: the package
// caches for a minute which number a name has.
func BindName(addr netip.AddrPort) string {
	if zone := addr.Addr().Zone(); zone != "" {
		if n := InterfaceIndex(zone); n != 0 {
			addr = netip.AddrPortFrom(addr.Addr().WithZone(strconv.Itoa(n)), addr.Port())
		}
	}
	return addr.String()
}

// BoundTo returns the address of the socket, without an IPv6 zone. It is [::] for an inherited
// socket that receives IPv4 as well.
func BoundTo(conn *net.UDPConn) netip.AddrPort {
	a := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// Control calls f with the descriptor of the socket.
func Control(c syscall.Conn, f func(fd uintptr) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return ControlRaw(raw, f)
}

// ControlRaw calls f with the descriptor.
func ControlRaw(raw syscall.RawConn, f func(fd uintptr) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(fd) }); err != nil {
		return err
	}
	return inner
}

// IsDualStack reports whether the IPv6 socket receives IPv4 as well.
func IsDualStack(c syscall.Conn) (dual bool) {
	// After an error it does not.
	_ = Control(c, func(fd uintptr) error { dual = !isIPv6Only(fd); return nil })
	return dual
}

// AddrPort returns the address of an end of a TCP connection, without an IPv6 zone; the zero
// value if the connection had ended before the system was asked.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// SendFailure returns the counter for an error of sending.
func SendFailure(err error) answer.SendFailure {
	var errno syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answer.SendTimeout
	case errors.As(err, &errno):
		return errnoFailure(errno)
	case errors.Is(err, net.ErrClosed):
		return answer.SendRefused
	}
	return answer.SendOther
}

// DrainTime is how long a worker without non-blocking reads reads what the socket of a removed
// address still holds. It only has to be longer than a read takes.
const DrainTime = 20 * time.Millisecond

// PacketInfo is what the kernel reports about how a datagram was received.
type PacketInfo struct {
	Addr    netip.Addr // its destination
	Index   uint32     // of the interface, if known
	Unicast bool       // false if the kernel reports that Addr is a broadcast address
}
