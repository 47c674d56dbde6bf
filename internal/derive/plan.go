package derive

import (
	"slices"
	"sync"

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
	fresh  map[string]*layer // those of them that no layer was served for
	err    error

	mu    sync.Mutex
	built map[string]*zone.Zone // the layers that were asked for
}

// NewPlan returns a plan for rules that become active in a snapshot.
func (d *Deriver) NewPlan(r *Rules, set *zone.Set) *Plan {
	return &Plan{d: d, rules: r, set: set, built: map[string]*zone.Zone{}}
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
	layer := l.index
	if l.static != static {
		var err error
		if layer, err = (index{l.target, layer}).recount(static); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	p.built[static.Key()] = layer
	p.mu.Unlock()
	return layer, nil
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
			l = &layer{target: t, apex: apex, first: newBuilder(t, apex, pause)}
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
	p.fresh = fresh
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

// EndPlan releases the last plan, with the snapshot that it was made for, when its batch is published or
// refused.
func (d *Deriver) EndPlan() { d.plan.Store(nil) }

// complete adds what the batch means for zones that were not built, and for all zones what it has
// besides the zones that these were built with.
func (p *Plan) complete() error {
	changed := map[string]*zone.Zone{}
	for _, list := range [...][]zone.Change{p.batch.Changes, p.batch.Layers} {
		for i := range list {
			changed[list[i].Apex.Key()] = list[i].Zone
		}
	}
	if err := p.guard(changed); err != nil {
		return err
	}
	// A zone can stay as it is served although its layer was asked for, as max_shrink has it.
	built, hasOthers := map[string]bool{}, false
	for apex := range p.rules.apexes {
		key := apex.Key()
		z, ok := changed[key]
		if !ok {
			z = p.set.Get(apex)
		}
		built[key] = z != nil && p.built[key] != nil && z.Layers().Derived == p.built[key]
		hasOthers = hasOthers || !built[key]
	}
	isBuilt := func(apex dname.Name) bool { return built[apex.Key()] }
	if hasOthers {
		all := slices.Concat(p.batch.Changes, p.batch.Layers)
		if err := p.d.follow(p.rules, p.set, p.set, p.batch, all, isBuilt); err != nil {
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
	return p.d.follow(p.rules, p.zones, p.set, p.batch, late, func(apex dname.Name) bool { return !isBuilt(apex) })
}

// guard adds to the batch zones that it does not change: forward zones that have to stay as they are
// until it is published, as what the rules before it derive does not follow them for new layers; and
// zones that keep a layer of other rules, which nothing follows, so that none is taken to be up to date later.
func (p *Plan) guard(changed map[string]*zone.Zone) error {
	if p.rules.isEmpty() && p.d.Rules().isEmpty() {
		return nil
	}
	for z := range p.set.All() {
		if _, ok := changed[z.Key()]; ok {
			continue
		}
		next := z
		if index := z.Layers().Derived; index != nil {
			t, was := p.rules.target(z.Apex()), totalsOf(index)
			if now := was; t == nil || t.digest != was.digest {
				now.digest = [digestSize]byte{}
				other, err := now.replace(index, was)
				if err != nil {
					return err
				}
				l := z.Layers()
				l.Derived = other
				next = z.WithLayers(l)
			}
		}
		if next != z || len(p.fresh) > 0 && p.rules.concerns(z.Apex()) {
			p.batch.Layers = append(p.batch.Layers, zone.Change{Zone: next, Apex: z.Apex(), Base: z})
		}
	}
	return nil
}
