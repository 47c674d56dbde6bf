package daemon

import (
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// heldAt is what is held back, and where the configuration asks for it.
type heldAt struct {
	Held
	pos source.Position
}

// catalogs plans the catalogs that we make. Those that would list too few of the zones
// that they listed before stay as they are, unless it is confirmed.
func (d *Daemon) catalogs(cfg *config.Config, set *zone.Set, confirmed *confirmation) ([]zone.Change, []heldAt, error) {
	var list []catalog.Produced
	at := map[string]source.Position{}
	for i := range cfg.Catalogs {
		c := &cfg.Catalogs[i]
		if c.Follow != nil {
			continue
		}
		p := catalog.Produced{Name: c.Name, Stops: func(before, after int) bool {
			return cfg.Reload.MaxShrink.StopsZones(before, after) && !confirmed.has(c.Name.Key())
		}}
		at[c.Name.Key()] = c.Pos
		for _, m := range c.Members(cfg.Zones) {
			p.Members = append(p.Members, catalog.Member{Apex: m.Apex, Groups: m.Entry.Groups, Owner: m.Entry.Owner})
		}
		list = append(list, p)
	}
	changes, stopped, err := d.producer.Plan(list, set, time.Now())
	var held []heldAt
	for _, h := range stopped {
		held = append(held, heldAt{Held{heldCatalog, h.Name.String(), h.Before, h.After}, at[h.Name.Key()]})
	}
	return changes, held, err
}

// together returns the changes of several owners in canonical order, one for
// each zone: one that goes from an owner to another does not go.
func together(lists ...[]zone.Change) []zone.Change {
	all := slices.Concat(lists...)
	comes := map[string]bool{}
	for i := range all {
		if all[i].Zone != nil {
			comes[all[i].Apex.Key()] = true
		}
	}
	all = slices.DeleteFunc(all, func(c zone.Change) bool { return c.Zone == nil && comes[c.Apex.Key()] })
	slices.SortFunc(all, func(a, b zone.Change) int { return dname.Compare(a.Apex, b.Apex) })
	return all
}
