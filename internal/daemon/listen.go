package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/sock"
)

// addresses returns the configured addresses, and those of the sockets that the service
// manager passed: a socket is for TLS if the configuration has its address for TLS.
func (d *Daemon) addresses(cfg *config.Config) server.Addrs {
	a := server.Addrs{server.DNS: slices.Clone(cfg.Listen.DNS)}
	if t := cfg.Listen.TLS; t != nil {
		a[server.TLS] = t.Addresses
	}
	for _, s := range d.sockets.Addrs {
		if !slices.Contains(a[server.TLS], s) {
			a[server.DNS] = append(a[server.DNS], s)
		}
	}
	return a
}

// tlsIdentity returns how the server proves who it is; nil: it does not.
func tlsIdentity(cfg *config.Config) *server.TLSIdentity {
	t := cfg.Listen.TLS
	if t == nil {
		return nil
	}
	return &server.TLSIdentity{Certificate: t.Certificate, Clients: t.Clients}
}

// front is an address of HTTP, which may move: that of admin, of route53 or of ec2.
type front struct {
	name  string // of the key under `listen`
	of    func(*config.Config) netip.AddrPort
	asked netip.AddrPort
	ln    net.Listener // nil: none
	stop  func()       // ends its Serve and waits for it

	mu      sync.Mutex
	addr    netip.AddrPort // bound, for status
	waits   netip.AddrPort // that no interface has, likewise
	waitErr error

	start func(net.Listener) (stop func()) // starts to serve a listener
}

// apiAddress returns the address of the listener of an API; the zero value: none.
func apiAddress(l *config.ListenAPI) (a netip.AddrPort) {
	if l != nil {
		a = l.Address
	}
	return a
}

// fronts returns all addresses of HTTP.
func (d *Daemon) fronts() []*front { return []*front{&d.front, &d.api, &d.ec2API} }

// bindFronts listens on the first addresses.
func (d *Daemon) bindFronts(cfg *config.Config) error {
	d.front.name, d.front.of = "admin", func(c *config.Config) netip.AddrPort { return c.Listen.Admin }
	d.api.name, d.api.of = "route53", func(c *config.Config) netip.AddrPort { return apiAddress(c.Listen.Route53) }
	d.ec2API.name, d.ec2API.of = "ec2", func(c *config.Config) netip.AddrPort { return apiAddress(c.Listen.EC2) }
	for _, f := range d.fronts() {
		if err := f.bind(f.of(cfg)); err != nil {
			return err
		}
	}
	return nil
}

// listen listens on addr; nil for no address.
func (f *front) listen(addr netip.AddrPort) (net.Listener, error) {
	if !addr.IsValid() {
		return nil, nil
	}
	ln, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, sock.BindError(f.name, addr, err)
	}
	return ln, nil
}

// bind listens on the first address, now or when it is there.
func (f *front) bind(addr netip.AddrPort) error {
	ln, err := f.listen(addr)
	if server.IsAbsent(err, addr.Addr()) {
		f.wait(addr, err)
		return nil
	}
	if err != nil {
		return err
	}
	f.set(addr, ln)
	return nil
}

// wait has no listener until recheck can bind addr.
func (f *front) wait(addr netip.AddrPort, err error) {
	f.asked = addr
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waits, f.waitErr = addr, err
}

// recheck binds the address that waits, if there is one and it has come.
func (f *front) recheck() {
	addr, err := f.absent()
	if err == nil {
		return
	}
	ln, err := f.listen(addr)
	if err != nil {
		f.wait(addr, err)
		return
	}
	f.move(addr, ln)
}

// absent returns the address that waits, and why; without an error there is none. It may be
// called by any goroutine.
func (f *front) absent() (netip.AddrPort, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waits, f.waitErr
}

func (f *front) set(asked netip.AddrPort, ln net.Listener) {
	f.asked, f.ln = asked, ln
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addr, f.waits, f.waitErr = netip.AddrPort{}, netip.AddrPort{}, nil
	if ln != nil {
		f.addr = ln.Addr().(*net.TCPAddr).AddrPort()
	}
}

// serve starts to answer on the address, now and wherever it moves.
func (f *front) serve(p *parts, s func(context.Context, net.Listener) error) {
	f.start = func(ln net.Listener) func() {
		ctx, cancel := context.WithCancel(p.ctx)
		done := make(chan struct{})
		p.wait.Go(func() {
			defer close(done)
			if err := s(ctx, ln); err != nil {
				p.cancel(err)
			}
		})
		return func() {
			cancel()
			<-done
		}
	}
	if f.ln != nil {
		f.stop = f.start(f.ln)
	}
}

// open binds the address that a configuration has. Exactly one of undo and release is called.
func (f *front) open(addr netip.AddrPort) (undo, release func(), err error) {
	if addr == f.asked {
		return func() {}, func() {}, nil
	}
	ln, err := f.listen(addr)
	if err != nil && !server.IsAbsent(err, addr.Addr()) {
		return nil, nil, err
	}
	undo = func() {
		if ln != nil {
			ln.Close()
		}
	}
	return undo, func() {
		f.move(addr, ln)
		if err != nil {
			f.wait(addr, err)
		}
	}, nil
}

// move takes over a listener that is bound already, or none.
func (f *front) move(asked netip.AddrPort, ln net.Listener) {
	old := f.stop
	f.stop = nil
	if ln != nil {
		f.stop = f.start(ln)
	}
	f.set(asked, ln)
	if old != nil {
		old()
	}
}

// address returns the address bound, for anybody.
func (f *front) address() netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addr
}
