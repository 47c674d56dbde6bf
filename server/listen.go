package server

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/stream"
	"github.com/ptrd/ptrd/server/udp"
)

// Service is what the server offers at an address: one or several transports.
type Service string

// The services.
const (
	DNS Service = "dns" // UDP and TCP
	TLS Service = "tls"
)

// transportsOf lists the transports of each service, in the order of binding. TCP is before
// UDP: it fails if another process has the port, which SO_REUSEPORT would hide on UDP.
var transportsOf = map[Service][]answer.Transport{
	DNS: {answer.TCP, answer.UDP},
	TLS: {answer.TLS},
}

// Addrs are addresses by service.
type Addrs map[Service][]netip.AddrPort

// All returns the addresses of all services.
func (a Addrs) All() (list []netip.AddrPort) {
	for _, service := range slices.Sorted(maps.Keys(a)) {
		list = append(list, a[service]...)
	}
	return list
}

// And returns the addresses of both.
func (a Addrs) And(b Addrs) Addrs {
	sum := make(Addrs)
	for _, addrs := range []Addrs{a, b} {
		for service, list := range addrs {
			sum[service] = slices.Concat(sum[service], list)
		}
	}
	return sum
}

// Without returns the addresses of a that are not in b.
func (a Addrs) Without(b Addrs) Addrs {
	rest := make(Addrs)
	for service, list := range a {
		rest[service] = slices.DeleteFunc(slices.Clone(list), func(addr netip.AddrPort) bool { return slices.Contains(b[service], addr) })
	}
	return rest
}

// portTries is how often a port that is free on all transports is looked for when the
// system chooses it (port 0): the port found for one may be taken on another.
const portTries = 16

// endpoint is a configured address and the service on it.
type endpoint struct {
	addr    netip.AddrPort
	service Service
}

// transportListener is the sockets of one address and transport.
type transportListener interface {
	Start()
	Stop()  // ends the workers and closes the sockets; connections may go on until they end
	Close() // closes sockets that were never served
}

// listener is one endpoint.
type listener struct {
	addr       netip.AddrPort // bound to; differs from the configured one if that has port 0
	index      int            // of the interface that the IPv6 zone names; 0: there is none
	transports []transportListener
}

func (l *listener) start() {
	for _, t := range l.transports {
		t.Start()
	}
}

// stop ends the listener, which was served if serving is set.
func (l *listener) stop(serving bool) {
	for _, t := range l.transports {
		if serving {
			t.Stop()
		} else {
			t.Close()
		}
	}
}

// SetListeners makes the server listen on these addresses and on no other. Port 0 lets the
// system choose one, the same for all transports of a service. Addresses that stay are not
// touched; queries that were received on one that goes are answered. An address that this
// host does not have is set aside, see Absent and Recheck. If one cannot be bound for another
// reason, SetListeners returns an error and changes nothing. It waits until the workers of
// removed addresses have ended.
func (s *Server) SetListeners(addrs Addrs) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stopped {
		return errors.New("the server has stopped")
	}
	var wanted []endpoint
	for _, service := range slices.Sorted(maps.Keys(addrs)) {
		for _, a := range addrs[service] {
			if !a.IsValid() {
				return fmt.Errorf("listen %q: not an address and port", a)
			}
			e := endpoint{netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), service}
			if !slices.Contains(wanted, e) {
				wanted = append(wanted, e)
			}
		}
	}
	s.dropStale()
	added := make(map[endpoint]*listener)
	absent := make(map[endpoint]error)
	var errs []error
	for _, e := range wanted {
		if s.listeners[e] != nil {
			continue
		}
		l, err := s.bind(e, added)
		switch {
		case err == nil:
			added[e] = l
		case sock.IsAbsent(err, e.addr.Addr()):
			absent[e] = err
		default:
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		for _, l := range added {
			l.stop(false)
		}
		return errors.Join(errs...)
	}
	// The new ones first: if a wildcard address replaces a single one, or the reverse, one
	// of them is always served.
	for e, l := range added {
		s.add(e, l)
	}
	for e, err := range absent {
		s.setAbsent(e, err)
	}
	s.keepAbsent(wanted)
	var removed []*listener
	for e, l := range s.listeners {
		if !slices.Contains(wanted, e) {
			delete(s.listeners, e)
			removed = append(removed, l)
		}
	}
	s.noteBound()
	for _, l := range removed {
		l.stop(s.state == serving)
	}
	return nil
}

