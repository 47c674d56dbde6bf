package assemble

import (
	"context"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/internal/lease"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// Check reads all sources of a configuration and returns the findings about them, by file and
// position. It does not know the serials that were served before. The error is that of ctx.
func Check(ctx context.Context, cfg *config.Config) ([]finding.Finding, error) {
	_, _, list, err := Offline(ctx, cfg)
	return list, err
}

// Offline returns the zones of a configuration as a server has them at its first start, the rules by
// which PTRs are derived in them, and the findings about them.
func Offline(ctx context.Context, cfg *config.Config) (*zone.Set, *derive.Rules, []finding.Finding, error) {
	list, done := lease.New(lease.Options{}).Prepare(ctx, derive.Files(cfg))
	done(false)
	rules, none := derive.NewRules(cfg, lease.FilesOf(list)), zone.NewSet()
	plan, err := New(Options{}).Assemble(ctx, cfg, none, Round{Derive: derive.New(derive.Options{}).NewPlan(rules, none).Layer})
	if err != nil {
		return nil, nil, nil, err
	}
	set := none.After(plan.Batch.Changes)
	found := append(plan.Findings, rules.Findings(set, true)...)
	for _, s := range list {
		found = append(found, s.Findings()...)
	}
	return set, rules, finding.Limit(found), nil
}

// withoutFollowing returns the findings without those that follow from a file that is one of another
// zone, as its SOA shows: warnings about its names, and errors about the zone as a whole.
func withoutFollowing(list []finding.Finding) []finding.Finding {
	i := slices.IndexFunc(list, func(f finding.Finding) bool { return f.Rule == "soa-not-at-apex" })
	if i < 0 {
		return list
	}
	file := list[i].File
	return slices.DeleteFunc(list, func(f finding.Finding) bool {
		return f.File == file && (f.Severity == finding.Warning || f.Rule == "no-soa" || f.Rule == "no-ns")
	})
}

// CheckFile reads one master file as the zone at origin, without a configuration, and returns the
// zone and the findings; with an Error among them the zone is nil. generateSteps bounds $GENERATE; 0
// is the default of zonefile.
func CheckFile(origin dname.Name, path string, generateSteps int) (*zone.Zone, []finding.Finding) {
	var fs findings
	var table source.Table
	f, fault := openSource(nil, path)
	if fault != "" {
		fs.report(finding.Error, "unreadable-file", finding.Position{File: path}, "%s", fault)
		return nil, fs.Listed()
	}
	f.Close()
	if slip := spelling.ReverseName(origin); slip.Text != "" {
		fs.report(finding.Warning, "reverse-name", finding.Position{File: path}, "%v: %v", origin, slip)
	}
	b := zone.NewBuilder(origin)
	b.MergeCase()
	b.SetChecks(rule.Checks{})
	res := zonefile.Load(path, zonefile.Options{Origin: origin, GenerateLimit: generateSteps, Table: &table}, b.Add)
	z, list := b.Build()
	for _, f := range append(res.Findings, list...) {
		if !res.OK() && (f.Rule == "no-soa" && !res.HasSOA || f.Rule == "no-ns") {
			continue // it may be among the records with errors
		}
		if f = table.Locate(f); f.File == "" {
			f.File = path
		}
		fs.add(f)
	}
	if fs.errors() > 0 {
		z = nil
	}
	return z, finding.Limit(withoutFollowing(fs.Sorted()))
}
