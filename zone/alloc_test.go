package zone_test

import (
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
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

// TestHotPathAllocatesNothing is the table of the functions that the benchmarks of
// queries run.
func TestHotPathAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	v4, v6 := newBenchZoneOf(t, 1000, false, false), newBenchZoneOf(t, 1000, true, false)
	wild := newBenchZoneOf(t, 1000, false, true)
	set := zone.NewSet().With([]*zone.Zone{v4.zone, v6.zone}, nil)
	var a zone.Answer
	a.Reset()
	lookup := func(z *zone.Zone, names []dname.Name, want zone.Kind) func() {
		return func() {
			for _, n := range names {
				a.Reset()
				if z.Lookup(n, rr.TypePTR, false, &a); a.Kind != want {
					t.Fatalf("%v: kind %d, want %d", n, a.Kind, want)
				}
			}
		}
	}
	descend := func(names []dname.Name) func() {
		var d zone.Descent
		return func() {
			var k dname.AddressKey
			for _, n := range names {
				if !n.Address(&k) {
					t.Fatalf("%v is no address", n)
				}
				*d.Key() = k
				for going := set.Descend(&d); going; {
					going = d.Step()
				}
				if d.Status() == zone.HasPTR {
					d.PTR()
				}
				d.Release()
			}
		}
	}
	for name, f := range map[string]func(){
		"Lookup, v4":       lookup(v4.zone, v4.present, zone.Success),
		"Lookup, v6":       lookup(v6.zone, v6.present, zone.Success),
		"Lookup, NXDOMAIN": lookup(v6.zone, v6.wrong, zone.NXDomain),
		"Lookup, wildcard": lookup(wild.zone, []dname.Name{dname.MustParse("3.2.250.10.in-addr.arpa")}, zone.Success),
		"Descend, v4":      descend(v4.present),
		"Descend, v6":      descend(v6.present),
		"Descend, none":    descend(v6.wrong),
		"Find": func() {
			for _, n := range v6.present {
				if set.Find(n) != v6.zone {
					t.Fatalf("%v: zone not found", n)
				}
			}
		},
		"Get": func() {
			for _, n := range v4.present {
				if _, ok := v4.zone.Get(n, rr.TypePTR); !ok {
					t.Fatalf("%v: no PTR", n)
				}
			}
		},
		"NegativeSOA": func() { v4.zone.NegativeSOA() },
	} {
		if n := testing.AllocsPerRun(2, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
