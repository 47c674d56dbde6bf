package catalog

import (
	"fmt"

	"github.com/ptrd/ptrd/zone/dname"
)

// Followed is a catalog that we follow.
type Followed struct {
	Name    dname.Name
	Members []Member // each zone once, as Read returns them; nil: none, or none are known
	Known   bool     // Members are what the catalog lists; else there are no data of it
}

// Owner is the catalog that a zone came by, and the label that it had there.
type Owner struct {
	Catalog string // dname.Name.Key
	Label   string
}

// Claim is a zone that we are to serve because a catalog lists it.
type Claim struct {
	Owner
	Apex   dname.Name
	Groups []string
	Reset  bool // what we have of the zone is another one's: it begins anew
}

// Finding says why a catalog's member is not served as that catalog has it.
type Finding struct {
	Catalog dname.Name
	Text    string
}

// Resolve returns the zones that catalogs make us serve, by key of the apex, and
// what they list in vain. Every zone has one owner:
//
//   - taken reports who has an apex by the configuration, and "" for nobody. What
//     has an owner there is no catalog's.
//   - before tells the owner that a zone has had. It stays, for as long as that
//     catalog lists the zone, unless this one hands it over to another (`coo`) that
//     lists it, too (RFC 9432 §4.3.1, §5.2).
//   - A zone without owner goes to the first catalog in the list.
//
// Zones whose owner has no data are kept as they are in claims, which are those of
// the last call.
func Resolve(list []Followed, claims map[string]*Claim, taken func(apex dname.Name) string, before func(apex dname.Name) (Owner, bool)) (map[string]*Claim, []Finding) {
	r := resolver{list: list, at: make(map[string]int, len(list)), listed: map[string][]listing{}, next: make(map[string]*Claim, len(claims))}
	for i := range list {
		r.at[list[i].Name.Key()] = i
	}
	for i := range list {
		for j := range list[i].Members {
			m := &list[i].Members[j]
			key := m.Apex.Key()
			if by := taken(m.Apex); by != "" {
				r.find(i, "zone %v is ignored: %s has it; remove it there, or from the catalog", m.Apex, by)
				continue
			}
			r.listed[key] = append(r.listed[key], listing{i, m})
		}
	}
	for key, c := range claims {
		if i, follows := r.at[c.Catalog]; follows && !list[i].Known && taken(c.Apex) == "" {
			kept := *c
			kept.Reset = false
			r.next[key] = &kept
		}
	}
	for i := range list {
		for j := range list[i].Members {
			key := list[i].Members[j].Apex.Key()
			if all := r.listed[key]; len(all) > 0 && all[0].m == &list[i].Members[j] { // once for each zone
				r.resolve(key, all, claims[key], before)
			}
		}
	}
	return r.next, r.findings
}

// resolver is one call of Resolve.
type resolver struct {
	list     []Followed
	at       map[string]int // index in list, by key of the name
	listed   map[string][]listing
	next     map[string]*Claim
	findings []Finding
}

// listing is a zone in one catalog.
type listing struct {
	catalog int
	m       *Member
}

func (r *resolver) find(catalog int, format string, args ...any) {
	r.findings = append(r.findings, Finding{r.list[catalog].Name, fmt.Sprintf(format, args...)})
}

// owner returns the listing as the one that owns its zone.
func (r *resolver) owner(l listing) Owner { return Owner{r.list[l.catalog].Name.Key(), l.m.Label} }

// resolve finds the owner of a zone that is listed at least once.
func (r *resolver) resolve(key string, all []listing, old *Claim, before func(dname.Name) (Owner, bool)) {
	apex := all[0].m.Apex
	var was Owner
	had := false
	if old != nil {
		was, had = old.Owner, true
	} else {
		was, had = before(apex)
	}
	if r.next[key] != nil { // the owner has no data, and hands nothing over
		for _, l := range all {
			r.clash(l, was.Catalog)
		}
		return
	}
	best := all[0]
	if had {
		best = prefer(all, func(l listing) bool { return r.owner(l).Catalog == was.Catalog }, best)
		best = prefer(all, func(l listing) bool { return r.owner(l) == was }, best)
	}
	handed := !had || r.owner(best).Catalog == was.Catalog
	for range r.list { // it may be handed on; not without end
		if best.m.Owner == nil {
			break
		}
		to := best.m.Owner.Key()
		next := prefer(all, func(l listing) bool { return r.owner(l).Catalog == to }, best)
		if next == best {
			break
		}
		best = prefer(all, func(l listing) bool { return r.owner(l) == Owner{to, best.m.Label} }, next)
	}
	c := &Claim{Owner: r.owner(best), Apex: apex, Groups: best.m.Groups}
	// The label stands for what is known of the zone (§5.4); and a catalog that was
	// not given the zone is not given that either.
	c.Reset = had && (!handed || c.Label != was.Label)
	r.next[key] = c
	for _, l := range all {
		switch {
		case l.m == best.m || l.m.Owner != nil: // what was handed over may stay listed for a time
		default:
			r.clash(l, c.Catalog)
		}
	}
}

// clash notes that a zone is listed but another catalog owns it.
func (r *resolver) clash(l listing, owner string) {
	r.find(l.catalog, "zone %v is ignored: it came by catalog %v, which lists it without `coo`; remove it from one of the two, or hand it over (RFC 9432 §4.3.1)",
		l.m.Apex, r.list[r.at[owner]].Name)
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
