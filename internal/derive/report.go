package derive

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Origin is where a name of an address comes from.
type Origin struct {
	Name   dname.Name
	Zone   dname.Name       // the forward zone; nil: the name comes from a file
	File   string           // of another program; empty: the name comes from a zone
	Pos    finding.Position // in File, if it is known
	End    time.Time        // from which on File does not have it; zero: it is not known, or none
	Source finding.Position // of the source in the configuration
}

// String returns the origin for operators, such as "www.example.net. in zone example.net.".
func (o *Origin) String() string {
	if o.Zone != nil {
		return fmt.Sprintf("%v in zone %v", o.Name, o.Zone)
	}
	if o.Pos != (finding.Position{}) {
		return fmt.Sprintf("%v in %v", o.Name, o.Pos)
	}
	return fmt.Sprintf("%v in %s", o.Name, o.File)
}

// maxOrigins bounds what Describe returns.
const maxOrigins = 100

// Describe returns the names that the sources have for the address with a name, the best first, if
// the zone at apex derives names. The first is, or all are, what the derived PTRs have.
func (r *Rules) Describe(set *zone.Set, apex, owner dname.Name) (list []Origin) {
	t, z := r.target(apex), set.Get(apex)
	if t == nil || z == nil || z.Layers().Derived == nil || totalsOf(z.Layers().Derived).digest != t.digest {
		return nil
	}
	for c := range (index{t, z.Layers().Derived}).candidates(owner) {
		s := &t.From[c.source]
		o := Origin{Name: c.name, Source: s.Pos}
		if s.File == nil {
			if from := set.Find(c.name); from != nil {
				o.Zone = from.Apex()
			}
		} else {
			o.File = s.File.File.Path
			if p, ok := t.item.AddressesOf(owner); ok && t.files[c.source] != nil {
				for _, e := range t.files[c.source].At(p.Addr()) {
					if e.Name.Equal(c.name) {
						o.Pos, o.End = e.Pos, e.End
					}
				}
			}
		}
		if list = append(list, o); len(list) == maxOrigins {
			break
		}
	}
	return list
}

// Totals are counted over the derived layer of a zone.
type Totals struct {
	Apex      dname.Name
	Records   int // PTRs, as if there were no static data
	Conflicts int // addresses with one of several names that was chosen without `prefer`, or more than fit
	Drifted   int // addresses whose static PTRs have a name that no source has for them
}

// Totals returns the totals of each zone that derives names.
func (r *Rules) Totals(set *zone.Set) (list []Totals) {
	for apex := range r.apexes {
		if z := set.Get(apex); z != nil {
			list = append(list, r.TotalsOf(z))
		}
	}
	return list
}

// TotalsOf returns the totals of one zone.
func (r *Rules) TotalsOf(z *zone.Zone) Totals {
	n := totalsOf(z.Layers().Derived)
	return Totals{z.Apex(), int(n.records), int(n.conflicts), int(n.drifted)}
}

// Findings returns what operators should look at in the zones of set. Without a server, it does not
// report that zones are missing that may be added at run time.
func (r *Rules) Findings(set *zone.Set, isOffline bool) (list []finding.Finding) {
	add := func(t *target, f finding.Finding) {
		if f.Severity = finding.Warning; f.Apply(&t.item.Checks) {
			list = append(list, f)
		}
	}
	for _, t := range r.list() {
		for i := range t.From {
			if s := &t.From[i]; s.Zone != nil && set.Get(s.Zone) == nil && !(isOffline && r.mayServe(s.Zone)) {
				add(t, finding.Finding{Position: s.Pos, Zone: t.item.Apexes[0], Rule: "derive-source",
					Text: fmt.Sprintf("%s.derive: zone %v is not served here, so that no names come from it%s", t.item.Path, s.Zone, suggestion(set, s.Zone))})
			}
		}
	}
	for apex, t := range r.apexes {
		z := set.Get(apex)
		if z == nil || z.Layers().Derived == nil {
			continue
		}
		n := totalsOf(z.Layers().Derived)
		for _, kind := range []struct {
			find func(*zone.Zone) []finding.Finding
			n    int32
		}{{t.conflicts, n.conflicts}, {t.drifted, n.drifted}} {
			if kind.n == 0 {
				continue
			}
			found := kind.find(z)
			if more := int(kind.n) - len(found); more > 0 && len(found) > 0 {
				rest := found[len(found)-1]
				rest.More = more
				found = append(found, rest)
			}
			for _, f := range found {
				add(t, f)
			}
		}
	}
	return list
}

