package daemon

import (
	"sync/atomic"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/server"
)

// policies makes the policy of each configuration. It keeps the counters of
// zones over reloads.
type policies struct {
	queries map[string]*atomic.Uint64 // by key of the apex
}

// of returns the policy that cfg asks for, with secret to make cookies by where
// cfg has none.
func (p *policies) of(cfg *config.Config, secret []byte) (*server.Policy, error) {
	out := &server.Policy{
		Access:  server.NewACL(cfg.Access.Allow, cfg.Access.Deny),
		NSID:    cfg.Identity.NSID,
		Version: cfg.Identity.Version,
		Server:  cfg.Identity.Server,
		UDPSize: cfg.Limits.UDPSize,
	}
	if cfg.Cookies.Enabled {
		secrets := cfg.Cookies.Secrets
		if len(secrets) == 0 {
			secrets = [][]byte{secret}
		}
		c, err := server.NewCookies(secrets)
		if err != nil {
			return nil, err
		}
		out.Cookies = c
	}
	queries := map[string]*atomic.Uint64{}
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		for _, apex := range z.Apexes {
			key := apex.Key()
			if z.Access != nil {
				if out.ZoneAccess == nil {
					out.ZoneAccess = map[string]*server.ACL{}
				}
				list := server.NewACL(z.Access.Allow, z.Access.Deny)
				out.ZoneAccess[key] = &list
			}
			if cfg.Metrics.PerZone {
				if queries[key] = p.queries[key]; queries[key] == nil {
					queries[key] = new(atomic.Uint64)
				}
			}
		}
	}
	if cfg.Metrics.PerZone {
		out.ZoneQueries = queries
	}
	p.queries = queries
	return out, nil
}

// limits returns the limits of the transports.
func limits(cfg *config.Config) server.Limits {
	return server.Limits{
		TCPClients:    cfg.Limits.TCPClients,
		TCPClientsPer: cfg.Limits.TCPClientsPer,
		TCPIdle:       cfg.Limits.TCPIdle,
		TCPWrite:      cfg.Limits.TCPWrite,
		TCPPipeline:   cfg.Limits.TCPPipeline,
		LogQueries:    cfg.Log.Queries,
	}
}

// NewPolicy returns the policy that cfg asks for, for use outside of a running
// server: cookies are off, and no zone's queries are counted.
func NewPolicy(cfg *config.Config) (*server.Policy, error) {
	quiet := *cfg
	quiet.Cookies.Enabled, quiet.Metrics.PerZone = false, false
	return new(policies).of(&quiet, nil)
}
