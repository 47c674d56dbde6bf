package daemon

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// fleet is what we know of the catalogs that we follow. But for names and told it
// belongs to the goroutine of Run.
type fleet struct {
	names   atomic.Pointer[map[string]bool] // by dname.Name.Key; nil: none
	changed chan struct{}                   // one of them is another one now; has room for one
	told    atomic.Pointer[[]CatalogStatus] // what status shows

	read     map[string]readCatalog
	claims   map[string]*catalog.Claim // that are in force
	findings findingLog
}

// readCatalog is what a catalog zone lists.
type readCatalog struct {
	zone    *zone.Zone // that was read
	most    int
	members []catalog.Member
	err     error
}

// CatalogStatus tells of a catalog that we follow.
type CatalogStatus struct {
	Zone     string   `json:"zone"`
	Members  int      `json:"members"`            // that it lists
	Serves   int      `json:"serves"`             // zones that are served because of it
	Error    string   `json:"error,omitempty"`    // why nothing is known of what it lists
	Findings []string `json:"findings,omitempty"` // about zones that it lists in vain

	key string // dname.Name.Key
}

// maxCatalogFindings is how many findings of one catalog are told. The others are
// counted.
const maxCatalogFindings = 100

// published notes that one of the zones of a batch is a catalog that we follow.
func (f *fleet) published(b *zone.Batch) {
	names := f.names.Load()
	if names == nil {
		return
	}
	for i := range b.Changes {
		if (*names)[b.Changes[i].Apex.Key()] {
			select {
			case f.changed <- struct{}{}:
			default:
			}
			return
		}
	}
}

// compile returns the zones of a configuration, with those claims of now that it leaves
// as they are until its catalogs are looked at. All but those of the claims are in base.
func (d *Daemon) compile(cfg *config.Config) (base *registry.Zones, claims map[string]*catalog.Claim) {
	base = registry.New(registry.Options{Config: cfg, Before: d.registry.Load(), Check: d.check, Files: d.files})
	claims = map[string]*catalog.Claim{}
	for key, c := range d.fleet.claims {
		if base.Follows(c.Catalog) && base.Get(c.Apex) == nil {
			claims[key] = c
		}
	}
	return base, claims
}

// withClaims returns the zones of compile with those of the claims.
func (d *Daemon) withClaims(base *registry.Zones, claims map[string]*catalog.Claim) *registry.Zones {
	return base.With(slices.Collect(maps.Values(claims)), nil, d.registry.Load())
}

// follow serves what the catalogs list by now, and nothing that they do not.
func (d *Daemon) follow() {
	f := &d.fleet
	cfg := d.state.Load().cfg
	list, told := d.readCatalogs(cfg)
	if len(list) == 0 && len(f.claims) == 0 {
		f.told.Store(nil)
		return
	}
	zones := d.registry.Load()
	owner := func(apex dname.Name) string {
		if z := zones.Get(apex); z != nil && z.Claim == nil {
			return z.Path()
		}
		return ""
	}
	claims, findings := catalog.Resolve(list, f.claims, owner, d.ownerBefore)
	findings = append(unaccepted(zones, claims), findings...)
	var err error
	if first := withoutReset(claims); len(first) < len(claims) {
		err = d.claim(first)
		for key, c := range claims {
			if first[key] == nil && err == nil {
				err = d.journal.Forget([]dname.Name{c.Apex}) // of an earlier process, too
			}
		}
	}
	if err == nil {
		err = d.claim(claims)
	}
	if err != nil {
		d.log.Error("what catalogs list is not served yet; it is tried again with their next change, and with a reload", "err", err)
	}
	d.tellCatalogs(told, findings)
}

// withoutReset returns the claims but those of zones that begin anew, which are to go
// with all that is kept of them before they come.
func withoutReset(claims map[string]*catalog.Claim) map[string]*catalog.Claim {
	out := maps.Clone(claims)
	maps.DeleteFunc(out, func(_ string, c *catalog.Claim) bool { return c.Reset })
	return out
}

// adoptClaims puts in force what a new configuration leaves of the claims, and looks at
// the catalogs that it follows.
func (d *Daemon) adoptClaims(cfg *config.Config, still map[string]*catalog.Claim) {
	f := &d.fleet
	f.claims = still
	names := map[string]bool{}
	for i := range cfg.Catalogs {
		if cfg.Catalogs[i].Follow != nil {
			names[cfg.Catalogs[i].Name.Key()] = true
		}
	}
	f.names.Store(&names)
	d.follow()
}

