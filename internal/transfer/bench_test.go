package transfer

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// BenchmarkAXFR transfers 100,000 PTR records over a connection on the loopback.
func BenchmarkAXFR(b *testing.B) {
	z := benchZone(b, 100_000)
	g := newRig(b, z)
	for _, signed := range []bool{false, true} {
		b.Run(fmt.Sprintf("signed=%v", signed), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.drain(signed)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*z.Stats().Records), "ns/record")
		})
	}
}

// benchZone is like a network with names of hosts from many domains.
func benchZone(t testing.TB, records int) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse("10.in-addr.arpa."))
	b.Add(record(t, "10.in-addr.arpa. 3600 IN SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300"))
	b.Add(record(t, "10.in-addr.arpa. 3600 IN NS ns1.example.net."))
	for i := range records {
		owner := dname.MustParse(fmt.Sprintf("%d.%d.%d.10.in-addr.arpa.", i%250, i/250%250, i/62500))
		target := dname.MustParse(fmt.Sprintf("host-%d.site%d.example.com.", i%5000, i/5000))
		b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 3600, Data: target})
	}
	z, findings := b.Build()
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return z
}
