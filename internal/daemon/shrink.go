package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// The kinds of Held.
const (
	heldZone          = "zone"
	heldConfiguration = "configuration"
	heldCatalog       = "catalog"
)

// Held is a change that removes more than max_shrink allows, so that what was served
// stays until it is confirmed.
type Held struct {
	Kind   string     `json:"kind"` // zone, configuration, catalog
	Zone   dname.Name `json:"zone,omitempty"`
	Before int        `json:"before"` // records of a zone; else zones
	After  int        `json:"after"`

	Directory string `json:"directory,omitempty"` // of the configuration, whose files are the zones; empty: all its zones
}

// Name is what `ptrd reload --accept-shrink` calls it.
func (h Held) Name() string {
	if h.Kind == heldConfiguration {
		return heldConfiguration
	}
	return h.Zone.String()
}

// String says what would become of what.
func (h Held) String() string {
	switch h.Kind {
	case heldConfiguration:
		if h.Directory != "" {
			return fmt.Sprintf("the directory %s would keep %d of %d zones", h.Directory, h.After, h.Before)
		}
		return fmt.Sprintf("the configuration would keep %d of %d zones", h.After, h.Before)
	case heldCatalog:
		return fmt.Sprintf("catalog %s would keep %d of %d zones", h.Zone, h.After, h.Before)
	}
	return fmt.Sprintf("zone %s would go from %d records to %d", h.Zone, h.Before, h.After)
}

// text is what is said of it where it is found; key is the one that limits it.
func (h Held) text(key string, limit config.Shrink) string {
	return fmt.Sprintf("%v, and %s lets a change remove %v at most, so the earlier content is still served; if this is meant, run `ptrd reload --accept-shrink %s`", h, key, limit, h.Name())
}

// finding returns it as an error at a place of the configuration.
func (h Held) finding(pos finding.Position, limit config.Shrink) finding.Finding {
	return finding.Finding{
		Severity: finding.Error, Position: pos, Zone: h.Zone, Rule: "max-shrink",
		Text: h.text("reload.max_shrink", limit),
	}
}

// confirmation says which changes may remove more than max_shrink. nil: none.
type confirmation struct {
	names []string          // as they were given
	zones map[string]string // by dname.Name.Key: the name that means the zone

	mu     sync.Mutex
	needed map[string]bool // names that something waited for
}

// confirmAll is the name that means whatever is held back.
const confirmAll = "all"

// confirm returns what the names mean: zones and catalogs by name, zones by prefix or by an address in them,
// the configuration, or all.
func (d *Daemon) confirm(names []string) (*confirmation, error) {
	c := &confirmation{names: names, zones: map[string]string{}, needed: map[string]bool{}}
	for _, name := range names {
		if name == confirmAll || name == heldConfiguration {
			continue
		}
		arg, err := naming.ParseArgument(name)
		if err != nil {
			return nil, fmt.Errorf("%w; zones, catalogs, %s and %s can be given", err, heldConfiguration, confirmAll)
		}
		apexes := []dname.Name{arg.Name}
		switch {
		case arg.Prefix.IsValid():
			cfg := d.state.Load().cfg
			i := slices.IndexFunc(cfg.Zones, func(z config.Zone) bool { return z.Prefix == arg.Prefix })
			if i < 0 {
				return nil, fmt.Errorf("no zone here has the prefix %v; `ptrd status` lists what is held back", arg.Prefix)
			}
			apexes = cfg.Zones[i].Apexes
		case arg.Address.IsValid():
			one, err := d.zoneOf(name)
			if err != nil {
				return nil, err
			}
			apexes = []dname.Name{one.Apex}
		}
		for _, apex := range apexes {
			c.zones[apex.Key()] = name
		}
	}
	return c, nil
}

// has reports whether a change is confirmed that is held back otherwise. key is that of
// the zone, empty: the configuration.
func (c *confirmation) has(key string) bool {
	if c == nil {
		return false
	}
	name, ok := c.zones[key]
	if key == "" {
		name, ok = heldConfiguration, slices.Contains(c.names, heldConfiguration)
	}
	if !ok {
		name, ok = confirmAll, slices.Contains(c.names, confirmAll)
	}
	if ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.needed[name] = true
	}
	return ok
}

// unneeded returns the names that nothing waited for.
func (c *confirmation) unneeded() (names []string) {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range c.names {
		if !c.needed[name] {
			names = append(names, name)
		}
	}
	return names
}

