package catalog

import (
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Owner is the catalog that a zone came by, and the label that it had there.
type Owner struct {
	Catalog string // dname.Name.Key
	Label   string
}

// Claim is a zone that is served because a catalog lists it. It is a [registry.Owner].
type Claim struct {
	Owner
	Apex   dname.Name
	Groups []string
	Reset  bool // data that are kept of the zone belong to another one: they are discarded
}

// Equal reports whether both are of the same catalog, label and groups.
func (c *Claim) Equal(b *Claim) bool {
	return c.Owner == b.Owner && slices.Equal(c.Groups, b.Groups)
}

// Path implements [registry.Owner].
func (c *Claim) Path() string { return "catalog " + dname.Name(c.Catalog).String() }

// Settings implements [registry.Owner].
func (c *Claim) Settings(z *registry.Zones, _ dname.Name) *registry.Settings {
	follow := z.Follow(c.Catalog)
	if follow == nil || c.refusal(z) != "" {
		return nil
	}
	return z.Members(follow, c.Groups)
}

// refusal returns why the configuration, which follows the catalog, does not accept the zone;
// empty if it does.
func (c *Claim) refusal(zones *registry.Zones) string {
	if follow := zones.Follow(c.Catalog); follow.Accept != nil {
		if !follow.Accepts(c.Apex) {
			return "`accept` has no such zone; add it there if the catalog may list it"
		}
		return ""
	}
	for up := c.Apex; !up.IsRoot(); up = up.Parent() {
		if z := zones.Get(up); z != nil && z.Item != nil {
			return fmt.Sprintf("it lies in zone %v, which %s has; name it in `accept` if the catalog may list it", up, z.Path())
		}
	}
	return ""
}

// resolver decides which catalog owns a zone. Every zone has one owner:
//
//   - taken returns what has an apex by the configuration, "" if nothing does. Such a zone is
//     no catalog's.
//   - before returns the owner that a zone had in an earlier process. The owner stays as long
//     as it lists the zone, unless it hands the zone over to another catalog (`coo`) that lists
//     it, too (RFC 9432 §4.3.1, §5.2).
//   - A zone without owner goes to the first catalog in the list.
//
// The zones of an owner without data are kept as they are.
type resolver struct {
	catalogs []*followed // in the order of the configuration
	taken    func(apex dname.Name) string
	before   func(apex dname.Name) (Owner, bool)
}

// listing is a zone in one catalog.
type listing struct {
	by *followed
	m  *Member
}

// owner returns the listing as the one that owns its zone.
func (l listing) owner() Owner { return Owner{l.by.key, l.m.Label} }

// finding returns that the zone is listed in vain.
func (l listing) finding(format string, args ...any) finding.Finding {
	return ignored(l.by.name, l.m.Apex, fmt.Sprintf(format, args...))
}

// catalog returns the catalog with a key; nil if none has it.
func (r *resolver) catalog(key string) *followed {
	if i := slices.IndexFunc(r.catalogs, func(c *followed) bool { return c.key == key }); i >= 0 {
		return r.catalogs[i]
	}
	return nil
}

// resolve returns the claim of the zone with a key, nil if no catalog owns it. old is the
// present claim, nil if there is none. The findings are about catalogs that list it in vain.
func (r *resolver) resolve(key string, old *Claim) (*Claim, []finding.Finding) {
	var all []listing
	var findings []finding.Finding
	for _, c := range r.catalogs {
		if m := c.members[key]; m != nil {
			all = append(all, listing{c, m})
		}
	}
	clashes := func(owner string, except *Member) {
		for _, l := range all {
			// What was handed over may stay listed for a time.
			if except == nil || l.m != except && l.m.Owner == nil {
				findings = append(findings, l.finding("it came by catalog %v, which lists it without `coo`; remove it from one of the two, or hand it over (RFC 9432 §4.3.1)", r.catalog(owner).name))
			}
		}
	}
	if by := r.taken(dname.FromWire([]byte(key))); by != "" {
		for _, l := range all {
			findings = append(findings, l.finding("%s has it; remove it there, or from the catalog", by))
		}
		return nil, findings
	}
	if old != nil {
		if c := r.catalog(old.Catalog); c != nil && !c.isKnown() {
			kept := *old
			kept.Reset = false
			clashes(old.Catalog, nil)
			return &kept, findings
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	apex := all[0].m.Apex
	var was Owner
	had := old != nil
	if had {
		was = old.Owner
	} else {
		was, had = r.before(apex)
	}
	best := all[0]
	if had {
		best = prefer(all, func(l listing) bool { return l.by.key == was.Catalog }, best)
	}
	handed := !had || best.by.key == was.Catalog
	for range r.catalogs { // it may be handed on, but not in a circle
		if best.m.Owner == nil {
			break
		}
		to := best.m.Owner.Key()
		next := prefer(all, func(l listing) bool { return l.by.key == to }, best)
		if next == best {
			break
		}
		best = next
	}
	c := &Claim{Owner: best.owner(), Apex: apex, Groups: best.m.Groups}
	// The data belong to the label (§5.4), and a catalog to which the zone was not handed over
	// does not get them.
	c.Reset = had && (!handed || c.Label != was.Label)
	clashes(c.Catalog, best.m)
	return c, findings
}

// ignored returns the finding that the catalog lists a zone, which it does not own.
func ignored(catalog, apex dname.Name, why string) finding.Finding {
	return finding.Finding{Severity: finding.Error, Zone: catalog, Rule: "catalog", Text: fmt.Sprintf("zone %v is ignored: %s", apex, why)}
}

// prefer returns the first listing that fits, or else the other one.
func prefer(all []listing, fits func(listing) bool, other listing) listing {
	for _, l := range all {
		if fits(l) {
			return l
		}
	}
	return other
}
