package zone

import (
	"maps"
	"math/bits"
	"slices"
)

const (
	pageSlots = 64
	// pageSplit is the number of used slots at which a page is split. Pages are then
	// a third full on average, and a search reads one slot in most cases.
	pageSplit = pageSlots / 2
	// pageMerge is the number of used slots at or below which two neighbouring pages
	// become one. It is well below pageSplit, so that a zone that comes and goes does
	// not split and merge pages each time.
	pageMerge = pageSlots / 8
)

// table is a hash table by apex, with extendible hashing: a directory, indexed by the top
// bits of the hash, of small pages, each a hash table of its own with linear probing.
// A full page is split into two; no other page is touched. A table and those made
// from it share the pages in which they do not differ.
type table[S any, P tableSlot[S]] struct {
	pages   []*page[S]   // a page with fewer bits than shift leaves fills several neighbouring places
	shift   uint32       // 32 - bits of the directory
	most    uint8        // slots of a page that may be used
	edit    uint64       // the edit that owns pages, see page
	crowded map[string]S // by key of the apex: those whose page is full and cannot be split
}

// page is one page of a table. The slots come first: see prefixSlot.
type page[S any] struct {
	slots [pageSlots]S
	edit  uint64 // the edit that made the page, and may change it
	used  uint8  // slots
	bits  uint8  // of the hash that all slots of the page have in common
}

// tableSlot is a slot of a table.
type tableSlot[S any] interface {
	*S
	key() string  // of the apex; empty: the slot is free
	home() uint32 // hash of the apex
}

func newTable[S any, P tableSlot[S]](most uint8) table[S, P] {
	return table[S, P]{pages: []*page[S]{new(page[S])}, shift: 32, most: most}
}

// page returns the page of hash h.
func (t *table[S, P]) page(h uint32) *page[S] { return t.pages[uint64(h)>>(t.shift&63)] }

// find returns the index in p of the slot with the key, whose hash is h; ok is false if
// there is none, and i is then the index of the free slot where it would be, if any.
func (t *table[S, P]) find(p *page[S], h uint32, key string) (i uint32, ok bool) {
	for n := range uint32(pageSlots) {
		i = (h + n) % pageSlots
		switch P(&p.slots[i]).key() {
		case "":
			return i, false
		case key:
			return i, true
		}
	}
	return 0, false
}

// put adds e, or replaces the slot with the same key. maxBits bounds the bits of the
// directory.
func (t *table[S, P]) put(e S, maxBits uint32) {
	h, key := P(&e).home(), P(&e).key()
	p := t.page(h)
	if i, ok := t.find(p, h, key); ok {
		t.own(h).slots[i] = e
		return
	}
	if _, ok := t.crowded[key]; ok {
		t.crowded[key] = e
		return
	}
	for p.used >= pageSplit && uint32(p.bits) < maxBits {
		t.split(h, maxBits)
		p = t.page(h)
	}
	if p.used == t.most {
		t.crowded[key] = e
		return
	}
	t.own(h)
	t.move(&e)
}

// remove removes the slot with the key, whose hash is h and which the table has.
func (t *table[S, P]) remove(h uint32, key string, maxBits uint32) {
	first, ok := t.find(t.page(h), h, key)
	if !ok {
		delete(t.crowded, key)
		return
	}
	p := t.own(h)
	free := first
	// Slots behind the free one that a search would no longer find move into it.
	for n := range uint32(pageSlots - 1) {
		next := (first + 1 + n) % pageSlots
		e := P(&p.slots[next])
		if e.key() == "" {
			break
		}
		if (next-e.home())%pageSlots >= (next-free)%pageSlots {
			p.slots[free] = p.slots[next]
			free = next
		}
	}
	clear(p.slots[free : free+1])
	p.used--
	if p.used == t.most-1 {
		t.resettle(h, maxBits)
	}
	t.merge(h)
}

