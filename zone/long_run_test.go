package zone_test

import (
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A path longer than a node's run may be (255 nibbles) parts and joins at every
// octet, and ends in the same form and content.
func TestLongRuns(t *testing.T) {
	long := strings.Repeat(`\001`, 63) + "." + strings.Repeat("a", 63) + "." + strings.Repeat(`\000`, 63) + "." + strings.Repeat("b", 40)
	for _, apex := range []string{"example.", "2.0.192.in-addr.arpa.", "2.ip6.arpa."} {
		o := zonetest.MustParse(apex, soaNS+long+" TXT x\n")
		z := build(t, o, o.Records())
		digest := z.Digest()
		full, err := dname.ParseIn(long, o.Apex)
		if err != nil {
			t.Fatal(err)
		}
		var a zone.Answer
		label := 0 // where the length octet of the label lies
		for i := 1; i < len(full)-len(o.Apex); i++ {
			if i == label+1+int(full[label]) {
				label = i
				continue
			}
			other := full.Clone()
			other[i] ^= 0x80 // another name from this octet on
			added := []zone.Record{{Owner: other, Type: rr.TypeTXT, TTL: 60, Data: []byte("\x01y")}}
			c := &zone.Changeset{Apex: o.Apex, From: 1, To: 1, Added: added}
			next, err := z.Apply(c)
			if err != nil {
				t.Fatal(err)
			}
			check(t, next)
			edited := o.Clone()
			edited.Add(added...)
			for _, qname := range []dname.Name{full, other, full.Parent(), other.Parent(), full.Suffix(full.Labels() - 3)} {
				ask(t, next, edited, &a, qname, rr.TypeTXT, false)
			}
			back, err := next.Apply(c.Reverse())
			if err != nil {
				t.Fatal(err)
			}
			check(t, back)
			if back.Digest() != digest {
				t.Errorf("octet %d: the digest does not come back", i)
			}
			z = back
		}
		sameContent(t, z, o)
	}
}
