package zone_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// benchZone is a zone of a stated shape with names that exist and names that do
// not.
type benchZone struct {
	zone           *zone.Zone
	present, wrong []dname.Name
}

const benchNames = 100_000

func newBenchZone(tb testing.TB, v6, wildcard bool) benchZone {
	return newBenchZoneOf(tb, benchNames, v6, wildcard)
}

// newBenchZoneOf makes that many PTRs from a fixed seed, at most 13 million. v4: /24 networks of
// 10/8 in random order with 200 hosts each. v6: /64 networks below
// 2001:db8::/32, hosts random. Six targets in ten share one of five suffixes, the
// others one of 50,000.
func newBenchZoneOf(tb testing.TB, names int, v6, wildcard bool) benchZone {
	rng := rand.New(rand.NewPCG(1, 2))
	apex := dname.MustParse("10.in-addr.arpa")
	if v6 {
		apex = dname.MustParse("8.b.d.0.1.0.0.2.ip6.arpa")
	}
	b := zone.NewBuilder(apex)
	addFixed(b, apex)
	if wildcard {
		star, _ := apex.Prepend([]byte("*"))
		b.Add(zone.Record{Owner: star, Type: rr.TypePTR, TTL: 3600, Data: dname.MustParse("nobody.example.net")})
	}
	z := benchZone{}
	for i := range names {
		a := netip.AddrFrom4([4]byte{10, byte(i / 200 * 131 >> 8), byte(i / 200 * 131), byte(i % 200)})
		if v6 {
			a = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(i >> 13), byte(i >> 5), 8: byte(rng.Uint32()), 9: byte(rng.Uint32()), 10: byte(rng.Uint32()),
				11: byte(rng.Uint32()), 12: byte(rng.Uint32()), 13: byte(rng.Uint32()), 14: byte(rng.Uint32()), 15: byte(rng.Uint32())})
		}
		target := fmt.Sprintf("host-%d-%d.pool%d.example.net", i>>8, i&255, rng.IntN(5))
		if rng.IntN(10) > 5 {
			target = fmt.Sprintf("mail.cust%d.example.com", rng.IntN(50_000))
		}
		owner := dname.FromAddr(a)
		b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 3600, Data: dname.MustParse(target)})
		if rng.IntN(10) == 0 {
			z.present = append(z.present, owner)
			other := a.As16()
			other[15] = 200 + other[15]%56
			if v6 {
				other[15] ^= 0x5a
			}
			z.wrong = append(z.wrong, dname.FromAddr(netip.AddrFrom16(other)))
		}
	}
	rng.Shuffle(len(z.present), func(i, j int) {
		z.present[i], z.present[j] = z.present[j], z.present[i]
		z.wrong[i], z.wrong[j] = z.wrong[j], z.wrong[i]
	})
	var findings []finding.Finding
	if z.zone, findings = b.Build(); z.zone == nil {
		tb.Fatal(findings)
	}
	return z
}

func addFixed(b *zone.Builder, apex dname.Name) {
	soa := append(append([]byte{}, dname.MustParse("ns1.example.net")...), dname.MustParse("hostmaster.example.net")...)
	soa = append(soa, 0, 0, 0, 1, 0, 0, 28, 32, 0, 0, 14, 16, 0, 18, 117, 0, 0, 0, 3, 132)
	b.Add(zone.Record{Owner: apex, Type: rr.TypeSOA, TTL: 3600, Data: soa})
	b.Add(zone.Record{Owner: apex, Type: rr.TypeNS, TTL: 3600, Data: dname.MustParse("ns1.example.net")})
}

func families(b *testing.B, f func(b *testing.B, v6 bool)) {
	b.Run("v4", func(b *testing.B) { f(b, false) })
	b.Run("v6", func(b *testing.B) { f(b, true) })
}