// own returns the page of hash h for this edit to change.
func (t *table[S, P]) own(h uint32) *page[S] {
	p := t.page(h)
	if p.edit != t.edit {
		copied := *p
		p = &copied
		p.edit = t.edit
		t.place(h, p)
	}
	return p
}

// place puts p into the places of the directory that belong to it, the one of h among
// them.
func (t *table[S, P]) place(h uint32, p *page[S]) {
	places := uint32(1) << (32 - t.shift - uint32(p.bits))
	first := uint32(uint64(h)>>t.shift) &^ (places - 1)
	for i := range places {
		t.pages[first+i] = p
	}
}

// split divides the page of hash h by the next bit of the hashes.
func (t *table[S, P]) split(h, maxBits uint32) {
	p := t.page(h)
	if uint32(p.bits) == 32-t.shift {
		double := make([]*page[S], 2*len(t.pages))
		for i, q := range t.pages {
			double[2*i], double[2*i+1] = q, q
		}
		t.pages = double
		t.shift--
	}
	bit := uint32(1) << (31 - p.bits)
	half := [2]*page[S]{{edit: t.edit, bits: p.bits + 1}, {edit: t.edit, bits: p.bits + 1}}
	t.place(h&^bit, half[0])
	t.place(h|bit, half[1])
	for i := range p.slots {
		if e := P(&p.slots[i]); e.key() != "" {
			t.move(e)
		}
	}
	if p.used == t.most {
		t.resettle(h&^bit, maxBits)
		t.resettle(h|bit, maxBits)
	}
}

// move copies a slot into the page where it belongs, which is this edit's own and has room.
func (t *table[S, P]) move(e P) {
	h := e.home()
	p := t.page(h)
	i, _ := t.find(p, h, e.key())
	p.slots[i] = *e
	p.used++
}

// resettle moves crowded slots into the page of hash h, which has room now: a search goes
// on among the crowded ones only where a page is full.
func (t *table[S, P]) resettle(h, maxBits uint32) {
	for key, e := range t.crowded {
		p := t.page(h)
		if p.used == t.most {
			return
		}
		if t.page(P(&e).home()) == p {
			delete(t.crowded, key)
			t.put(e, maxBits)
		}
	}
}

// merge makes the page of hash h one with its neighbour, as long as both
// are nearly empty.
func (t *table[S, P]) merge(h uint32) {
	for {
		p := t.page(h)
		if p.bits == 0 {
			return
		}
		q := t.page(h ^ 1<<(32-p.bits))
		if q.bits != p.bits || p.used+q.used > pageMerge {
			return
		}
		t.place(h, &page[S]{edit: t.edit, bits: p.bits - 1})
		for _, old := range []*page[S]{p, q} {
			for i := range old.slots {
				if e := P(&old.slots[i]); e.key() != "" {
					t.move(e)
				}
			}
		}
	}
}

// begin prepares a copy of a table for changes: pages stay shared until they are changed.
func (t *table[S, P]) begin() {
	t.edit++
	t.pages = slices.Clone(t.pages)
	if t.crowded = maps.Clone(t.crowded); t.crowded == nil {
		t.crowded = map[string]S{}
	}
}

// all yields the slots in use, in no order.
func (t *table[S, P]) all(yield func(*S) bool) {
	var last *page[S]
	for _, p := range t.pages {
		if p == last {
			continue
		}
		last = p
		for i := range p.slots {
			if e := &p.slots[i]; P(e).key() != "" && !yield(e) {
				return
			}
		}
	}
	for _, e := range t.crowded {
		if !yield(&e) {
			return
		}
	}
}

// maxTableBits bounds the bits of the directory of a table with so many slots in use:
// pages of random hashes need fewer. Hashes take octets for the same that differ in bit 5
// alone, letters or not, so that a catalog could list any number of names with one hash,
// which no split divides. Such names are searched in a map when their page is full.
func maxTableBits(count int) uint32 { return uint32(bits.Len(uint(count/pageSplit))) + 3 }
