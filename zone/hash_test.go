package zone

import (
	"fmt"
	"math/bits"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// twins returns n names that differ in bit 5 of octets that are no letters.
func twins(n int, under string) (names []dname.Name) {
	for i := range n {
		label := []byte{20}
		for b := range 20 {
			label = append(label, '@'|byte(i>>b&1)<<5)
		}
		names = append(names, dname.FromWire(append(label, dname.MustParse(under)...)))
	}
	return names
}

// TestCraftedSuffixes: the search for suffixes stays short when strangers choose them.
func TestCraftedSuffixes(t *testing.T) {
	const n = 40_000
	b := NewBuilder(dname.MustParse("10.in-addr.arpa"))
	for i, suffix := range twins(n, "example") {
		target, err := suffix.Prepend([]byte("h"))
		if err != nil {
			t.Fatal(err)
		}
		owner := dname.MustParse(fmt.Sprintf("%d.%d.%d.10.in-addr.arpa", i&255, i>>8&255, i>>16))
		b.Add(Record{Owner: owner, Type: rr.TypePTR, TTL: 60, Data: target})
	}
	s := &b.w.suffixes
	if s.n < n {
		t.Fatalf("%d suffixes", s.n)
	}
	probes := 0
	for at, e := range s.table {
		if e != 0 {
			probes += 1 + (at-int(e>>32))&(len(s.table)-1)
		}
	}
	if probes > 4*n { // 2.5 where three quarters are used, at random
		t.Errorf("%d probes find %d suffixes", probes, n)
	}
}

// TestCraftedApexes: so does that for zones by name, and those that find no place near
// their own are found all the same.
func TestCraftedApexes(t *testing.T) {
	const n = 2000
	apexes := twins(n, "example")
	var zones []*Zone
	for _, a := range apexes {
		zones = append(zones, Unavailable(a, "first"))
	}
	s := NewSet().With(zones, nil)
	check := func(reason func(i int) string) {
		t.Helper()
		checkTable(t, &s.names)
		if pages := len(s.names.pages); pages > n/2 {
			t.Fatalf("the directory has %d places for %d zones", pages, s.Len())
		}
		all := 0
		for range s.All() {
			all++
		}
		want := 0
		for i, a := range apexes {
			z := s.Get(a)
			if reason(i) == "" {
				if z != nil {
					t.Fatalf("zone %v is still there", a)
				}
				continue
			}
			want++
			if z == nil || z.Reason() != reason(i) {
				t.Fatalf("zone %v is %v", a, z)
			}
		}
		if all != want || s.Len() != want {
			t.Fatalf("%d zones are yielded, %d counted, want %d", all, s.Len(), want)
		}
	}
	check(func(int) string { return "first" })
	if len(s.names.crowded) == 0 {
		t.Error("the names have different hashes")
	}
	before := s
	s = s.With([]*Zone{Unavailable(apexes[0], "second"), Unavailable(apexes[n-1], "second")}, nil)
	check(func(i int) string {
		if i == 0 || i == n-1 {
			return "second"
		}
		return "first"
	})
	s = s.With(nil, apexes[1:n-1])
	check(func(i int) string {
		if i == 0 || i == n-1 {
			return "second"
		}
		return ""
	})
	s = before
	check(func(int) string { return "first" })
}

// TestCraftedApexesDivide: when a page that was full is split, zones that found no room in
// it move into the halves.
func TestCraftedApexesDivide(t *testing.T) {
	byTop := map[uint32]uint32{} // hash by its five topmost bits
	under := map[uint32]string{}
	var zones []*Zone
	for i := 0; zones == nil; i++ {
		suffix := fmt.Sprintf("example-%d", i)
		h := hashName(twins(1, suffix)[0])
		if before, ok := byTop[h>>27]; ok && (before^h)>>26 == 1 {
			for _, a := range append(twins(40, suffix), twins(40, under[before])...) {
				zones = append(zones, Unavailable(a, "x"))
			}
		}
		byTop[h>>27], under[h] = h, suffix
	}
	s := NewSet().With(zones, nil)
	if len(s.names.crowded) != 80-pageSlots {
		t.Fatalf("%d zones found no room", len(s.names.crowded))
	}
	for i := range 400 {
		more := Unavailable(dname.MustParse(fmt.Sprintf("more-%d.example", i)), "x")
		s = s.With([]*Zone{more}, nil)
		s = s.With([]*Zone{Unavailable(zones[i%80].apex, "x")}, nil)
		s = s.With(nil, []dname.Name{zones[i%80].apex}).With(zones[i%80:i%80+1], nil)
	}
	checkTable(t, &s.names)
	if len(s.names.crowded) != 0 {
		t.Errorf("%d zones found no room", len(s.names.crowded))
	}
	for _, z := range zones {
		if s.Get(z.apex) == nil {
			t.Fatalf("zone %v is not found", z.apex)
		}
	}
}

// TestCraftedPrefixes: and for prefixes. These had one hash when it had no secret.
func TestCraftedPrefixes(t *testing.T) {
	const n = 5000
	old := func(h uint64) uint64 {
		h *= 0x9e37_79b9_7f4a_7c15
		return h ^ h>>32
	}
	var zones []*Zone
	for i := range uint64(n) {
		hi := uint64(0x20010db8)<<32 | i
		lo := old(hi^32<<8^uint64(dname.IP6)) ^ 4711
		var b [16]byte
		for j := range 8 {
			b[j], b[8+j] = byte(hi>>(56-8*j)), byte(lo>>(56-8*j))
		}
		apex, ok := dname.FromPrefix(netip.PrefixFrom(netip.AddrFrom16(b), 128))
		if !ok {
			t.Fatal("no name")
		}
		zones = append(zones, Unavailable(apex, "x"))
	}
	s := NewSet().With(zones, nil)
	probes := 0
	for _, p := range distinctPages(&s.prefixes) {
		for i := range p.slots {
			if e := &p.slots[i]; e.zone != nil {
				probes += 1 + int((uint32(i)-e.home())%pageSlots)
			}
		}
	}
	if probes > 3*n {
		t.Errorf("%d probes find %d prefixes", probes, n)
	}
}

// TestHashName: names that are the same without regard to case have the same hash, and
// each octet counts.
func TestHashName(t *testing.T) {
	var n dname.Name
	for n = dname.MustParse("."); len(n) < 100; {
		n, _ = n.Prepend([]byte("a"))
		upper := append(dname.Name(nil), n...)
		for i := range upper {
			if upper[i] == 'a' {
				upper[i] = 'A'
			}
		}
		if hashName(n) != hashName(upper) {
			t.Fatalf("%v and %v differ", n, upper)
		}
		for i := range n {
			other := append(dname.Name(nil), n...)
			other[i] ^= 0x81
			if same := bits.OnesCount32(hashName(n) ^ hashName(other)); same == 0 {
				t.Fatalf("octet %d of %d does not count", i, len(n))
			}
		}
	}
}
