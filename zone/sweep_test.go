package zone_test

import (
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// A zone that is changed for long stays below twice its size, answers as before, and
// leaves its older snapshots alone; so does one whose changes fail in between.
// Every second change is thrown away, with what it swept.
func TestSweepKeepsSize(t *testing.T) {
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

// A zone that is changed everywhere for long, by one record or many, is what a
// build of the same records makes, at every step of a sweep, and so are the
// snapshots of it that somebody kept. It sees more TTLs than its table has room for.
func TestSweep(t *testing.T) {
	for seed, apex := range []string{"10.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "example."} {
		t.Run(apex, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			o := zonetest.MustSign(zonetest.MustParse(apex, soaNS), 1, zonetest.Denial{NSEC3: true})
			records := map[string]zone.Record{}
			for _, r := range o.Records() {
				records[zonetest.RecordKey(r)] = r
			}
			rebuild := func() *zone.Zone {
				b := zone.NewBuilder(o.Apex)
				for _, r := range records {
					b.Add(r)
				}
				z, findings := b.Build()
				if z == nil {
					t.Fatal(findings)
				}
				return z
			}
			// One PTR at each of these, and NSEC3s of no chain, which fill the other trie.
			owner := func() dname.Name {
				labels := []string{fmt.Sprint(rng.IntN(10)), fmt.Sprint(rng.IntN(10))}
				switch rng.IntN(4) {
				case 0:
					labels = append(labels, fmt.Sprintf("h%d", rng.IntN(300)))
				case 1:
					labels = append(labels, fmt.Sprint(rng.IntN(10)), strings.Repeat("x", rng.IntN(40))+"*", "*")
				default:
					labels = append(labels, fmt.Sprint(rng.IntN(10)), fmt.Sprint(rng.IntN(10)))
				}
				n := o.Apex
				for _, l := range labels {
					n, _ = n.Prepend([]byte(l))
				}
				return n
			}
			current := map[string]zone.Record{}
			change := func(c *zone.Changeset) {
				r := zone.Record{Owner: owner(), Type: rr.TypePTR, TTL: uint32(rng.IntN(400)), Data: dname.MustParse(fmt.Sprintf("host%d.pool%d.example.", rng.IntN(1000), rng.IntN(50)))}
				if rng.IntN(5) == 0 {
					hash := make([]byte, 20)
					hash[0], hash[1] = byte(rng.IntN(40)), byte(rng.IntN(40))
					label := strings.ToLower(base32.HexEncoding.EncodeToString(hash))
					r.Owner, _ = o.Apex.Prepend([]byte(label))
					r.Type, r.Data = rr.TypeNSEC3, append([]byte{1, 0, 0, 9, 1, 0xff, 20}, append(hash, byte(rng.IntN(4)), 1, 0x40)...)
				}
				old, there := current[r.Owner.Key()]
				if there {
					c.Removed = append(c.Removed, old)
					delete(records, zonetest.RecordKey(old))
					delete(current, r.Owner.Key())
				}
				if !there || rng.IntN(8) > 0 {
					c.Added = append(c.Added, r)
					records[zonetest.RecordKey(r)] = r
					current[r.Owner.Key()] = r
				}
			}
			z := rebuild()
			apply := func(changes int) {
				c := &zone.Changeset{Apex: o.Apex}
				touched := map[string]bool{}
				for range changes {
					one := &zone.Changeset{}
					change(one)
					for _, r := range append(one.Removed, one.Added...) {
						if touched[r.Owner.Key()] { // again in one changeset: what it is in the end counts
							next, err := z.Apply(c)
							if err != nil {
								t.Fatal(err)
							}
							z, c, touched = next, &zone.Changeset{Apex: o.Apex}, map[string]bool{}
						}
					}
					for _, r := range append(one.Removed, one.Added...) {
						touched[r.Owner.Key()] = true
					}
					c.Removed = append(c.Removed, one.Removed...)
					c.Added = append(c.Added, one.Added...)
				}
				next, err := z.Apply(c)
				if err != nil {
					t.Fatal(err)
				}
				z = next
			}
			apply(2500)
			var kept []*zone.Zone
			for i := range 6000 {
				apply(1)
				if i%500 == 0 {
					apply(rng.IntN(300))
				}
				if i%97 == 0 {
					check(t, z)
				}
				if i%1000 == 999 {
					fresh := rebuild()
					if c := zone.Diff(z, fresh, nil); !c.IsEmpty() || z.Digest() != fresh.Digest() {
						t.Fatalf("after %d changes: the zone is not what its records are: %d more, %d less", i, len(c.Removed), len(c.Added))
					}
					if got, most := z.Stats().Bytes, fresh.Stats().Bytes*13/10+32<<10; got > most {
						t.Errorf("after %d changes: %d octets, want at most %d", i, got, most)
					}
					kept = append(kept, z)
				}
			}
			for _, z := range kept {
				check(t, z)
			}
		})
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
