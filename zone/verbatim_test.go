package zone_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

const verbatimHead = "@ 60 SOA ns h 1 10 5 100 60\n@ 60 NS ns.other.\n@ 60 DNSKEY 256 3 13 AAAA\n@ 60 RRSIG SOA 13 1 60 20370101000000 20200101000000 1 example. AAAA\n"

// oddRecords are what a Builder refuses or drops unless the zone is verbatim.
const oddRecords = `a 60 RRSIG A 13 2 60 20370101000000 20200101000000 1 example. AAAA
a 60 RRSIG NS 13 2 60 20370101000000 20200101000000 1 example. AAAA
b 60 A 192.0.2.1
b 60 RRSIG DNAME 13 2 60 20370101000000 20200101000000 1 example. AAAA
@ 60 RRSIG DS 13 2 60 20370101000000 20200101000000 1 example. AAAA
0p9mhaveqvm6t7vbl5lop2u3t2rp3tom 60 NSEC3 2 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A
0p9mhaveqvm6t7vbl5lop2u3t2rp3tom 60 RRSIG NSEC3 13 2 60 20370101000000 20200101000000 1 example. AAAA
1p9mhaveqvm6t7vbl5lop2u3t2rp3tom 60 NSEC3 1 0 65535 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A
2p9mhaveqvm6t7vbl5lop2u3t2rp3tom 60 RRSIG NSEC3 13 2 60 20370101000000 20200101000000 1 example. AAAA
@ 60 NSEC3PARAM 2 0 0 -
n 60 NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A
n 60 RRSIG NSEC3 13 2 60 20370101000000 20200101000000 1 example. AAAA
x.y.n 60 NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A
d 60 DNAME x.
d 60 NS y.
below.d 60 A 192.0.2.1
`

func verbatimZone(t *testing.T, records []zone.Record) (*zone.Zone, []finding.Finding) {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse("example."))
	b.SetVerbatim()
	for _, r := range records {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	if err := z.Check(); err != nil {
		t.Fatal(err)
	}
	return z, findings
}

