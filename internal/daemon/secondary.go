package daemon

import (
	"context"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// notified hands NOTIFY to the follower of secondary zones, which is there only when
// the sockets are bound already.
type notified struct{ d *Daemon }

func (n notified) HandleSlow(ctx context.Context, r *server.SlowRequest) {
	n.d.follower.HandleSlow(ctx, r)
}

// secondaries plans what cfg changes about the zones that others are primary for.
func (d *Daemon) secondaries(cfg *config.Config, set *zone.Set) *secondary.Plan {
	known := keys(cfg)
	own := map[string]bool{} // by key of the apex
	var list []secondary.Zone
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		for _, apex := range z.Apexes {
			if z.Secondary == nil {
				own[apex.Key()] = true
				continue
			}
			one := secondary.Zone{Apex: apex, Notifiers: peers(z.Secondary.Notify), MaxOctets: z.Secondary.MaxSize}
			for _, p := range z.Secondary.Primaries {
				primary := secondary.Primary{Address: p.Address, Source: p.Source}
				if p.Key != nil {
					primary.Key = known.Get(p.Key)
				}
				if t := p.TLS; t != nil {
					primary.TLS = &secondary.TLS{ServerName: t.ServerName, CAFile: t.CA.Path, CertFile: t.Cert.Path, KeyFile: t.Key.Path}
				}
				one.Primaries = append(one.Primaries, primary)
			}
			list = append(list, one)
		}
	}
	return d.follower.Plan(list, set, func(apex dname.Name) bool { return own[apex.Key()] })
}

// with returns the set as it will be with the zones that a plan adds, so that their
// parents see them.
func with(set *zone.Set, p *secondary.Plan) *zone.Set {
	var zones []*zone.Zone
	for _, c := range p.Changes {
		if c.Zone != nil && c.Base == nil {
			zones = append(zones, c.Zone)
		}
	}
	if len(zones) == 0 {
		return set
	}
	return set.With(zones, nil)
}

// transferred notes that a zone was made anew, so that memory is given back. Nothing
// is lost where nobody has the time to hear it.
func (d *Daemon) transferred(octets int64) {
	select {
	case d.came <- octets:
	default:
	}
}
