package assemble

import (
	"errors"
	"fmt"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// Base is what a zone that takes updates has from its sources.
type Base struct {
	Zone      *zone.Zone
	Generated bool // no source has an SOA

	// Declared is the serial that the sources state. It means nothing unless
	// HasDeclared.
	Declared    zone.Serial
	HasDeclared bool
}

// takesUpdates reports whether an item has sources and takes updates beside them.
func takesUpdates(item *config.Zone) bool { return !item.Dynamic && len(item.Update.Rules) > 0 }

// withUpdates returns what is to be served where the sources of an item have
// static.
func (r *round) withUpdates(item *config.Zone, static *zone.Zone) (*zone.Zone, error) {
	// A signed zone takes none: they would have no signatures.
	if !takesUpdates(item) || r.a.o.Overlay == nil || static.IsSigned() {
		return static, nil
	}
	return r.a.o.Overlay(static)
}

// baseOf returns the base of a zone; nil if it has none.
func baseOf(m *merge, static *zone.Zone) *Base {
	if !takesUpdates(m.item) {
		return nil
	}
	b := &Base{Zone: static, Generated: m.soaFile == ""}
	if !b.Generated {
		b.Declared, b.HasDeclared = static.Serial(), true
	}
	return b
}

// Published tells the Assembler that a plan of its own is in force.
func (a *Assembler) Published(p *Plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bases = p.Bases
}

// isBelowUpdates reports whether what is served at apex is res with updates since:
// its base is the one in force.
func (r *round) isBelowUpdates(apex dname.Name, res result) bool {
	return res.base != nil && r.a.bases[apex.Key()] == res.base
}

// asServed returns the outcome with the zones that are served by now.
func (o *outcome) asServed(set *zone.Set) *outcome {
	next := *o
	next.results = nil
	for i, res := range o.results {
		res.zone = set.Get(o.apexes[i])
		next.results = append(next.results, res)
	}
	return &next
}

// keptZones are the zones of an item that has no source but updates, as they are or
// were served; nil for those that begin now.
type keptZones struct {
	zones []*zone.Zone
	bases []*zone.Zone // that are in the set
	lost  []error      // why what was kept cannot be restored; nil: it can, or nothing was
	whole bool
}

// kept returns the zones of a dynamic item; nil for any other.
func (r *round) kept(item *config.Zone) (*keptZones, error) {
	if !item.Dynamic {
		return nil, nil
	}
	k := &keptZones{whole: true}
	for _, apex := range item.Apexes {
		base := r.set.Get(apex)
		z := base
		var lost error
		if base == nil || !base.IsAvailable() {
			z = nil
			if r.a.o.Restore != nil {
				restored, ok, err := r.a.o.Restore(apex)
				switch {
				case errors.Is(err, journal.ErrCorrupt):
					lost = err
				case err != nil:
					return nil, fmt.Errorf("restore zone %v: %w", apex, err)
				case ok:
					z = restored
				}
			}
		}
		k.zones, k.bases, k.lost = append(k.zones, z), append(k.bases, base), append(k.lost, lost)
		k.whole = k.whole && (z != nil || lost != nil)
	}
	return k, nil
}

// codeDamaged is the code of findings about what is kept of a zone in the state
// directory.
const codeDamaged = "damaged"

// damaged returns the finding that something that is kept of a zone is damaged.
func damaged(item *config.Zone, apex dname.Name, err error) Finding {
	return Finding{Finding: zone.Finding{Severity: zone.Error, Code: codeDamaged,
		Text: fmt.Sprintf("%v; restore a backup, or accept the loss: `ptrd recover %v` serves what is left, under a later serial", err, apex)},
		Pos: item.Pos, Apex: apex}
}

func (k *keptZones) isWhole() bool { return k != nil && k.whole }

// change returns the change of the i-th zone, nil if it is served already, and what is
// served of it.
func (k *keptZones) change(item *config.Zone, i int) (*zone.Change, result) {
	switch {
	case k.lost[i] != nil:
		change, res := keep(item.Apexes[i], k.bases[i])
		res.reason = damaged(item, item.Apexes[i], k.lost[i]).Text
		return change, res
	case k.zones[i] == k.bases[i]:
		return nil, result{zone: k.zones[i]}
	}
	return &zone.Change{Zone: k.zones[i], Apex: k.zones[i].Apex(), Base: k.bases[i], Kept: true}, result{zone: k.zones[i]}
}

// has reports whether the i-th zone is not one that begins now.
func (k *keptZones) has(i int) bool { return k != nil && (k.zones[i] != nil || k.lost[i] != nil) }

// findings returns what cannot be restored.
func (k *keptZones) findings(item *config.Zone) (list []Finding) {
	if k == nil {
		return nil
	}
	for i, err := range k.lost {
		if err != nil {
			list = append(list, damaged(item, item.Apexes[i], err))
		}
	}
	return list
}

// end is what the item gives to the plan when all its zones are there: nothing of
// its seed is read again.
func (k *keptZones) end(item *config.Zone, in inputs) end {
	e := end{outcome: &outcome{apexes: item.Apexes, in: in, findings: k.findings(item)}, reused: true}
	for i := range k.zones {
		c, res := k.change(item, i)
		if c != nil {
			e.changes = append(e.changes, *c)
			e.reused = false
		}
		e.results = append(e.results, res)
	}
	return e
}
