package zone

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// manyApexes returns n names, most of them of prefixes of several lengths.
func manyApexes(n int) (apexes []dname.Name) {
	for i := range n {
		var name dname.Name
		a := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
		b := netip.AddrFrom16([16]byte{0x20, 1, byte(i), byte(i >> 8)})
		switch i % 4 {
		case 0:
			name, _ = dname.FromPrefix(netip.PrefixFrom(a, 24))
		case 1:
			name, _ = dname.FromPrefix(netip.PrefixFrom(b, 32+i%8*4))
		case 2:
			name, _ = dname.FromPrefix(netip.PrefixFrom(b, 64))
		default:
			name = dname.MustParse(fmt.Sprintf("zone-%d.example", i))
		}
		apexes = append(apexes, name)
	}
	return apexes
}

func distinctPages[S any, P tableSlot[S]](t *table[S, P]) []*page[S] {
	return slices.Compact(slices.Clone(t.pages))
}

// checkTable checks what a search relies on.
func checkTable[S any, P tableSlot[S]](t *testing.T, tab *table[S, P]) {
	t.Helper()
	if len(tab.pages) != 1<<(32-tab.shift) {
		t.Fatalf("%d places, shift %d", len(tab.pages), tab.shift)
	}
	for _, p := range distinctPages(tab) {
		used := 0
		for i := range p.slots {
			e := P(&p.slots[i])
			if e.key() == "" {
				continue
			}
			used++
			for j := e.home() % pageSlots; j != uint32(i); j = (j + 1) % pageSlots {
				if P(&p.slots[j]).key() == "" {
					t.Fatalf("%q is behind a free slot", e.key())
				}
			}
			if tab.page(e.home()) != p {
				t.Fatalf("%q is in the page of other hashes", e.key())
			}
		}
		if used != int(p.used) || p.used > tab.most {
			t.Fatalf("%d slots are used, %d counted, at most %d allowed", used, p.used, tab.most)
		}
	}
	for key, e := range tab.crowded {
		if p := tab.page(P(&e).home()); p.used != tab.most {
			t.Fatalf("%q has no slot, but its page has room", key)
		}
	}
}

// checkSet compares a set with a map and with a set that is made of the map at once.
func checkSet(t *testing.T, s *Set, want map[string]*Zone, apexes []dname.Name) {
	t.Helper()
	checkTable(t, &s.names)
	checkTable(t, &s.prefixes)
	for _, apex := range apexes {
		if s.Get(apex) != want[apex.Key()] {
			t.Fatalf("Get(%v) returns another zone", apex)
		}
		if p := prefixOf(apex); p.is {
			if got, found := descended(s, &p.key), longest(want, apex); got != found {
				t.Fatalf("the address of %v is searched in %v, not in %v", apex, got, found)
			}
		}
	}
	fresh := NewSet().With(slices.Collect(maps.Values(want)), nil)
	if s.count != len(want) || s.octets != fresh.octets || s.hot != fresh.hot || s.counts != fresh.counts {
		t.Fatalf("%d zones, %d octets, hot %d; want %d, %d, %d", s.count, s.octets, s.hot, len(want), fresh.octets, fresh.hot)
	}
	if !slices.Equal(s.lengths, fresh.lengths) {
		t.Fatalf("lengths %v, want %v", s.lengths, fresh.lengths)
	}
	for f := range s.masks {
		if !slices.Equal(s.masks[f], fresh.masks[f]) {
			t.Fatalf("masks %v, want %v", s.masks[f], fresh.masks[f])
		}
	}
	same := func(a, b fewSlot) bool { return a.nibbles == b.nibbles }
	if !slices.EqualFunc(s.few, fresh.few, same) || len(s.few) > 0 != (len(fresh.few) > 0) {
		t.Fatalf("%d few, want %d", len(s.few), len(fresh.few))
	}
}

// descended returns the zone in which a Descent searches the address.
func descended(s *Set, k *dname.AddressKey) *Zone {
	var d Descent
	*d.Key() = *k
	s.Descend(&d)
	for d.status == inSlots {
		d.Step()
	}
	if d.status == Other {
		return nil
	}
	return d.zone
}

