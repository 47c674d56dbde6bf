package zone_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// largeAddress returns address i of a shape: all different.
func largeAddress(shape string, i uint32, rng *rand.Rand) netip.Addr {
	var b [16]byte
	switch shape {
	case "v4":
		return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	case "v6 in one network":
		copy(b[:], "\x20\x01\x0d\xb8\x00\x01\x00\x02")
	case "v6 in some networks":
		copy(b[:], "\x20\x01\x0d\xb8")
		b[5] = byte(i % 7)
		binary.BigEndian.PutUint32(b[8:], rng.Uint32())
	case "v6 in many /32s":
		copy(b[:], "\x20\x01")
		binary.BigEndian.PutUint16(b[2:], uint16(i*40503))
	}
	binary.BigEndian.PutUint32(b[12:], i)
	return netip.AddrFrom16(b)
}

// A zone of so many names that they are not sorted in one piece is the same in
// whatever order its records come.
func TestBuildLarge(t *testing.T) {
	const names = 40_000
	for _, c := range []struct{ shape, apex string }{
		{"v4", "10.in-addr.arpa"},
		{"v4", "in-addr.arpa"},
		{"v6 in one network", "8.b.d.0.1.0.0.2.ip6.arpa"},
		{"v6 in some networks", "8.b.d.0.1.0.0.2.ip6.arpa"},
		{"v6 in some networks", "b.d.0.1.0.0.2.ip6.arpa"},
		{"v6 in some networks", "2.ip6.arpa"},
		{"v6 in many /32s", "1.0.0.2.ip6.arpa"},
		{"v6 in many /32s", "ip6.arpa"},
	} {
		t.Run(c.shape+" in "+c.apex, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			apex := dname.MustParse(c.apex)
			var records []zone.Record
			want := map[string]string{}
			for i := range uint32(names) {
				owner := dname.FromAddr(largeAddress(c.shape, i, rng))
				if i%1000 == 0 {
					// The names around: a network, below an address, an ordinary label
					// beside the octets or nibbles.
					below, _ := owner.Prepend([]byte("x"))
					beside, _ := owner.Parent().Prepend([]byte("~"))
					for _, n := range []dname.Name{owner.Parent(), below, beside} {
						records = append(records, zone.Record{Owner: n, Type: rr.TypeTXT, TTL: 60, Data: []byte{0}})
						want[n.Key()+" TXT"] = "\x00"
					}
				}
				data := dname.MustParse(fmt.Sprintf("host-%d.pool%d.example.net", i, i%(1+i>>8)))
				records = append(records, zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 60, Data: data})
				want[owner.Key()+" PTR"] = string(data)
			}
			var first zone.Digest
			for round := range 3 {
				switch round {
				case 1:
					rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
				case 2: // runs, the records of one twice
					half := len(records) / 2
					records = append(append(records[half:len(records):len(records)], records[:half]...), records[:half]...)
				}
				b := zone.NewBuilder(apex)
				addFixed(b, apex)
				for _, r := range records {
					b.Add(r)
				}
				z, findings := b.Build()
				if z == nil || len(findings) > 0 {
					t.Fatalf("round %d: findings %v", round, findings)
				}
				check(t, z)
				n := 0
				for r := range z.All() {
					if r.Owner.Equal(apex) && r.Type != rr.TypeTXT {
						continue
					}
					n++
					if data, ok := want[r.Owner.Key()+" "+r.Type.String()]; !ok || data != string(r.Data) || r.TTL != 60 {
						t.Fatalf("round %d: %v %v %d %q, want %q", round, r.Owner, r.Type, r.TTL, r.Data, data)
					}
				}
				if n != len(want) {
					t.Errorf("round %d: %d records, want %d", round, n, len(want))
				}
				if round == 0 {
					first = z.Digest()
				} else if z.Digest() != first {
					t.Errorf("round %d: another digest", round)
				}
			}
		})
	}
}

// A record is found by its tag, however tags go up and down from one to the next.
func TestBuildTags(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	apex := dname.MustParse("2.0.192.in-addr.arpa")
	b := zone.NewBuilder(apex)
	addFixed(b, apex)
	tag, step := zone.Tag(1<<50), zone.Tag(1<<16)
	want := map[string]zone.Tag{} // of the second record of each name
	for pass := range 2 {
		for i := range 256 {
			owner := dname.FromAddr(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			if rng.IntN(20) == 0 {
				step = zone.Tag(rng.Int64N(1<<40) - 1<<39)
			}
			tag += step
			if pass == 1 {
				want[owner.Key()] = tag
			}
			target := dname.MustParse(fmt.Sprintf("h%d.%0*d.example", pass, 1+rng.IntN(60), rng.IntN(10)))
			if rng.IntN(8) == 0 {
				// Beyond what the list of tags writes in one octet.
				target = dname.MustParse(fmt.Sprintf("h%d.%060d.%060d.%060d.%040d.example", pass, i, i, i, pass))
			}
			b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: uint32(60 + pass), Data: target, Tag: tag})
		}
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	check(t, z)
	count := map[string]int{}
	for _, f := range findings {
		if f.Tag != want[f.Owner.Key()] {
			t.Errorf("%v: tag %#x, want %#x", f, f.Tag, want[f.Owner.Key()])
		}
		count[f.Rule]++
	}
	if count["several-ptrs"] != 256 || count["ttl-differs"] != 256 || len(findings) != 512 {
		t.Errorf("findings %v, want each of two for 256 names", count)
	}
}

// An RRset has the TTL of its first record, whether that was taken in as nearly all
// are or, as those of more than 256 TTLs, in another way.
func TestBuildManyTTLs(t *testing.T) {
	apex := dname.MustParse("10.in-addr.arpa")
	b := zone.NewBuilder(apex)
	addFixed(b, apex)
	const names = 600
	owner := func(i int) dname.Name {
		return dname.FromAddr(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	for pass := range 2 {
		for i := range names {
			ttl := uint32(i + 1) // the later ones have no place in the table
			if pass == 1 {
				ttl = uint32(names - i) // other ones, of which the table has some
			}
			b.Add(zone.Record{Owner: owner(i), Type: rr.TypePTR, TTL: ttl, Data: dname.MustParse(fmt.Sprintf("h%d.example", pass))})
		}
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	check(t, z)
	for i := range names {
		if set, _ := z.Get(owner(i), rr.TypePTR); set.TTL != uint32(i+1) || set.Len() != 2 {
			t.Errorf("name %d: %d records of TTL %d, want 2 of %d", i, set.Len(), set.TTL, i+1)
		}
	}
}
