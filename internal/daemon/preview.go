package daemon

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/ranges"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// PlannedZone is what a configuration would change of a zone with the records of its ranges.
type PlannedZone struct {
	Zone    string `json:"zone"`
	Removed int    `json:"removed"` // records; the SOA is left out
	Added   int    `json:"added"`
	Whole   int    `json:"whole,omitempty"` // records of the whole zone if secondaries receive that; 0: only what changes
}

// String describes the change in a line.
func (p PlannedZone) String() string {
	if p.Whole > 0 {
		return fmt.Sprintf("zone %s: a reload changes so much of it that secondaries receive the whole zone, %d records (AXFR)", p.Zone, p.Whole)
	}
	return fmt.Sprintf("zone %s: a reload removes %d and adds %d records, which secondaries receive (IXFR)", p.Zone, p.Removed, p.Added)
}

// preview answers VerbPreview.
func (d *Daemon) preview(ctx context.Context, args url.Values) (any, error) {
	list := []PlannedZone{}
	loader := config.Loader{Path: args.Get("config"), Open: d.files}
	cfg, err := loader.Load(ctx)
	if err != nil {
		return nil, err
	}
	set, all := d.zones.Set(), ranges.New(cfg)
	isMade := func(apex dname.Name) bool {
		z := set.Get(apex)
		return z != nil && (z.Layers().Made != nil || all.IsMaterialized(apex))
	}
	if !slices.ContainsFunc(cfg.Zones, func(item config.Zone) bool { return slices.ContainsFunc(item.Apexes, isMade) }) {
		return list, nil
	}
	rules, _, done := d.newRules(ctx, cfg)
	defer done(false)
	how := assemble.Round{Derive: d.deriver.NewPlan(rules, set).Layer}
	plan, err := d.assembler.Preview(ctx, cfg, set, how)
	if err != nil {
		return nil, err
	}
	for i := range plan.Batch.Changes {
		if c := &plan.Batch.Changes[i]; c.Zone != nil && c.Zone.IsAvailable() && isMade(c.Apex) {
			list = append(list, plannedZone(c))
		}
	}
	return list, nil
}

func plannedZone(c *zone.Change) PlannedZone {
	p := PlannedZone{Zone: c.Apex.String()}
	count := func(list []zone.Record) (n int) {
		for i := range list {
			if list[i].Type != rr.TypeSOA {
				n++
			}
		}
		return n
	}
	for _, s := range c.Steps {
		p.Removed, p.Added = p.Removed+count(s.Changeset.Removed), p.Added+count(s.Changeset.Added)
	}
	if len(c.Steps) == 0 {
		p.Whole = c.Zone.Stats().Records
	}
	return p
}
