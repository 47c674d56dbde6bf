package server

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/stream"
	"github.com/ptrd/ptrd/server/udp"
)

// portTries is how often a pair of UDP and TCP ports is looked for when the
// system chooses the port (port 0): the one that TCP got may be taken on UDP.
const portTries = 16

// listenKey is the address asked for, and what for: TLS, or UDP and TCP.
type listenKey struct {
	addr netip.AddrPort
	tls  bool
}

// listener is one address, on UDP and TCP or on TLS.
type listener struct {
	addr  netip.AddrPort // bound to; differs from the one asked for where that has port 0
	index int            // of the interface that the IPv6 zone names; 0: there is none
	udp   *udp.Listener  // nil: TLS
	tcp   *stream.Listener
}

func (l *listener) start() {
	if l.udp != nil {
		l.udp.Start()
	}
	l.tcp.Start()
}

// stop ends the workers and closes the sockets. The connections go on ending.
func (l *listener) stop() {
	l.tcp.Stop()
	if l.udp != nil {
		l.udp.Stop()
	}
}

// discard closes sockets that were never served.
func (l *listener) discard() {
	if l.tcp != nil {
		l.tcp.Close()
	}
	if l.udp != nil {
		l.udp.Close()
	}
}

// SetListeners makes the server listen on addrs, UDP and TCP each, on overTLS for
// TLS, and on no other address. Port 0 lets the system choose one, the same for UDP and
// TCP. Addresses that stay are not touched; queries that are there already on one that
// goes are answered. An address that this host does not have is put aside, see Absent and
// Recheck. One that cannot be bound for another reason is an error, and everything stays
// as it was. It waits until the workers of removed addresses have ended.
func (s *Server) SetListeners(addrs, overTLS []netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stopped {
		return errors.New("the server has stopped")
	}
	wanted := make([]listenKey, 0, len(addrs)+len(overTLS))
	for i, a := range slices.Concat(addrs, overTLS) {
		if !a.IsValid() {
			return fmt.Errorf("listen %q: not an address and port", a)
		}
		k := listenKey{netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), i >= len(addrs)}
		if !slices.Contains(wanted, k) {
			wanted = append(wanted, k)
		}
	}
	s.dropStale()
	added := make(map[listenKey]*listener)
	absent := make(map[listenKey]error)
	var errs []error
	for _, a := range wanted {
		if s.listeners[a] != nil {
			continue
		}
		l, err := s.bind(a, added)
		switch {
		case err == nil:
			added[a] = l
		case sock.IsAbsent(err, a.addr.Addr()):
			absent[a] = err
		default:
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		for _, l := range added {
			l.discard()
		}
		return errors.Join(errs...)
	}
	// The new ones first: where an address moves between a wildcard and a
	// single one, one of both is always there.
	for a, l := range added {
		s.setAbsent(a, nil)
		s.listeners[a] = l
		if s.state == serving {
			l.start()
		}
	}
	for a, err := range absent {
		s.setAbsent(a, err)
	}
	s.keepAbsent(wanted)
	var removed []*listener
	for a, l := range s.listeners {
		if !slices.Contains(wanted, a) {
			delete(s.listeners, a)
			removed = append(removed, l)
		}
	}
	s.noteBound()
	for _, l := range removed {
		if s.state == serving {
			l.stop()
		} else {
			l.discard()
		}
	}
	return nil
}

// boundAddrs are the addresses of the listeners.
type boundAddrs struct{ plain, tls []netip.AddrPort }

// noteBound notes the addresses of the listeners for those who ask: they do not wait while
// listeners end, which takes as long as what was deferred from them. The caller holds mu.
func (s *Server) noteBound() {
	b := &boundAddrs{plain: []netip.AddrPort{}, tls: []netip.AddrPort{}}
	for k, l := range s.listeners {
		list := &b.plain
		if k.tls {
			list = &b.tls
		}
		*list = append(*list, l.addr)
	}
	slices.SortFunc(b.plain, netip.AddrPort.Compare)
	slices.SortFunc(b.tls, netip.AddrPort.Compare)
	s.bound.Store(b)
}

// Addrs returns the addresses that the server listens on for UDP and TCP, in order.
func (s *Server) Addrs() []netip.AddrPort { return slices.Clone(s.bound.Load().plain) }

// TLSAddrs returns the addresses that the server listens on for TLS, in order.
func (s *Server) TLSAddrs() []netip.AddrPort { return slices.Clone(s.bound.Load().tls) }

// bind makes the sockets of an address, or takes the inherited ones.
func (s *Server) bind(k listenKey, added map[listenKey]*listener) (*listener, error) {
	addr := k.addr
	reuse, err := s.shareWith(addr, added)
	if err != nil {
		return nil, err
	}
	tries := 1
	if addr.Port() == 0 && !k.tls {
		tries = portTries
	}
	for ; ; tries-- {
		l, err := s.bindOnce(addr, k.tls, reuse)
		if err == nil {
			return l, nil
		}
		if tries == 1 {
			return nil, err
		}
	}
}

func (s *Server) bindOnce(addr netip.AddrPort, overTLS, reuse bool) (*listener, error) {
	l := &listener{addr: addr}
	if zone := addr.Addr().Zone(); zone != "" {
		l.index = sock.InterfaceIndex(zone) // before the socket, so that a change in between is noticed
	}
	transport := answer.TCP
	if overTLS {
		transport = answer.TLS
	}
	ln, err := s.inherited.tcp(addr)
	if err != nil {
		return nil, sock.BindError(transport.String(), addr, err)
	}
	// TCP first: it fails where another process has the port, which SO_REUSEPORT
	// would hide on UDP.
	if l.tcp, err = s.conns.Bind(transport, addr, ln, reuse, s.freebind.Load()); err != nil {
		return nil, sock.BindError(transport.String(), addr, err)
	}
	l.addr = l.tcp.Local
	if overTLS {
		return l, nil
	}
	conn, drops, err := s.inherited.udp(l.addr)
	if err == nil {
		l.udp, err = udp.Listen(udp.ListenOptions{
			Host: s.group, Slow: s.slow, Attend: s.conns.Attend, Addr: l.addr, Inherited: conn, Drops: drops, Freebind: s.freebind.Load(),
		})
	}
	if err != nil {
		l.discard()
		return nil, sock.BindError(answer.UDP.String(), l.addr, err)
	}
	return l, nil
}

// shareWith reports whether addr overlaps an address of ours, a wildcard and a
// single one with the same port, and lets their TCP sockets be bound at the same
// time.
func (s *Server) shareWith(addr netip.AddrPort, added map[listenKey]*listener) (bool, error) {
	share := false
	for _, set := range []map[listenKey]*listener{s.listeners, added} {
		for _, l := range set {
			if !overlap(l.addr, addr) {
				continue
			}
			share = true
			if err := l.tcp.Share(); err != nil {
				return false, sock.BindError(answer.TCP.String(), addr, err)
			}
		}
	}
	return share, nil
}

func overlap(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Is4() == b.Addr().Is4() &&
		(a.Addr().IsUnspecified() || b.Addr().IsUnspecified() || a.Addr() == b.Addr())
}
