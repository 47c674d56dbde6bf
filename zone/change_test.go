package zone_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// Diff gives the least changeset that leads from one zone to the other, Apply
// accepts it in any order, Reverse undoes it, and the digest is that of a fresh
// build, whatever the way to the content was.
func TestDiffApplyReverse(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g, o, again := randomZone(seed)
		z := build(t, o, o.Records())
		for range 4 {
			edited := again(g.Edit(g.Edit(g.Edit(o))))
			fresh := build(t, edited, g.Shuffled(edited))
			c := zone.Diff(z, fresh, nil)
			sameChangeset(t, zonetest.Diff(o, edited), c)
			g.Shuffle(c.Removed)
			g.Shuffle(c.Added)
			next, err := z.Apply(c)
			if err != nil {
				t.Fatalf("apply: %v", err)
			}
			check(t, next)
			sameContent(t, next, edited)
			if next.Digest() != fresh.Digest() {
				t.Error("digest differs between a changed zone and a fresh one of the same content")
			}
			if isSigned := len(o.Get(o.Apex, rr.TypeSOA).Sigs) > 0; !isSigned && (z.Digest() == next.Digest()) != sameButSerial(o, edited) {
				t.Errorf("digests equal: %v; content equal but for the serial: %v", z.Digest() == next.Digest(), sameButSerial(o, edited))
			}
			back, err := next.Apply(c.Reverse())
			if err != nil {
				t.Fatalf("apply in reverse: %v", err)
			}
			check(t, back)
			sameContent(t, back, o)
			if back.Digest() != z.Digest() || !zone.Diff(z, back, nil).IsEmpty() {
				t.Error("the changeset and its reverse do not lead back")
			}
			z, o = next, edited
		}
		if c := zone.Diff(nil, z, nil); len(c.Removed) != 0 || len(c.Added) != len(o.Records()) {
			t.Errorf("from nothing: %d removed, %d added, want 0 and %d", len(c.Removed), len(c.Added), len(o.Records()))
		}
	})
}

// Condense leaves the least changeset, whatever came and went in between.
func TestCondense(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g, o, again := randomZone(seed)
		versions := []*zonetest.Oracle{o}
		var list []*zone.Changeset
		for i := range 8 {
			edited := again(g.Edit(o))
			if i > 0 && g.Chance(3) { // back to an earlier content
				edited = again(versions[g.IntN(len(versions))].Clone())
			}
			list = append(list, zonetest.Diff(o, edited))
			versions = append(versions, edited)
			o = edited
			from := g.IntN(len(versions) - 1)
			sameChangeset(t, zonetest.Diff(versions[from], o), zone.Condense(list[from:]))
		}
	})
}

// sameButSerial compares two unsigned zones with the serial of one.
func sameButSerial(a, b *zonetest.Oracle) bool {
	a, b = a.Clone(), b.Clone()
	a.SetSerial(1)
	b.SetSerial(1)
	return zonetest.Equal(a, b)
}

func sameChangeset(t *testing.T, want, got *zone.Changeset) {
	t.Helper()
	if !got.Apex.Equal(want.Apex) || got.From != want.From || got.To != want.To {
		t.Errorf("changeset of %v from %d to %d, want %v from %d to %d", got.Apex, got.From, got.To, want.Apex, want.From, want.To)
	}
	for what, lists := range map[string][2][]zone.Record{"removed": {want.Removed, got.Removed}, "added": {want.Added, got.Added}} {
		var keys [2][]string
		for i, list := range lists {
			for _, r := range list {
				keys[i] = append(keys[i], zonetest.RecordKey(r))
			}
			slices.Sort(keys[i])
		}
		if !slices.Equal(keys[0], keys[1]) {
			t.Errorf("%s: want %q, got %q", what, keys[0], keys[1])
		}
	}
	if len(got.Added) > 0 && got.From != got.To && (got.Added[0].Type != rr.TypeSOA || got.Removed[0].Type != rr.TypeSOA) {
		t.Error("the SOA does not come first")
	}
}

// applyBoth applies a changeset to the zone and to the Oracle, which must agree on
// whether it fits.
func applyBoth(t *testing.T, z *zone.Zone, o *zonetest.Oracle, c *zone.Changeset) (next *zone.Zone, ok bool) {
	t.Helper()
	before := z.Digest()
	next, err := z.Apply(c)
	if want := o.Apply(c); (err == nil) != (want == nil) {
		t.Fatalf("apply: %v, the Oracle says: %v", err, want)
	}
	if err != nil && (next != nil || z.Digest() != before) {
		t.Fatal("a changeset that does not fit left something")
	}
	return next, err == nil
}

// Of a changeset in which something was changed, the zone takes what the Oracle
// takes, and its reverse leads back.
func TestApplyIsExact(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g, o, again := randomZone(seed)
		z := build(t, o, o.Records())
		taken := 0
		for range 40 {
			edited := again(g.Edit(o))
			c := zonetest.Diff(o, edited)
			for range g.IntN(3) {
				list, other := &c.Removed, &c.Added
				if g.Chance(2) {
					list, other = other, list
				}
				if len(*list) == 0 {
					continue
				}
				i := g.IntN(len(*list))
				switch r := &(*list)[i]; g.IntN(4) {
				case 0: // one less, often what another needs
					*list = slices.Delete(*list, i, i+1)
				case 1:
					r.TTL ^= 1
				case 2: // twice
					*list = append(*list, *r)
				case 3: // removed and added again
					*other = append(*other, *r)
				}
			}
			want := o.Clone()
			next, ok := applyBoth(t, z, want, c)
			if !ok {
				continue
			}
			taken++
			check(t, next)
			sameContent(t, next, want)
			back, err := next.Apply(c.Reverse())
			if err != nil {
				t.Fatalf("reverse: %v", err)
			}
			check(t, back)
			sameContent(t, back, o)
			if back.Digest() != z.Digest() || !zone.Diff(z, back, nil).IsEmpty() {
				t.Fatal("the changeset and its reverse do not lead back")
			}
			z, o = next, want
		}
		if taken < 5 {
			t.Errorf("only %d of 40 changesets fitted", taken)
		}
	})
}

