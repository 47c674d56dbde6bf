package zone_test

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// The SOA of a negative answer has the lesser of its own TTL and MINIMUM (RFC 2308
// §5), the one that answers QTYPE SOA its own.
func TestNegativeTTL(t *testing.T) {
	for _, c := range []struct{ ttl, minimum, want uint32 }{
		{3600, 300, 300}, {300, 3600, 300}, {300, 300, 300}, {0, 300, 0}, {300, 0, 0}, {1<<31 - 1, 1<<31 - 1, 1<<31 - 1},
	} {
		unsigned := zonetest.MustParse("example.", fmt.Sprintf("@ %d SOA a. b. 1 2 3 4 %d\n@ 60 NS ns.example.org.\ne.e 60 TXT x\n*.w 60 TXT x\n", c.ttl, c.minimum))
		for _, o := range []*zonetest.Oracle{unsigned, zonetest.MustSign(unsigned, 1, zonetest.Denial{}), zonetest.MustSign(unsigned, 1, zonetest.Denial{NSEC3: true})} {
			z := build(t, o, o.Records())
			for name, qtype := range map[string]rr.Type{"example.": rr.TypeA, "e.example.": rr.TypeA, "x.example.": rr.TypeA, "x.w.example.": rr.TypeA} {
				for _, do := range []bool{false, true} {
					var a zone.Answer
					a.Reset()
					z.Lookup(dname.MustParse(name), qtype, do, &a)
					soa := a.Items[0]
					if soa.Set.Type != rr.TypeSOA || soa.TTL != c.want || soa.Set.Sigs() > 0 && soa.SigTTL != c.want {
						t.Errorf("TTL %d, MINIMUM %d, %s: %v with TTL %d, signature %d; want SOA with %d", c.ttl, c.minimum, name, soa.Set.Type, soa.TTL, soa.SigTTL, c.want)
					}
				}
			}
			var a zone.Answer
			a.Reset()
			z.Lookup(o.Apex, rr.TypeSOA, true, &a)
			if a.Items[0].TTL != c.ttl {
				t.Errorf("TTL %d, MINIMUM %d: SOA answered with TTL %d", c.ttl, c.minimum, a.Items[0].TTL)
			}
		}
	}
}
