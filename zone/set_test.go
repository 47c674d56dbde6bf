package zone_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A Set finds the zones that a plain map finds, through any number of changes,
// and older Sets keep theirs.
func TestSet(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g := zonetest.NewRandom(seed)
		names := zonetest.New(dname.Root())
		var apexes []dname.Name
		for _, a := range zonetest.Apexes() {
			apexes = append(apexes, dname.MustParse(a))
		}
		for len(apexes) < 150 {
			apexes = append(apexes, g.Name(names))
			if g.Chance(2) {
				n := apexes[g.IntN(len(apexes))]
				if m, err := n.Prepend([]byte(g.Label(n))); err == nil {
					apexes = append(apexes, m)
				}
			}
		}
		s, model := zone.NewSet(), map[string]*zone.Zone{}
		type snapshot struct {
			s     *zone.Set
			model map[string]*zone.Zone
		}
		var snapshots []snapshot
		for range 12 {
			var with []*zone.Zone
			var gone []dname.Name
			next := map[string]*zone.Zone{}
			for k, z := range model {
				next[k] = z
			}
			picked := map[string]bool{}
			for range 1 + g.IntN(40) {
				apex := apexes[g.IntN(len(apexes))]
				if picked[apex.Key()] {
					continue
				}
				picked[apex.Key()] = true
				if g.Chance(3) {
					gone = append(gone, apex)
					delete(next, apex.Key())
					continue
				}
				z := zone.Unavailable(apex, fmt.Sprint(g.IntN(1000)))
				with = append(with, z)
				next[apex.Key()] = z
			}
			s, model = s.With(with, gone), next
			snapshots = append(snapshots, snapshot{s, model})
		}
		for _, snap := range snapshots {
			sameSet(t, g, snap.s, snap.model, apexes)
		}
	})
}

func sameSet(t *testing.T, g *zonetest.Random, s *zone.Set, model map[string]*zone.Zone, apexes []dname.Name) {
	t.Helper()
	if s.Len() != len(model) {
		t.Errorf("Len %d, want %d", s.Len(), len(model))
	}
	var all []string
	for z := range s.All() {
		all = append(all, zonetest.SortKey(z.Apex()))
		if model[z.Apex().Key()] != z {
			t.Errorf("All yields zone %v, which was replaced or removed", z.Apex())
		}
	}
	if len(all) != len(model) || !slices.IsSorted(all) {
		t.Errorf("All yields %d zones in order: %v; want %d", len(all), slices.IsSorted(all), len(model))
	}
	for _, apex := range apexes {
		names := []dname.Name{apex, apex.Parent()}
		if m, err := apex.Prepend([]byte(g.Label(apex))); err == nil {
			names = append(names, m)
		}
		for _, n := range names {
			if got := s.Get(n); got != model[n.Key()] {
				t.Errorf("Get(%v) is another zone", n)
			}
			var find, above *zone.Zone
			for k := range n.Labels() + 1 {
				if z := model[n.Suffix(k).Key()]; z != nil {
					find = z
					if k < n.Labels() {
						above = z
					}
				}
			}
			if got := s.Find(n); got != find {
				t.Errorf("Find(%v) = %v, want %v", n, apexOf(got), apexOf(find))
			}
			if got := s.FindAbove(n); got != above {
				t.Errorf("FindAbove(%v) = %v, want %v", n, apexOf(got), apexOf(above))
			}
		}
	}
}

func apexOf(z *zone.Zone) string {
	if z == nil {
		return "none"
	}
	return z.Apex().String()
}
