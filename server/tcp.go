package server

import (
	"context"
	"errors"
	"log/slog"
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

// tcpListener accepts the connections of one address.
type tcpListener struct {
	server  *Server
	ln      *net.TCPListener
	local   netip.AddrPort
	stopped chan struct{} // closed by stop
	accept  sync.WaitGroup
}

// start starts the accept loop.
func (l *tcpListener) start() {
	l.accept.Go(func() {
		if err := l.run(); err != nil {
			l.server.fail(l.local, "tcp", err)
		}
	})
}

// stop closes the listening socket, waits for the accept loop and tells the
// connections to end once what they were asked is answered. It does not wait for
// those.
func (l *tcpListener) stop() {
	close(l.stopped)
	l.ln.Close()
	l.accept.Wait()
	l.server.conns.stop(l)
}

func (l *tcpListener) run() error {
	pause := acceptPause
	for {
		conn, err := l.ln.AcceptTCP()
		if err == nil {
			pause = acceptPause
			l.server.conns.admit(l, conn)
			continue
		}
		select {
		case <-l.stopped:
			return nil
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		l.server.conns.acceptErrors.Add(1)
		l.server.rare.warn("accepting a TCP connection", slog.Any("error", err))
		if isScarcity(err) {
			l.server.conns.shed()
		} else if pause == acceptPause {
			pause *= 2
			continue // a connection that its client gave up again, mostly
		}
		timer := time.NewTimer(pause)
		select {
		case <-l.stopped:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// tcpDesk is what a connection needs while it answers, and not while it waits
// for its client. There are as many as can run at the same time; whoever holds
// one does not wait for anything.
type tcpDesk struct {
	lane *lane
	work []byte // deskBuffer octets
}

// tcpConns are the connections of all addresses and the limits on them.
type tcpConns struct {
	server *Server
	desks  chan *tcpDesk
	wg     sync.WaitGroup // one a connection

	mu        sync.Mutex
	conns     map[*tcpConn]struct{}
	perClient map[netip.Addr]int // by clientKey

	open         atomic.Int64 // len(conns)
	accepted     atomic.Uint64
	closed       [NumCloseReasons]atomic.Uint64
	acceptErrors atomic.Uint64

	// What connections count while they hold no desk.
	answered, deferred atomic.Uint64
	unsent             [NumSendFailures]atomic.Uint64
}

func newTCPConns(s *Server, desks int) *tcpConns {
	t := &tcpConns{
		server:    s,
		desks:     make(chan *tcpDesk, desks),
		conns:     make(map[*tcpConn]struct{}),
		perClient: make(map[netip.Addr]int),
	}
	for range desks {
		t.desks <- &tcpDesk{lane: s.lanes.get(), work: make([]byte, deskBuffer)}
	}
	return t
}

// clientKey is what counts as one client: an IPv4 address, or an IPv6 /64,
// within which a client can have any number of addresses.
func clientKey(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		panic("an IPv6 address has a /64: " + err.Error())
	}
	return p.Addr()
}

// admit starts a connection, or closes it where a limit is reached: over the
// limit of the client the new one goes, over the limit of all an idle one.
func (t *tcpConns) admit(l *tcpListener, conn *net.TCPConn) {
	t.accepted.Add(1)
	limits := t.server.limits.Load()
	c := newTCPConn(t.server, l, conn)
	if t.open.Load() >= int64(limits.TCPClients) && t.underClientLimit(c.key, limits) {
		t.shed()
	}
	reason, ok := t.add(c, limits)
	if !ok {
		t.closed[reason].Add(1)
		// A reset leaves nothing behind, not even a connection in TIME_WAIT.
		conn.SetLinger(0)
		conn.Close()
		return
	}
	t.wg.Go(func() {
		reason := c.serve()
		if t.remove(c) {
			t.closed[reason].Add(1)
		}
	})
}

func (t *tcpConns) underClientLimit(key netip.Addr, limits *Limits) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.perClient[key] < limits.TCPClientsPer
}

func (t *tcpConns) add(c *tcpConn, limits *Limits) (CloseReason, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.perClient[c.key] >= limits.TCPClientsPer:
		return CloseClientLimit, false
	case len(t.conns) >= limits.TCPClients:
		return CloseTotalLimit, false
	}
	select {
	case <-c.listener.stopped:
		return CloseStop, false
	default:
	}
	if !c.client.IsValid() || !c.local.IsValid() {
		return CloseByClient, false
	}
	t.conns[c] = struct{}{}
	t.perClient[c.key]++
	t.open.Store(int64(len(t.conns)))
	return 0, true
}

// remove takes c out of the table and reports whether it was there.
func (t *tcpConns) remove(c *tcpConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.drop(c)
}

func (t *tcpConns) drop(c *tcpConn) bool {
	if _, ok := t.conns[c]; !ok {
		return false
	}
	delete(t.conns, c)
	if t.perClient[c.key]--; t.perClient[c.key] == 0 {
		delete(t.perClient, c.key)
	}
	t.open.Store(int64(len(t.conns)))
	return true
}

// shed closes idle connections to make room: those of the clients that have
// most, of theirs the ones that have been idle for longest. It takes a part of
// the limit at once, because finding them looks at every connection.
func (t *tcpConns) shed() {
	n := max(t.server.limits.Load().TCPClients/shedPart, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	idle := make([]idleConn, 0, len(t.conns))
	for c := range t.conns {
		if since, ok := c.idleSince(); ok {
			idle = append(idle, idleConn{c, t.perClient[c.key], since})
		}
	}
	for _, v := range worstIdle(idle, n) {
		t.drop(v.conn)
		t.closed[CloseShed].Add(1)
		v.conn.conn.Close()
	}
}

// stop tells the connections of l to end.
func (t *tcpConns) stop(l *tcpListener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		if c.listener == l {
			c.stop()
		}
	}
}

func (t *tcpConns) addTo(total *Totals) {
	for i := range t.closed {
		total.Closed[i] += t.closed[i].Load()
	}
	for i := range t.unsent {
		total.TCP.Unsent[i] += t.unsent[i].Load()
	}
	total.TCP.Answered += t.answered.Load()
	total.TCP.Deferred += t.deferred.Load()
	total.Open = int(t.open.Load())
	total.Accepted += t.accepted.Load()
	total.AcceptErrors += t.acceptErrors.Load()
}

// listenTCP binds the address. reuse lets it stand beside a wildcard of ours on
// the same port.
func listenTCP(ctx context.Context, addr netip.AddrPort, reuse bool) (*net.TCPListener, error) {
	config := net.ListenConfig{
		KeepAlive: -1, // the idle limit ends dead connections sooner
		Control:   controlTCP(reuse),
	}
	// Multipath TCP, which Go listens with by default, costs each connection more
	// and gives a client with one query nothing.
	config.SetMultipathTCP(false)
	ln, err := config.Listen(ctx, network("tcp", addr), addr.String())
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}
