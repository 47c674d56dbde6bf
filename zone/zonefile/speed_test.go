package zonefile

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// ptrFile returns a /16 of n PTRs as most files have them.
func ptrFile(n int) []byte {
	var b bytes.Buffer
	b.WriteString("$TTL 1h\n@ IN SOA ns1.example.com. hostmaster.example.com. 1 2h 1h 2w 1h\n\tIN NS ns1.example.com.\n")
	for i := range n {
		fmt.Fprintf(&b, "%d.%d\tIN\tPTR\thost-%d-%d.dynamic.example.com.\n", i&255, i>>8, i>>8, i&255)
	}
	return b.Bytes()
}

func BenchmarkReadPTR(b *testing.B) {
	const n = 1 << 16
	text := ptrFile(n)
	o := Options{Origin: dname.MustParse("168.192.in-addr.arpa"), Table: new(source.Table)}
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
}

// TestGarbage asserts that reading costs no allocation a record: what a file
// costs does not grow with it.
func TestGarbage(t *testing.T) {
	cost := func(n int) float64 {
		text := ptrFile(n)
		o := Options{Origin: dname.MustParse("168.192.in-addr.arpa"), Table: new(source.Table)}
		return testing.AllocsPerRun(5, func() { ReadBytes("file", text, o, func(zone.Record) {}) })
	}
	small, large := cost(256), cost(16*256)
	// Each further /24 is noted once.
	if more := large - small; more > 3*16 {
		t.Errorf("%v allocations for 256 records, %v for 4096", small, large)
	}
}
