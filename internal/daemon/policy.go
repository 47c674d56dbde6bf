package daemon

import (
	"crypto/rand"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
)

// newPolicy returns the policy that cfg asks for, with secret to make cookies by where
// cfg has none. What clients used of their limits goes on as in old, which does not
// change. The policies of single zones are added by registry.Zones.
func newPolicy(cfg *config.Config, secret []byte, old *answer.Policy) (*answer.Policy, error) {
	out := &answer.Policy{
		Access:  answer.NewACL(cfg.Access.Allow, cfg.Access.Deny),
		NSID:    cfg.Identity.NSID,
		Version: cfg.Identity.Version,
		Server:  cfg.Identity.Server,
		UDPSize: cfg.Limits.UDPSize,
		Keys:    registry.Keys(cfg),
	}
	if cfg.Cookies.Enabled {
		secrets := cfg.Cookies.Secrets
		if len(secrets) == 0 {
			secrets = [][]byte{secret}
		}
		c, err := answer.NewCookies(secrets)
		if err != nil {
			return nil, err
		}
		out.Cookies = c
		out.RequireCookies = map[string]answer.CookieRequirement{
			"never": answer.RequireNever, "limited": answer.RequireLimited, "always": answer.RequireAlways,
		}[cfg.Cookies.Require]
	}
	rates, err := rateLimit(&cfg.RateLimit, old.RateLimit)
	if err != nil {
		return nil, err
	}
	out.RateLimit = rates
	out.Known = answer.NewKnown(knownClients(cfg), old.Known)
	return out, nil
}

// rateLimit returns the limits that cfg asks for; nil: none.
func rateLimit(cfg *config.RateLimit, old *answer.RateLimit) (*answer.RateLimit, error) {
	if !cfg.Enabled {
		return nil, nil
	}
	o := answer.RateLimitOptions{
		Answers: cfg.Answers, NoData: cfg.NoData, NXDomains: cfg.NXDomains, Referrals: cfg.Referrals, Errors: cfg.Errors, All: cfg.All,
		Window: cfg.Window, Slip: cfg.Slip, IPv4Prefix: cfg.IPv4Prefix, IPv6Prefix: cfg.IPv6Prefix,
		Exempt: cfg.Exempt, LogOnly: cfg.LogOnly, Buckets: cfg.TableSize,
	}
	rand.Read(o.Seed[:]) // never fails
	return answer.NewRateLimit(o, old)
}

// knownClients returns the addresses and keys that are named in what zones say of
// their peers.
func knownClients(cfg *config.Config) answer.KnownOptions {
	o := answer.KnownOptions{Now: time.Now().Unix()}
	rand.Read(o.Seed[:]) // never fails
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

// policy returns the policy that cfg asks for as the successor of the active one.
func (d *Daemon) policy(cfg *config.Config) (*answer.Policy, error) {
	old := &answer.Policy{}
	if v := d.views.Load(); v != nil {
		old = v.Policy
	}
	return newPolicy(cfg, d.secret, old)
}

// sameSlice reports whether two slices have the same memory.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// limits returns the limits of the transports.
func limits(cfg *config.Config) server.Limits {
	return server.Limits(cfg.Limits.TransportLimits)
}

// NewPolicy returns the policy that cfg asks for, for use outside of a running
// server: cookies and rate limits are off, and no zone's queries are counted.
func NewPolicy(cfg *config.Config) (*answer.Policy, error) {
	quiet := *cfg
	quiet.Cookies.Enabled, quiet.RateLimit.Enabled, quiet.Metrics.PerZone = false, false, false
	p, err := newPolicy(&quiet, nil, &answer.Policy{})
	if err == nil {
		registry.New(registry.Options{Config: &quiet}).SetPolicies(p, nil)
	}
	return p, err
}
