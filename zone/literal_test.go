package zone_test

import (
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A question and the outline of its answer (see [zonetest.Outline]), names
// relative to the apex.
type literal struct{ qname, qtype, want string }

// soaNS begins every literal zone; the TTL of negative answers is 5.
const soaNS = "@ 3600 SOA ns.example. hostmaster.example. 1 2 3 4 5\n@ 3600 NS ns.example.\n"

// answers asks the zone of the master file and the Oracle, and holds both against
// what is written; then it takes every name but the apex out of the zone and puts
// them back one by one, and asks again.
func answers(t *testing.T, apex, text string, cases []literal) {
	t.Helper()
	answersOf(t, zonetest.MustParse(apex, soaNS+text), false, cases)
}

func answersOf(t *testing.T, o *zonetest.Oracle, do bool, cases []literal) {
	t.Helper()
	z := build(t, o, o.Records())
	var first []zone.Record
	changed := z
	for _, owner := range o.Owners() {
		if owner.Equal(o.Apex) {
			continue
		}
		c := &zone.Changeset{Apex: o.Apex, From: z.Serial(), To: z.Serial()}
		for _, r := range o.Records() {
			if r.Owner.Equal(owner) {
				c.Removed = append(c.Removed, r)
			}
		}
		first = append(first, c.Removed...)
		next, err := changed.Apply(c)
		if err != nil {
			t.Fatalf("apply: %v", err)
		}
		changed = next
		check(t, changed)
	}
	slices.Reverse(first)
	for len(first) > 0 {
		n := 1
		for n < len(first) && first[n].Owner.Equal(first[0].Owner) {
			n++
		}
		next, err := changed.Apply(&zone.Changeset{Apex: o.Apex, From: z.Serial(), To: z.Serial(), Added: first[:n]})
		if err != nil {
			t.Fatalf("apply: %v", err)
		}
		changed, first = next, first[n:]
		check(t, changed)
	}
	if changed.Digest() != z.Digest() {
		t.Error("the digest differs after all names were removed and added again")
	}
	for _, c := range cases {
		qname, err := dname.ParseIn(c.qname, o.Apex)
		if err != nil {
			t.Fatal(err)
		}
		qtype, ok := rr.ParseType(c.qtype)
		if !ok {
			t.Fatalf("%q is no type", c.qtype)
		}
		for what, z := range map[string]*zone.Zone{"built": z, "changed": changed} {
			var a zone.Answer
			a.Reset()
			z.Lookup(qname, qtype, do, &a)
			if got := zonetest.Outline(zonetest.FromAnswer(&a, do), o.Apex); got != c.want {
				t.Errorf("%s, %s %s:\n got %s\nwant %s", what, c.qname, c.qtype, got, c.want)
			}
			ask(t, z, o, &a, qname, qtype, do)
		}
	}
}
