package zonetest

import (
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Random zones hold what they promise: the same seed gives the same zone, a
// signed one validates as a chain, and the trouble is there.
func TestRandomZones(t *testing.T) {
	found := map[string]int{}
	for seed := range uint64(100) {
		apexes := Apexes()
		apex := dname.MustParse(apexes[int(seed)%len(apexes)])
		a, b := NewRandom(seed), NewRandom(seed)
		o := a.Zone(apex, 30)
		if p := b.Zone(apex, 30); !Equal(o, p) {
			t.Fatalf("seed %d gives two zones", seed)
		}
		for _, owner := range o.Owners() {
			sets := o.at(owner)
			belowCut, belowDNAME := o.occluded(owner)
			count := func(what string, is bool) {
				if is {
					found[what]++
				}
			}
			count("cut", sets[rr.TypeNS] != nil && !owner.Equal(apex))
			count("occluded by a cut", belowCut && sets[rr.TypeNS] == nil)
			count("occluded by a DNAME", belowDNAME)
			count("wildcard", owner.IsWildcard())
			count("below a wildcard", owner.Parent().IsWildcard())
			count("CNAME", sets[rr.TypeCNAME] != nil)
			count("DNAME", sets[rr.TypeDNAME] != nil)
			count("DS", sets[rr.TypeDS] != nil)
			count("empty non-terminal", !owner.Equal(apex) && o.at(owner.Parent()) == nil)
			for _, set := range sets {
				count("large RRset", len(set.Data) > 10)
			}
			if sets[rr.TypeCNAME] != nil && len(sets) > 1 {
				t.Errorf("seed %d: CNAME and other data at %v", seed, owner)
			}
		}
		c := o
		for range 5 {
			d := a.Edit(c)
			e := c.Clone()
			if err := e.Apply(Diff(c, d)); err != nil || !Equal(e, d) {
				t.Fatalf("seed %d: edit does not apply: %v", seed, err)
			}
			c = d
		}
	}
	for _, what := range []string{"cut", "occluded by a cut", "occluded by a DNAME", "wildcard", "below a wildcard", "CNAME", "DNAME", "DS",
		"empty non-terminal", "large RRset"} {
		if found[what] < 20 {
			t.Errorf("%s: %d in 100 zones, want at least 20", what, found[what])
		}
	}
}
