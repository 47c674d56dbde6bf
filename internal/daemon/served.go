package daemon

import (
	"context"
	"slices"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// Served is a state of the zones that commands show: that of a running server, or one that is built from
// the sources. It does not change.
type Served struct {
	Config  *config.Config
	Zones   *registry.Zones
	Set     *zone.Set
	Derived *derive.Rules     // by which PTRs are derived
	Errors  []finding.Finding // in the sources, if it is built from them

	// What only a running server knows; nil otherwise.
	isKnown   func(apex dname.Name) (bool, error)          // see [registry.Zones.Find]
	hostedID  func(apex dname.Name) string                 // of a hosted zone
	elasticOf func(owner dname.Name, t rr.Type) (s string) // the Elastic IP address whose reverse name a PTR is, or empty
}

// FromSources builds the zones of a configuration as a server has them at its first start.
func FromSources(ctx context.Context, cfg *config.Config) (*Served, error) {
	set, rules, findings, err := assemble.Offline(ctx, cfg)
	if err != nil {
		return nil, err
	}
	findings = slices.DeleteFunc(findings, func(f finding.Finding) bool { return f.Severity != finding.Error })
	return &Served{Config: cfg, Zones: registry.New(registry.Options{Config: cfg}), Set: set, Derived: rules, Errors: findings}, nil
}

// served returns what is served now; nil before the zones are loaded.
func (d *Daemon) served() *Served {
	v, state := d.views.Load(), d.state.Load()
	if v == nil || state == nil {
		return nil
	}
	return &Served{
		Config: state.cfg, Zones: d.registry.Load(), Set: v.Zones, Derived: d.deriver.Rules(),
		isKnown: d.hasHistory, hostedID: d.hosted.Has, elasticOf: d.elasticOf,
	}
}

// Explain answers a question from zones that are built from their sources.
func (s *Served) Explain(q explain.Question) (*explain.Explanation, error) {
	policy, err := offlinePolicy(s.Config)
	if err != nil {
		return nil, err
	}
	q.Derived = s.Derived
	return explain.Explain(&answer.View{Zones: s.Set, Policy: policy}, q)
}
