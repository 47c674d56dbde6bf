package zone_test

import (
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A whole zone in the abolished tree is told once, whatever is in it.
func TestZoneInIP6Int(t *testing.T) {
	for apex, want := range map[string]int{"8.b.d.0.1.0.0.2.IP6.INT.": 1, "ip6.int.": 1, "8.b.d.0.1.0.0.2.ip6.arpa.": 0, "int.": 0} {
		records, err := zonetest.ParseRecords(apex, "@ SOA ns.example. hostmaster.example. 1 2 3 4 5\n@ NS ns.example.\n1 PTR a.example.\n")
		if err != nil {
			t.Fatal(err)
		}
		b := zone.NewBuilder(dname.MustParse(apex))
		for _, r := range records {
			b.Add(r)
		}
		_, findings := b.Build()
		n := 0
		for _, f := range findings {
			if f.Rule == "ip6-int" {
				n++
			}
		}
		if n != want {
			t.Errorf("%s: %d findings, want %d: %v", apex, n, want, findings)
		}
	}
}

// What is wrong with a zone, by code; an Error among the findings makes Build
// return no zone. The tag of a record is its number in the text, from 1.
func TestBuildFindings(t *testing.T) {
	const ns = "@ NS ns.example.\n"
	const soa = "@ SOA ns.example. hostmaster.example. 1 2 3 4 5\n"
	for _, c := range []struct {
		name, text, code string
		tag              zone.Tag
		isError          bool
	}{
		{"good", soa + ns + "1 PTR a.example.\n", "", 0, false},
		{"no SOA", ns + "1 PTR a.example.\n", "no-soa", 0, true},
		{"no NS", soa + "1 PTR a.example.\n", "no-ns", 1, true},
		{"two SOAs", soa + ns + "@ SOA ns.example. hostmaster.example. 2 2 3 4 5\n", "several-soas", 3, true},
		{"SOA below the apex", soa + ns + "1 SOA ns.example. hostmaster.example. 2 2 3 4 5\n", "soa-below-apex", 3, true},
		{"CNAME and PTR", soa + ns + "1 CNAME a.example.\n1 PTR a.example.\n", "cname-and-other-data", 3, true},
		{"CNAME at the apex", soa + ns + "@ CNAME a.example.\n", "cname-and-other-data", 3, true},
		{"two CNAMEs", soa + ns + "1 CNAME a.example.\n1 CNAME b.example.\n", "several-cnames", 4, true},
		{"two DNAMEs", soa + ns + "1 DNAME a.example.\n1 DNAME b.example.\n", "several-dnames", 4, true},
		{"DNAME and NS", soa + ns + "1 DNAME a.example.\n1 NS ns.example.\n", "dname-and-ns", 3, true},
		{"DNAME at the apex", soa + ns + "@ DNAME a.example.\n", "", 0, false},
		{"TTLs differ", soa + ns + "1 60 PTR a.example.\n1 61 PTR b.example.\n", "ttl-differs", 4, false},
		{"out of zone", soa + ns + "a.example. PTR a.example.\n", "out-of-zone", 3, false},
		{"occluded by a cut", soa + ns + "1 NS ns.example.\nx.1 PTR a.example.\n", "occluded", 4, false},
		{"glue", soa + ns + "1 NS ns.1\nns.1 A 192.0.2.1\n", "", 0, false},
		{"occluded by a DNAME", soa + ns + "1 DNAME a.example.\nx.1 A 192.0.2.1\n", "occluded", 4, false},
		{"NS without address", soa + ns + "1 NS ns.1\n", "ns-without-address", 3, false},
		{"NS is an alias", soa + ns + "1 NS ns\nns CNAME ns.example.\n", "ns-is-alias", 3, false},
		{"DS without NS", soa + ns + "1 DS 1 8 2 00\n", "ds-without-ns", 3, false},
		{"several PTRs", soa + ns + "1 PTR a.example.\n1 PTR b.example.\n", "several-ptrs", 4, false},
		{"the same twice", soa + ns + "1 PTR a.example.\n1 PTR a.example.\n", "", 0, false},
		{"NSEC3 at no hash", soa + ns + "1 NSEC3 1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\n", "nsec3-owner", 3, true},
		{"iterations", soa + ns + "@ NSEC3PARAM 1 0 12 -\n", "nsec3-iterations", 3, false},
	} {
		records, err := zonetest.ParseRecords("2.0.192.in-addr.arpa.", c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, reversed := range []bool{false, true} {
			b := zone.NewBuilder(dname.MustParse("2.0.192.in-addr.arpa."))
			for i := range records {
				if reversed {
					i = len(records) - 1 - i
				}
				records[i].Tag = zone.Tag(i + 1)
				b.Add(records[i])
			}
			z, findings := b.Build()
			if (z == nil) != c.isError {
				t.Errorf("%s: zone built: %v; findings %v", c.name, z != nil, findings)
			}
			if z != nil {
				check(t, z)
			}
			codes := map[string]finding.Finding{}
			for _, f := range findings {
				codes[f.Rule] = f
				if f.Severity == finding.Error && !c.isError || strings.HasSuffix(f.Text, ".") || f.Text == "" {
					t.Errorf("%s: finding %v", c.name, f)
				}
			}
			f, found := codes[c.code]
			switch {
			case c.code == "" && len(findings) > 0 || c.code != "" && !found:
				t.Errorf("%s: findings %v, want %q", c.name, findings, c.code)
			case c.code != "" && (f.Severity == finding.Error) != c.isError:
				t.Errorf("%s: %v is an error: %v", c.name, f, f.Severity == finding.Error)
			case c.code != "" && f.Tag != c.tag && !reversed:
				t.Errorf("%s: %v has tag %d, want %d", c.name, f, f.Tag, c.tag)
			}
		}
	}
}

// RDATA that the code of package zone walks must be well formed; nothing else
// about it matters.
func TestBuildBadRData(t *testing.T) {
	good := string(dname.MustParse("a.example."))
	for _, c := range []struct {
		t    rr.Type
		data string
		ok   bool
	}{
		{rr.TypePTR, good, true},
		{rr.TypePTR, "", false},
		{rr.TypePTR, good + "x", false},
		{rr.TypePTR, good[:4], false},
		{rr.TypeCNAME, "\xc0\x00", false},
		{rr.TypeDNAME, "\x00", true},
		{rr.TypeMX, "\x00\x01" + good, true},
		{rr.TypeMX, "\x00\x01", false},
		{rr.TypeMX, "\x00\x01" + good + "x", false},
		{rr.TypeSRV, "\x00\x01\x00\x01\x00\x01" + good, true},
		{rr.TypeSRV, "\x00\x01\x00\x01\x00" + good, false},
		{rr.TypeA, "\xc0\x00\x02\x01", true},
		{rr.TypeA, "\xc0\x00\x02", false},
		{rr.TypeAAAA, strings.Repeat("x", 16), true},
		{rr.TypeAAAA, strings.Repeat("x", 17), false},
		{rr.TypeNSEC, good + "\x00\x01\x40", true},
		{rr.TypeNSEC, "\x05a", false},
		{rr.TypeTXT, "", true}, // for the master file's reader to say
		{65280, "", true},
		{65280, strings.Repeat("x", 60000), true},
		{65280, strings.Repeat("x", 65535), false},
		{rr.TypeANY, "", false},
		{rr.TypeOPT, "", false},
		{0, "", false},
	} {
		o := zonetest.MustParse("example.", soaNS)
		b := zone.NewBuilder(o.Apex)
		for _, r := range o.Records() {
			b.Add(r)
		}
		owner := dname.MustParse("x.example.")
		b.Add(zone.Record{Owner: owner, Type: c.t, TTL: 60, Data: []byte(c.data)})
		z, findings := b.Build()
		if (z != nil) != c.ok {
			t.Errorf("%v with %q: built %v, findings %v", c.t, c.data, z != nil, findings)
			continue
		}
		if z == nil {
			continue
		}
		check(t, z)
		if set, ok := z.Get(owner, c.t); !ok || string(set.First(nil)) != c.data {
			t.Errorf("%v with %q: Get %v", c.t, c.data, ok)
		}
	}
}
