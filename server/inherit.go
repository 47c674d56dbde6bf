package server

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/udp"
)

// inheritedSockets are sockets that were bound before the process started (socket
// activation). They stay open until Serve ends: the service manager keeps the port bound, so
// an address that a reload removes can be added again.
type inheritedSockets []inheritedSocket

type inheritedSocket struct {
	file      *os.File
	addr      netip.AddrPort
	transport answer.Transport
	dual      bool // an IPv6 wildcard that receives IPv4 as well
	drops     *udp.Drops
}

// newInherited determines the address and transport of each file.
func newInherited(files []*os.File) (inheritedSockets, error) {
	var sockets inheritedSockets
	for i, f := range files {
		s, err := inspect(f)
		if err != nil {
			return nil, fmt.Errorf("inherited socket %d (%s): %w; pass bound UDP sockets and listening TCP sockets only", i, f.Name(), err)
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

func inspect(f *os.File) (inheritedSocket, error) {
	if ln, err := net.FileListener(f); err == nil {
		defer ln.Close()
		t, ok := ln.(*net.TCPListener)
		if !ok {
			return inheritedSocket{}, fmt.Errorf("a listener on %s", ln.Addr().Network())
		}
		addr := sock.AddrPort(t.Addr())
		return inheritedSocket{f, addr, answer.TCP, addr.Addr().Is6() && sock.IsDualStack(t), nil}, nil
	}
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return inheritedSocket{}, err
	}
	defer conn.Close()
	u, ok := conn.(*net.UDPConn)
	if !ok {
		return inheritedSocket{}, fmt.Errorf("a socket of %s", conn.LocalAddr().Network())
	}
	addr := sock.BoundTo(u)
	return inheritedSocket{f, addr, answer.UDP, addr.Addr().Is6() && sock.IsDualStack(u), new(udp.Drops)}, nil
}

// covers reports whether the socket receives what is sent to addr.
func (s *inheritedSocket) covers(addr netip.AddrPort) bool {
	return s.addr == addr ||
		s.dual && s.addr.Addr().IsUnspecified() && s.addr.Port() == addr.Port() && addr.Addr() == netip.IPv4Unspecified()
}

// find returns the socket for addr; nil if there is none.
func (s inheritedSockets) find(addr netip.AddrPort, datagrams bool) *inheritedSocket {
	for i := range s {
		if s[i].transport.IsDatagram() == datagrams && s[i].covers(addr) {
			return &s[i]
		}
	}
	return nil
}

func (s inheritedSockets) close() {
	for i := range s {
		s[i].file.Close()
	}
}
