package zone

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Diff returns the changeset that turns from into to, two zones of one apex. A
// nil from has no records. The SOA comes first, the rest in the order of the
// trie, not in canonical order; an RRset whose TTL differs is removed and added
// whole.
//
// It walks both tries at once and compares values as they are stored. Zones that
// grew out of one share what did not change, and that is not walked: between two
// zones with one change in between it costs what Apply did, between two builds of
// a file it reads both once. pause is called every few microseconds of the work; it
// may be nil.
func Diff(from, to *Zone, pause func()) *Changeset {
	return DiffWithin(from, to, math.MaxInt64, pause)
}

// DiffWithin is Diff, but nil if the changeset would take more octets of memory
// than limit. It then ends as soon as it has found so many.
func DiffWithin(from, to *Zone, limit int64, pause func()) *Changeset {
	d := differ{pauser: pauser{pause: pause}, from: from, to: to, c: &Changeset{Apex: to.apex, To: to.serial}, left: limit}
	if from == nil || !from.IsAvailable() {
		d.from = &Zone{}
	} else {
		d.c.From = from.serial
		if from == to {
			return d.c
		}
		d.same = sameChunks(&from.storage, &to.storage)
	}
	d.trie(d.from.root, to.root, false)
	d.trie(d.from.nsec3, to.nsec3, true)
	if d.left < 0 {
		return nil
	}
	d.c.Removed, d.c.Added = d.removed.join(&d.pauser), d.added.join(&d.pauser)
	soaFirst(d.c.Removed)
	soaFirst(d.c.Added)
	return d.c
}

// sameChunks returns which chunks are one and the same in both storages. What a
// ref addresses in such a chunk is the same in both, and so is all below it.
func sameChunks(a, b *storage) []bool {
	same := make([]bool, min(len(a.chunks), len(b.chunks)))
	for i := range same {
		x, y := a.chunks[i], b.chunks[i]
		same[i] = len(x) > 0 && len(y) > 0 && &x[0] == &y[0]
	}
	return same
}

// differ finds what two zones do not have in common.
type differ struct {
	pauser
	from, to *Zone
	c        *Changeset
	removed  recordList
	added    recordList
	left     int64  // octets that the changeset may still take; below 0: it takes too many
	same     []bool // by chunk: shared by both storages

	path   key  // where the walk is; without the ends of the labels
	hashed bool // the walk is in the tries of NSEC3
	split  key

	// Pairs of suffixes, of from and of to, that were found to be equal.
	suffixes [256][2]ref
	slab     []byte // room for RDATA: a changeset of many records is few allocations
}

// trie compares the tries at two roots, of the names or of NSEC3; 0: there is none.
func (d *differ) trie(from, to ref, hashed bool) {
	d.hashed = hashed
	d.path.reset(&d.to.layout)
	if hashed {
		d.path.reset(&layout{})
	}
	d.both(zonePlace{d.from, place{at: from}}, zonePlace{d.to, place{at: to}}, hashed || d.to.family == dname.Forward)
}

// zonePlace is a place in one of the zones. At 0 there is nothing.
type zonePlace struct {
	z *Zone
	place
}

func (p zonePlace) exists() bool { return p.at != 0 }

// inRun reports whether the run of the node goes on.
func (p zonePlace) inRun() bool {
	if !p.exists() {
		return false
	}
	n := p.z.node(p.at, p.depth)
	return p.used < n.run()
}

func (p zonePlace) next() uint32 {
	if !p.exists() {
		return 0
	}
	return p.z.next(p.place)
}

func (p zonePlace) value() []byte {
	if !p.exists() {
		return nil
	}
	return p.z.value(p.place)
}

// step goes on with a nibble, of next those of thip zonePlace.
func (p zonePlace) step(next uint32, v byte) zonePlace {
	if next>>v&1 == 0 {
		return zonePlace{z: p.z}
	}
	return zonePlace{p.z, p.z.step(p.place, v)}
}

func (p zonePlace) ordinary() zonePlace {
	if p.exists() {
		if below, ok := p.z.ordinary(p.place); ok {
			return zonePlace{p.z, below}
		}
	}
	return zonePlace{z: p.z}
}

