package udp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/worker"
)

// ListenOptions are the options of a Listener.
type ListenOptions struct {
	Host      *worker.Group
	Lane      *deferred.Lane
	Attend    func(turn int) // serves streams that have something to read; workers call it, each with its own turn
	Addr      netip.AddrPort
	Inherited *net.UDPConn // bound to Addr already; nil: sockets are bound
	Drops     *Drops       // of Inherited
	Freebind  bool         // bind an address that no interface has yet
}

// Listen returns a listener with bound sockets: one for each worker, or one that all share if
// it is inherited or the system cannot distribute clients.
func Listen(o ListenOptions) (*Listener, error) {
	l := &Listener{host: o.Host, lane: o.Lane, attend: o.Attend, addr: o.Addr}
	if o.Inherited != nil {
		if err := l.prepareInherited(o.Inherited); err != nil {
			return nil, err
		}
		return l, l.add(o.Inherited, o.Drops)
	}
	n := 1
	if sock.PerWorker && !l.host.Portable {
		n = l.host.Workers
	}
	for range n {
		var granted int
		config := net.ListenConfig{Control: controlUDP(l.addr.Addr(), &granted, o.Freebind)}
		conn, err := config.ListenPacket(context.Background(), sock.Network("udp", l.addr), sock.BindName(l.addr))
		if err == nil {
			l.addr = netip.AddrPortFrom(l.addr.Addr(), sock.BoundTo(conn.(*net.UDPConn)).Port())
			err = l.add(conn.(*net.UDPConn), new(Drops))
		}
		if err != nil {
			l.Close()
			return nil, err
		}
		l.noteReceiveBuffer(granted)
	}
	return l, nil
}

// Listener are the sockets of one address and their workers.
type Listener struct {
	host    *worker.Group
	lane    *deferred.Lane
	attend  func(turn int)
	addr    netip.AddrPort
	ports   []udpPort // one a worker, or one for all
	workers sync.WaitGroup
	pending sync.WaitGroup // deferred requests, which are answered through ports
}

func (l *Listener) Start() {
	for i := range l.host.Workers {
		port := l.ports[i%len(l.ports)]
		l.workers.Go(func() {
			l.host.KeepRunning("UDP worker", func() {
				if err := l.work(port); err != nil {
					l.host.Fail(l.addr, answer.UDP.String(), err)
				}
			})
		})
	}
}

func (l *Listener) work(port udpPort) error {
	own := l.host.Lanes.Get()
	defer l.host.Lanes.Put(own)
	return newUDPWorker(l.host, l.lane, l.attend, port.socket(own), own, &l.pending).run()
}

// Stop interrupts the workers, which answer the datagrams that the sockets still hold. It waits
// for them and for the answers of the deferred lane, and closes the sockets.
func (l *Listener) Stop() {
	for _, p := range l.ports {
		p.interrupt()
	}
	l.workers.Wait()
	l.pending.Wait()
	l.Close()
}

func (l *Listener) Close() {
	for _, p := range l.ports {
		p.Close()
	}
}

// add adds the port of conn, which it owns.
func (l *Listener) add(conn *net.UDPConn, drops *Drops) error {
	port, err := newUDPPort(conn, drops, l.host.Portable)
	if err == nil {
		l.ports = append(l.ports, port)
	}
	return err
}

// prepareInherited sets the options of a socket that another process bound.
func (l *Listener) prepareInherited(conn *net.UDPConn) error {
	var granted int
	if err := sock.Control(conn, func(fd uintptr) (err error) {
		granted, err = sock.SetUDPOptions(fd, sock.BoundTo(conn).Addr(), false)
		return err
	}); err != nil {
		conn.Close()
		return err
	}
	l.noteReceiveBuffer(granted)
	return nil
}

func (l *Listener) noteReceiveBuffer(granted int) {
	if granted < sock.ReceiveBuffer {
		worker.Warn(l.host.Log, "the receive buffer of UDP sockets is small; bursts of queries may be lost",
			slog.Int("granted", granted), slog.Int("wanted", sock.ReceiveBuffer), slog.String("remedy", sock.ReceiveBufferRemedy))
	}
}

func controlUDP(local netip.Addr, granted *int, freebind bool) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		return sock.ControlRaw(raw, func(fd uintptr) (err error) {
			if *granted, err = sock.SetUDPOptions(fd, local, true); freebind && err == nil {
				err = sock.SetFreebind(fd, local.Is6())
			}
			return err
		})
	}
}