// mayServe reports whether a server with the configuration may serve a zone, perhaps only later.
func (r *Rules) mayServe(apex dname.Name) bool {
	return r.cfg.Listen.Route53 != nil || slices.ContainsFunc(r.cfg.Catalogs, func(c config.Catalog) bool { return c.Follow != nil }) ||
		slices.ContainsFunc(r.cfg.Zones, func(z config.Zone) bool { return z.Apex(apex) != nil && z.Apex(apex).Equal(apex) })
}

func (r *Rules) list() []*target {
	if r == nil {
		return nil
	}
	return r.targets
}

// suggestion returns the remedy for a source that is not served: a zone with nearly its name, or that has
// its name.
func suggestion(set *zone.Set, name dname.Name) string {
	if z := set.Find(name); z != nil && z.Apex().IsForward() {
		return fmt.Sprintf("; name zone %v, which has its names, or add the zone", z.Apex())
	}
	best, least := "", 3
	for z := range set.All() {
		if !z.Apex().IsForward() {
			continue
		}
		if n := spelling.Distance(z.Apex().String(), name.String()); n < least {
			best, least = z.Apex().String(), n
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; add it to `zones`, or remove it here"
}

// conflicts returns the first findings about addresses with several names.
func (t *target) conflicts(z *zone.Zone) (list []finding.Finding) {
	x := index{t, z.Layers().Derived}
	for owner := range x.owners() {
		set, isConflict := t.choose(owner, x.candidates(owner))
		if !isConflict {
			continue
		}
		f := finding.Finding{Position: t.Pos, Zone: z.Apex(), Owner: owner, Type: rr.TypePTR, Rule: "derived-choice"}
		if t.All {
			f.Text = fmt.Sprintf("the address has more names than the %d octets of a message have room for, so that only the first %d became its PTRs; let `names: canonical` choose one, or remove some", maxAll, len(set.Data))
		} else {
			var names []string
			for c := range x.candidates(owner) {
				if names = append(names, c.name.String()); len(names) == 3 {
					break
				}
			}
			became := "became its PTR"
			if _, isShown := commit.Above(z, owner, rr.TypePTR); !isShown {
				became = "would be its PTR without the static records"
			}
			f.Text = fmt.Sprintf("several names have this address (%s), of which the first %s; put the right one under `prefer`", strings.Join(names, ", "), became)
		}
		if list = append(list, f); len(list) == finding.MaxListed {
			break
		}
	}
	return list
}

// owners yields the names of addresses with stored candidates.
func (x index) owners() iter.Seq[dname.Name] {
	return func(yield func(dname.Name) bool) {
		if x.stored() == nil {
			return
		}
		depth := x.depth()
		var last dname.Name
		for r := range x.stored().All() {
			if r.Type != typeCandidate || last != nil && r.Owner.IsAtOrBelow(last) {
				continue
			}
			if last = r.Owner.Suffix(depth).Clone(); !yield(last) {
				return
			}
		}
	}
}

// drifted returns the first findings about static PTRs that differ from derived ones.
func (t *target) drifted(z *zone.Zone) (list []finding.Finding) {
	static, x := z.Layers().Static, index{t, z.Layers().Derived}
	for owner := range zone.Owners(static.All(), rr.TypePTR) {
		if !x.drifts(static, owner) {
			continue
		}
		names := commit.ReadRRset(static, owner, rr.TypePTR).Data
		i := slices.IndexFunc(names, func(d []byte) bool { return !x.has(owner, d) })
		set, _ := t.choose(owner, x.candidates(owner))
		list = append(list, finding.Finding{Position: t.Pos, Zone: z.Apex(), Owner: owner.Clone(), Type: rr.TypePTR, Rule: "derived-drift",
			Text: fmt.Sprintf("the static PTR is %v, but by the sources of `derive` %v has this address, and the other name does not; remove the PTR, or correct the addresses of these names", dname.Name(names[i]), dname.Name(set.Data[0]))})
		if len(list) == finding.MaxListed {
			break
		}
	}
	return list
}
