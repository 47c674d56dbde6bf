package commit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// notes is a Notes in memory.
type notes map[string]zone.Note

func (n notes) Notes(_ dname.Name, prefix string) (list []zone.Note, err error) {
	for key, note := range n {
		if strings.HasPrefix(key, prefix) {
			list = append(list, note)
		}
	}
	return list, nil
}

func (n notes) set(list []zone.Note) {
	for _, note := range list {
		if n[note.Key] = note; note.Value == nil {
			delete(n, note.Key)
		}
	}
}

// After each of random changes of the layers below the static one, the names that changed are
// refreshed, and the zone is what a merge of all layers makes; the steps lead there.
func TestRefresh(t *testing.T) {
	seed := rand.Uint64()
	g := rand.New(rand.NewPCG(seed, 1))
	name := dname.MustParse(apex)
	durable := notes{}
	z, err := Merge(zone.Layers{Static: static(t, "1 60 PTR s.\n2 60 CNAME s.\n3 60 NS s.\nx.4 60 PTR s.\n"), Derived: ofLayer(t, "9 60 PTR d.\n"), Made: ofLayer(t, "9 60 PTR m.\n")}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := func(types ...string) string {
		var b strings.Builder
		for i := range 9 {
			if g.IntN(3) == 0 {
				fmt.Fprintf(&b, "%s%d %d %s %c.\n", []string{"", "", "x."}[g.IntN(3)], i, 60+g.IntN(2), types[g.IntN(len(types))], 'a'+rune(g.IntN(3)))
			}
		}
		return b.String() + "9 60 PTR a.\n"
	}
	for range 300 {
		set := zone.NewSet().With([]*zone.Zone{z}, nil)
		b := &zone.Batch{At: 1_700_000_000_000}
		r := Refresh{Apex: name}
		l := z.Layers()
		touch := func(list []RRset) {
			for _, s := range list {
				r.Owners = append(r.Owners, s.Owner)
			}
		}
		touchZone := func(z *zone.Zone) {
			for rec := range z.All() {
				r.Owners = append(r.Owners, rec.Owner.Clone())
			}
		}
		var pending []zone.Note
		switch g.IntN(3) {
		case 0:
			touchZone(l.Derived)
			l.Derived = ofLayer(t, lines("PTR"))
			touchZone(l.Derived)
		case 1:
			touchZone(l.Made)
			l.Made = ofLayer(t, lines("PTR"))
			touchZone(l.Made)
		case 2:
			was, _ := ReadDynamic(durable, name)
			touch(was)
			for _, s := range was {
				pending = append(pending, zone.Note{Key: NoteKey(s.Owner, s.Type)})
			}
			now := layer(lines("PTR", "CNAME", "NS", "DNAME"))
			touch(now)
			for _, s := range now {
				pending = append(pending, s.Note())
			}
		}
		r.Layers = func(now *zone.Layers) { *now = l }
		var first *zone.Zone
		switch g.IntN(3) {
		case 0: // the batch changes the zone already
			c, err := addTXT(set, apex, "y", g.IntN(3))
			if err != nil {
				continue
			}
			step := c.Steps[0].Changeset
			step.To = z.Serial() + 1
			soa := ReadRRset(z, name, rr.TypeSOA)
			later := ReadRRset(z.WithSerial(step.To), name, rr.TypeSOA)
			step.Removed, step.Added = soa.Records(), append(later.Records(), step.Added...)
			if c.Zone, err = z.Apply(step); err != nil {
				t.Fatal(err)
			}
			c.Notes, first = pending, c.Zone
			b.Changes = append(b.Changes, c)
		case 1:
			b.Notes = []zone.ZoneNotes{{Apex: name, Notes: pending}}
			r.Source = "test"
			b.Layers = []zone.Change{{Zone: z.WithLayers(zone.Layers{Static: l.Static, Derived: l.Derived, Declared: true}), Apex: name, Base: z}}
		case 2:
			b.Notes = []zone.ZoneNotes{{Apex: name, Notes: pending}}
		}
		if err := r.AddTo(b, set, durable); err != nil {
			t.Fatal(err)
		}
		durable.set(pending)
		if len(b.Changes)+len(b.Layers) > 1 {
			t.Fatalf("seed %d: %d changes and %d of layers for one zone", seed, len(b.Changes), len(b.Layers))
		}
		dynamic, err := ReadDynamic(durable, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Merge(l, dynamic, nil)
		if err != nil {
			t.Fatal(err)
		}
		next := z
		for _, c := range slices.Concat(b.Changes, b.Layers) {
			next = c.Zone
			at := z
			for _, s := range c.Steps {
				if at.Serial() != s.Changeset.From {
					t.Fatalf("seed %d: a step from %d after %d", seed, s.Changeset.From, at.Serial())
				}
				if at, err = at.Apply(s.Changeset); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			if at.Digest() != next.Digest() || at.Serial() != next.Serial() || (next.Digest() == z.Digest()) != (next.Serial() == z.Serial()) {
				t.Fatalf("seed %d: the steps lead to %s %d, not %s %d", seed, content(at), at.Serial(), content(next), next.Serial())
			}
		}
		if got, want := withoutTXT(content(next)), content(want); got != want || next.Layers().Derived != l.Derived || next.Layers().Made != l.Made {
			t.Fatalf("seed %d: %s\nwant %s", seed, got, want)
		}
		if first != nil && next.Serial() != first.Serial() {
			t.Fatalf("seed %d: a second step", seed)
		}
		z = next
	}
}

func withoutTXT(content string) string {
	list := strings.Split(content, ", ")
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return strings.Contains(s, " TXT ") }), ", ")
}