// shared reports whether both zones have the same at r.
func (d *differ) shared(r ref) bool {
	i := int(r >> chunkShift)
	return i < len(d.same) && d.same[i]
}

// both compares what lies at and below a place of each trie, on the same path.
func (d *differ) both(p, q zonePlace, inOrdinary bool) {
	if !p.exists() && !q.exists() {
		return
	}
	d.step()
	if d.left < 0 || p.place == q.place && d.shared(p.at) {
		return
	}
	save := d.path.n
	if p.exists() && q.exists() && p.used|q.used == 0 && d.sameNode(p.at, q.at, p.depth, inOrdinary) {
		d.path.n = save
		return
	}
	for { // along the run that both have, or the only one
		a, b := p.inRun(), q.inRun()
		v, w := p.next(), q.next()
		if a != p.exists() || b != q.exists() || a && b && v != w {
			break
		}
		d.path.push(byte(bits.TrailingZeros32(v | w)))
		p.used++
		q.used++
	}
	switch v, w := p.value(), q.value(); {
	case v == nil && w == nil:
	case w == nil:
		d.addValue(&d.removed, d.from, v)
	case v == nil:
		d.addValue(&d.added, d.to, w)
	case !d.sameValue(v, w):
		d.values(v, w)
	}
	next, nextTo := p.next(), q.next()
	for all := next | nextTo; all != 0; all &= all - 1 {
		v := byte(bits.TrailingZeros32(all))
		d.path.push(v)
		d.both(p.step(next, v), q.step(nextTo, v), inOrdinary)
		d.path.n--
	}
	if !inOrdinary {
		old := d.path.ordinary
		d.path.ordinary = d.path.n
		d.both(p.ordinary(), q.ordinary(), true)
		d.path.ordinary = old
	}
	d.path.n = save
}

// sameNode is both for nodes that have the same run and the same children, which
// nearly all have that a change did not touch; false: they have not.
func (d *differ) sameNode(r, s ref, depth int, inOrdinary bool) bool {
	a, b := d.from.node(r, depth), d.to.node(s, depth)
	if a.isLeaf() || !a.isAlike(b) {
		return false
	}
	for i := range a.run() {
		d.path.push(a.nibble(depth, i))
	}
	end := depth + a.run()
	if a.hasValue() {
		if x, y := a.ref(0), b.ref(0); x != y || !d.shared(x) {
			if v, w := d.from.at(x), d.to.at(y); !d.sameValue(v, w) {
				d.values(v, w)
			}
		}
	}
	if a.hasOrdinary() {
		i := a.ordinaryIndex()
		x, y := a.ref(i), b.ref(i)
		old := d.path.ordinary
		d.path.ordinary = end
		d.both(zonePlace{d.from, place{at: x, depth: end}}, zonePlace{d.to, place{at: y, depth: end}}, true)
		d.path.ordinary = old
	}
	i := a.childIndex(0) // of the first
	for all := a.children(); all != 0; all &= all - 1 {
		x, y := a.ref(i), b.ref(i)
		i++
		if d.sameLeaf(x, y, end+1) {
			continue
		}
		d.path.push(byte(bits.TrailingZeros32(all)))
		d.both(zonePlace{d.from, place{at: x, depth: end + 1}}, zonePlace{d.to, place{at: y, depth: end + 1}}, inOrdinary)
		d.path.n--
	}
	return true
}

// sameLeaf reports whether at x and y are leaves with the same run, which begins
// at depth, and the same value; false means nothing.
func (d *differ) sameLeaf(x, y ref, depth int) bool {
	if x == y && d.shared(x) {
		return true
	}
	a, b := d.from.node(x, depth), d.to.node(y, depth)
	return a.isLeaf() && a.isAlike(b) && d.sameValue(a.b[a.body:], b.b[b.body:])
}

