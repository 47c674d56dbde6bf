package zone

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// TestMap: through any number of changes a Map has what a Go map has, and older ones keep
// what they had.
func TestMap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := rand.New(rand.NewPCG(seed, 0))
	apexes := append(manyApexes(1000), twins(100, "example")...)
	type snapshot struct {
		m    *Map[int]
		want map[string]*int
	}
	now := snapshot{nil, map[string]*int{}}
	snapshots := []snapshot{now, {new(Map[int]), now.want}}
	for step := range 40 {
		next := maps.Clone(now.want)
		var changes []MapChange[int]
		for range 1 + g.IntN([]int{3, 40, 800}[step%3]) {
			c := MapChange[int]{Apex: apexes[g.IntN(len(apexes))]}
			if g.IntN(45) > step {
				c.Value = new(int)
				next[c.Apex.Key()] = c.Value
			} else {
				delete(next, c.Apex.Key())
			}
			changes = append(changes, c)
		}
		now = snapshot{now.m.With(changes), next}
		snapshots = append(snapshots, now)
	}
	for _, s := range snapshots {
		all := map[*int]bool{}
		s.m.All(func(v *int) bool { all[v] = true; return true })
		if s.m.Len() != len(s.want) || len(all) != len(s.want) {
			t.Fatalf("%d values, %d yielded, want %d", s.m.Len(), len(all), len(s.want))
		}
		for _, a := range apexes {
			if want := s.want[a.Key()]; s.m.Get(a) != want || s.m.Of(Unavailable(a, "x")) != want || want != nil && !all[want] {
				t.Fatalf("another value at %v", a)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { now.m.Of(zoneForAllocs) }); n != 0 {
		t.Errorf("Of allocates %v times", n)
	}
}

var zoneForAllocs = Unavailable(dname.MustParse("10.in-addr.arpa"), "x")
