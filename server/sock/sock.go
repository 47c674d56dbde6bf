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

// BindError tells the address, what the system said and what to do.
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
	return fmt.Errorf("listen %v %s: %w; %s", addr, transport, cause, bindRemedy(err, addr))
}

// Network returns the network's name for the net package. The digit keeps IPv6
// sockets from taking IPv4 as well (IPV6_V6ONLY), which has sockets of its own.
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

// BindName returns the address for the net package, with the number of the interface: the
// package remembers for a minute which number a name has.
func BindName(addr netip.AddrPort) string {
	if zone := addr.Addr().Zone(); zone != "" {
		if n := InterfaceIndex(zone); n != 0 {
			addr = netip.AddrPortFrom(addr.Addr().WithZone(strconv.Itoa(n)), addr.Port())
		}
	}
	return addr.String()
}

// BoundTo returns the address of the socket, which is [::] for an inherited one
// that stands for 0.0.0.0 as well, without an IPv6 zone.
func BoundTo(conn *net.UDPConn) netip.AddrPort {
	a := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// ControlListener calls f with the descriptor of the socket.
func ControlListener(ln *net.TCPListener, f func(fd uintptr) error) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(fd) }); err != nil {
		return err
	}
	if inner != nil {
		return fmt.Errorf("socket option: %w", inner)
	}
	return nil
}

// AddrPort returns the address of a TCP end, without an IPv6 zone; the zero value
// where the system could not tell it, because the connection had ended.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// SendFailure sorts an error of a send into its counter.
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

// DrainTime is how long a worker without a non-blocking read looks for datagrams
// that a removed address still holds. They are there already, so it only has to
// be longer than a read takes.
const DrainTime = 20 * time.Millisecond

// PacketInfo is what the kernel tells of the way that a datagram came.
type PacketInfo struct {
	Addr    netip.Addr // the address asked
	Index   uint32     // of the interface, where known
	Unicast bool       // false where the kernel knows that addr was a broadcast address
}
