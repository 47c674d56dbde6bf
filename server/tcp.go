package server

import (
	"context"
	"fmt"
	"github.com/ptrd/ptrd/server/answer"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// acceptPause is how long accepting rests when the process or the host is out of
// descriptors or memory, doubled up to acceptPauseMax while that lasts. New
// connections wait in the kernel's queue meanwhile.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// tcpWay is how connections are accepted, read and written: by few workers with
// the connections as states (tcp_loop_linux.go), or by a goroutine for each
// (tcp_portable.go). What is done with what was read, and who may have a
// connection, is the same.
type tcpWay interface {
	// start starts what all addresses share.
	start() error
	// prepare sets the options of a listening socket.
	prepare(ln *net.TCPListener) error
	// listen accepts connections from the sockets of l, which it owns from now on.
	listen(l *tcpListener) error
	// unlisten accepts what waits, closes the sockets and tells the connections of
	// l to end once what they were asked is answered. It does not wait for those.
	unlisten(l *tcpListener)
	// attend lets connections be served that have something to say and that the
	// scheduler has not looked at. UDP workers call it, each with its own turn.
	attend(turn int)
	// limitsChanged tells that other limits are in force.
	limitsChanged()
	// stop ends what start started. There are no connections any more, and nobody
	// in the slow lane that would answer one.
	stop()
}

// tcpListener are the listening sockets of one address.
type tcpListener struct {
	server  *Server
	way     tcpWay
	sockets []*net.TCPListener // one, or one a worker
	local   netip.AddrPort
	stopped chan struct{} // closed by stop
}

func (l *tcpListener) start() {
	if err := l.way.listen(l); err != nil {
		l.server.fail(l.local, "tcp", err)
	}
}

func (l *tcpListener) stop() {
	close(l.stopped)
	l.way.unlisten(l)
}

func (l *tcpListener) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

func (l *tcpListener) close() {
	for _, s := range l.sockets {
		s.Close()
	}
}

// tcpConns are the connections of all addresses and the limits on them.
type tcpConns struct {
	server *Server
	way    tcpWay
	tls    *connWay       // for TLS, on all systems alike
	wg     sync.WaitGroup // one a connection

	mu       sync.Mutex
	all      []*tcpConn // in no order
	clients  map[netip.Addr]*int
	prefixes map[netip.Addr]*int // connections of each
	random   *rand.Rand

	open         atomic.Int64 // len(all)
	accepted     atomic.Uint64
	closed       [NumCloseReasons]atomic.Uint64
	acceptErrors atomic.Uint64
	unsent       [answer.NumTransports][answer.NumSendFailures]atomic.Uint64
}

func newTCPConns(s *Server, seed uint64) *tcpConns {
	t := &tcpConns{
		server:   s,
		clients:  make(map[netip.Addr]*int),
		prefixes: make(map[netip.Addr]*int),
		random:   rand.New(rand.NewPCG(seed, 0)),
	}
	t.way = newTCPWay(s, t)
	t.tls = newConnWay(s, t, answer.TLS)
	return t
}

// clientKey is what counts as one client: an IPv4 address, or an IPv6 /56, which
// is what one site gets, with any number of addresses in it.
func clientKey(a netip.Addr) netip.Addr { return masked(a, 32, 56) }

// prefixKey is what counts as one neighbourhood when places are short: an IPv4
// /24, or an IPv6 /48, the least that somebody can have of the routing table.
func prefixKey(a netip.Addr) netip.Addr { return masked(a, 24, 48) }

func masked(a netip.Addr, bits4, bits6 int) netip.Addr {
	a = a.Unmap().WithZone("")
	bits := bits6
	if a.Is4() {
		bits = bits4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		panic("the length of a prefix: " + err.Error())
	}
	return p.Addr()
}

// add gives c a place, if need be that of the connection that deserves its own
// least; false where that cannot be: over the limit of its client, or over that of
// all while the slow lane works for each.
func (t *tcpConns) add(c *tcpConn) bool {
	t.accepted.Add(1)
	limits := t.server.limits.Load()
	client, prefix := clientKey(c.client.Addr()), prefixKey(c.client.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.clients[client]; n != nil && *n >= limits.TCPClientsPer {
		return t.refuse(CloseClientLimit)
	}
	if len(t.all) >= limits.TCPClients && !t.evict() {
		return t.refuse(CloseTotalLimit)
	}
	c.ofClient, c.ofPrefix = counterOf(t.clients, client), counterOf(t.prefixes, prefix)
	*c.ofClient++
	*c.ofPrefix++
	c.place = len(t.all)
	t.all = append(t.all, c)
	t.open.Store(int64(len(t.all)))
	t.wg.Add(1)
	return true
}

func (t *tcpConns) refuse(reason CloseReason) bool {
	t.closed[reason].Add(1)
	return false
}

func counterOf(m map[netip.Addr]*int, key netip.Addr) *int {
	n := m[key]
	if n == nil {
		n = new(int)
		m[key] = n
	}
	return n
}

// ended takes note of the end of a connection that add took.
func (t *tcpConns) ended(c *tcpConn, reason CloseReason) {
	t.mu.Lock()
	if t.drop(c) {
		t.closed[reason].Add(1)
	}
	t.mu.Unlock()
	t.wg.Done()
}

// drop takes c out of the table and reports whether it was there.
func (t *tcpConns) drop(c *tcpConn) bool {
	if c.place < 0 {
		return false
	}
	last := len(t.all) - 1
	t.all[c.place] = t.all[last]
	t.all[c.place].place = c.place
	t.all[last] = nil
	t.all = t.all[:last]
	c.place = -1
	t.open.Store(int64(len(t.all)))
	a := c.client.Addr()
	if *c.ofClient--; *c.ofClient == 0 {
		delete(t.clients, clientKey(a))
	}
	if *c.ofPrefix--; *c.ofPrefix == 0 {
		delete(t.prefixes, prefixKey(a))
	}
	return true
}

// acceptFailed takes note of an error of accept, after which accepting rests for a
// while. Where descriptors or memory are short, some connections end to make room.
func (t *tcpConns) acceptFailed(err error) {
	t.acceptErrors.Add(1)
	warn(t.server.log, "accepting a TCP connection", slog.Any("error", err))
	if !isScarcity(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for range max(len(t.all)/evictPart, 1) {
		if !t.evict() {
			break
		}
	}
}

func (t *tcpConns) addTo(total *Totals) {
	for i := range t.closed {
		total.Closed[i] += t.closed[i].Load()
	}
	for k := range t.unsent {
		for i := range t.unsent[k] {
			total.Transports[k].Unsent[i] += t.unsent[k][i].Load()
		}
	}
	total.Open = int(t.open.Load())
	total.Accepted += t.accepted.Load()
	total.AcceptErrors += t.acceptErrors.Load()
}

// listenTCP binds the address n times. reuse lets it stand beside a wildcard of
// ours on the same port. The first socket is bound as if it were to be alone, so
// that the address of another process is refused; then it admits the others to
// its group, among which the kernel spreads the connections.
func listenTCP(ctx context.Context, addr netip.AddrPort, n int, reuse, freebind bool) ([]*net.TCPListener, error) {
	var sockets []*net.TCPListener
	for len(sockets) < n {
		config := net.ListenConfig{
			KeepAlive: -1, // the idle limit ends dead connections sooner
			Control:   controlTCP(reuse, freebind, addr.Addr().Is6()),
		}
		// Multipath TCP, which Go listens with by default, costs each connection more
		// and gives a client with one query nothing.
		config.SetMultipathTCP(false)
		ln, err := config.Listen(ctx, network("tcp", addr), bindName(addr))
		if err == nil {
			sockets = append(sockets, ln.(*net.TCPListener))
			addr = netip.AddrPortFrom(addr.Addr(), addrPort(ln.Addr()).Port())
			if n > 1 && !reuse {
				reuse = true
				err = controlListener(sockets[0], shareTCPPort)
			}
		}
		if err != nil {
			for _, s := range sockets {
				s.Close()
			}
			return nil, err
		}
	}
	return sockets, nil
}

// controlListener calls f with the descriptor of the socket.
func controlListener(ln *net.TCPListener, f func(fd uintptr) error) error {
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

// addrPort returns the address of a TCP end, without an IPv6 zone; the zero value
// where the system could not tell it, because the connection had ended.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
