package zone_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "repeat the random tests with this seed alone; 0: seeds 1 to -zones")
	zonesFlag = flag.Uint64("zones", 24, "number of random zones a test makes; more find more")
)

// eachSeed runs test for every seed, which a failure names.
func eachSeed(t *testing.T, test func(t *testing.T, seed uint64)) {
	first, last := uint64(1), *zonesFlag
	if testing.Short() {
		last = min(last, 6)
	}
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { test(t, seed) })
		if t.Failed() {
			t.Fatalf("repeat with -run '^%s$' -seed %d", t.Name(), seed)
		}
	}
}

// randomZone returns a zone whose kind the seed chooses, unsigned or signed in
// one of the ways; again signs an edited one in the same way.
func randomZone(seed uint64) (g *zonetest.Random, o *zonetest.Oracle, again func(*zonetest.Oracle) *zonetest.Oracle) {
	g = zonetest.NewRandom(seed)
	apexes := zonetest.Apexes()
	apex := dname.MustParse(apexes[int(seed)%len(apexes)])
	again = func(o *zonetest.Oracle) *zonetest.Oracle { return o }
	switch how := g.IntN(5); how {
	case 1:
		again = func(o *zonetest.Oracle) *zonetest.Oracle { return zonetest.MustSign(o, byte(seed), zonetest.Denial{}) }
	case 2, 3:
		denial := zonetest.Denial{NSEC3: true, OptOut: how == 3, Iterations: g.IntN(2)}
		if g.Chance(2) {
			denial.Salt = "\xaa\xbb"
		}
		again = func(o *zonetest.Oracle) *zonetest.Oracle { return zonetest.MustSign(o, byte(seed), denial) }
	}
	return g, again(g.Zone(apex, 3+g.IntN(40))), again
}

// build makes the zone that the Oracle holds.
func build(t testing.TB, o *zonetest.Oracle, records []zone.Record) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(o.Apex)
	for _, r := range records {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatalf("zone does not build: %v\n%s", findings, o.Text())
	}
	check(t, z)
	return z
}

// check looks at the whole structure.
func check(t testing.TB, z *zone.Zone) {
	t.Helper()
	if err := z.Check(); err != nil {
		t.Fatalf("check of zone %v: %v", z.Apex(), err)
	}
}

// ask compares what the zone and the Oracle answer to one question.
func ask(t testing.TB, z *zone.Zone, o *zonetest.Oracle, a *zone.Answer, qname dname.Name, qtype rr.Type, do bool) bool {
	t.Helper()
	a.Reset()
	z.Lookup(qname, qtype, do, a)
	got := zonetest.FromAnswer(a, do)
	pick := rr.TypeNone
	if qtype == rr.TypeANY && len(got.Items) > 0 {
		pick = got.Items[0].Type
	}
	want := o.LookupAny(qname, qtype, do, pick)
	if qtype == rr.TypeANY { // which additional data an ANY gets is free
		isExtra := func(it zonetest.Item) bool { return it.Section == zone.SectionAdditional && !it.Required }
		got.Items, want.Items = slices.DeleteFunc(got.Items, isExtra), slices.DeleteFunc(want.Items, isExtra)
	}
	if diff := zonetest.Compare(want, got); diff != "" {
		t.Errorf("%v %v DO=%v:\n%s", qname, qtype, do, diff)
		return false
	}
	return true
}

// askAll compares the answers for every name worth asking: all types where a name
// exists, some elsewhere. One name in thin is asked.
func askAll(t testing.TB, g *zonetest.Random, z *zone.Zone, o *zonetest.Oracle, thin int) {
	t.Helper()
	var a zone.Answer
	types := zonetest.Types()
	failures := 0
	for _, qname := range g.Neighbours(o) {
		if !g.Chance(thin) {
			continue
		}
		ask1 := func(qtype rr.Type) {
			for _, do := range []bool{false, true} {
				if !ask(t, z, o, &a, qname, qtype, do) {
					failures++
				}
			}
		}
		if o.Exists(qname) {
			for _, qtype := range types {
				ask1(qtype)
			}
		} else {
			for _, qtype := range []rr.Type{rr.TypePTR, rr.TypeDS, types[g.IntN(len(types))]} {
				ask1(qtype)
			}
		}
		if failures > 3 {
			break
		}
	}
	if failures > 0 {
		t.Fatalf("zone:\n%s", o.Text())
	}
}

