package daemon

import (
	"crypto/rand"
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
	known := registry.KnownClients(cfg)
	known.Now = time.Now().Unix()
	rand.Read(known.Seed[:]) // never fails
	out.Known = answer.NewKnown(known, old.Known)
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

// policy returns the policy that cfg asks for as the successor of the active one.
func (d *Daemon) policy(cfg *config.Config) (*answer.Policy, error) {
	old := &answer.Policy{}
	if v := d.views.Load(); v != nil {
		old = v.Policy
	}
	return newPolicy(cfg, d.secret, old)
}

// limits returns the limits of the transports.
func limits(cfg *config.Config) server.Limits {
	return server.Limits(cfg.Limits.TransportLimits)
}

// offlinePolicy returns the policy that cfg asks for, for use outside of a running
// server: cookies and rate limits are off, and no zone's queries are counted.
func offlinePolicy(cfg *config.Config) (*answer.Policy, error) {
	quiet := *cfg
	quiet.Cookies.Enabled, quiet.RateLimit.Enabled, quiet.Metrics.PerZone = false, false, false
	p, err := newPolicy(&quiet, nil, &answer.Policy{})
	if err == nil {
		registry.New(registry.Options{Config: &quiet}).SetPolicies(p, nil)
	}
	return p, err
}
