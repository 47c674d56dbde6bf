package zone_test

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// TestAfter begins at every name of a zone, and at names between them, and compares with All.
func TestAfter(t *testing.T) {
	for apex, text := range map[string]string{
		"2.0.192.in-addr.arpa.":     "0 PTR a.example.\n1 PTR a.example.\n10 PTR a.example.\n2 PTR a.example.\n255 PTR a.example.\n01 PTR a.example.\n_dmarc TXT x\nx.10 PTR a.example.\n5.x.10 PTR a.example.\n0/25 NS ns.example.\n",
		"8.b.d.0.1.0.0.2.ip6.arpa.": "0.1 PTR a.example.\nf.1 PTR a.example.\n*.a.1 PTR a.example.\nb PTR a.example.\n_x.b TXT x\n",
		"example.":                  "a A 192.0.2.1\nb.a A 192.0.2.1\naa A 192.0.2.1\nab A 192.0.2.1\nz.z A 192.0.2.1\n\\000 A 192.0.2.1\n",
	} {
		o := zonetest.MustParse(apex, soaNS+text)
		z := build(t, o, o.Records())
		var owners []dname.Name
		for r := range z.All() {
			if len(owners) == 0 || !owners[len(owners)-1].Equal(r.Owner) {
				owners = append(owners, r.Owner.Clone())
			}
		}
		starts := owners[:len(owners):len(owners)]
		for _, n := range owners {
			for _, label := range []string{"", "\x00", "0", "1", "100", "3", "a", "ff", "zz"} {
				if m, err := n.Prepend([]byte(label)); err == nil && label != "" {
					starts = append(starts, m)
				}
			}
		}
		for _, start := range starts {
			var want, got, wantBelow, gotBelow []string
			for r := range z.All() {
				if r.Owner.IsAtOrBelow(start) {
					wantBelow = append(wantBelow, fmt.Sprint(r.Owner, r.Type, r.Data))
				}
				if dname.Compare(r.Owner, start) > 0 {
					want = append(want, fmt.Sprint(r.Owner, r.Type, r.Data))
				}
			}
			for r := range z.After(start) {
				got = append(got, fmt.Sprint(r.Owner, r.Type, r.Data))
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("after %v: %q\nwant %q", start, got, want)
			}
			for r := range z.Below(start) {
				gotBelow = append(gotBelow, fmt.Sprint(r.Owner, r.Type, r.Data))
			}
			if fmt.Sprint(gotBelow) != fmt.Sprint(wantBelow) {
				t.Errorf("at and below %v: %q\nwant %q", start, gotBelow, wantBelow)
			}
		}
		for r := range z.After(z.Apex()) {
			if !r.Owner.Equal(owners[1]) {
				t.Errorf("after the apex comes %v", r.Owner)
			}
			break
		}
	}
}
