package update

import (
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// FuzzRun carries out whatever octets say: nothing panics, what is not refused
// fits the zone exactly and leads back, and the serial goes up.
func FuzzRun(f *testing.F) {
	const apex = "2.0.192.in-addr.arpa."
	o := zonetest.MustParse(apex, `@ 60 SOA ns.example. hostmaster.example. 7 1 1 1 1
@ 60 NS ns.example.
@ 60 NS ns2.example.
1 60 PTR a.example.
1 60 DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
2 60 CNAME 2.0/25.2.0.192.in-addr.arpa.
3 60 TXT "x"
x.4 60 NS ns.x.4
ns.x.4 60 A 192.0.2.4
y.5 60 DNAME example.
`)
	z := build(f, dname.MustParse(apex), o.Records())
	static, err := z.Apply(&zone.Changeset{Apex: z.Apex(), Removed: []zone.Record{{Owner: dname.MustParse("3." + apex), Type: rr.TypeTXT, TTL: 60, Data: []byte("\x01x")}}})
	if err != nil {
		f.Fatal(err)
	}
	rec := func(owner string, t rr.Type, c rr.Class, ttl uint32, data string) []Record {
		return []Record{{dname.MustParse(owner + apex), t, c, ttl, []byte(data)}}
	}
	name := func(s string) string { return string(dname.MustParse(s)) }
	for _, seed := range []struct{ prerequisites, updates []Record }{
		{nil, nil}, // the empty update
		{rec("1.", rr.TypeANY, rr.ClassANY, 0, ""), rec("9.", rr.TypePTR, rr.ClassIN, 60, name("new.example."))},                                             // name in use; add
		{rec("9.", rr.TypeANY, rr.ClassNONE, 0, ""), rec("1.", rr.TypePTR, rr.ClassANY, 0, "")},                                                              // name not in use; delete an RRset
		{rec("1.", rr.TypePTR, rr.ClassIN, 0, name("A.example.")), rec("1.", rr.TypePTR, rr.ClassNONE, 0, name("a.EXAMPLE."))},                               // value; delete a record
		{rec("1.", rr.TypePTR, rr.ClassANY, 0, ""), rec("1.", rr.TypeANY, rr.ClassANY, 0, "")},                                                               // RRset exists; delete a name
		{rec("1.", rr.TypeTXT, rr.ClassNONE, 0, ""), rec("", rr.TypeANY, rr.ClassANY, 0, "")},                                                                // RRset does not exist; the apex
		{nil, append(rec("", rr.TypeNS, rr.ClassNONE, 0, name("ns.example.")), rec("", rr.TypeNS, rr.ClassNONE, 0, name("ns2.example."))...)},                // the last NS
		{nil, rec("", rr.TypeSOA, rr.ClassIN, 60, name("a.")+name("b.")+"\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01")}, // SOA
		{nil, rec("2.", rr.TypePTR, rr.ClassIN, 60, name("a.example."))},                                                                                     // beside a CNAME
		{nil, rec("3.", rr.TypeCNAME, rr.ClassIN, 60, name("a.example."))},                                                                                   // CNAME together with data
		{nil, rec("x.4.", rr.TypeDNAME, rr.ClassIN, 60, name("a.example."))},                                                                                 // DNAME at a cut
		{nil, rec("4.", rr.TypeNS, rr.ClassIN, 60, name("a.example."))},                                                                                      // hides what lies below
		{nil, rec("6.", 65280, rr.ClassIN, 1<<31, "")},                                                                                                       // an unknown type without RDATA
		{nil, rec("1.", rr.TypeDHCID, rr.ClassANY, 0, "")},                                                                                                   // as Kea removes it
	} {
		f.Add(encode(f, z.Apex(), seed.prerequisites, seed.updates, true))
		f.Add(encode(f, z.Apex(), seed.prerequisites, seed.updates, false))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		m, fault := Parse(msg)
		if fault != nil {
			return
		}
		for _, target := range []*Target{{Zone: z}, {Zone: z.WithLayers(zone.Layers{Static: static})}} {
			effect, fault := m.Run(target)
			if fault != nil {
				if fault.RCode == 0 || fault.Text == "" {
					t.Fatalf("%v %q", fault.RCode, fault.Text)
				}
				continue
			}
			if effect.Changeset == nil {
				continue
			}
			next, err := z.Apply(effect.Changeset)
			if err != nil {
				t.Fatal(err)
			}
			if err := next.Check(); err != nil {
				t.Fatal(err)
			}
			if !z.Serial().Before(next.Serial()) {
				t.Fatalf("serial %d after %d", next.Serial(), z.Serial())
			}
			build(t, z.Apex(), records(next))
			if static := target.Zone.Layers().Static; static != nil {
				for r := range static.All() {
					set, ok := next.Get(r.Owner, r.Type)
					if r.Type != rr.TypeSOA && (!ok || set.TTL != r.TTL || !contains(&set, Record{Type: r.Type, Data: r.Data})) {
						t.Fatalf("%v at %v of the sources is gone", r.Type, r.Owner)
					}
				}
			}
			if back, err := next.Apply(effect.Changeset.Reverse()); err != nil || back.Digest() != z.Digest() {
				t.Fatalf("the reverse does not lead back: %v", err)
			}
		}
	})
}
