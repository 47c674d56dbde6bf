package daemon

import (
	"runtime"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/platform"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/server"
)

const (
	// otherDescriptors is more than everything else needs: standard streams, journal, watches,
	// sockets of NOTIFY, and source files while they are read.
	otherDescriptors = 64

	// leastTCP is how many TCP connections are allowed however few descriptors are left: a DNS
	// server must support TCP (RFC 7766 §5).
	leastTCP = 8
)

// reserved returns how many descriptors DNS over TCP and TLS must leave: those of the sockets and of
// everything else that may be open at the same time.
func reserved(addresses int) int {
	workers := runtime.GOMAXPROCS(0)
	sockets := 2 * workers * addresses // UDP, and TCP listeners
	return otherDescriptors + 4*workers + sockets + secondary.MaxConns + admin.MaxConns + control.MaxConns
}

// limits returns the limits of the transports in cfg, with no more TCP connections than the process
// has descriptors for.
func (d *Daemon) limits(cfg *config.Config) server.Limits {
	l := limits(cfg)
	open, ok := platform.OpenFiles()
	if !ok {
		return l
	}
	if most := max(open-reserved(len(d.addresses(cfg).All())), leastTCP); most < l.TCPClients {
		d.log.Warn("limits.tcp_clients does not fit into the limit of open files; raise that (LimitNOFILE, ulimit -n) or lower tcp_clients",
			"tcp_clients", l.TCPClients, "used", most, "open_files", open)
		l.TCPClients = most
	}
	return l
}
