package daemon

import (
	"net"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/transfer"
	"github.com/ptrd/ptrd/server/tsig"
)

// notifyZones returns who is told of changes of the zones of cfg.
func notifyZones(cfg *config.Config, keys *tsig.Keys) map[string]*notify.Zone {
	zones := make(map[string]*notify.Zone)
	var last *notify.Zone // mostly the next one is like it: all is from `defaults`
	var lastFrom *config.Zone
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		if len(z.Transfer.Notify) == 0 && !tellsNameServers(z) {
			continue
		}
		if lastFrom == nil || !sameSlice(lastFrom.Transfer.Notify, z.Transfer.Notify) || tellsNameServers(lastFrom) != tellsNameServers(z) || !sameSlice(lastFrom.NameServers, z.NameServers) {
			last, lastFrom = notifyZone(z, keys), z
		}
		for _, apex := range z.Apexes {
			zones[apex.Key()] = last
		}
	}
	return zones
}

func notifyZone(z *config.Zone, keys *tsig.Keys) *notify.Zone {
	out := &notify.Zone{NameServers: tellsNameServers(z)}
	for _, t := range z.Transfer.Notify {
		target := notify.Target{Address: t.Address, Source: t.Source}
		if t.Key != nil {
			target.Key = keys.Get(t.Key)
		}
		out.Targets = append(out.Targets, target)
	}
	for _, ns := range z.NameServers {
		if len(ns.Addresses) > 0 {
			if out.Addresses == nil {
				out.Addresses = make(map[string][]netip.Addr)
			}
			out.Addresses[ns.Name.Key()] = ns.Addresses
		}
	}
	return out
}

// tellsNameServers reports whether the zone's name servers are told of changes: not
// where nobody can get them.
func tellsNameServers(z *config.Zone) bool {
	return z.Transfer.NameServers && len(z.Transfer.Allow) > 0
}

// sameSlice reports whether two slices are one and the same.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// transferMetrics tells what secondaries got and were told.
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
	for _, own := range d.server.Addrs() {
		if own.Addr() == a || own.Addr().IsUnspecified() && isLocal(a) {
			return true
		}
	}
	return false
}

// isLocal reports whether an interface has the address; where the system does not
// tell, none has.
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