// sameContent compares the records, by All and by Get, the totals and the serial.
func sameContent(t testing.TB, z *zone.Zone, o *zonetest.Oracle) {
	t.Helper()
	var want, got []string
	for _, r := range o.Records() {
		want = append(want, zonetest.RecordKey(r))
	}
	var last zone.Record // no RRSIG
	seen := map[string]bool{}
	for r := range z.All() {
		got = append(got, zonetest.RecordKey(r))
		if len(got) == 1 && r.Type != rr.TypeSOA {
			t.Errorf("All starts with %v at %v, want the SOA", r.Type, r.Owner)
		}
		if last.Owner != nil && dname.Compare(last.Owner, r.Owner) > 0 {
			t.Errorf("All yields %v after %v, against canonical order", r.Owner, last.Owner)
		}
		if r.Type == rr.TypeRRSIG {
			if covered := rr.Type(r.Data[0])<<8 | rr.Type(r.Data[1]); covered != last.Type || !r.Owner.Equal(last.Owner) {
				t.Errorf("All yields an RRSIG over %v at %v after %v at %v", covered, r.Owner, last.Type, last.Owner)
			}
			continue
		}
		isNew := last.Owner == nil || last.Type != r.Type || !last.Owner.Equal(r.Owner)
		if key := fmt.Sprint(r.Owner.Key(), r.Type); isNew && seen[key] {
			t.Errorf("All yields the %v at %v in pieces", r.Type, r.Owner)
		} else {
			seen[key] = true
		}
		last = zone.Record{Owner: r.Owner.Clone(), Type: r.Type}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("records differ:\nwant %q\n got %q", want, got)
	}
	if z.Serial() != o.Serial() {
		t.Errorf("serial %d, want %d", z.Serial(), o.Serial())
	}
	names := 0 // the owner of an NSEC3 counts apart from the name that it happens to be
	for _, owner := range o.Owners() {
		hashed, others := 0, 0
		for _, owned := range zonetest.Types() {
			if o.Get(owner, owned) != nil && owned == rr.TypeNSEC3 {
				hashed = 1
			} else if o.Get(owner, owned) != nil {
				others = 1
			}
		}
		names += hashed + others
	}
	if s := z.Stats(); s.Records != len(want) || s.Names != names {
		t.Errorf("stats count %d records at %d names, want %d at %d", s.Records, s.Names, len(want), names)
	}
	for _, owner := range o.Owners() {
		for _, qtype := range zonetest.Types() {
			set, ok := z.Get(owner, qtype)
			wanted := o.Get(owner, qtype)
			if qtype == rr.TypeRRSIG || qtype == rr.TypeANY {
				continue
			}
			if ok != (wanted != nil) || ok != set.Exists() {
				t.Errorf("Get %v %v: %v, want %v", owner, qtype, ok, wanted != nil)
			} else if ok {
				if got := zonetest.FromSet(set); got.TTL != wanted.TTL || !slices.Equal(got.Data, wanted.Data) || !slices.Equal(got.Sigs, wanted.Sigs) || got.SigTTL != wanted.SigTTL {
					t.Errorf("Get %v %v: got %+v, want %+v", owner, qtype, got, wanted)
				}
			}
		}
	}
}

// The trie answers as the Oracle does, after a build in any order and after every
// edit, and what an older snapshot answers never changes.
func TestOracle(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g, o, again := randomZone(seed)
		z := build(t, o, g.Shuffled(o))
		sameContent(t, z, o)
		askAll(t, g, z, o, 1)
		type snapshot struct {
			z      *zone.Zone
			o      *zonetest.Oracle
			digest zone.Digest
		}
		snapshots := []snapshot{{z, o, z.Digest()}}
		for range 8 {
			edited := again(g.Edit(o))
			next, err := z.Apply(zonetest.Diff(o, edited))
			if err != nil {
				t.Fatalf("apply: %v\nzone:\n%sedited:\n%s", err, o.Text(), edited.Text())
			}
			check(t, next)
			sameContent(t, next, edited)
			askAll(t, g, next, edited, 8)
			z, o = next, edited
			snapshots = append(snapshots, snapshot{z, o, z.Digest()})
		}
		for _, s := range snapshots {
			check(t, s.z)
			sameContent(t, s.z, s.o)
			askAll(t, g, s.z, s.o, 16)
			if s.z.Digest() != s.digest {
				t.Errorf("the digest of an old snapshot changed")
			}
		}
	})
}
