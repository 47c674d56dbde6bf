package derive

import (
	"sync"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Plan has the derived layers of zones that are built for rules that become active with them. Zones
// whose layer follows only from other forward data than before are left to [Deriver.Stage].
type Plan struct {
	d     *Deriver
	rules *Rules
	set   *zone.Set   // the snapshot that the plan is made for
	batch *zone.Batch // see Complete

	once   sync.Once
	zones  *zone.Set         // as the plan leaves them
	layers map[string]*layer // by key of the apex
	err    error

	mu    sync.Mutex
	built map[string]bool // zones whose layer was asked for
}

// NewPlan returns a plan for rules that become active in a snapshot.
func (d *Deriver) NewPlan(r *Rules, set *zone.Set) *Plan {
	return &Plan{d: d, rules: r, set: set, built: map[string]bool{}}
}

// Layer returns the derived layer of the zone with the static data, in zones, which are the same
// in all calls; nil: it has none. It may be called by several goroutines at once, for each zone once.
// The names of all zones are looked up together when it is called first.
func (p *Plan) Layer(zones *zone.Set, static *zone.Zone, pause func()) (*zone.Zone, error) {
	p.once.Do(func() {
		p.zones = zones
		p.err = p.build(pause)
	})
	l := p.layers[static.Key()]
	if p.err != nil || l == nil {
		return nil, p.err
	}
	p.mu.Lock()
	p.built[static.Key()] = true
	p.mu.Unlock()
	if l.static == static {
		return l.index, nil
	}
	return l.recount(l.index, static)
}

// build makes the layers of all zones: those that are served follow the changes, others are new.
func (p *Plan) build(pause func()) error {
	before, next := world{set: p.set}, world{set: p.zones}
	p.layers = map[string]*layer{}
	kept, fresh := map[string]*layer{}, map[string]*layer{}
	for apex, t := range p.rules.apexes {
		l := served(&before, apex, t)
		if l != nil {
			kept[apex.Key()] = l
		} else {
			l = &layer{target: t, apex: apex, first: commit.NewLayerBuilder(apex, pause)}
			fresh[apex.Key()] = l
		}
		p.layers[apex.Key()] = l
	}
	if len(kept) > 0 {
		w := p.d.newWork(p.rules, func(apex dname.Name, _ *target) *layer { return kept[apex.Key()] })
		w.pause = pause
		for part := range p.rules.regions(&before, &next, between(p.set, p.zones), pause) {
			if err := w.region(&part, &before, &next); err != nil {
				return err
			}
		}
		if err := w.flush(); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	w := p.d.newWork(p.rules, func(apex dname.Name, _ *target) *layer { return fresh[apex.Key()] })
	w.pause, w.layers = pause, fresh
	return w.all(&next)
}

// between returns the changes that lead from one snapshot to another.
func between(from, to *zone.Set) (list []zone.Change) {
	for z := range to.All() {
		if was := from.Get(z.Apex()); was != z {
			list = append(list, zone.Change{Zone: z, Apex: z.Apex(), Base: was})
		}
	}
	for z := range from.All() {
		if to.Get(z.Apex()) == nil {
			list = append(list, zone.Change{Apex: z.Apex(), Base: z})
		}
	}
	return list
}

// Complete has [Deriver.Stage] complete the batch of the plan by its rules.
func (p *Plan) Complete(b *zone.Batch) {
	p.batch = b
	p.d.plan.Store(p)
}

// complete adds what the batch means for zones that were not built, and for all zones what it has
// besides the zones that these were built with.
func (p *Plan) complete() error {
	isBuilt := func(apex dname.Name) bool { return p.built[apex.Key()] }
	hasOthers := false
	for apex := range p.rules.apexes {
		hasOthers = hasOthers || !isBuilt(apex)
	}
	if hasOthers {
		if err := p.d.follow(p.rules, p.set, p.batch, p.batch.Changes, isBuilt); err != nil {
			return err
		}
	}
	if p.zones == nil {
		return nil
	}
	var late []zone.Change
	for _, c := range p.batch.Changes {
		if p.zones.Get(c.Apex) != c.Zone {
			late = append(late, c)
		}
	}
	return p.d.follow(p.rules, p.set, p.batch, late, func(apex dname.Name) bool { return !isBuilt(apex) })
}
