package update

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// withMade serves two zones with the same static data: in the first a rule makes the names of
// 192.0.2.0 to .7, in the second they are records.
func withMade(t *testing.T, text string) (asRule, asRecords *bed) {
	rule := synth.Rule{Prefix: netip.MustParsePrefix("192.0.2.0/29"), TTL: 60, Template: "{dashed}.pool.example"}
	apex := dname.MustParse(parent)
	records := zonetest.MustParse(parent, soaNS+text).Records()
	made, err := commit.NewLayer(apex, func(yield func(zone.Record) bool) {
		for i := range 8 {
			target := dname.MustParse(fmt.Sprintf("192-0-2-%d.pool.example.", i))
			if !yield(zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%s", i, parent)), Type: rr.TypePTR, TTL: 60, Data: target}) {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	serve := func(z *zone.Zone) *bed {
		b := newBed(t)
		if err := b.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: apex}}}); err != nil {
			t.Fatal(err)
		}
		b.adopt(map[string]*ZonePolicy{parent: anybody(false)})
		return b
	}
	layered := func(l zone.Layers) *zone.Zone {
		z, err := commit.Merge(l, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	plain := build(t, apex, records)
	withRule := build(t, apex, append(slices.Clone(records), zone.Record{Owner: rule.Owner(apex), Type: synth.Type, TTL: 60, Data: rule.Append(nil)}))
	return serve(layered(zone.Layers{Static: withRule})), serve(layered(zone.Layers{Static: plain, Made: made}))
}

// answers are what queries get from a zone for the names of some addresses.
func answers(z *zone.Zone) string {
	var b strings.Builder
	for _, owner := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "x.1"} {
		for _, typ := range []rr.Type{rr.TypePTR, rr.TypeCNAME, rr.TypeTXT} {
			var a zone.Answer
			z.Lookup(dname.MustParse(owner+"."+parent), typ, false, &a)
			fmt.Fprintf(&b, "%s %v: %v", owner, typ, a.Kind)
			for i := range a.Items {
				if a.Items[i].Section == zone.SectionAnswer {
					set := &a.Items[i].Set
					var data []string
					for it := set.Data(); it.Next(); {
						data = append(data, fmt.Sprintf("%q", slices.Concat(it.Head, it.Tail)))
					}
					slices.Sort(data)
					fmt.Fprintf(&b, " %v %d %v", set.Type, set.TTL, data)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// A client sees no difference between made names that are records and others: not in the result of
// an update, nor in what is served afterwards. The layer of updates is the same as well.
func TestMadeNamesAlike(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		if *seedFlag == 0 && seed > *zonesFlag/3 { // each takes as long as three of other tests
			return
		}
		g := zonetest.NewRandom(seed)
		beds := [2]*bed{}
		beds[0], beds[1] = withMade(t, "1 60 PTR s.\n2 60 CNAME s.\n3 60 NS s.\n")
		owner := func() dname.Name {
			return dname.MustParse([]string{"", "", "", "x."}[g.IntN(4)] + fmt.Sprint(g.IntN(9)) + "." + parent)
		}
		types := []rr.Type{rr.TypePTR, rr.TypePTR, rr.TypePTR, rr.TypeCNAME, rr.TypeTXT, rr.TypeNS}
		data := func(owner dname.Name, typ rr.Type) []byte {
			if typ == rr.TypeTXT {
				return []byte("\x01a")
			}
			return dname.MustParse([]string{"a.", "192-0-2-" + string(owner.Label()) + ".pool.example."}[g.IntN(2)])
		}
		for range 30 {
			m := &Message{Zone: dname.MustParse(parent)}
			for range g.IntN(3) {
				r := Record{Owner: owner(), Type: types[g.IntN(len(types))], Class: []rr.Class{rr.ClassIN, rr.ClassANY, rr.ClassNONE}[g.IntN(3)]}
				if g.IntN(3) == 0 && r.Class != rr.ClassIN {
					r.Type = rr.TypeANY
				}
				if r.Class == rr.ClassIN {
					r.Data = data(r.Owner, r.Type)
				}
				m.Prerequisites = append(m.Prerequisites, r)
			}
			for range 1 + g.IntN(3) {
				r := Record{Owner: owner(), Type: types[g.IntN(len(types))], Class: []rr.Class{rr.ClassIN, rr.ClassIN, rr.ClassANY, rr.ClassNONE}[g.IntN(4)]}
				switch r.Class {
				case rr.ClassIN:
					r.TTL = uint32(60 + g.IntN(2))
					r.Data = data(r.Owner, r.Type)
				case rr.ClassNONE:
					r.Data = data(r.Owner, r.Type)
				case rr.ClassANY:
					if g.IntN(2) == 0 {
						r.Type = rr.TypeANY
					}
				}
				m.Updates = append(m.Updates, r)
			}
			var got [2]wire.RCode
			var layers [2][]commit.RRset
			for i, b := range beds {
				before := b.zone(parent)
				copied := *m
				copied.Updates = slices.Clone(m.Updates)
				j := &job{Request: &Request{}, m: &copied}
				b.commit([]*job{j}, func() {})
				if j.fault != nil {
					got[i] = j.fault.RCode
				}
				last := b.m.batches[len(b.m.batches)-1]
				if z := b.zone(parent); z.Serial() != before.Serial() {
					next, err := before.Apply(last.Changes[0].Steps[0].Changeset)
					if err != nil || next.Digest() != z.Digest() {
						t.Fatalf("the step does not lead to the zone: %v", err)
					}
				}
				var err error
				if layers[i], err = commit.ReadDynamic(b.m, m.Zone); err != nil {
					t.Fatal(err)
				}
				whole, err := commit.Merge(b.zone(parent).Layers(), layers[i], nil)
				if err != nil {
					t.Fatal(err)
				}
				if w := whole.WithSerial(b.zone(parent).Serial()); w.Digest() != b.zone(parent).Digest() {
					t.Fatalf("the zone is not what its layers are after %+v:\n%swant\n%s", m, oracleOf(b.zone(parent)).Text(), oracleOf(w).Text())
				}
			}
			if got[0] != got[1] {
				t.Fatalf("%v as a rule, %v as records: %+v", got[0], got[1], m)
			}
			if a, b := answers(beds[0].zone(parent)), answers(beds[1].zone(parent)); a != b {
				t.Fatalf("after %+v: as a rule\n%sas records\n%s", m, a, b)
			}
			if a, b := fmt.Sprint(layers[0]), fmt.Sprint(layers[1]); a != b {
				t.Fatalf("after %+v: the layer is as a rule\n%s\nas records\n%s", m, a, b)
			}
		}
	})
}
