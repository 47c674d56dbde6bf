package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// heldAt is what is held back, and where the configuration asks for it.
type heldAt struct {
	Held
	pos finding.Position
}

// ownCatalogs plans the catalogs that we make. Those that would list too few of the zones
// that they listed before stay as they are, unless it is confirmed.
func (d *Daemon) ownCatalogs(zones *registry.Zones, set *zone.Set, confirmed *confirmation) ([]zone.Change, []heldAt, error) {
	cfg := zones.Config()
	var hosted []dname.Name
	for z := range zones.All {
		if isHosted(z) {
			hosted = append(hosted, z.Apex)
		}
	}
	var list []catalog.Produced
	at := map[string]finding.Position{}
	for i := range cfg.Catalogs {
		c := &cfg.Catalogs[i]
		if c.Follow != nil {
			continue
		}
		p := catalog.Produced{Name: c.Name, Stops: func(before, after int) bool {
			return cfg.Reload.MaxShrink.StopsZones(before, after) && !confirmed.has(c.Name.Key())
		}}
		at[c.Name.Key()] = c.Pos
		p.Members = members(c, cfg, cfg.Zones, hosted)
		list = append(list, p)
	}
	changes, stopped, err := d.producer.Plan(list, set, time.Now())
	var held []heldAt
	for _, h := range stopped {
		held = append(held, heldAt{Held{Kind: heldCatalog, Zone: h.Name, Before: h.Before, After: h.After}, at[h.Name.Key()]})
	}
	return changes, held, err
}

// members returns those of some zones that our own catalog lists.
func members(c *config.Catalog, cfg *config.Config, zones []config.Zone, hosted []dname.Name) (list []catalog.Member) {
	if len(cfg.Route53.Transfer.Allow) == 0 {
		hosted = nil // no secondary could have them
	}
	for _, m := range c.Members(zones, hosted) {
		list = append(list, catalog.Member{Apex: m.Apex, Groups: m.Entry.Groups, Owner: m.Entry.Owner})
	}
	return list
}

// relist returns the changes of our own catalogs that list hosted zones more, and others no
// longer.
func relist(zones *registry.Zones, set *zone.Set, added, gone []dname.Name) (changes []zone.Change, err error) {
	cfg := zones.Config()
	for i := range cfg.Catalogs {
		c := &cfg.Catalogs[i]
		base := set.Get(c.Name)
		if c.Follow != nil || base == nil || !base.IsAvailable() { // it waits for a confirmation
			continue
		}
		change, err := catalog.Change(base, members(c, cfg, nil, added), gone, time.Now())
		if err != nil {
			return nil, err
		}
		if change != nil {
			changes = append(changes, *change)
		}
	}
	return changes, nil
}

// serveClaims serves zones whose claim is new or changed, with the notes of their claims, and no
// longer those at the apexes in gone. It returns how many zones changed.
func (d *Daemon) serveClaims(changed []*catalog.Claim, gone []dname.Name) (served int, err error) {
	var add []*registry.Zone
	notes := map[string][]zone.Note{}
	for _, c := range changed {
		add = append(add, &registry.Zone{Apex: c.Apex, Owner: c})
		notes[c.Apex.Key()] = c.Notes()
	}
	err = d.changeZones("catalog", add, gone, func(_ *zone.Set, b *zone.Batch) error {
		noted := map[string]bool{}
		for i := range b.Changes {
			if c := &b.Changes[i]; c.Zone != nil {
				c.Notes = append(c.Notes, notes[c.Apex.Key()]...)
				noted[c.Apex.Key()] = true
			}
		}
		served = len(noted)
		for _, c := range changed {
			if key := c.Apex.Key(); !noted[key] {
				b.Notes = append(b.Notes, zone.ZoneNotes{Apex: c.Apex, Notes: notes[key]})
			}
		}
		return nil
	})
	return served, err
}

// logCatalogs logs findings about catalogs that are new.
func (d *Daemon) logCatalogs(findings []finding.Finding) {
	list := make([]finding.Finding, 0, len(findings))
	for _, f := range findings {
		f.Text = fmt.Sprintf("catalog %v: %s", f.Zone, f.Text)
		list = append(list, f)
	}
	d.catalogFindings.logActive(list)
}

// catalogStatus returns the state of the catalogs that are followed. It includes why their last
// transfers were refused, as that of an invalid catalog is.
func (d *Daemon) catalogStatus(zones map[string]secondary.State) []catalog.Status {
	list := d.catalogs.Status()
	for i := range list {
		c := &list[i]
		if apex, err := dname.Parse(c.Zone); err == nil && zones[apex.Key()].Error != "" {
			s := zones[apex.Key()]
			c.Findings = append([]string{"the catalog goes on as it was: " + strings.ReplaceAll(s.Error, "\n", "; ")}, c.Findings...)
		}
	}
	return list
}

// together returns the changes of several owners in canonical order, one for each zone: a zone
// that passes from one owner to another is not removed.
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