func parseRecords(t *testing.T, text string) []zone.Record {
	t.Helper()
	list, err := zonetest.ParseRecords("example.", text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestVerbatim: a zone of another server's has every record that came, as a whole and
// by any way of changes, which lead back as well.
func TestVerbatim(t *testing.T) {
	head, odd := parseRecords(t, verbatimHead), parseRecords(t, oddRecords)
	bare, findings := verbatimZone(t, head)
	if len(findings) != 0 {
		t.Errorf("%v", findings)
	}
	all, findings := verbatimZone(t, slices.Concat(head, odd))
	if n := len(slices.Collect(all.All())); n != len(head)+len(odd) || all.Stats().Records != n {
		t.Errorf("%d records, and %d counted, of %d", n, all.Stats().Records, len(head)+len(odd))
	}
	codes := map[string]int{}
	for _, f := range findings {
		codes[f.Rule]++
	}
	for code, want := range map[string]int{"signature-without-rrset": 4, "odd-rdata": 2, "nsec3-owner": 3, "dname-and-ns": 1} {
		if codes[code] != want {
			t.Errorf("%d findings %s, want %d: %v", codes[code], code, want, findings)
		}
	}

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := rand.New(rand.NewPCG(seed, 9103))
	z, has := bare, map[int]bool{}
	for range 300 {
		var c zone.Changeset
		for i := range odd {
			switch {
			case g.IntN(4) > 0:
			case has[i]:
				c.Removed, has[i] = append(c.Removed, odd[i]), false
			default:
				c.Added, has[i] = append(c.Added, odd[i]), true
			}
		}
		next, err := z.Apply(&c)
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Check(); err != nil {
			t.Fatal(err)
		}
		next.Recheck(&c, nil)
		back, err := next.Apply(c.Reverse())
		if err != nil || back.Digest() != z.Digest() {
			t.Fatalf("it does not lead back: %v", err)
		}
		records := slices.Clone(head)
		for i := range odd {
			if has[i] {
				records = append(records, odd[i])
			}
		}
		if whole, _ := verbatimZone(t, records); whole.Digest() != next.Digest() {
			t.Fatal("as a whole it is another zone")
		}
		if d := zone.Diff(z, next, nil); len(d.Removed) != len(c.Removed) || len(d.Added) != len(c.Added) {
			t.Fatalf("%d removed and %d added, want %d and %d", len(d.Removed), len(d.Added), len(c.Removed), len(c.Added))
		}
		askOdd(next)
		z = next
	}

	b := zone.NewBuilder(dname.MustParse("example."))
	for _, r := range slices.Concat(head, odd) {
		b.Add(r)
	}
	if z, _ := b.Build(); z != nil {
		t.Error("it is a zone of our own, too")
	}
}

// askOdd looks up names that are there, lie below, above or beside, for many types.
func askOdd(z *zone.Zone) {
	var a zone.Answer
	for _, name := range strings.Fields("@ a b d below.d n y.n x.y.n q.x.y.n nothing 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom *") {
		n := dname.MustParse("example.")
		if name != "@" {
			n = dname.MustParse(name + ".example.")
		}
		for _, qtype := range []rr.Type{rr.TypeNone, rr.TypeA, rr.TypeNS, rr.TypeDS, rr.TypeRRSIG, rr.TypeNSEC3, rr.TypeDNAME, rr.TypeANY} {
			for _, do := range []bool{false, true} {
				a.Reset()
				z.Lookup(n, qtype, do, &a)
			}
		}
	}
}

// TestVerbatimAnswers: signatures over nothing are no data, and a chain that cannot be
// computed proves nothing.
func TestVerbatimAnswers(t *testing.T) {
	z, _ := verbatimZone(t, parseRecords(t, verbatimHead+oddRecords))
	if !z.IsSigned() {
		t.Error("answers carry no signatures")
	}
	for _, c := range []struct {
		name  string
		qtype rr.Type
		kind  zone.Kind
		items int
	}{
		{"a", rr.TypeA, zone.NoData, 1},
		{"a", rr.TypeRRSIG, zone.Success, 2},
		{"a", rr.TypeANY, zone.NoData, 1},
		{"x.a", rr.TypeA, zone.NXDomain, 1}, // a signature over NS is no zone cut
		{"x.b", rr.TypeA, zone.NXDomain, 1}, // nor is one over a DNAME one
		{"b", rr.TypeA, zone.Success, 1},
		{"n", rr.TypeNSEC3, zone.Success, 1},
		{"y.n", rr.TypeA, zone.NoData, 1},
		{"d", rr.TypeA, zone.Referral, 1}, // RFC 6672 §2.3 has no order; the zone cut hides the rest
		{"below.d", rr.TypeA, zone.Referral, 1},
	} {
		var a zone.Answer
		a.Reset()
		z.Lookup(dname.MustParse(c.name+".example."), c.qtype, true, &a)
		if a.Kind != c.kind || len(a.Items) != c.items {
			t.Errorf("%s %v: kind %d with %d items, want %d with %d", c.name, c.qtype, a.Kind, len(a.Items), c.kind, c.items)
		}
	}
}

// TestVerbatimLost: of a zone that has nothing but its SOA the content was lost.
func TestVerbatimLost(t *testing.T) {
	for text, want := range map[string]bool{"": false, "a 60 A 192.0.2.1\n": true} {
		b := zone.NewBuilder(dname.MustParse("example."))
		b.SetVerbatim()
		for _, r := range parseRecords(t, "@ 60 SOA ns h 1 10 5 100 60\n"+text) {
			b.Add(r)
		}
		if z, findings := b.Build(); (z != nil) != want || len(findings) != 1 || findings[0].Rule != "no-ns" {
			t.Errorf("%q: %v %v", text, z != nil, findings)
		}
	}
}
