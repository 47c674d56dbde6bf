package journal

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// damageFile changes the octets of a journal that is closed.
func damageFile(t *testing.T, path string, damage func(p *pages, b []byte)) {
	t.Helper()
	v, err := openSurvey(path)
	if err != nil {
		t.Fatal(err)
	}
	defer v.file.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage(v.p, b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// olderHead damages the head of the transaction before the last.
func olderHead(p *pages, b []byte) {
	for at := range uint64(2) {
		if h, ok := p.readHead(at*p.page, p.page); ok && h.tx != p.head.tx {
			b[at*p.page+pageHeaderLen+20] ^= 1
		}
	}
}

// rootElement returns the offset in the file of an element of the root, by its key.
func rootElement(t *testing.T, p *pages, b []byte, name string) uint64 {
	t.Helper()
	root := b[p.head.root*p.page:][:p.page]
	for i := range int(binary.NativeEndian.Uint16(root[10:])) {
		if k, _, _, ok := leafElement(root, i); ok && string(k) == name {
			return p.head.root*p.page + pageHeaderLen + uint64(i)*elementLen
		}
	}
	t.Fatalf("no bucket %s", name)
	return 0
}

// The file has pages of earlier transactions, whose values have valid checksums. Whatever is
// damaged, none of them takes the place of a later one unnoticed.
func TestOlderPages(t *testing.T) {
	apexes := manyZones()
	for name, tt := range map[string]struct {
		damage func(t *testing.T, p *pages, b []byte)
		isLost bool // the last transaction
	}{
		"root in part": {func(t *testing.T, p *pages, b []byte) {
			olderHead(p, b)
			b[rootElement(t, p, b, bucketFloors)+4] ^= 4
		}, false},
		"number of the root": {func(t *testing.T, p *pages, b []byte) {
			olderHead(p, b)
			e := b[rootElement(t, p, b, bucketMeta):]
			ne := binary.NativeEndian
			value := uint64(ne.Uint32(e[4:])) + uint64(ne.Uint32(e[8:]))
			clear(e[value+8 : value+16])
		}, true},
		"root": {func(_ *testing.T, p *pages, b []byte) {
			olderHead(p, b)
			clear(b[p.head.root*p.page:][:p.page])
		}, true},
		"older copies of pages": {func(t *testing.T, p *pages, b []byte) {
			// Of each zone the entry is an older one, and the last change is not there.
			at := map[string]uint64{} // pages with an older entry, by key
			page := func(n uint64) []byte { return b[n*p.page:][:p.page] }
			var current []uint64
			p.leaves(func(n uint64, it item) {
				s, ok := decode(it.key, it.value)
				switch {
				case !ok:
				case s.Serial == 7:
					at[string(it.key)] = n
				case s.Serial == 8 && !p.isFree.has(n):
					current = append(current, n)
				}
			})
			copied := 0
			for _, n := range current {
				k, _, _, _ := leafElement(page(n), 0)
				if from, ok := at[string(k)]; ok && binary.NativeEndian.Uint64(page(n)) == n {
					copy(page(n), page(from))
					copied++
				}
			}
			if copied == 0 {
				t.Fatal("no page has older entries")
			}
			p.leaves(func(n uint64, it item) {
				if id, sequence, _ := splitKey(it.key); id != 0 && sequence == 2 && isWhole(bucketChanges, it) {
					if at := bytes.Index(page(n), it.value); at >= 0 {
						page(n)[at] ^= 1
					}
				}
			})
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			j := mustOpen(t, path)
			serve(t, j, 6, apexes[0])
			serve(t, j, 7, apexes...)
			serve(t, j, 8, apexes...)
			j.Close()
			damageFile(t, path, func(p *pages, b []byte) { tt.damage(t, p, b) })
			j = mustOpen(t, path)
			defer j.Close()
			named := map[string]bool{}
			for _, d := range j.Damage() {
				named[d.Apex.Key()] = true
			}
			for _, apex := range apexes {
				n := dname.MustParse(apex)
				e, _, err := j.Last(n)
				switch {
				case err != nil:
					t.Fatal(err)
				case e.Serial == 8 && e.Digest == build(t, apex, 8).Digest():
				case !tt.isLost:
					t.Fatalf("%s: %+v\n%v", apex, e, j.Damage()[0])
				case !named[n.Key()]:
					t.Fatalf("%s: %+v, and nothing says so", apex, e)
				case e.Digest != zone.Digest{}:
					t.Fatalf("%s: %+v: the older content counts as the last", apex, e)
				}
			}
		})
	}
}

// Pages that were exchanged are read where they are.
func TestExchangedPages(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	apexes := manyZones()
	serve(t, j, 7, apexes...)
	serve(t, j, 8, apexes...)
	j.Close()
	damageFile(t, path, func(p *pages, b []byte) {
		var of [2]uint64 // a page of entries and one of changes
		p.leaves(func(n uint64, it item) {
			for i, bucket := range []string{bucketZones, bucketChanges} {
				if isKeyed(bucket, it) && isWhole(bucket, it) && !p.isFree.has(n) && n < p.head.pages {
					of[i] = n
				}
			}
		})
		x, y := b[of[0]*p.page:][:p.page], b[of[1]*p.page:][:p.page]
		other := bytes.Clone(x)
		copy(x, y)
		copy(y, other)
	})
	j = mustOpen(t, path)
	defer j.Close()
	for _, apex := range apexes {
		if e, ok, err := j.Last(dname.MustParse(apex)); !ok || err != nil || e.Serial != 8 || e.Digest != build(t, apex, 8).Digest() {
			t.Fatalf("%s: %+v %v %v", apex, e, ok, err)
		}
	}
	if d := j.Damage(); len(d) != 1 {
		t.Errorf("told: %v", d)
	}
}

// Floors below a damaged page are found, and are not taken for notes, whose checksums are
// made as theirs are. A lower one does not replace a later one.
func TestFloorsBelowDamagedPage(t *testing.T) {
	path := newPath(t)
	j := mustOpen(t, path)
	apexes := manyZones()
	b := serving(t, 7, apexes...)
	for i := range b.Changes {
		b.Changes[i].Kept = true
	}
	if err := j.Append(b); err != nil {
		t.Fatal(err)
	}
	for _, serial := range []zone.Serial{20, 10} {
		floors := map[string]zone.Serial{}
		for _, apex := range apexes {
			floors[dname.MustParse(apex).Key()] = serial
		}
		if err := j.Raise(floors); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	damageFile(t, path, func(p *pages, b []byte) {
		n := p.roots[bucketFloors].page
		page := b[n*p.page:][:p.page]
		if n == 0 || binary.NativeEndian.Uint16(page[8:]) != pageBranch {
			t.Fatal("the floors have no branch")
		}
		clear(page)
	})
	j = mustOpen(t, path)
	defer j.Close()
	for _, apex := range apexes {
		if f, ok, err := j.Floor(dname.MustParse(apex)); !ok || err != nil || f != 20 {
			t.Fatalf("%s: floor %d %v %v\n%v", apex, f, ok, err, j.Damage()[0])
		}
	}
	for _, d := range j.Damage()[1:] {
		if d.Apex != nil || strings.Contains(d.Text, "notes about") {
			t.Errorf("told: %v", d)
		}
	}
}
