package zone

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestCaseOfTargets: records that differ in the case of names in their RDATA are one, the first,
// in small RRsets and large ones, if the Builder merges them.
func TestCaseOfTargets(t *testing.T) {
	apex := dname.MustParse("2.0.192.in-addr.arpa.")
	for _, n := range []int{1, 2, 15, 16, 17, 100} {
		for _, exact := range []bool{false, true} {
			b := NewBuilder(apex)
			if !exact {
				b.MergeCase()
			}
			add := func(owner string, typ rr.Type, data string) {
				b.Add(Record{Owner: dname.MustParse(owner), Type: typ, TTL: 60, Data: []byte(data)})
			}
			name := func(s string) string { return string(dname.MustParse(s)) }
			add("2.0.192.in-addr.arpa.", rr.TypeSOA, name("ns.example.")+name("host.example.")+string(make([]byte, 20)))
			add("2.0.192.in-addr.arpa.", rr.TypeNS, name("ns.example."))
			for _, domain := range []string{"Example.", "example.", "EXAMPLE.", "example."} {
				for i := range n {
					add("1.2.0.192.in-addr.arpa.", rr.TypePTR, name(fmt.Sprintf("Host-%d.%s", i, domain)))
					add("x.2.0.192.in-addr.arpa.", rr.TypeMX, "\x00\x0a"+name(fmt.Sprintf("Host-%d.%s", i, domain)))
					add("x.2.0.192.in-addr.arpa.", rr.TypeTXT, "\x05"+domain[:5])
				}
			}
			z, findings := b.Build()
			if z == nil {
				t.Fatal(findings)
			}
			want := 2 + 2*n + 3
			if exact {
				want = 2 + 6*n + 3
			}
			if got := int(z.Stats().Records); got != want {
				t.Errorf("%d names, exact %v: %d records, want %d", n, exact, got, want)
			}
			for r := range z.All() {
				if first := "\x07Example\x00"; !exact && (r.Type == rr.TypePTR || r.Type == rr.TypeMX) && string(r.Data[len(r.Data)-len(first):]) != first {
					t.Errorf("%v %q is not the first spelling", r.Type, r.Data)
				}
			}
		}
	}
}