// guardConfig returns the configuration to go on with: cfg, or the one that is used
// where cfg would remove too many zones, of all or of those of one directory.
func (d *Daemon) guardConfig(cfg *config.Config, c *confirmation) (*config.Config, *Held) {
	old := d.state.Load().cfg
	next := d.compile(cfg).Retain(d.registry.Load())
	all := &Held{Kind: heldConfiguration}
	list := []*Held{all}
	of := map[config.Directory]*Held{}
	for i := range cfg.ZonesFrom {
		dir := cfg.ZonesFrom[i].Directory
		of[dir] = &Held{Kind: heldConfiguration, Directory: dir.Path}
		list = append(list, of[dir])
	}
	for z := range d.registry.Load().All {
		counts := []*Held{all}
		if z.Item != nil && z.Item.From != nil && of[z.Item.From.Directory] != nil {
			counts = append(counts, of[z.Item.From.Directory])
		}
		for _, h := range counts {
			h.Before++
			if next.Get(z.Apex) != nil {
				h.After++
			}
		}
	}
	i := slices.IndexFunc(list, func(h *Held) bool { return cfg.Reload.MaxShrink.StopsZones(h.Before, h.After) })
	if i < 0 || c.has("") {
		return cfg, nil
	}
	return old, list[i]
}

// guard holds transfers back. Other changes are held by what makes them.
type guard struct {
	mu        sync.Mutex
	held      map[string]Held // by dname.Name.Key
	confirmed map[string]bool // that may pass, likewise
}

// check returns what is wrong with a zone that was transferred; old is what there was
// before, nil: nothing. of is the catalog that the zone is, nil: none.
func (d *Daemon) check(of *config.Follow, limit config.Shrink, old, next *zone.Zone) error {
	h := Held{Kind: heldZone, Zone: next.Apex(), After: next.Stats().Records}
	key, stops := "max_shrink", limit.StopsRecords
	if old != nil {
		h.Before = old.Stats().Records
	}
	if of != nil {
		members, err := catalog.Read(next, of.MaxMembers)
		if err != nil {
			return err
		}
		h.Kind, h.Before, h.After = heldCatalog, 0, 0
		key, stops = "reload.max_shrink", limit.StopsZones
		if old != nil {
			was, _ := catalog.Read(old, of.MaxMembers) // nothing is served because of a broken one
			h.Before, h.After = len(was), remaining(was, members)
		}
	}
	d.guard.mu.Lock()
	defer d.guard.mu.Unlock()
	id := next.Key()
	if !stops(h.Before, h.After) || d.guard.confirmed[id] {
		delete(d.guard.held, id)
		return nil
	}
	if d.guard.held == nil {
		d.guard.held = map[string]Held{}
	}
	d.guard.held[id] = h
	return fmt.Errorf("%s", h.text(key, limit))
}

// remaining returns how many members of before are in after.
func remaining(before, after []catalog.Member) (n int) {
	in := make(map[string]bool, len(after))
	for i := range after {
		in[after[i].Apex.Key()] = true
	}
	for i := range before {
		if in[before[i].Apex.Key()] {
			n++
		}
	}
	return n
}

// list returns the transfers of zones that are held back, by key, and forgets those of
// zones that are no secondary zones any more.
func (g *guard) list(isSecondary func(key string) bool) map[string]Held {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.held, func(key string, _ Held) bool { return !isSecondary(key) })
	return maps.Clone(g.held)
}

// let sets whether the transfer of a zone may pass.
func (g *guard) let(key string, pass bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.confirmed == nil {
		g.confirmed = map[string]bool{}
	}
	g.confirmed[key] = pass
}

// heldTransfers returns the transfers that are held back, by key of the apex.
func (d *Daemon) heldTransfers() map[string]Held {
	return d.guard.list(d.follower.Has)
}

// transferConfirmed has those zones transferred whose transfer is held back and is
// confirmed, and returns what went wrong.
func (d *Daemon) transferConfirmed(ctx context.Context, c *confirmation) (list []finding.Finding) {
	for key, h := range d.heldTransfers() {
		if !c.has(key) {
			continue
		}
		d.guard.let(key, true)
		s, err := d.follower.Refresh(ctx, h.Zone, false)
		d.guard.let(key, false)
		text := s.Error
		if err != nil {
			text = err.Error()
		}
		if text != "" {
			list = append(list, finding.Finding{Severity: finding.Error, Zone: h.Zone, Rule: "transfer", Text: fmt.Sprintf("zone %s: %s", h.Zone, text)})
		}
	}
	return list
}

// heldNow returns all that is held back, sorted.
func (d *Daemon) heldNow() []Held {
	list := slices.Clone(d.state.Load().outcome.Held)
	for _, h := range d.heldTransfers() {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b Held) int { return strings.Compare(a.Kind+a.Name(), b.Kind+b.Name()) })
	return list
}

// heldCounts returns how many changes of each kind are held back.
func (d *Daemon) heldCounts() map[string]int {
	counts := map[string]int{heldZone: 0, heldConfiguration: 0, heldCatalog: 0}
	for _, h := range d.heldNow() {
		counts[h.Kind]++
	}
	return counts
}
