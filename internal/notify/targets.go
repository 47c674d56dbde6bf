package notify

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// port is that of name servers.
const port = 53

// targets returns the targets of a zone, each once.
func (n *Notifier) targets(set *zone.Set, z *zone.Zone) []Target {
	n.mu.Lock()
	conf := n.zones(z.Apex())
	n.mu.Unlock()
	if conf == nil {
		return nil
	}
	list := slices.Clone(conf.Targets)
	if !conf.NameServers {
		return list
	}
	// RFC 1996 §2: the NS RRset, less the primary that the SOA names.
	primary := dname.FromWire(z.SOA().Data)
	servers, _ := z.Get(z.Apex(), rr.TypeNS)
	for name := range servers.Values() {
		if primary.Equal(name) {
			continue
		}
		for _, a := range n.addresses(set, conf, name) {
			t := Target{Address: netip.AddrPortFrom(a, port)}
			known := slices.ContainsFunc(list, func(o Target) bool { return o.Address == t.Address })
			if !known && !n.o.IsOwn(a) {
				list = append(list, t)
			}
		}
	}
	return list
}

// addresses returns the known addresses of a name server.
func (n *Notifier) addresses(set *zone.Set, conf *Zone, name dname.Name) []netip.Addr {
	if list := conf.Addresses[name.Key()]; len(list) > 0 {
		return list
	}
	z := set.Find(name)
	if z == nil || !z.IsAvailable() {
		return nil
	}
	var out []netip.Addr
	for _, t := range []rr.Type{rr.TypeA, rr.TypeAAAA} {
		found, _ := z.Get(name, t)
		for data := range found.Values() {
			if a, ok := netip.AddrFromSlice(data); ok {
				out = append(out, a)
			}
		}
	}
	return out
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