// add adds a listener and starts it if the server serves. The caller holds mu.
func (s *Server) add(e endpoint, l *listener) {
	s.setAbsent(e, nil)
	s.listeners[e] = l
	s.noteBound()
	if s.state == serving {
		l.start()
	}
}

// noteBound publishes the addresses of the listeners. Addrs does not take the lock, which is
// held until listeners end, and that takes as long as their deferred requests. The caller
// holds mu.
func (s *Server) noteBound() {
	b := Addrs{DNS: {}, TLS: {}}
	for e, l := range s.listeners {
		b[e.service] = append(b[e.service], l.addr)
	}
	for _, list := range b {
		slices.SortFunc(list, netip.AddrPort.Compare)
	}
	s.bound.Store(&b)
}

// Addrs returns the addresses that the server listens on, in order. The caller must not
// change them.
func (s *Server) Addrs() Addrs { return *s.bound.Load() }

// bind makes the sockets of an endpoint, or uses inherited ones.
func (s *Server) bind(e endpoint, added map[endpoint]*listener) (*listener, error) {
	reuse, err := s.shareWith(e.addr, added)
	if err != nil {
		return nil, err
	}
	tries := 1
	if e.addr.Port() == 0 && len(transportsOf[e.service]) > 1 {
		tries = portTries
	}
	for ; ; tries-- {
		l := &listener{addr: e.addr}
		if zone := e.addr.Addr().Zone(); zone != "" {
			l.index = sock.InterfaceIndex(zone) // before binding, so that a change in between is noticed
		}
		var err error
		for _, transport := range transportsOf[e.service] {
			if err = s.bindTransport(l, transport, reuse); err != nil {
				err = sock.BindError(transport.String(), l.addr, err)
				l.stop(false)
				break
			}
		}
		if err == nil {
			return l, nil
		}
		if tries == 1 {
			return nil, err
		}
	}
}

// bindTransport adds a transport to a listener.
func (s *Server) bindTransport(l *listener, transport answer.Transport, reuse bool) error {
	inherited := s.inherited.find(l.addr, transport.IsDatagram())
	if transport.IsDatagram() {
		o := udp.ListenOptions{Host: s.group, Lane: s.lane, Attend: s.conns.Attend, Addr: l.addr, Freebind: s.freebind.Load()}
		if inherited != nil {
			conn, err := net.FilePacketConn(inherited.file)
			if err != nil {
				return err
			}
			o.Inherited, o.Drops = conn.(*net.UDPConn), inherited.drops
		}
		u, err := udp.Listen(o)
		if err != nil {
			return err
		}
		l.transports = append(l.transports, u)
		return nil
	}
	var ln *net.TCPListener
	if inherited != nil {
		file, err := net.FileListener(inherited.file)
		if err != nil {
			return err
		}
		ln = file.(*net.TCPListener)
	}
	t, err := s.conns.Bind(transport, l.addr, ln, reuse, s.freebind.Load())
	if err != nil {
		return err
	}
	l.addr = t.Local
	l.transports = append(l.transports, t)
	return nil
}

// shareWith reports whether addr overlaps the address of a listener (a wildcard and a single
// address with the same port), and lets the TCP sockets of both be bound at the same time.
func (s *Server) shareWith(addr netip.AddrPort, added map[endpoint]*listener) (bool, error) {
	share := false
	for _, set := range []map[endpoint]*listener{s.listeners, added} {
		for _, l := range set {
			if !overlap(l.addr, addr) {
				continue
			}
			share = true
			for _, t := range l.transports {
				t, ok := t.(*stream.Listener)
				if !ok {
					continue
				}
				if err := t.Share(); err != nil {
					return false, sock.BindError(answer.TCP.String(), addr, err)
				}
			}
		}
	}
	return share, nil
}

func overlap(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Is4() == b.Addr().Is4() &&
		(a.Addr().IsUnspecified() || b.Addr().IsUnspecified() || a.Addr() == b.Addr())
}
