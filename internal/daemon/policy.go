package daemon

import (
	"crypto/rand"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/tsig"
)

// newPolicy returns the policy that cfg asks for, with secret to make cookies by where
// cfg has none. The counters of zones, and what clients used of their limits, go on as
// in old, which does not change.
func newPolicy(cfg *config.Config, secret []byte, old *answer.Policy) (*answer.Policy, error) {
	out := &answer.Policy{
		Access:  answer.NewACL(cfg.Access.Allow, cfg.Access.Deny),
		NSID:    cfg.Identity.NSID,
		Version: cfg.Identity.Version,
		Server:  cfg.Identity.Server,
		UDPSize: cfg.Limits.UDPSize,
		Keys:    keys(cfg),
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
	queries := map[string]*atomic.Uint64{}
	var shared *config.Peer
	var list answer.Peers
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		for _, apex := range z.Apexes {
			key := apex.Key()
			if z.Access != nil {
				if out.ZoneAccess == nil {
					out.ZoneAccess = map[string]*answer.ACL{}
				}
				access := answer.NewACL(z.Access.Allow, z.Access.Deny)
				out.ZoneAccess[key] = &access
			}
			if len(z.Transfer.Allow) > 0 {
				if out.Transfers == nil {
					out.Transfers = map[string]answer.Peers{}
				}
				if shared == nil || &z.Transfer.Allow[0] != shared { // mostly the list of `defaults`
					shared, list = &z.Transfer.Allow[0], peers(z.Transfer.Allow)
				}
				out.Transfers[key] = list
			}
			if cfg.Metrics.PerZone {
				if queries[key] = old.ZoneQueries[key]; queries[key] == nil {
					queries[key] = new(atomic.Uint64)
				}
			}
		}
	}
	if cfg.Metrics.PerZone {
		out.ZoneQueries = queries
	}
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
	last := &config.Zone{}
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		if !sameSlice(z.Transfer.Allow, last.Transfer.Allow) { // mostly it is that of `defaults`
			for _, p := range z.Transfer.Allow {
				add(p.Prefix)
			}
		}
		if !sameSlice(z.Transfer.Notify, last.Transfer.Notify) {
			for _, t := range z.Transfer.Notify {
				host(t.Address.Addr())
			}
		}
		if !sameSlice(z.Update.Rules, last.Update.Rules) {
			for _, r := range z.Update.Rules {
				for _, p := range r.From {
					add(p)
				}
			}
		}
		if s := z.Secondary; s != nil && s != last.Secondary {
			for _, p := range s.Primaries {
				host(p.Address.Addr())
			}
			for _, p := range s.Notify {
				add(p.Prefix)
			}
		}
		last = z
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

// keys returns the keys that requests are signed with.
func keys(cfg *config.Config) *tsig.Keys {
	var list []*tsig.Key
	for i := range cfg.Keys {
		if k := cfg.Keys[i].TSIG; k != nil { // nil where nobody read the files
			list = append(list, k)
		}
	}
	return tsig.NewKeys(list)
}

// peers returns the list as the server has it.
func peers(list []config.Peer) answer.Peers {
	out := make(answer.Peers, len(list))
	for i, p := range list {
		out[i] = answer.Peer{Prefix: p.Prefix, Key: string(p.Key)}
	}
	return out
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
	return newPolicy(&quiet, nil, &answer.Policy{})
}
