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

// ListenOptions are what a udpListener is made of.
type ListenOptions struct {
	Host      *worker.Group
	Lane      *deferred.Lane
	Attend    func(turn int) // lets streams be served that have something to say; workers call it, each with its own turn
	Addr      netip.AddrPort
	Inherited *net.UDPConn // bound to Addr already; nil: sockets are bound
	Drops     *Drops       // of Inherited
	Freebind  bool         // bind an address that no interface has yet
}

// Listen returns a listener whose sockets are bound: one a worker, or one that all
// share where it is inherited or the system cannot spread clients over several.
func Listen(o ListenOptions) (*Listener, error) {
	l := &Listener{host: o.Host, slow: o.Lane, attend: o.Attend, addr: o.Addr}
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
	slow    *deferred.Lane
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
	return newUDPWorker(l.host, l.slow, l.attend, port.socket(own), own, &l.pending).run()
}

// Stop wakes the workers, which answer what the sockets still hold, waits for
// them and for the deferred lane to answer what they deferred, and closes the
// sockets.
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

// add takes conn over.
func (l *Listener) add(conn *net.UDPConn, drops *Drops) error {
	port, err := newUDPPort(conn, drops, l.host.Portable)
	if err == nil {
		l.ports = append(l.ports, port)
	}
	return err
}

// prepareInherited sets the options of a socket that somebody else bound.
func (l *Listener) prepareInherited(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var granted int
	var optionErr error
	err = raw.Control(func(fd uintptr) { granted, optionErr = sock.SetUDPOptions(fd, sock.BoundTo(conn).Addr(), false) })
	if err == nil {
		err = optionErr
	}
	if err != nil {
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
		var optionErr error
		err := raw.Control(func(fd uintptr) {
			if *granted, optionErr = sock.SetUDPOptions(fd, local, true); freebind && optionErr == nil {
				optionErr = sock.SetFreebind(fd, local.Is6())
			}
		})
		if err == nil {
			err = optionErr
		}
		return err
	}
}
