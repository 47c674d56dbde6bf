package zone_test

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A zone that is changed for long stays below twice its fresh size, answers as before, and leaves its older snapshots
// alone; so does one whose changes fail in between.
func TestCompact(t *testing.T) {
	for _, size := range []int{1, 200, 5000} {
		o := zonetest.MustParse("2.0.192.in-addr.arpa.", soaNS+"1 300 PTR a.example.\n0/25 PTR x.example.\n*.w PTR y.example.\n")
		for i := range size {
			o.Add(zone.Record{Owner: dname.MustParse(fmt.Sprintf("h%d.%d.2.0.192.in-addr.arpa.", i, i%256)), Type: rr.TypePTR, TTL: uint32(60 + i%7),
				Data: dname.MustParse(fmt.Sprintf("host%d.pool.example.", i))})
		}
		g := zonetest.NewRandom(1)
		z := build(t, o, o.Records())
		first, fresh := z, z.Stats().Bytes
		limit := fresh*2 + 4<<10
		for i := range 4000 {
			if i%3 == 0 {
				if _, err := z.Apply(replacePTR(z, '0', '1')); err == nil {
					t.Fatal("a record that is not there was removed")
				}
			}
			c := replacePTR(z, byte('a'+i%26), byte('a'+(i+1)%26))
			if i%2 == 0 { // a candidate that is thrown away
				if _, err := z.Apply(c); err != nil {
					t.Fatalf("change %d: %v", i, err)
				}
			}
			next, err := z.Apply(c)
			if err != nil {
				t.Fatalf("change %d: %v", i, err)
			}
			z = next
			if got := z.Stats().Bytes; got > limit {
				t.Fatalf("%d names: after %d changes of one record %d octets, want at most %d; fresh %d", size, i+1, got, limit, fresh)
			}
		}
		check(t, z)
		check(t, first)
		sameContent(t, first, o)
		edited := o.Clone()
		if err := edited.Apply(replacePTR(z, 'a', 'a'+4000%26)); err != nil {
			t.Fatal(err)
		}
		sameContent(t, z, edited)
		askAll(t, g, z, edited, 20)
	}
}

// A change that fails costs no memory.
func TestFailedApplyTakesNothing(t *testing.T) {
	o := zonetest.MustParse("2.0.192.in-addr.arpa.", soaNS+"1 300 PTR a.example.\n")
	for i := range 500 { // so that a new chunk has room for several changes
		o.Add(zone.Record{Owner: dname.MustParse(fmt.Sprintf("h%d.2.0.192.in-addr.arpa.", i)), Type: rr.TypeTXT, TTL: 60, Data: []byte("\x04text")})
	}
	first := build(t, o, o.Records())
	z, err := first.Apply(replacePTR(first, 'a', 'b'))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := z.Apply(replacePTR(z, '0', '1')); err == nil {
			t.Fatal("a record that is not there was removed")
		}
	}
	after, err := z.Apply(replacePTR(z, 'b', 'c'))
	if err != nil {
		t.Fatal(err)
	}
	second := build(t, o, o.Records())
	other, err := second.Apply(replacePTR(second, 'a', 'b'))
	if err != nil {
		t.Fatal(err)
	}
	if other, err = other.Apply(replacePTR(other, 'b', 'c')); err != nil {
		t.Fatal(err)
	}
	if got, most := after.Stats().Bytes, other.Stats().Bytes; got > most {
		t.Errorf("%d octets after failed changes, %d without", got, most)
	}
	check(t, after)
	check(t, other)
}

// replacePTR turns the target of the PTR at 1 from one letter to another.
func replacePTR(z *zone.Zone, from, to byte) *zone.Changeset {
	record := func(c byte) []zone.Record {
		return []zone.Record{{Owner: dname.MustParse("1.2.0.192.in-addr.arpa."), Type: rr.TypePTR, TTL: 300, Data: []byte{1, c, 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0}}}
	}
	return &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: z.Serial(), Removed: record(from), Added: record(to)}
}