// readCatalogs reads the catalogs that cfg follows, as far as they changed.
func (d *Daemon) readCatalogs(cfg *config.Config) (list []catalog.Followed, told []CatalogStatus) {
	f, set := &d.fleet, d.zones.Set()
	next := map[string]readCatalog{}
	for i := range cfg.Catalogs {
		c := &cfg.Catalogs[i]
		if c.Follow == nil {
			continue
		}
		key := c.Name.Key()
		r := f.read[key]
		z := set.Get(c.Name)
		if z == nil || !z.IsAvailable() {
			z = d.follower.Data(c.Name) // it has expired, which takes no zone away
		}
		if z == nil {
			r = readCatalog{err: errors.New("it was not transferred from a primary yet")}
		} else if r.zone != z || r.most != c.Follow.MaxMembers {
			r = readCatalog{zone: z, most: c.Follow.MaxMembers}
			r.members, r.err = catalog.Read(z, r.most)
		}
		next[key] = r
		s := CatalogStatus{Zone: c.Name.String(), Members: len(r.members), key: key}
		if r.err != nil {
			s.Error = r.err.Error()
		}
		list = append(list, catalog.Followed{Name: c.Name, Members: r.members, Known: r.err == nil})
		told = append(told, s)
	}
	f.read = next
	return list, told
}

// unaccepted removes the claims that the configuration does not accept, and reports them.
func unaccepted(zones *registry.Zones, claims map[string]*catalog.Claim) (findings []catalog.Finding) {
	for key, c := range claims {
		cat := zones.Catalog(c.Catalog)
		why := ""
		if cat.Follow.Accept != nil {
			if !cat.Follow.Accepts(c.Apex) {
				why = "`accept` has no such zone; add it there if the catalog may list it"
			}
		} else {
			for up := c.Apex; why == "" && !up.IsRoot(); up = up.Parent() {
				if z := zones.Get(up); z != nil && z.Item != nil {
					why = fmt.Sprintf("it lies in zone %v, which %s has; name it in `accept` if the catalog may list it", up, z.Path())
				}
			}
		}
		if why != "" {
			findings = append(findings, catalog.Finding{Catalog: cat.Name, Text: fmt.Sprintf("zone %v is ignored: %s", c.Apex, why)})
			delete(claims, key)
		}
	}
	return findings
}

// claim serves the zones that are claimed, and no longer those that are not. What is
// kept of the latter stays for a time (reload.keep_removed): a catalog may lose a zone
// by mistake, and list it again.
func (d *Daemon) claim(claims map[string]*catalog.Claim) error {
	f := &d.fleet
	var changed []*catalog.Claim
	var gone []dname.Name
	for key, c := range claims {
		if old := f.claims[key]; old == nil || !old.Equal(c) {
			changed = append(changed, c)
		}
	}
	for key, c := range f.claims {
		if claims[key] == nil {
			gone = append(gone, c.Apex)
		}
	}
	if len(changed)+len(gone) == 0 {
		return nil
	}
	served, err := d.serveClaims(changed, gone)
	if err != nil {
		return err
	}
	f.claims = claims
	d.log.Info("follows catalogs", "zones", len(claims), "removed", len(gone), "changed", served)
	return nil
}

// serveClaims publishes zones whose claim is new or changed, with the notes of their
// claims, and no longer those at the apexes in gone. It returns how many zones changed.
func (d *Daemon) serveClaims(changed []*catalog.Claim, gone []dname.Name) (served int, err error) {
	now := d.registry.Load()
	next := now.With(changed, gone, now)
	at := map[string]*catalog.Claim{}
	var apexes []dname.Name
	for _, c := range changed {
		at[c.Apex.Key()] = c
		apexes = append(apexes, c.Apex)
	}
	policy := *d.views.Load().Policy
	var plan *secondary.Plan
	_, err = d.zones.Commit(commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			plan = d.follower.PlanChange(next.SecondariesOf(apexes), gone, set, next.IsPrimary)
			next.SetPolicies(&policy, plan.Expires())
			b := &zone.Batch{Changes: plan.Changes, Source: sourceCatalog, At: time.Now().UnixMilli()}
			noted := map[string]bool{}
			for i := range b.Changes {
				c := &b.Changes[i]
				if claim := at[c.Apex.Key()]; claim != nil && c.Zone != nil {
					c.Notes = append(c.Notes, claim.Notes()...)
					noted[c.Apex.Key()] = true
				}
			}
			served = len(noted)
			for _, c := range changed {
				if !noted[c.Apex.Key()] {
					b.Notes = append(b.Notes, zone.ZoneNotes{Apex: c.Apex, Notes: c.Notes()})
				}
			}
			return b, nil
		},
		Show:  func(set *zone.Set) { d.showWith(set, next, &policy) },
		After: func() error { d.follower.Adopt(plan); return nil },
	})
	return served, err
}

