// Package delegationtest is a network in memory with name servers, for tests of code that uses
// package delegation. Hosts answer at once, or in any wrong way that a test asks for. In a
// bubble of testing/synctest, the time that silent hosts cost passes at once.
//
// network.go has the sockets, server.go an authoritative server, sign.go signatures of DNSSEC.
package delegationtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
)

// Network is a delegation.Network.
type Network struct {
	No4, No6 bool  // there is no route to addresses of the family
	Any      *Host // answers at addresses without host; nil: packets to these are lost

	mu    sync.Mutex
	hosts map[netip.Addr]*Host
	sent  map[netip.Addr]int
	port  uint16 // of the last socket
	conns sync.WaitGroup
}

// Wait waits until the hosts have closed all connections.
func (n *Network) Wait() { n.conns.Wait() }

// Host is what is at an address. Without UDP and TCP, it answers over both by Answer.
type Host struct {
	// Answer returns the response; nil: none.
	Answer func(request *dns.Msg, t delegation.Transport) *dns.Msg

	// UDP returns the datagrams that answer one.
	UDP func(request []byte) []Datagram

	// TCP serves a connection, which is closed afterwards.
	TCP func(net.Conn)

	ClosedUDP, ClosedTCP bool // the port is closed: the host refuses
}

// Datagram is a response over UDP.
type Datagram struct {
	From netip.AddrPort // not valid: the asked address
	Data []byte
}

// Add adds a host with an address.
func (n *Network) Add(addr string, h *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		n.hosts = map[netip.Addr]*Host{}
	}
	n.hosts[netip.MustParseAddr(addr)] = h
}

// Sent returns how many messages were sent to an address, and to all.
func (n *Network) Sent(addr string) (to, all int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a, k := range n.sent {
		if a.String() == addr {
			to = k
		}
		all += k
	}
	return to, all
}

// host returns the host at an address, nil if there is none, and an error without a route.
func (n *Network) host(a netip.Addr) (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a.Is4() && n.No4 || a.Is6() && n.No6 {
		return nil, syscall.ENETUNREACH
	}
	if h := n.hosts[a]; h != nil {
		return h, nil
	}
	return n.Any, nil
}

// count counts a message.
func (n *Network) count(a netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sent == nil {
		n.sent = map[netip.Addr]int{}
	}
	n.sent[a]++
}

// Dial implements delegation.Network.
func (n *Network) Dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
	h, err := n.host(server.Addr())
	isUDP := network[:3] == "udp"
	switch {
	case err != nil:
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	case isUDP:
		return &connected{n.socket(), server}, nil
	case h == nil:
		n.count(server.Addr())
		<-ctx.Done()
		return nil, ctx.Err()
	case h.ClosedTCP:
		n.count(server.Addr())
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	n.count(server.Addr())
	client, remote := net.Pipe()
	n.conns.Go(func() {
		defer remote.Close()
		if h.TCP != nil {
			h.TCP(remote)
			return
		}
		for {
			request, err := ReadMessage(remote)
			if err != nil {
				return
			}
			for _, b := range h.respond(request, delegation.TCP) {
				if WriteMessage(remote, b) != nil {
					return
				}
			}
		}
	})
	return client, nil
}

// Listen implements delegation.Network.
func (n *Network) Listen(context.Context, string) (net.PacketConn, error) { return n.socket(), nil }

func (h *Host) respond(request []byte, t delegation.Transport) [][]byte {
	m := &dns.Msg{}
	if h.Answer == nil || m.Unpack(request) != nil {
		return nil
	}
	r := h.Answer(m, t)
	if r == nil {
		return nil
	}
	b, err := r.Pack()
	if err != nil {
		panic(err) // an invalid message is data of Host.UDP
	}
	return [][]byte{b}
}

// ReadMessage reads a message from a connection.
func ReadMessage(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// WriteMessage writes a message to a connection.
func WriteMessage(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// socket is a UDP socket.
type socket struct {
	n       *Network
	packets chan Datagram
	local   *net.UDPAddr

	mu       sync.Mutex
	deadline time.Time
	changed  chan struct{} // closed when the deadline changes
	refused  bool
}

func (n *Network) socket() *socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.port++
	return &socket{n: n, packets: make(chan Datagram, 1000), changed: make(chan struct{}), local: &net.UDPAddr{Port: int(n.port)}}
}

func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	addr := to.(*net.UDPAddr).AddrPort()
	h, err := s.n.host(addr.Addr())
	if err != nil {
		return 0, &net.OpError{Op: "write", Net: "udp", Err: err}
	}
	s.n.count(addr.Addr())
	if h == nil {
		return len(b), nil
	}
	if h.ClosedUDP {
		s.mu.Lock()
		s.refused = true
		s.mu.Unlock()
		return len(b), nil
	}
	var out []Datagram
	if h.UDP != nil {
		out = h.UDP(b)
	} else {
		for _, data := range h.respond(b, delegation.UDP) {
			out = append(out, Datagram{Data: data})
		}
	}
	for _, d := range out {
		if !d.From.IsValid() {
			d.From = addr
		}
		select {
		case s.packets <- d:
		default: // the buffer is full
		}
	}
	return len(b), nil
}

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		s.mu.Lock()
		deadline, changed := s.deadline, s.changed
		s.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			t := time.NewTimer(time.Until(deadline))
			defer t.Stop()
			expired = t.C
		}
		select {
		case d := <-s.packets:
			return copy(b, d.Data), net.UDPAddrFromAddrPort(d.From), nil
		case <-expired:
			return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}
		case <-changed:
		}
	}
}

func (s *socket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func (s *socket) SetReadDeadline(t time.Time) error { return s.SetDeadline(t) }
func (s *socket) SetWriteDeadline(time.Time) error  { return errors.ErrUnsupported }
func (s *socket) LocalAddr() net.Addr               { return s.local }
func (s *socket) Close() error                      { return nil }

// connected is a connected UDP socket: it receives only from its server, and learns that a
// port is closed.
type connected struct {
	*socket
	server netip.AddrPort
}

func (c *connected) Write(b []byte) (int, error) {
	return c.WriteTo(b, net.UDPAddrFromAddrPort(c.server))
}

func (c *connected) Read(b []byte) (int, error) {
	c.mu.Lock()
	refused := c.refused
	c.mu.Unlock()
	if refused {
		return 0, &net.OpError{Op: "read", Net: "udp", Err: syscall.ECONNREFUSED}
	}
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || from.(*net.UDPAddr).AddrPort() == c.server {
			return n, err
		}
	}
}

func (c *connected) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.server) }
