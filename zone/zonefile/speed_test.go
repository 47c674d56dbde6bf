package zonefile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// ptrFile returns n PTRs of the zone at origin as most files have them: 256 in a /24,
// 16 in a /64, the owners relative or absolute.
func ptrFile(n int, origin dname.Name, absolute bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "$TTL 1h\n%v IN SOA ns1.example.com. hostmaster.example.com. 1 2h 1h 2w 1h\n\tIN NS ns1.example.com.\n", origin)
	zone, _ := dname.ToPrefix(origin)
	for i := range n {
		a := zone.Addr().AsSlice()
		if len(a) == 4 {
			a[2], a[3] = byte(i>>8), byte(i)
		} else {
			binary.BigEndian.PutUint64(a[8:], uint64(i&15)*0x123456789abcdef1)
			a[5], a[6], a[7] = byte(i>>20), byte(i>>12), byte(i>>4)
		}
		addr, _ := netip.AddrFromSlice(a)
		owner := dname.FromAddr(addr).String()
		if !absolute {
			owner = owner[:len(owner)-len(origin.String())-1]
		}
		fmt.Fprintf(&b, "%s\tIN\tPTR\thost-%d-%d.dynamic.example.com.\n", owner, i>>8, i&255)
	}
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	for _, family := range []struct{ name, origin string }{{"v4", "168.192.in-addr.arpa"}, {"v6", "8.b.d.0.1.0.0.2.ip6.arpa"}} {
		for _, owners := range []string{"relative", "absolute"} {
			for _, road := range []string{"simple", "one"} { // with the road for simple lines and without it
				b.Run(family.name+"/"+owners+"/"+road, func(b *testing.B) {
					o := Options{Origin: dname.MustParse(family.origin), Table: new(source.Table), oneRoad: road == "one"}
					text := ptrFile(1<<16, o.Origin, owners == "absolute")
					records := 0
					b.SetBytes(int64(len(text)))
					b.ReportAllocs()
					for b.Loop() {
						res := ReadBytes("file", text, o, func(zone.Record) { records++ })
						if !res.OK() || res.Warnings > 0 {
							b.Fatal(res.Findings)
						}
					}
					b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
				})
			}
		}
	}
}

// TestGarbage asserts that reading costs no allocation a record: what a file
// costs does not grow with it.
func TestGarbage(t *testing.T) {
	cost := func(n int) float64 {
		o := Options{Origin: dname.MustParse("168.192.in-addr.arpa"), Table: new(source.Table)}
		text := ptrFile(n, o.Origin, false)
		return testing.AllocsPerRun(5, func() { ReadBytes("file", text, o, func(zone.Record) {}) })
	}
	small, large := cost(256), cost(16*256)
	// Each further /24 is noted once.
	if more := large - small; more > 3*16 {
		t.Errorf("%v allocations for 256 records, %v for 4096", small, large)
	}
}