func benchLookup(b *testing.B, z *zone.Zone, names []dname.Name, want zone.Kind) {
	a := new(zone.Answer)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		a.Reset()
		z.Lookup(names[i], rr.TypePTR, false, a)
		if a.Kind != want {
			b.Fatalf("%v: kind %d, want %d", names[i], a.Kind, want)
		}
		if i++; i == len(names) {
			i = 0
		}
	}
}

func BenchmarkLookupName(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		z := newBenchZone(b, v6, false)
		benchLookup(b, z.zone, z.present, zone.Success)
	})
}

func BenchmarkLookupNXDomain(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		z := newBenchZone(b, v6, false)
		benchLookup(b, z.zone, z.wrong, zone.NXDomain)
	})
}

func BenchmarkLookupWildcard(b *testing.B) {
	apexOnly := zone.NewBuilder(dname.MustParse("10.in-addr.arpa"))
	addFixed(apexOnly, apexOnly.Apex())
	apexOnly.Add(zone.Record{Owner: dname.MustParse("*.10.in-addr.arpa"), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse("nobody.example")})
	z, _ := apexOnly.Build()
	benchLookup(b, z, []dname.Name{dname.MustParse("3.2.1.10.in-addr.arpa")}, zone.Success)
}

func BenchmarkLookupReferral(b *testing.B) {
	bld := zone.NewBuilder(dname.MustParse("10.in-addr.arpa"))
	addFixed(bld, bld.Apex())
	bld.Add(zone.Record{Owner: dname.MustParse("1.10.in-addr.arpa"), Type: rr.TypeNS, TTL: 60, Data: dname.MustParse("ns.1.10.in-addr.arpa")})
	bld.Add(zone.Record{Owner: dname.MustParse("ns.1.10.in-addr.arpa"), Type: rr.TypeA, TTL: 60, Data: []byte{192, 0, 2, 1}})
	z, _ := bld.Build()
	benchLookup(b, z, []dname.Name{dname.MustParse("3.2.1.10.in-addr.arpa")}, zone.Referral)
}

func BenchmarkSetFind(b *testing.B) {
	set := zone.NewSet()
	var zones []*zone.Zone
	var names []dname.Name
	for i := range 10_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7})
		n := dname.FromAddr(a)
		zones = append(zones, zone.Unavailable(n.Parent(), "not needed"))
		names = append(names, n)
	}
	set = set.With(zones, nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if set.Find(names[i]) == nil {
			b.Fatal("zone not found")
		}
		i = (i + 7919) % len(names)
	}
}

// BenchmarkAdd takes in a million records; BenchmarkBuild makes a zone of them.
func BenchmarkAdd(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		l := newBenchList(v6)
		for b.Loop() {
			l.add()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchMany, "ns/name")
	})
}

// BenchmarkBuild also reports the octets of storage a name, which the package
// doc computes.
func BenchmarkBuild(b *testing.B) {
	families(b, func(b *testing.B, v6 bool) {
		l := newBenchList(v6)
		var z *zone.Zone
		b.ResetTimer()
		for range b.N {
			b.StopTimer()
			bld := l.add()
			runtime.GC()
			b.StartTimer()
			z, _ = bld.Build()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchMany, "ns/name")
		b.ReportMetric(float64(z.Stats().Bytes)/benchMany, "B/name")
	})
}

// BenchmarkBuildSmall makes zones of a few names.
func BenchmarkBuildSmall(b *testing.B) {
	for _, names := range []int{4, 100} {
		b.Run(fmt.Sprint(names), func(b *testing.B) {
			apex := dname.MustParse("2.0.192.in-addr.arpa")
			var records []zone.Record
			for i := range names {
				records = append(records, zone.Record{
					Owner: dname.FromAddr(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})), Type: rr.TypePTR, TTL: 3600,
					Data: dname.MustParse(fmt.Sprintf("host-%d.pool%d.example.net", i, i%9)),
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				bld := zone.NewBuilder(apex)
				addFixed(bld, apex)
				for _, r := range records {
					bld.Add(r)
				}
				if z, findings := bld.Build(); z == nil {
					b.Fatal(findings)
				}
			}
		})
	}
}

