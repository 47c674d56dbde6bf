package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/audit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone/dname"
)

func (d *Daemon) newAuditor() *audit.Auditor {
	return audit.New(audit.Options{Set: d.zones.Set, Pause: d.pacer.Pause, Guard: d.contain, Log: d.log})
}

// auditSettings returns the settings of audits that a configuration has; zones are those that are
// served.
func auditSettings(cfg *config.Config, zones func() *registry.Zones) *audit.Settings {
	s := &audit.Settings{
		Interval: cfg.Audit.Interval, Rate: cfg.Audit.Rate, Resolvers: cfg.Audit.Resolvers,
		Item: func(apex dname.Name) *config.Zone { return zones().Item(apex) },
		IsOn: func(apex dname.Name) bool {
			if item := zones().Item(apex); item != nil {
				return item.Audit
			}
			return cfg.Defaults.Audit
		},
	}
	for i := range cfg.Zones {
		if dname.IsClassless(cfg.Zones[i].Prefix) {
			s.Classless = append(s.Classless, &cfg.Zones[i])
		}
	}
	return s
}

// auditSource returns where the records of a zone come from.
func (s *Served) auditSource(apex dname.Name) audit.Source {
	one := s.Zones.Get(apex)
	switch {
	case one != nil && one.Secondary != nil:
		source := audit.Source{Kind: audit.Secondary}
		for _, p := range one.Secondary.Primaries {
			source.Primaries = append(source.Primaries, p.Address.String())
		}
		return source
	case isHosted(one):
		return audit.Source{Kind: audit.Hosted, ID: s.hostedID(apex)}
	case one != nil && one.Item != nil && one.Item.Dynamic:
		return audit.Source{Kind: audit.Dynamic}
	}
	return audit.Source{Kind: audit.Files}
}

// audit answers VerbAudit.
func (d *Daemon) audit(ctx context.Context, args url.Values) (any, error) {
	return d.served().Audit(ctx, args)
}

// Audit examines zones. args are those of VerbAudit.
func (s *Served) Audit(ctx context.Context, args url.Values) (*audit.Report, error) {
	settings := auditSettings(s.Config, func() *registry.Zones { return s.Zones })
	var scope audit.Scope
	if what := args.Get("what"); what != "" {
		one, err := s.Zones.Find(s.Set, what, s.isKnown)
		if err != nil {
			return nil, err
		}
		scope = audit.Scope{Apex: one.Apex, About: one.About, Name: one.Name, Prefix: one.Prefix}
	}
	if err := overrideAudit(settings, args["resolver"], args.Get("rate")); err != nil {
		return nil, err
	}
	return audit.Examine(ctx, s.Set, settings, scope, s.auditSource, nil)
}

// overrideAudit replaces resolvers and rate by those of the command line, as far as it has them.
func overrideAudit(s *audit.Settings, resolvers []string, rate string) error {
	if len(resolvers) > 0 {
		s.Resolvers = nil
	}
	for _, text := range resolvers {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return fmt.Errorf("resolver %q is not an address with a port", text)
		}
		s.Resolvers = append(s.Resolvers, a)
	}
	if rate == "" {
		return nil
	}
	var err error
	if s.Rate, err = strconv.Atoi(rate); err != nil || s.Rate < 0 {
		return errors.Join(fmt.Errorf("rate %q is not a number", rate), err)
	}
	return nil
}

// fcrdnsMetrics returns what metrics show of audits.
func (d *Daemon) fcrdnsMetrics(each bool) admin.FCRDNS {
	all, zones, completed := d.auditor.Counts(each)
	out := admin.FCRDNS{All: texts(all), Zones: map[string]map[string]int{}, Completed: completed}
	for zone, states := range zones {
		out.Zones[zone] = texts(states)
	}
	return out
}

// texts returns numbers by the text of a state.
func texts(states map[audit.State]int) map[string]int {
	if states == nil {
		return nil
	}
	out := map[string]int{}
	for s, n := range states {
		out[string(s)] = n
	}
	return out
}
