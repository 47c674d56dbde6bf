// Package ranges decides which zones have the names of the ranges of a configuration (`synth`), and
// as what: as rules that are transferred, as records, or as rules that are no part of the zone.
//
//	ranges.go   configuration → the ranges of each zone
//	records.go  ranges → the records of their names, and how many these are
//	transfer.go what the secondaries of a zone have of its names
package ranges

import (
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/synth"
)

// Range is a range of the configuration.
type Range struct {
	synth.Rule
	Base dname.Name // of its names
	Pos  finding.Position

	zones []dname.Name // of the configuration that have its addresses or names
}

// Ranges are the ranges of a configuration. They are immutable; nil has none.
type Ranges struct {
	items   map[string]*config.Zone // by keys of apexes
	zones   map[string][]*Range     // by key of a zone of the configuration that has addresses or names of a range
	dynamic map[string][]*Range     // by key of one that has names, and no source but updates
	below   map[string][]*Range     // by key of each name that has a base at or below it
	keys    synth.Keys
}

// New returns the ranges of a configuration.
func New(cfg *config.Config) *Ranges {
	r := &Ranges{items: map[string]*config.Zone{}, zones: map[string][]*Range{}, dynamic: map[string][]*Range{}, below: map[string][]*Range{}, keys: cfg.SynthKeys()}
	hasItems := false
	for i := range cfg.Zones {
		item := &cfg.Zones[i]
		for j := range item.Synth {
			if !hasItems {
				hasItems = true
				r.addItems(cfg)
			}
			r.add(item, &item.Synth[j])
		}
	}
	return r
}

func (r *Ranges) addItems(cfg *config.Config) {
	for i := range cfg.Zones {
		for _, apex := range cfg.Zones[i].Apexes {
			r.items[apex.Key()] = &cfg.Zones[i]
		}
	}
}

// add adds a range of an item to the zones that have its addresses, and to those that may have its
// names.
func (r *Ranges) add(item *config.Zone, s *config.Synth) {
	ttl := s.TTL
	if ttl < 0 {
		ttl = item.TTL
	}
	one := &Range{synth.Rule{Prefix: s.Range, TTL: uint32(ttl / time.Second), Key: s.Key, KeyTag: r.keys.Tag(s.Key), Template: s.Template.String()}, s.Template.Base(), s.Pos, nil}
	join := func(apex dname.Name) {
		r.zones[apex.Key()] = append(r.zones[apex.Key()], one)
		one.zones = append(one.zones, apex)
	}
	for _, apex := range item.Apexes {
		if p, ok := dname.ToPrefix(apex); !ok || p.Overlaps(s.Range) {
			join(apex)
		}
	}
	isHome := true // of the names, if it is a zone of the configuration
	for name := one.Base; ; name = name.Parent() {
		key := name.Key()
		if home := r.items[key]; home != nil && isHome {
			isHome = false
			switch {
			case !name.IsForward() || home.Secondary != nil:
			case home.Dynamic:
				r.dynamic[key] = append(r.dynamic[key], one)
			default:
				join(name)
			}
		}
		if name.IsForward() { // a zone at name would have names of ranges, and not addresses
			r.below[key] = append(r.below[key], one)
		}
		if name.IsRoot() {
			return
		}
	}
}

// Of returns the ranges that have addresses or names in the zone of the configuration at apex, in
// the order of the configuration. A zone whose only source are updates has none.
func (r *Ranges) Of(apex dname.Name) []*Range {
	if r == nil {
		return nil
	}
	return r.zones[apex.Key()]
}

// Attach returns a zone with the rules that are no part of its data, see [zone.Zone.WithRules], and
// the keys of the configuration. A zone is kept if it has no source but its history, as those of updates and of APIs:
// their content is not ours to change, so that all rules with names in the zone are attached.
func (r *Ranges) Attach(z *zone.Zone, isKept bool) *zone.Zone {
	rules := r.attached(z.Key(), isKept)
	if isKept && rules == nil && !z.HasRules() {
		return z.WithRules(nil) // nearly all have none; one that is signed may have some that it does not use
	}
	var keys *synth.Keys
	if r != nil {
		keys = &r.keys
	}
	return z.WithKeys(keys).WithRules(rules)
}

func (r *Ranges) attached(key string, isKept bool) [][]byte {
	if r == nil {
		return nil
	}
	if item := r.items[key]; isKept {
		return data(r.below[key])
	} else if item != nil && item.SynthTransfer == config.TransferOmit {
		return data(r.zones[key])
	}
	return nil
}

// data returns the data of the rules of ranges.
func data(list []*Range) (rules [][]byte) {
	for _, one := range list {
		rules = append(rules, one.Append(nil))
	}
	return rules
}

// Others returns the rules with names in the zone of the configuration at apex that are not among
// its records.
func (r *Ranges) Others(apex dname.Name) (rules [][]byte) {
	if r == nil {
		return nil
	}
	key := apex.Key()
	switch item := r.items[key]; {
	case item == nil: // no zone has ranges
	case item.Dynamic:
		return data(r.below[key])
	case item.SynthTransfer != config.TransferRule:
		return data(r.zones[key])
	}
	return nil
}

// Complete attaches rules to the kept zones that a batch changes. Secondary zones, which are kept as well,
// have the names that their primary has.
func (r *Ranges) Complete(b *zone.Batch) {
	for i := range b.Changes {
		if c := &b.Changes[i]; c.Kept && !c.Verbatim && c.Zone != nil && c.Zone.IsAvailable() {
			c.Zone = r.Attach(c.Zone, true)
		}
	}
}
