package hosted

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// TestExport: batches are within the limits of Route 53, and hold the whole zone.
func TestExport(t *testing.T) {
	b := zone.NewBuilder(dname.MustParse("2.0.192.in-addr.arpa"))
	var text strings.Builder
	text.WriteString("@ 60 SOA ns.example. hostmaster.example. 1 1 1 1 1\n@ 60 NS ns.example.\n")
	for i := range 256 {
		for j := range 5 {
			fmt.Fprintf(&text, "%d 300 PTR host-%d-%d.example.com.\n", i, i, j)
		}
		fmt.Fprintf(&text, "long-%d 300 TXT \"%s\"\n", i, strings.Repeat("x", 200))
	}
	for i := range 401 {
		fmt.Fprintf(&text, "many 300 A 10.0.%d.%d\n", i>>8, i&255)
	}
	for _, r := range zonetest.MustParse("2.0.192.in-addr.arpa.", text.String()).Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	batches, left, err := Export(z)
	if err != nil || len(left) != 1 || left[0] != "many.2.0.192.in-addr.arpa. A: 401 values, may have 400" {
		t.Errorf("left %q, %v", left, err)
	}
	sets := 0
	work := zone.NewBuilder(z.Apex())
	for _, r := range []rr.Type{rr.TypeSOA, rr.TypeNS} {
		for _, rec := range records(z, z.Apex(), z.Apex(), r) {
			work.Add(rec)
		}
	}
	served, _ := work.Build()
	for i, text := range batches {
		var in batch
		if err := json.Unmarshal(text, &in); err != nil {
			t.Fatal(err)
		}
		var edits []Edit
		for _, c := range in.Changes {
			e := Edit{Action: c.Action, TTL: *c.ResourceRecordSet.TTL}
			e.Owner, _ = ParseName(c.ResourceRecordSet.Name)
			e.Type, _ = rr.ParseType(c.ResourceRecordSet.Type)
			for _, v := range c.ResourceRecordSet.ResourceRecords {
				value, err := ParseValue(e.Type, v.Value)
				if err != nil {
					t.Error(err)
				}
				e.Values = append(e.Values, value)
			}
			edits = append(edits, e)
			sets++
		}
		c, _, err := apply(served, &entry{}, edits, true, served.Serial()+1)
		if err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
		if served, err = served.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	if sets != 512 || served.Stats().Records != z.Stats().Records-401 {
		t.Errorf("%d sets, %d records of %d", sets, served.Stats().Records, z.Stats().Records)
	}
}