const benchMany = 1_000_000

// benchList is benchMany records in the order of a file whose networks are in no
// order, nor the hosts in each, in octets without pointers: names of the form that
// newBenchZone has.
type benchList struct {
	apex    dname.Name
	records []byte // of each: length and octets of the owner, the same of the target
}

func newBenchList(v6 bool) *benchList {
	rng := rand.New(rand.NewPCG(3, 4))
	l := &benchList{apex: dname.MustParse("10.in-addr.arpa")}
	if v6 {
		l.apex = dname.MustParse("8.b.d.0.1.0.0.2.ip6.arpa")
	}
	const hosts = 200
	for _, network := range rng.Perm(benchMany / hosts) {
		for _, host := range rng.Perm(256)[:hosts] {
			a := netip.AddrFrom4([4]byte{10, byte(network * 131 >> 8), byte(network * 131), byte(host)})
			if v6 {
				x := rng.Uint64()
				a = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(network >> 8), byte(network), 8: byte(x), 9: byte(x >> 8), 10: byte(x >> 16),
					11: byte(x >> 24), 12: byte(x >> 32), 13: byte(x >> 40), 14: byte(x >> 48), 15: byte(host)})
			}
			target := fmt.Sprintf("host-%d-%d.pool%d.example.net", network, host, rng.IntN(5))
			if rng.IntN(10) > 5 {
				target = fmt.Sprintf("mail.cust%d.example.com", rng.IntN(50_000))
			}
			for _, n := range []dname.Name{dname.FromAddr(a), dname.MustParse(target)} {
				l.records = append(append(l.records, byte(len(n))), n...)
			}
		}
	}
	return l
}

// add returns a builder that has the records.
func (l *benchList) add() *zone.Builder {
	b := zone.NewBuilder(l.apex)
	addFixed(b, l.apex)
	rest := l.records
	next := func() []byte {
		n := rest[1 : 1+rest[0]]
		rest = rest[1+rest[0]:]
		return n
	}
	for line := 6; len(rest) > 0; line++ {
		b.Add(zone.Record{Owner: next(), Type: rr.TypePTR, TTL: 3600, Data: next(), Tag: zone.Tag(line<<16 | 1)})
	}
	return b
}

// BenchmarkDescendMany looks for addresses in 10,000 zones of a /24, more than a cache
// holds, 32 at a time as a batch of questions is.
func BenchmarkDescendMany(b *testing.B) {
	var zones []*zone.Zone
	for i := range 10_000 {
		net := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
		bld := zone.NewBuilder(dname.FromAddr(net).Parent())
		addFixed(bld, bld.Apex())
		a := net.As4()
		for h := range 50 {
			a[3] = byte(h * 5)
			target := dname.MustParse(fmt.Sprintf("host-%d.net-%d.example", h, i))
			bld.Add(zone.Record{Owner: dname.FromAddr(netip.AddrFrom4(a)), Type: rr.TypePTR, TTL: 3600, Data: target})
		}
		z, findings := bld.Build()
		if z == nil {
			b.Fatal(findings)
		}
		zones = append(zones, z)
	}
	set := zone.NewSet().With(zones, nil)
	var batch [32]zone.Descent
	at, sum := uint32(1), 0
	for b.Loop() {
		for i := range batch {
			at = at*1664525 + 1013904223
			zone := at >> 8 % 10_000
			k := dname.AddressKey{Hi: uint64(10<<24|zone<<8|at>>24%50*5) << 32, Family: dname.InAddr}
			*batch[i].Key() = k
			set.Descend(&batch[i])
		}
		for going := true; going; {
			going = false
			for i := range batch {
				if d := &batch[i]; d.Going() && d.Step() {
					going = true
				}
			}
		}
		for i := range batch {
			if batch[i].Status() != zone.HasPTR {
				b.Fatalf("status %d", batch[i].Status())
			}
			_, head, tail := batch[i].PTR()
			sum += int(head[0]) + int(tail[0])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(batch)), "ns/question")
}