// sameValue reports whether two values are stored in the same way, but for the
// numbers of TTLs and suffixes; false means nothing.
func (d *differ) sameValue(v, w []byte) bool {
	if v[0] != w[0] {
		return false
	}
	if v[0] == formSets {
		v = valueAt(v)
		return len(w) >= len(v) && string(v) == string(w[:len(v)])
	}
	n := shortHeader + int(v[2])
	return v[2] == w[2] && d.from.ttls[v[1]] == d.to.ttls[w[1]] && string(v[shortHeader:n]) == string(w[shortHeader:n]) &&
		d.sameSuffix(ref(binary.LittleEndian.Uint32(v[3:])), ref(binary.LittleEndian.Uint32(w[3:])))
}

func (d *differ) sameSuffix(r, s ref) bool {
	if r == 0 || s == 0 {
		return r == s
	}
	if r == s && d.shared(r) {
		return true
	}
	pair := &d.suffixes[r&255]
	if *pair == [2]ref{r, s} {
		return true
	}
	a, b := d.from.at(r), d.to.at(s)
	n := 1 + int(a[0])
	if len(b) < n || string(a[:n]) != string(b[:n]) {
		return false
	}
	*pair = [2]ref{r, s}
	return true
}

// owner returns the owner name that the path leads to.
func (d *differ) owner() dname.Name {
	k := &d.path
	if d.hashed {
		return d.to.hashOwner(k.b[:20])
	}
	d.to.split(&d.split, k.path())
	return d.to.name(&d.split)
}

// copyData returns a copy of an RDATA in two pieces.
func (d *differ) copyData(head, tail []byte) []byte {
	const room = 32 << 10
	n := len(head) + len(tail)
	if cap(d.slab)-len(d.slab) < n {
		// The first is small: most changesets are.
		d.slab = make([]byte, 0, max(n, min(room, 256+2*cap(d.slab))))
	}
	from := len(d.slab)
	d.slab = append(append(d.slab, head...), tail...)
	return d.slab[from:len(d.slab):len(d.slab)]
}

// add takes one record of the changeset.
func (d *differ) add(list *recordList, r Record) {
	d.left -= recordOctets + int64(len(r.Owner)+len(r.Data))
	list.add(r)
}

// addValue adds all records of one name.
func (d *differ) addValue(list *recordList, z *Zone, v []byte) {
	owner := d.owner()
	z.sets(v, func(s RRset) bool {
		for it := s.Data(); it.Next(); {
			d.add(list, Record{Owner: owner, Type: s.Type, TTL: s.TTL, Data: d.copyData(it.Head, it.Tail)})
		}
		for it := s.SigData(); it.Next(); {
			d.add(list, Record{Owner: owner, Type: rr.TypeRRSIG, TTL: s.SigTTL, Data: d.copyData(it.Head, it.Tail)})
		}
		return true
	})
}

// values compares the RRsets of one name. Records and signatures are compared
// apart, each with their TTL.
func (d *differ) values(v, w []byte) {
	a, b := d.from.content(v), d.to.content(w)
	var owner dname.Name
	d.addMissing(&d.removed, &owner, a, b)
	d.addMissing(&d.added, &owner, b, a)
}

// addMissing adds what a has and b has not.
func (d *differ) addMissing(list *recordList, owner *dname.Name, a, b content) {
	var none contentSet
	for i := range a {
		s, other := &a[i], b.find(a[i].typ)
		if other == nil {
			other = &none
		}
		missing := func(t rr.Type, ttl, otherTTL uint32, data, others [][]byte) {
			for i, j := 0, 0; i < len(data); i++ {
				for j < len(others) && bytes.Compare(others[j], data[i]) < 0 {
					j++
				}
				if ttl == otherTTL && j < len(others) && bytes.Equal(others[j], data[i]) {
					continue
				}
				if *owner == nil {
					*owner = d.owner()
				}
				d.add(list, Record{Owner: *owner, Type: t, TTL: ttl, Data: d.copyData(data[i], nil)})
			}
		}
		missing(s.typ, s.ttl, other.ttl, s.data, other.data)
		missing(rr.TypeRRSIG, s.sigTTL, other.sigTTL, s.sigs, other.sigs)
	}
}