// longest returns the zone with the longest prefix at or above apex.
func longest(zones map[string]*Zone, apex dname.Name) *Zone {
	for ; !apex.IsRoot(); apex = apex.Parent() {
		if z := zones[apex.Key()]; z != nil {
			return z
		}
	}
	return nil
}

// tinyZone returns a zone with data.
func tinyZone(t *testing.T, apex dname.Name) *Zone {
	b := NewBuilder(apex)
	soa := append([]byte{0, 0}, 0, 0, 0, 1, 0, 0, 28, 32, 0, 0, 14, 16, 0, 18, 117, 0, 0, 0, 3, 132)
	b.Add(Record{Owner: apex, Type: rr.TypeSOA, TTL: 3600, Data: soa})
	b.Add(Record{Owner: apex, Type: rr.TypeNS, TTL: 3600, Data: dname.MustParse("ns.example")})
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// TestSetGrowsAndShrinks: through any number of additions, replacements and removals a
// set has the zones of a map, and older sets keep theirs.
func TestSetGrowsAndShrinks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := rand.New(rand.NewPCG(seed, 0))
	apexes := append(manyApexes(3000), twins(200, "example")...)
	type snapshot struct {
		set  *Set
		want map[string]*Zone
	}
	now := snapshot{NewSet().With(nil, nil), map[string]*Zone{}}
	snapshots := []snapshot{now}
	for step := range 60 {
		next := maps.Clone(now.want)
		var with []*Zone
		var gone []dname.Name
		for _, i := range g.Perm(len(apexes))[:1+g.IntN([]int{3, 40, 1500}[step%3])] {
			apex := apexes[i]
			// Most of it grows at first, and shrinks to nearly nothing in the end.
			if g.IntN(60) < step {
				gone = append(gone, apex)
				delete(next, apex.Key())
				continue
			}
			z := tinyZone(t, apex)
			with = append(with, z)
			next[apex.Key()] = z
		}
		if step == 50 {
			for _, apex := range apexes[5:] {
				gone = append(gone, apex)
				delete(next, apex.Key())
			}
			with = slices.DeleteFunc(with, func(z *Zone) bool { return next[z.id] == nil })
		}
		now = snapshot{now.set.With(with, gone), next}
		snapshots = append(snapshots, now)
	}
	for _, s := range snapshots {
		checkSet(t, s.set, s.want, apexes)
	}
}

// TestSetSharesPages: one zone more or less in many copies the pages that it lies in, and
// the directories.
func TestSetSharesPages(t *testing.T) {
	const n, most = 100_000, 256 << 10
	s := set100k()
	one := Unavailable(dname.MustParse("255.255.11.in-addr.arpa"), "one")
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 20 {
			f()
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / 20
	}
	with := s.With([]*Zone{one}, nil)
	if got := allocated(func() { s.With([]*Zone{one}, nil) }); got > most {
		t.Errorf("one zone more allocates %d octets, want at most %d", got, most)
	}
	if got := allocated(func() { with.With(nil, []dname.Name{one.apex}) }); got > most {
		t.Errorf("one zone less allocates %d octets, want at most %d", got, most)
	}
	if s.Len() != n || with.Len() != n+1 || s.Get(one.apex) != nil || with.Get(one.apex) != one {
		t.Errorf("%d zones, with one more %d", s.Len(), with.Len())
	}
}

func set100k() *Set {
	var zones []*Zone
	for i := range 100_000 {
		apex, _ := dname.FromPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(16 + i>>16), byte(i >> 8), byte(i), 0}), 24))
		zones = append(zones, Unavailable(apex, "x"))
	}
	return NewSet().With(zones, nil)
}

// BenchmarkSetAdd100k adds one zone to 100,000 and removes it again.
func BenchmarkSetAdd100k(b *testing.B) {
	s := set100k()
	one := []*Zone{Unavailable(dname.MustParse("255.255.11.in-addr.arpa"), "one")}
	gone := []dname.Name{one[0].apex}
	b.ReportAllocs()
	for b.Loop() {
		s = s.With(one, nil).With(nil, gone)
	}
}
