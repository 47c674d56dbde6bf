package server

import (
	"context"
	"errors"
	"fmt"
	"github.com/ptrd/ptrd/server/answer"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
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
	udp   *udpListener   // nil: TLS
	tcp   *tcpListener
}

func (l *listener) start() {
	if l.udp != nil {
		l.udp.start()
	}
	l.tcp.start()
}

// stop ends the workers and closes the sockets. The connections go on ending.
func (l *listener) stop() {
	l.tcp.stop()
	if l.udp != nil {
		l.udp.stop()
	}
}

// discard closes sockets that were never served.
func (l *listener) discard() {
	if l.tcp != nil {
		l.tcp.close()
	}
	if l.udp != nil {
		l.udp.close()
	}
}

// udpListener are the sockets of one address and their workers.
type udpListener struct {
	server  *Server
	addr    netip.AddrPort
	ports   []udpPort // one a worker, or one for all
	workers sync.WaitGroup
	pending sync.WaitGroup // deferred requests, which are answered through ports
}

func (l *udpListener) start() {
	for i := range l.server.workers {
		port := l.ports[i%len(l.ports)]
		l.workers.Go(func() {
			l.server.keepRunning("UDP worker", func() {
				if err := l.work(port); err != nil {
					l.server.fail(l.addr, "udp", err)
				}
			})
		})
	}
}

func (l *udpListener) work(port udpPort) error {
	own := l.server.lanes.get()
	defer l.server.lanes.put(own)
	return newUDPWorker(l.server, port.socket(own), own, &l.pending).run()
}

// stop wakes the workers, which answer what the sockets still hold, waits for
// them and for the slow lane to answer what they deferred, and closes the
// sockets.
func (l *udpListener) stop() {
	for _, p := range l.ports {
		p.interrupt()
	}
	l.workers.Wait()
	l.pending.Wait()
	l.close()
}

func (l *udpListener) close() {
	for _, p := range l.ports {
		p.close()
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
		case isAbsent(err, a.addr.Addr()):
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
		l.index = interfaceIndex(zone) // before the socket, so that a change in between is noticed
	}
	way, transport := s.conns.way, answer.TCP
	if overTLS {
		way, transport = s.conns.tls, answer.TLS
	}
	// TCP first: it fails where another process has the port, which SO_REUSEPORT
	// would hide on UDP.
	sockets, err := s.bindTCP(addr, way, reuse)
	if err != nil {
		return nil, bindError(transport.String(), addr, err)
	}
	l.addr = netip.AddrPortFrom(addr.Addr(), addrPort(sockets[0].Addr()).Port())
	l.tcp = &tcpListener{server: s, way: way, sockets: sockets, local: l.addr, stopped: make(chan struct{})}
	if overTLS {
		return l, nil
	}
	l.udp = &udpListener{server: s, addr: l.addr}
	if err := l.udp.bind(); err != nil {
		l.discard()
		return nil, bindError("udp", l.addr, err)
	}
	return l, nil
}

// bindTCP returns the TCP sockets of an address, as bindUDP those of UDP.
func (s *Server) bindTCP(addr netip.AddrPort, way tcpWay, reuse bool) ([]*net.TCPListener, error) {
	ln, err := s.inherited.tcp(addr)
	if err != nil {
		return nil, err
	}
	sockets := []*net.TCPListener{ln}
	if ln == nil {
		n := 1
		if socketPerWorker && !s.portable && way == s.conns.way {
			n = s.workers
		}
		if sockets, err = listenTCP(context.Background(), addr, n, reuse, s.freebind.Load()); err != nil {
			return nil, err
		}
	}
	for _, ln := range sockets {
		if err := way.prepare(ln); err != nil {
			for _, ln := range sockets {
				ln.Close()
			}
			return nil, err
		}
	}
	return sockets, nil
}

// bind makes the UDP sockets of the address: one a worker, or one that all
// share where it is inherited or the system cannot spread clients over several.
func (l *udpListener) bind() error {
	s := l.server
	conn, drops, err := s.inherited.udp(l.addr)
	if err != nil {
		return err
	}
	if conn != nil {
		if err := s.prepareInherited(conn); err != nil {
			return err
		}
		return l.add(conn, drops)
	}
	n := 1
	if socketPerWorker && !s.portable {
		n = s.workers
	}
	for range n {
		var granted int
		config := net.ListenConfig{Control: controlUDP(l.addr.Addr(), &granted, s.freebind.Load())}
		conn, err := config.ListenPacket(context.Background(), network("udp", l.addr), bindName(l.addr))
		if err != nil {
			return err
		}
		if err := l.add(conn.(*net.UDPConn), new(socketDrops)); err != nil {
			return err
		}
		s.noteReceiveBuffer(granted)
	}
	return nil
}

// add takes conn over.
func (l *udpListener) add(conn *net.UDPConn, drops *socketDrops) error {
	port, err := newUDPPort(conn, drops, l.server.portable)
	if err == nil {
		l.ports = append(l.ports, port)
	}
	return err
}

// prepareInherited sets the options of a socket that somebody else bound.
func (s *Server) prepareInherited(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var granted int
	var optionErr error
	err = raw.Control(func(fd uintptr) { granted, optionErr = setUDPOptions(fd, boundTo(conn).Addr(), false) })
	if err == nil {
		err = optionErr
	}
	if err != nil {
		conn.Close()
		return err
	}
	s.noteReceiveBuffer(granted)
	return nil
}

// boundTo returns the address of the socket, which is [::] for an inherited one
// that stands for 0.0.0.0 as well, without an IPv6 zone.
func boundTo(conn *net.UDPConn) netip.AddrPort {
	a := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func (s *Server) noteReceiveBuffer(granted int) {
	if granted < udpReceiveBuffer {
		warn(s.log, "the receive buffer of UDP sockets is small; bursts of queries may be lost",
			slog.Int("granted", granted), slog.Int("wanted", udpReceiveBuffer), slog.String("remedy", receiveBufferRemedy))
	}
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
			for _, ln := range l.tcp.sockets {
				if err := controlListener(ln, shareTCPPort); err != nil {
					return false, bindError("tcp", addr, err)
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

// network returns the network's name for the net package. The digit keeps IPv6
// sockets from taking IPv4 as well (IPV6_V6ONLY), which has sockets of its own.
func network(transport string, addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return transport + "4"
	}
	return transport + "6"
}

func controlUDP(local netip.Addr, granted *int, freebind bool) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var optionErr error
		err := raw.Control(func(fd uintptr) {
			if *granted, optionErr = setUDPOptions(fd, local, true); freebind && optionErr == nil {
				optionErr = setFreebind(fd, local.Is6())
			}
		})
		if err == nil {
			err = optionErr
		}
		return err
	}
}

func controlTCP(reuse, freebind, is6 bool) func(string, string, syscall.RawConn) error {
	if !reuse && !freebind {
		return nil
	}
	return func(_, _ string, raw syscall.RawConn) error {
		var optionErr error
		err := raw.Control(func(fd uintptr) {
			if reuse {
				optionErr = shareTCPPort(fd)
			}
			if freebind && optionErr == nil {
				optionErr = setFreebind(fd, is6)
			}
		})
		if err == nil {
			err = optionErr
		}
		return err
	}
}

// bindError tells the address, what the system said and what to do.
func bindError(transport string, addr netip.AddrPort, err error) error {
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
