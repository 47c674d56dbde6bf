package zone_test

import (
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// What a Builder refuses is found again when a change brings it in.
func TestRecheck(t *testing.T) {
	apex := dname.MustParse("example")
	record := func(owner string, typ rr.Type, data string) zone.Record {
		return zone.Record{Owner: dname.MustParse(owner), Type: typ, TTL: 60, Data: []byte(data)}
	}
	name := func(s string) string { return string(dname.MustParse(s)) }
	base := []zone.Record{
		record("a.example", rr.TypeCNAME, name("b.example")),
		record("b.example", rr.TypeA, "1234"),
		record("cut.example", rr.TypeNS, name("ns.other")),
	}
	for _, c := range []struct {
		what    string
		removed []zone.Record
		added   []zone.Record
		want    []string // codes
	}{
		{"nothing wrong", nil, []zone.Record{record("c.example", rr.TypePTR, name("x.example")), record("b.example", rr.TypeTXT, "\x01x")}, nil},
		{"second CNAME", nil, []zone.Record{record("a.example", rr.TypeCNAME, name("c.example"))}, []string{"several-cnames"}},
		{"data beside a CNAME", nil, []zone.Record{record("a.example", rr.TypeA, "1234")}, []string{"cname-and-other-data"}},
		{"CNAME together with data", nil, []zone.Record{record("b.example", rr.TypeCNAME, name("c.example"))}, []string{"cname-and-other-data"}},
		{"two new ones", nil, []zone.Record{record("d.example", rr.TypeCNAME, name("c.example")), record("d.example", rr.TypeA, "1234")}, []string{"cname-and-other-data"}},
		{"one goes, one comes", base[:1], []zone.Record{record("a.example", rr.TypeA, "1234")}, nil},
		{"second DNAME", nil, []zone.Record{record("d.example", rr.TypeDNAME, name("a.")), record("d.example", rr.TypeDNAME, name("b."))}, []string{"several-dnames"}},
		{"DNAME at a cut", nil, []zone.Record{record("cut.example", rr.TypeDNAME, name("a."))}, []string{"dname-and-ns"}},
		{"SOA below", nil, []zone.Record{record("b.example", rr.TypeSOA, name("a.")+name("b.")+"12341234123412341234")}, []string{"soa-below-apex"}},
	} {
		b := zone.NewBuilder(apex)
		addFixed(b, apex)
		for _, r := range base {
			b.Add(r)
		}
		z, findings := b.Build()
		if z == nil {
			t.Fatal(findings)
		}
		change := &zone.Changeset{Apex: apex, Removed: c.removed, Added: c.added}
		next, err := z.Apply(change)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		var got []string
		for _, f := range next.Recheck(change, nil) {
			got = append(got, f.Rule)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
		// A Builder says the same of the result.
		b = zone.NewBuilder(apex)
		for r := range next.All() {
			b.Add(r)
		}
		var codes []string
		for _, f := range second(b.Build()) {
			if f.Severity == finding.Error {
				codes = append(codes, f.Rule)
			}
		}
		if !slices.Equal(codes, c.want) {
			t.Errorf("%s: a Builder says %q, want %q", c.what, codes, c.want)
		}
	}
}

func second(_ *zone.Zone, findings []finding.Finding) []finding.Finding { return findings }

// A zone without NS at its apex is noticed wherever that was removed.
func TestRecheckApex(t *testing.T) {
	apex := dname.MustParse("example")
	b := zone.NewBuilder(apex)
	addFixed(b, apex)
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	change := &zone.Changeset{Apex: apex}
	for r := range z.All() {
		if r.Type == rr.TypeNS {
			change.Removed = append(change.Removed, r)
		}
	}
	next, err := z.Apply(change)
	if err != nil {
		t.Fatal(err)
	}
	if f := next.Recheck(change, nil); len(f) != 1 || f[0].Rule != "no-ns" {
		t.Errorf("%v, want no-ns", f)
	}
}
