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

// remaining returns the deletions of a message that leave the made name that queries see at their owner.
func remaining(m *Message, before, after *zone.Zone, layerBefore, layerAfter []commit.RRset) (list []Record) {
	for _, r := range m.Updates {
		target := dname.MustParse("192-0-2-" + string(r.Owner.Label()) + ".pool.example.")
		isMade := func(z *zone.Zone, layer []commit.RRset) bool {
			var a zone.Answer
			z.Lookup(r.Owner, rr.TypePTR, false, &a)
			if a.Kind != zone.Success || a.Items[0].Set.Type != rr.TypePTR {
				return false
			}
			set := commit.NewRRset(r.Owner, &a.Items[0].Set)
			isDynamic := slices.ContainsFunc(layer, func(s commit.RRset) bool { return s.Type == rr.TypePTR && s.Owner.Equal(r.Owner) })
			return !isDynamic && set.Equal(commit.RRset{Owner: r.Owner, Type: rr.TypePTR, TTL: 60, Data: [][]byte{target}})
		}
		isDeletion := r.Class == rr.ClassANY && (r.Type == rr.TypePTR || r.Type == rr.TypeANY) ||
			r.Class == rr.ClassNONE && r.Type == rr.TypePTR && target.Equal(r.Data)
		if isDeletion && isMade(before, layerBefore) && isMade(after, layerAfter) {
			list = append(list, r)
		}
	}
	return list
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
		var layers [2][]commit.RRset
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
				if len(m.Updates) > 0 && g.IntN(2) == 0 {
					r.Owner = m.Updates[0].Owner
				}
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
			var ignored [2]string
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
				layerBefore := layers[i]
				var err error
				if layers[i], err = commit.ReadDynamic(b.m, m.Zone); err != nil {
					t.Fatal(err)
				}
				if j.fault == nil {
					var deletions []Record
					for _, x := range j.ignored {
						ignored[i] += fmt.Sprintln(*x.Record, x.Why)
						if x.Record.Class != rr.ClassIN {
							deletions = append(deletions, *x.Record)
						}
					}
					if got, want := fmt.Sprint(deletions), fmt.Sprint(remaining(m, before, b.zone(parent), layerBefore, layers[i])); got != want {
						t.Fatalf("without effect of %+v are\n%v, want\n%v", m, got, want)
					}
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
			if ignored[0] != ignored[1] {
				t.Fatalf("%+v: without effect as a rule:\n%sas records:\n%s", m, ignored[0], ignored[1])
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

// What deletes a made name and leaves it counts as partly without effect, and is no fault, also of changes by an API.
func TestMadeIsNotRemoved(t *testing.T) {
	beds := [2]*bed{}
	beds[0], beds[1] = withMade(t, "")
	owner := dname.MustParse("5." + parent)
	in := func(typ rr.Type, data string) Record {
		return Record{Owner: owner, Type: typ, Class: rr.ClassIN, TTL: 9, Data: dname.MustParse(data)}
	}
	one := func(data string) Record {
		return Record{Owner: owner, Type: rr.TypePTR, Class: rr.ClassNONE, Data: dname.MustParse(data)}
	}
	all, name := drop("5."+parent, rr.TypePTR), drop("5."+parent, rr.TypeANY)
	for _, c := range []struct {
		updates []Record
		want    result
	}{
		{[]Record{all}, resultPartial},
		{[]Record{name}, resultPartial},
		{[]Record{one("192-0-2-5.POOL.example.")}, resultPartial},
		{[]Record{one("other.")}, resultDone},
		{[]Record{drop("5."+parent, rr.TypeTXT)}, resultDone},
		{[]Record{in(rr.TypePTR, "a."), all}, resultPartial},
		{[]Record{all, in(rr.TypePTR, "a.")}, resultDone},
		{[]Record{name}, resultDone}, // removes what was added
		{[]Record{all, in(rr.TypeCNAME, "a.")}, resultDone},
		{[]Record{name}, resultDone},
		{[]Record{all, in(rr.TypeNS, "a.")}, resultDone},
		{[]Record{name}, resultDone},
		{[]Record{name}, resultPartial},
	} {
		for i, b := range beds {
			j := &job{Request: &Request{}, m: &Message{Zone: dname.MustParse(parent), Updates: slices.Clone(c.updates)}}
			b.commit([]*job{j}, func() {})
			if j.result() != c.want {
				t.Errorf("%d: %v: %v (%v, %v), want %v", i, c.updates, results[j.result()], j.fault, j.ignored, results[c.want])
			}
		}
	}
	for _, b := range beds {
		if err := b.Change(func(*zone.Set) (*Change, error) {
			return &Change{Zone: dname.MustParse(parent), Updates: []Record{one("192-0-2-5.pool.example.")}}, nil
		}); err != nil {
			t.Error(err)
		}
	}
}