// showWith serves zones with the settings that belong to them.
func (d *Daemon) showWith(set *zone.Set, zones *registry.Zones, policy *answer.Policy) {
	d.registry.Store(zones)
	d.notifier.SetZones(zones.Notified)
	d.views.Swap(&answer.View{Zones: set, Policy: policy})
}

// sourceCatalog is the source of changes that a catalog asks for.
const sourceCatalog = "catalog"

// restoreClaims returns the claims of an earlier process that catalogs of cfg made.
// They stay until their catalog can be read, as it must be even if the copy of it that
// was kept is lost or broken (RFC 9432 §5.1).
func (d *Daemon) restoreClaims(cfg *config.Config) map[string]*catalog.Claim {
	catalogs := map[string]*config.Catalog{}
	for i := range cfg.Catalogs {
		if c := &cfg.Catalogs[i]; c.Follow != nil {
			catalogs[c.Name.Key()] = c
		}
	}
	if len(catalogs) == 0 {
		return nil
	}
	out := map[string]*catalog.Claim{}
	err := d.journal.AllNotes(catalog.NotePrefix, func(apex dname.Name, notes []zone.Note) {
		c, hasGroups := catalog.ReadClaim(apex, notes)
		if c == nil {
			return
		}
		// What a group restricts must not be open because the group is not known.
		if by := catalogs[c.Catalog]; by != nil && (hasGroups || len(by.Follow.Groups) == 0) {
			out[apex.Key()] = c
		}
	})
	if err != nil {
		d.log.Error("the zones that catalogs listed before the restart cannot be read from the journal; they come with their catalogs", "err", err)
	}
	return out
}

// ownerBefore returns the owner of a zone that an earlier process served.
func (d *Daemon) ownerBefore(apex dname.Name) (o catalog.Owner, ok bool) {
	notes, err := d.journal.Notes(apex, catalog.OwnerNote)
	if err != nil {
		d.log.Error("the catalog that a zone came by cannot be read", "zone", apex.String(), "err", err)
		return o, false
	}
	if c, _ := catalog.ReadClaim(apex, notes); c != nil {
		return c.Owner, true
	}
	return o, false
}

// tellCatalogs logs what is new about catalogs, and has status show it.
func (d *Daemon) tellCatalogs(told []CatalogStatus, findings []catalog.Finding) {
	at := map[string]*CatalogStatus{}
	for i := range told {
		at[told[i].key] = &told[i]
	}
	for _, c := range d.fleet.claims {
		if s := at[c.Catalog]; s != nil {
			s.Serves++
		}
	}
	slices.SortFunc(findings, func(a, b catalog.Finding) int { return strings.Compare(a.Text, b.Text) })
	more := map[*CatalogStatus]int{}
	var list []Finding
	for _, g := range findings {
		s := at[g.Catalog.Key()]
		if len(s.Findings) == maxCatalogFindings {
			more[s]++
			continue
		}
		s.Findings = append(s.Findings, g.Text)
		list = append(list, Finding{Severity: zone.Error.String(), Zone: s.Zone, Code: "catalog", Text: "catalog " + s.Zone + ": " + g.Text})
	}
	for s, n := range more {
		s.Findings = append(s.Findings, fmt.Sprintf("%d more", n))
	}
	d.fleet.findings.log = d.each
	d.fleet.findings.logActive(list)
	d.fleet.told.Store(&told)
}

// withTransfers adds to what is shown of catalogs why their last transfers were refused,
// as that of a broken catalog is.
func withTransfers(list []CatalogStatus, zones map[string]*SecondaryStatus) []CatalogStatus {
	list = slices.Clone(list)
	for i := range list {
		c := &list[i]
		if s := zones[c.Zone]; s != nil && s.Error != "" {
			c.Findings = append([]string{"the catalog goes on as it was: " + strings.ReplaceAll(s.Error, "\n", "; ")}, c.Findings...)
		}
	}
	return list
}

// printCatalogs writes what status tells of catalogs.
func printCatalogs(b *strings.Builder, list []CatalogStatus) {
	for _, c := range list {
		fmt.Fprintf(b, "\ncatalog %s lists %s, %d served", c.Zone, plural(c.Members, "zone"), c.Serves)
		if c.Error != "" {
			fmt.Fprintf(b, "; not used: %s", c.Error)
		}
		b.WriteByte('\n')
		for _, f := range c.Findings {
			fmt.Fprintf(b, "  %s\n", f)
		}
	}
}