// Two zones that grow out of one do not see each other, in whichever order they
// grow.
func TestApplyBranches(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g, o, again := randomZone(seed)
		type branch struct {
			z *zone.Zone
			o *zonetest.Oracle
		}
		branches := []branch{{build(t, o, o.Records()), o}}
		for range 10 {
			from := branches[g.IntN(len(branches))]
			edited := again(g.Edit(from.o))
			z, err := from.z.Apply(zonetest.Diff(from.o, edited))
			if err != nil {
				t.Fatalf("apply: %v", err)
			}
			branches = append(branches, branch{z, edited})
		}
		for _, b := range branches {
			check(t, b.z)
			sameContent(t, b.z, b.o)
			askAll(t, g, b.z, b.o, 30)
		}
	})
}

// A changeset that does not fit names the first record that does not, and leaves
// the zone as it was.
func TestApplyErrors(t *testing.T) {
	o := zonetest.MustSign(zonetest.MustParse("2.0.192.in-addr.arpa.", soaNS+"1 PTR a.example.\n1 PTR b.example.\n2 CNAME x.example.\nx.y TXT z\n"), 1, zonetest.Denial{})
	z := build(t, o, o.Records())
	digest := z.Digest()
	records := func(text string) []zone.Record {
		list, err := zonetest.ParseRecords("2.0.192.in-addr.arpa.", text)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, c := range []struct{ removed, added, want string }{
		{"3 PTR a.example.", "", "3.2.0.192.in-addr.arpa."},                         // no such name
		{"1 PTR c.example.", "", "1.2.0.192.in-addr.arpa."},                         // no such record
		{"1 A 192.0.2.1", "", "1.2.0.192.in-addr.arpa."},                            // no such type
		{"y TXT z", "", "y.2.0.192.in-addr.arpa."},                                  // an empty non-terminal
		{"x.1 PTR a.example.", "", "x.1.2.0.192.in-addr.arpa."},                     // below a leaf
		{"", "1 PTR a.example.", "1.2.0.192.in-addr.arpa."},                         // there already
		{"1 61 PTR a.example.", "", "TTL"},                                          // another TTL
		{"", "1 61 PTR c.example.", "TTL"},                                          // another TTL than its RRset
		{"", "3 60 PTR a.example.\n3 61 PTR b.example.", "TTL"},                     // two TTLs
		{"2 CNAME x.example.", "", "signatures over CNAME"},                         // leaves its signatures
		{"1 PTR a.example.\n1 PTR a.example.", "", "1.2.0.192"},                     // twice
		{"", "3 PTR a.example.\n3 PTR a.example.", "3.2.0.192"},                     // twice
		{"x.y TXT z", "x.y TXT a\n9 PTR a.example.\n1 PTR b.example.", "1.2.0.192"}, // the last of several
	} {
		next, err := z.Apply(&zone.Changeset{Apex: o.Apex, From: 1, To: 1, Removed: records(c.removed), Added: records(c.added)})
		if err == nil || next != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("remove %q, add %q: %v, want an error that names %s", c.removed, c.added, err, c.want)
		}
	}
	check(t, z)
	sameContent(t, z, o)
	if z.Digest() != digest {
		t.Error("a failed change changed the digest")
	}
}

func TestWithSerial(t *testing.T) {
	o := zonetest.MustParse("example.", soaNS+"a TXT x\n")
	z := build(t, o, o.Records())
	for _, s := range []zone.Serial{1, 2, 1 << 31, 1<<32 - 1, 0} {
		next := z.WithSerial(s)
		check(t, next)
		if next.Serial() != s || z.Serial() != 1 {
			t.Errorf("serial %d, want %d; the old zone's is %d", next.Serial(), s, z.Serial())
		}
		if next.Digest() != z.Digest() {
			t.Error("the serial is part of the digest")
		}
		var a zone.Answer
		a.Reset()
		next.Lookup(o.Apex, rr.TypeSOA, false, &a)
		changed := o.Clone()
		changed.SetSerial(s)
		if diff := zonetest.Compare(changed.Lookup(o.Apex, rr.TypeSOA, false), zonetest.FromAnswer(&a, false)); diff != "" {
			t.Errorf("SOA with serial %d:\n%s", s, diff)
		}
	}
}

// The digest tells content apart: TTL, type, owner, RDATA and signatures count.
func TestDigest(t *testing.T) {
	digest := func(text string) zone.Digest {
		o := zonetest.MustParse("2.0.192.in-addr.arpa.", soaNS+text)
		return build(t, o, o.Records()).Digest()
	}
	seen := map[zone.Digest]string{}
	for _, text := range []string{"", "1 60 PTR a.b.\n", "1 61 PTR a.b.\n", "2 60 PTR a.b.\n", "1 60 CNAME a.b.\n", "1 60 PTR a.c.\n", "01 60 PTR a.b.\n",
		"1.1 60 PTR a.b.\n", "1 60 PTR a.b.\n1 60 TXT x\n", "1 60 TXT x\n", "1 60 PTR a.b.\n1 60 PTR a.c.\n", "1 60 PTR a.b.\n2 60 PTR a.b.\n", "\\001 60 PTR a.b.\n"} {
		d := digest(text)
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have one digest", text, other)
		}
		seen[d] = text
	}
}
