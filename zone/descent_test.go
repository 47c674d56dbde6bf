package zone_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// checkDescent walks to every name of a whole address among names, all of them
// in turns as a batch does, and compares with Find and Lookup. It returns how
// many walks ended at a PTR and at nothing.
func checkDescent(t *testing.T, s *zone.Set, names []dname.Name) (ptrs, none int) {
	t.Helper()
	type walk struct {
		name dname.Name
		d    zone.Descent
	}
	var walks []walk
	for _, n := range names {
		var k dname.AddressKey
		if n.Address(&k) {
			walks = append(walks, walk{name: n})
			d := &walks[len(walks)-1].d
			*d.Key() = k
			s.Descend(d)
		}
	}
	for going := true; going; {
		going = false
		for i := range walks {
			if d := &walks[i].d; d.Going() && d.Step() {
				going = true
			}
		}
	}
	a := new(zone.Answer)
	for i := range walks {
		w := &walks[i]
		z := s.Find(w.name)
		if w.d.Status() == zone.Other {
			continue
		}
		if z != w.d.Zone() {
			t.Errorf("%v: in another zone", w.name)
			continue
		}
		a.Reset()
		if !z.IsAvailable() {
			t.Errorf("%v: the zone has no data", w.name)
			continue
		}
		z.Lookup(w.name, rr.TypePTR, false, a)
		switch w.d.Status() {
		case zone.HasPTR:
			ptrs++
			ttl, head, tail := w.d.PTR()
			target := append(append([]byte{}, head...), tail...)
			if a.Kind != zone.Success || a.Next != nil || len(a.Items) != 1 || a.Items[0].Set.Type != rr.TypePTR || a.Items[0].Set.Len() != 1 ||
				a.Items[0].TTL != ttl || string(a.Items[0].Set.First(nil)) != string(target) || len(target) == 0 {
				t.Errorf("%v: PTR %v %d, Lookup has %+v", w.name, dname.Name(target), ttl, a.Items)
			}
		case zone.NoName:
			none++
			if a.Kind != zone.NXDomain {
				t.Errorf("%v: no name, Lookup says %v", w.name, a.Kind)
			}
		default:
			t.Errorf("%v: status %d", w.name, w.d.Status())
		}
	}
	return ptrs, none
}

// Random zones, several in a set, one inside the other: what a Descent tells is
// what Find and Lookup y.
func TestDescent(t *testing.T) {
	var ptrs, none int
	large := largeZone(t)
	eachSeed(t, func(t *testing.T, seed uint64) {
		g := zonetest.NewRandom(seed)
		s := zone.NewSet()
		var names []dname.Name
		for _, apex := range []string{
			"10.in-addr.arpa.", "2.0.192.in-addr.arpa.", "7.2.0.192.in-addr.arpa.", "in-addr.arpa.",
			"8.b.d.0.1.0.0.2.ip6.arpa.", "b.d.0.1.0.0.2.ip6.arpa.", "ip6.arpa.",
		} {
			if g.Chance(3) {
				continue
			}
			o := g.Zone(dname.MustParse(apex), g.IntN(60))
			addresses := addressesIn(g, o.Apex)
			for _, n := range addresses {
				if o.Get(n, rr.TypeCNAME) == nil && g.Chance(2) {
					o.Add(zone.Record{Owner: n, Type: rr.TypePTR, TTL: 300, Data: dname.MustParse([]string{"a.example.", "b.c.example.", "."}[g.IntN(3)])})
				}
			}
			names = append(names, addresses...)
			for _, r := range o.Records() {
				names = append(names, r.Owner)
			}
			s = s.With([]*zone.Zone{build(t, o, o.Records())}, nil)
		}
		p, n := checkDescent(t, s, names)
		ptrs, none = ptrs+p, none+n
		// Among many zones, which are found by their hash, and some that have no data.
		var more []*zone.Zone
		for i := range 100 {
			more = append(more, zone.Unavailable(dname.MustParse(fmt.Sprintf("%d.%d.in-addr.arpa.", i, 10+i%2)), "none yet"))
		}
		p, n = checkDescent(t, s.With(more, nil), names)
		ptrs, none = ptrs+p, none+n
		// Beside a zone that no cache is expected to hold.
		p, n = checkDescent(t, s.With([]*zone.Zone{large}, nil), names)
		ptrs, none = ptrs+p, none+n
	})
	if ptrs == 0 || none == 0 {
		t.Errorf("%d walks ended at a PTR and %d at nothing: the zones are no test", ptrs, none)
	}
}

// largeZone returns a zone of some 400 kilobytes.
func largeZone(t *testing.T) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse("9.in-addr.arpa."))
	addFixed(b, b.Apex())
	for i := range 16_384 {
		owner := dname.FromAddr(netip.AddrFrom4([4]byte{9, byte(i >> 8), byte(i), 1}))
		b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 300, Data: dname.MustParse(fmt.Sprintf("host-%d.example.", i))})
	}
	z, findings := b.Build()
	if z == nil || z.Stats().Bytes < 300_000 {
		t.Fatalf("not a large zone: %v", findings)
	}
	return z
}

// addressesIn returns names of addresses in a prefix: near each other and far
// apart, so that there are long runs and short ones.
func addressesIn(g *zonetest.Random, apex dname.Name) (names []dname.Name) {
	p, _ := dname.ToPrefix(apex)
	base := p.Addr().AsSlice()
	for range 40 {
		a := slices.Clone(base)
		for bit := p.Bits(); bit < 8*len(a); bit++ {
			if g.Chance(1 + g.IntN(20)) {
				a[bit/8] |= 0x80 >> (bit % 8)
			}
		}
		addr, _ := netip.AddrFromSlice(a)
		names = append(names, dname.FromAddr(addr))
	}
	return names
}
