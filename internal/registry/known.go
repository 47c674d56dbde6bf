package registry

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/server/answer"
)

// KnownClients returns the addresses and keys of clients that the settings of zones name, such as
// secondaries and primaries. Now and Seed are not set.
func KnownClients(cfg *config.Config) answer.KnownOptions {
	var o answer.KnownOptions
	for i := range cfg.Keys {
		o.Keys = append(o.Keys, cfg.Keys[i].Name)
	}
	prefixes := map[netip.Prefix]bool{}
	add := func(p netip.Prefix) {
		if p.IsValid() {
			prefixes[p] = true
		}
	}
	host := func(a netip.Addr) {
		a = a.Unmap().WithZone("")
		add(netip.PrefixFrom(a, a.BitLen()))
	}
	allPeers := func(list []config.Peer) {
		for _, p := range list {
			add(p.Prefix)
		}
	}
	transfer := func(t *config.Transfer) {
		allPeers(t.Allow)
		for _, to := range t.Notify {
			host(to.Address.Addr())
		}
	}
	primaries := func(s *config.Secondary) {
		if s == nil {
			return
		}
		for _, p := range s.Primaries {
			host(p.Address.Addr())
		}
		allPeers(s.Notify)
	}
	last := new(config.ZoneOptions)
	for i := range cfg.Zones {
		z := cfg.Zones[i].ZoneOptions
		if !sameSlice(z.Transfer.Allow, last.Transfer.Allow) || !sameSlice(z.Transfer.Notify, last.Transfer.Notify) { // mostly it is that of `defaults`
			transfer(&z.Transfer)
		}
		for _, r := range z.Update.Rules {
			for _, p := range r.From {
				add(p)
			}
		}
		primaries(z.Secondary)
		last = z
	}
	for i := range cfg.Catalogs {
		c := &cfg.Catalogs[i]
		transfer(&c.Transfer)
		if c.Follow == nil {
			continue
		}
		primaries(c.Follow.Secondary)
		for _, m := range c.Follow.Settings() {
			transfer(&m.Transfer)
			primaries(m.Secondary)
		}
	}
	o.Prefixes = slices.Collect(maps.Keys(prefixes))
	return o
}
