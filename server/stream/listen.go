package stream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
)

// Listener are the listening sockets of one address.
type Listener struct {
	conns   *Set
	engine  engine
	sockets []*net.TCPListener // one, or one a worker
	Local   netip.AddrPort
	stopped chan struct{} // closed by Stop

	accepting sync.WaitGroup // goroutines of connEngine
}

func (l *Listener) Start() {
	if err := l.engine.listen(l); err != nil {
		l.conns.Fail(l.Local, answer.TCP.String(), err)
	}
}

func (l *Listener) Stop() {
	close(l.stopped)
	l.engine.unlisten(l)
}

func (l *Listener) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

func (l *Listener) Close() {
	for _, s := range l.sockets {
		s.Close()
	}
}

// Share lets another socket of this process be bound to an address that overlaps that of l.
func (l *Listener) Share() error {
	for _, ln := range l.sockets {
		if err := sock.Control(ln, sock.ShareTCPPort); err != nil {
			return fmt.Errorf("socket option: %w", err)
		}
	}
	return nil
}

// Bind returns a listener with bound sockets. If ln is not nil, it is already bound to addr,
// and Bind takes it over. With reuse, addr may overlap an address that is in use.
func (t *Set) Bind(transport answer.Transport, addr netip.AddrPort, ln *net.TCPListener, reuse, freebind bool) (*Listener, error) {
	e := t.engines[transport]
	sockets := []*net.TCPListener{ln}
	if ln == nil {
		n := 1
		if _, portable := e.(*connEngine); sock.PerWorker && !portable {
			n = t.Workers
		}
		var err error
		if sockets, err = listenTCP(context.Background(), addr, n, reuse, freebind); err != nil {
			return nil, err
		}
	}
	l := &Listener{conns: t, engine: e, sockets: sockets, Local: netip.AddrPortFrom(addr.Addr(), sock.AddrPort(sockets[0].Addr()).Port()), stopped: make(chan struct{})}
	for _, ln := range sockets {
		if err := prepareTCP(ln); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// listenTCP binds the address n times. With reuse, a wildcard address on the same port may
// be in use. The first socket is bound without sharing, so that an address in use by another
// process is an error. Then the others join its group, among which the kernel distributes
// the connections.
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
		ln, err := config.Listen(ctx, sock.Network("tcp", addr), sock.BindName(addr))
		if err == nil {
			sockets = append(sockets, ln.(*net.TCPListener))
			addr = netip.AddrPortFrom(addr.Addr(), sock.AddrPort(ln.Addr()).Port())
			if n > 1 && !reuse {
				reuse = true
				err = sock.Control(sockets[0], sock.ShareTCPPort)
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

func controlTCP(reuse, freebind, is6 bool) func(string, string, syscall.RawConn) error {
	if !reuse && !freebind {
		return nil
	}
	return func(_, _ string, raw syscall.RawConn) error {
		return sock.ControlRaw(raw, func(fd uintptr) (err error) {
			if reuse {
				err = sock.ShareTCPPort(fd)
			}
			if freebind && err == nil {
				err = sock.SetFreebind(fd, is6)
			}
			return err
		})
	}
}
