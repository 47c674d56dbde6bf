package daemon

import (
	"runtime"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/server"
)

const (
	// otherDescriptors is more than are open for all else: standard streams, journal,
	// watches, sockets of NOTIFY, and source files while they are read.
	otherDescriptors = 64

	// leastTCP is how many TCP connections there may be however few descriptors are
	// left: without TCP a server is not one (RFC 7766 §5).
	leastTCP = 8
)

// reserved returns how many descriptors DNS over TCP and TLS must leave: those of the
// sockets and of everything else that may be open at the same time.
func reserved(addresses int) int {
	workers := runtime.GOMAXPROCS(0)
	sockets := 2 * workers * addresses // of UDP, and that listen for TCP
	return otherDescriptors + 4*workers + sockets + secondary.MaxConns + admin.MaxConns + control.MaxConns
}

// limits returns the limits of the transports that cfg asks for, with no more TCP
// connections than the process has descriptors for.
func (d *Daemon) limits(cfg *config.Config) server.Limits {
	l := limits(cfg)
	open, ok := openFiles()
	if !ok {
		return l
	}
	if most := max(open-reserved(len(d.addresses(cfg).all())), leastTCP); most < l.TCPClients {
		d.log.Warn("limits.tcp_clients does not fit into the limit of open files; raise that (LimitNOFILE, ulimit -n) or lower tcp_clients",
			"tcp_clients", l.TCPClients, "used", most, "open_files", open)
		l.TCPClients = most
	}
	return l
}