// A batch has one change of a zone, whoever adds to it.
func TestChangeOf(t *testing.T) {
	a, c := smallZone(t, "1.in-addr.arpa."), smallZone(t, "2.in-addr.arpa.")
	c = c.WithLayers(zone.Layers{Static: c})
	set := zone.NewSet().With([]*zone.Zone{a, c}, nil)
	b := &zone.Batch{Layers: []zone.Change{{Zone: c.WithLayers(zone.Layers{Static: a}), Apex: c.Apex(), Base: c}}}
	if ChangeOf(b, set, dname.MustParse("3.in-addr.arpa.")) != nil || len(b.Changes) != 0 {
		t.Error("a change of a zone that is not served")
	}
	if one := ChangeOf(b, set, a.Apex()); one.Base != a || one.Zone != a || !one.Kept || ChangeOf(b, set, a.Apex()) != one || len(b.Changes) != 1 {
		t.Errorf("%+v", one)
	}
	if one := ChangeOf(b, set, c.Apex()); one.Base != c || one.Zone.Layers().Static != a || one.Kept || len(b.Layers) != 0 || len(b.Changes) != 2 {
		t.Errorf("%+v", one)
	}
	// A zone that is not served yet has no history.
	z := a.WithSerial(7)
	b = &zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}
	extra := zone.Record{Owner: dname.MustParse("9.1.in-addr.arpa."), Type: rr.TypePTR, TTL: 60, Data: dname.Root()}
	if err := AddRecords(&b.Changes[0], nil, []zone.Record{extra}, "", 0); err != nil || len(b.Changes[0].Steps) != 0 || b.Changes[0].Zone.Serial() != 8 {
		t.Errorf("%+v, %v", b.Changes[0], err)
	}
}

func TestNextSerial(t *testing.T) {
	const now = 1_700_000_000
	z := smallZone(t, "1.in-addr.arpa.")
	static := zone.Layers{Static: z}
	for _, c := range []struct {
		zone *zone.Zone
		want zone.Serial
	}{
		{z, 2},
		{z.WithSerial(1<<32 - 1), 1},
		{z.WithLayers(static), now},
		{z.WithSerial(now + 5).WithLayers(static), now + 6},
		{z.WithLayers(zone.Layers{Static: z, Declared: true}), 2},
	} {
		if got := NextSerial(c.zone, now); got != c.want {
			t.Errorf("%d, want %d", got, c.want)
		}
	}
}
