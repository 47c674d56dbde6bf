package assemble

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/journal"
)

// takesUpdates reports whether an item has sources and also accepts updates, or reverse names of
// Elastic IP addresses.
func takesUpdates(cfg *config.Config, item *config.Zone) bool {
	return !item.Dynamic && cfg.TakesUpdates(item)
}

// withLayers returns what is to be served where the sources of an item have static.
func (r *round) withLayers(m *merge, static *zone.Zone) (z *zone.Zone, err error) {
	l := zone.Layers{Static: static, Declared: m.soaFile != ""}
	var dynamic []commit.RRset
	// What other layers add to a pre-signed zone would have no signatures.
	if !static.IsPreSigned() {
		if m.item.Derive != nil && r.how.Derive != nil {
			if l.Derived, err = r.how.Derive(r.planned(), static, m.worker.pause); err != nil {
				return nil, fmt.Errorf("derive names of zone %v: %w", static.Apex(), err)
			}
		}
		if r.ranges.IsMaterialized(static.Apex()) {
			if l.Made, err = commit.NewLayer(static.Apex(), r.ranges.Records(static.Apex(), *r.keys), m.worker.pause); err != nil {
				return nil, err
			}
		}
		if r.a.o.Dynamic != nil && takesUpdates(r.cfg, m.item) {
			if dynamic, err = r.a.o.Dynamic(static.Apex()); err != nil {
				return nil, err
			}
		}
	}
	if l.Derived == nil && l.Made == nil && !takesUpdates(r.cfg, m.item) {
		return static, nil
	}
	return commit.Merge(l, dynamic, m.worker.pause)
}

// Published is called after a plan of this Assembler was published.
func (a *Assembler) Published(p *Plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owned = p.owned
}

// isUpdated reports whether served is z with later updates applied.
func isUpdated(z, served *zone.Zone) bool {
	static := z.Layers().Static
	return static != nil && static == served.Layers().Static
}

// asServed returns the outcome with the zones that are served now.
func (o *outcome) asServed(set *zone.Set) *outcome {
	next := *o
	next.results = slices.Clone(o.results)
	for i := range next.results {
		next.results[i].zone = set.Get(o.apexes[i])
	}
	return &next
}

// keptZone is a zone of an item that has no source but updates.
type keptZone struct {
	apex   dname.Name
	base   *zone.Zone       // in the snapshot
	zone   *zone.Zone       // as it is or was served; nil: there is none
	damage *finding.Finding // why the zone cannot be restored; nil: it can be, or it is new
}

// isNew reports whether the zone begins with what its item has in files.
func (k *keptZone) isNew() bool { return k.zone == nil && k.damage == nil }

// keptZones returns the zones of a dynamic item; none for another item.
func (r *round) keptZones(item *config.Zone) (list []*keptZone, err error) {
	if !item.Dynamic {
		return nil, nil
	}
	for _, apex := range item.Apexes {
		k := &keptZone{apex: apex, base: r.set.Get(apex)}
		list = append(list, k)
		if k.base != nil && k.base.IsAvailable() {
			k.zone = k.base
			continue
		}
		if r.a.o.Restore == nil {
			continue
		}
		restored, ok, err := r.a.o.Restore(apex)
		switch {
		case errors.Is(err, journal.ErrCorrupt):
			f := damaged(item, apex, err)
			k.damage = &f
		case err != nil:
			return nil, fmt.Errorf("restore zone %v: %w", apex, err)
		case ok:
			k.zone = restored
		}
	}
	return list, nil
}

// change returns the change to a zone that is not new and its result.
func (k *keptZone) change(r *round, item *config.Zone) (*zone.Change, result) {
	if k.damage != nil {
		change, res := keepServed(k.apex, k.base)
		res.reason = k.damage.Text
		return change, res
	}
	k.zone = r.attach(k.zone.WithLayers(zone.Layers{Signed: k.zone.Layers().Signed}), item)
	if k.zone == k.base {
		return nil, result{zone: k.zone}
	}
	return &zone.Change{Zone: k.zone, Apex: k.zone.Apex(), Base: k.base, Kept: true}, result{zone: k.zone}
}

// damages returns the findings about zones that cannot be restored.
func damages(kept []*keptZone) (list []finding.Finding) {
	for _, k := range kept {
		if k.damage != nil {
			list = append(list, *k.damage)
		}
	}
	return list
}

// planKept returns the plan of a dynamic item none of whose zones is new. The files that its
// zones began with are not read again.
func (r *round) planKept(item *config.Zone, kept []*keptZone, in inputs, fs *findings) itemPlan {
	p := itemPlan{outcome: &outcome{apexes: item.Apexes, in: in, findings: append(fs.Sorted(), damages(kept)...)}}
	for _, k := range kept {
		p.add(k.change(r, item))
	}
	p.reused = len(p.changes) == 0
	return p
}

// ruleDamaged is the rule of findings about damaged data of a zone in the state directory.
const ruleDamaged = "damaged"

// damaged returns the finding that the data of a zone in the state directory are damaged.
func damaged(item *config.Zone, apex dname.Name, err error) finding.Finding {
	return finding.Finding{Severity: finding.Error, Position: item.Pos, Zone: apex, Rule: ruleDamaged,
		Text: fmt.Sprintf("%v; restore a backup, or accept the loss: `ptrd recover %v` serves what is left, under a later serial", err, apex)}
}
