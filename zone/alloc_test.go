package zone_test

import (
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A lookup allocates nothing, whatever its answer: all names of the nasty zones
// and what lies near them, denials by NSEC and NSEC3 included.
func TestLookupAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	g := zonetest.NewRandom(1)
	var a zone.Answer
	a.Reset()
	for _, p := range nasty() {
		names := g.Neighbours(p.o)
		for _, qtype := range []rr.Type{rr.TypePTR, rr.TypeNS, rr.TypeMX, rr.TypeDS, rr.TypeRRSIG, rr.TypeANY} {
			n := testing.AllocsPerRun(1, func() {
				for _, qname := range names {
					a.Reset()
					p.z.Lookup(qname, qtype, true, &a)
				}
			})
			if n == 0 {
				continue
			}
			for _, qname := range names {
				if testing.AllocsPerRun(1, func() {
					a.Reset()
					p.z.Lookup(qname, qtype, true, &a)
				}) != 0 {
					t.Errorf("zone %v: %v %v allocates, as %v lookups of %d do", p.o.Apex, qname, qtype, n, len(names))
					break
				}
			}
		}
	}
}
