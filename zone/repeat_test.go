package zone

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestRepeatedRecords: a Builder does not collect records that come again and again,
// and makes the zone that it would make of one of each.
func TestRepeatedRecords(t *testing.T) {
	defer func(key [2]uint64) { hashKey = key }(hashKey)
	hashKey = [2]uint64{0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f}
	apex := dname.MustParse("10.in-addr.arpa")
	once := []Record{
		{Owner: apex, Type: rr.TypeSOA, TTL: 60, Data: append(append([]byte(dname.MustParse("ns.example").Clone()), dname.MustParse("h.example")...), make([]byte, 20)...)},
		{Owner: apex, Type: rr.TypeNS, TTL: 60, Data: dname.MustParse("ns.example")},
	}
	for i := range 50 {
		// One at an address, several at an address, and two names of another kind.
		at := func(s string) dname.Name { return dname.MustParse(fmt.Sprintf(s, i) + ".10.in-addr.arpa") }
		once = append(once,
			Record{Owner: at("1.1.%d"), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse(fmt.Sprintf("h%d.example.com", i))},
			Record{Owner: at("2.2.%d"), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse(fmt.Sprintf("a%d.example.com", i))},
			Record{Owner: at("2.2.%d"), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse(fmt.Sprintf("b%d.example.com", i))},
			Record{Owner: at("3.3.%d"), Type: rr.TypePTR, TTL: 60, Data: dname.Root()},
			Record{Owner: at("x%d"), Type: rr.TypeTXT, TTL: uint32(60 + i%2), Data: []byte("\x03one")},
			Record{Owner: at("x%d"), Type: rr.TypeTXT, TTL: uint32(60 + i%2), Data: []byte("\x03two")},
		)
	}
	build := func(rounds int) (*Zone, int) {
		b := NewBuilder(apex)
		for range rounds {
			for _, r := range once {
				b.Add(r)
			}
		}
		n := b.addresses.n + len(b.main.list)
		z, findings := b.Build()
		if z == nil {
			t.Fatal(findings)
		}
		if err := z.Check(); err != nil {
			t.Fatal(err)
		}
		return z, n
	}
	want, _ := build(1)
	got, n := build(1000)
	if got.Digest() != want.Digest() || got.Stats().Records != want.Stats().Records {
		t.Error("the zone is another one")
	}
	// Two that share a place in the table are not found, so that some of 300 are
	// collected each time. How many follows from the key of the hash.
	if all := 1000 * len(once); n > all/2 {
		t.Errorf("%d of %d records were collected", n, all)
	}
	// The same record alone is always seen.
	b := NewBuilder(apex)
	for range 100_000 {
		b.Add(once[2])
		b.Add(once[6])
	}
	if n := b.addresses.n + len(b.main.list); n > recentFrom+2 {
		t.Errorf("%d records were collected of two", n)
	}
}

// TestManyFindings: of a zone's findings as many are listed as are read, and all are counted.
func TestManyFindings(t *testing.T) {
	b := NewBuilder(dname.MustParse("example"))
	const n = 5000
	for i := range n {
		owner := dname.MustParse(fmt.Sprintf("x%d.example", i))
		b.Add(Record{Owner: owner, Type: rr.TypeCNAME, TTL: 60, Data: dname.MustParse("a.example")})
		b.Add(Record{Owner: owner, Type: rr.TypeTXT, TTL: 60, Data: []byte("\x01x")})
	}
	z, findings := b.Build()
	// Two errors more: there is neither an SOA nor NS.
	if errs, _ := finding.Count(findings); z != nil || errs != n+2 || len(findings) != finding.MaxListed+3 {
		t.Errorf("%v, %d errors, %d findings", z, errs, len(findings))
	}
}
