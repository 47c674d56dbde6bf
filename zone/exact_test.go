package zone_test

import (
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// RRsets yields what Get finds, and HasBelow what the list of owners says, at and
// near every name, in fresh zones and in changed ones.
func TestExactOwner(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g, o, again := randomZone(seed)
		z := build(t, o, o.Records())
		for range 3 {
			types, below := map[string][]rr.Type{}, map[string]bool{}
			for _, r := range o.Records() {
				if r.Type == rr.TypeNSEC3 || r.Type == rr.TypeRRSIG {
					continue // the one lies apart from the names, the other with what it covers
				}
				for n := r.Owner; !n.Equal(o.Apex); {
					n = n.Parent()
					below[n.Key()] = true
				}
				if key := r.Owner.Key(); !slices.Contains(types[key], r.Type) {
					types[key] = append(types[key], r.Type)
				}
			}
			for _, n := range g.Neighbours(o) {
				if got := z.HasBelow(n); got != below[n.Key()] {
					t.Errorf("HasBelow(%v) = %v, want %v", n, got, !got)
				}
				want, got := types[n.Key()], []rr.Type{}
				for set := range z.RRsets(n) {
					got = append(got, set.Type)
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(want, got) {
					t.Errorf("RRsets(%v): %v, want %v", n, got, want)
				}
			}
			edited := again(g.Edit(o))
			next, err := z.Apply(zone.Diff(z, build(t, edited, edited.Records()), nil))
			if err != nil {
				t.Fatal(err)
			}
			z, o = next, edited
		}
	})
}
