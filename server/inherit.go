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

// inheritedSockets are sockets that were bound before the process started
// (socket activation). They stay open until Serve ends, so that an address that
// a reload removes can come back: whoever passed them keeps the port bound.
type inheritedSockets []inheritedSocket

type inheritedSocket struct {
	file      *os.File
	addr      netip.AddrPort
	transport answer.Transport
	dual      bool // an IPv6 wildcard that takes IPv4 as well
	drops     *udp.Drops
}

// newInherited finds out what the files are.
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

// covers reports whether the socket gets what is sent to addr.
func (s *inheritedSocket) covers(addr netip.AddrPort) bool {
	return s.addr == addr ||
		s.dual && s.addr.Addr().IsUnspecified() && s.addr.Port() == addr.Port() && addr.Addr() == netip.IPv4Unspecified()
}

// udp returns a new descriptor of the inherited UDP socket for addr, and what is
// counted of its drops; nil if there is none.
func (s inheritedSockets) udp(addr netip.AddrPort) (*net.UDPConn, *udp.Drops, error) {
	for i := range s {
		if s[i].transport == answer.UDP && s[i].covers(addr) {
			conn, err := net.FilePacketConn(s[i].file)
			if err != nil {
				return nil, nil, err
			}
			return conn.(*net.UDPConn), s[i].drops, nil
		}
	}
	return nil, nil, nil
}

// tcp is udp for listening TCP sockets.
func (s inheritedSockets) tcp(addr netip.AddrPort) (*net.TCPListener, error) {
	for i := range s {
		if s[i].transport == answer.TCP && s[i].covers(addr) {
			ln, err := net.FileListener(s[i].file)
			if err != nil {
				return nil, err
			}
			return ln.(*net.TCPListener), nil
		}
	}
	return nil, nil
}

func (s inheritedSockets) close() {
	for i := range s {
		s[i].file.Close()
	}
}
