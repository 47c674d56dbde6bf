package daemon

import (
	"net"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/transfer"
	"github.com/ptrd/ptrd/server"
)

// transferMetrics returns the counters of transfers to secondaries and of NOTIFY.
func (d *Daemon) transferMetrics() admin.Transfers {
	out := admin.Transfers{Answers: map[string]uint64{}, Records: map[string]uint64{}, Octets: map[string]uint64{}}
	for k, t := range d.transfers.Totals() {
		name := transfer.Kind(k).String()
		out.Answers[name], out.Records[name], out.Octets[name] = t.Answers, t.Records, t.Octets
	}
	t := d.notifier.Totals()
	out.Notifies = map[string]uint64{"sent": t.Sent.Load(), "answered": t.Answered.Load(), "refused": t.Refused.Load(), "lost": t.Lost.Load()}
	return out
}

// isOwn reports whether an address is one that we listen on.
func (d *Daemon) isOwn(a netip.Addr) bool {
	for _, own := range d.server.Addrs()[server.DNS] {
		if own.Addr() == a || own.Addr().IsUnspecified() && isLocal(a) {
			return true
		}
	}
	return false
}

// isLocal reports whether an interface has the address; if the system does not list the
// addresses, none has.
func isLocal(a netip.Addr) bool {
	list, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(list, func(i net.Addr) bool {
		n, ok := i.(*net.IPNet)
		if !ok {
			return false
		}
		own, _ := netip.AddrFromSlice(n.IP)
		return own.Unmap() == a
	})
}
