package zone

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// A change rewrites the nodes on the path to it and leaves the old ones behind: the
// chunks get holes. Holes are not filled, as older zones may read there.
// Instead, when what is not used has grown to a share of the zone, the chunks that
// are sparse are condemned, and each further change moves a little of what is
// still used out of them: a cursor goes through the trie in order and rewrites every
// node that lies in such a chunk. A chunk is dropped as soon as it is empty, all of them
// when the cursor reaches the end.
//
// The cursor passes everything, since a node does not know its parent, but it
// writes only what it must. Nodes it moves lie in the order of the trie again, as a
// build writes them.
//
// Suffixes are shared, and their uses are not counted. When many may have been
// given up, all chunks are condemned, and the cursor looks into each leaf that it
// passes. So it does when the table of TTLs is full, to find unused ones.
const (
	// A sweep begins when this share of a zone, one part in so many, is not used.
	// Fewer parts cost memory, more cost time: what is moved for each octet given up
	// grows with it.
	sweepBegin = 6
	// Chunks are condemned when one part in so many is not used. It must be more
	// parts than above, or a sweep might find nothing to condemn.
	sweepChunk = 14
	// Of the zone, one part in so many is moved by a sweep, out of the sparsest
	// chunks: if records came in an order of their own when the zone was built, the
	// cursor empties all condemned chunks at the same time, at its end.
	sweepMost = 6
	// The octets to be moved or looked at for each octet that a change writes. With
	// fewer the sweep takes longer, and more is given up meanwhile: this many make it
	// end before another fifteenth of the zone is.
	sweepRate = 16
	// A node that is only looked at counts as this many octets.
	sweepLook = 16
	// What is done at once, at least, so that the path to the cursor is not rewritten
	// for little: about ten microseconds.
	sweepStep = 8 << 10
	// A zone that gives up less than this is not swept.
	sweepSlack = 1 << 10

	maxTTLs = 256
	noTTL   = 1<<32 - 1 // in the table: free for another
)

// sweep is how far a sweep is.
type sweep struct {
	leaves bool                 // leaves are looked at, for their suffixes and TTLs
	nsec3  bool                 // the names are done
	cursor []byte               // path of the first node not done: its nibbles, and pathOrdinary
	debt   int64                // octets to be moved for what was written
	ttls   [maxTTLs / 64]uint64 // those that were met
}

const pathOrdinary = 16 // sorts behind all nibbles, as in a build

// isSparse reports whether so much of the storage is not used that it should be
// swept.
func (s *storage) isSparse() bool {
	unused := s.total - s.live + s.loose
	return unused > s.live/sweepBegin+sweepSlack
}

// continueSweep starts a sweep if one is due, and continues it in proportion to what w has
// written.
func (z *Zone) continueSweep(w *zoneWriter) {
	w.dropEmptied()
	if w.sweep == nil {
		if !w.isSparse() {
			return
		}
		w.beginSweep(w.live <= smallZone)
	}
	w.sweep.debt += w.written * sweepRate
	if w.sweep.debt < sweepStep {
		return
	}
	s := sweeper{w: w, z: z, left: w.sweep.debt}
	w.sweep.debt = 0
	s.run()
}

// compact sweeps a zone that was not published yet at once.
func (z *Zone) compact() {
	w := &zoneWriter{writer: z.extend(), ttls: z.ttls}
	w.beginSweep(true)
	s := sweeper{w: w, z: z, left: math.MaxInt64}
	s.run()
	z.storage, z.ttls = w.finish(), w.ttls
}

// beginSweep condemns what is sparse, or all.
func (w *zoneWriter) beginSweep(all bool) {
	w.sweep = &sweep{leaves: len(w.ttls) == maxTTLs, debt: sweepStep}
	if w.live <= smallZone {
		w.sweep.debt = math.MaxInt64 / 2
	}
	if w.cache != nil && 8*int64(len(w.cache.slots))*suffixShare <= w.total {
		w.cache = nil // the zone outgrew it
	}
	sparse := w.sparseChunks()
	if all = all || len(sparse) == 0 || w.loose > w.live/sweepChunk; all {
		w.loose = 0
		for i, c := range w.chunks {
			if c != nil {
				w.condemn(i)
			}
		}
		return
	}
	for moving := int64(0); len(sparse) > 0 && moving < w.live/sweepMost; sparse = sparse[1:] {
		moving += int64(w.fills[sparse[0]].live)
		w.condemn(sparse[0])
	}
}

func (w *zoneWriter) condemn(chunk int) {
	w.fills[chunk].condemned = true
	w.sweep.leaves = w.sweep.leaves || w.fills[chunk].suffixes
	w.closeChunk(chunk)
}

// sparseChunks returns the chunks of which so much is not used that they should
// be emptied, the sparsest first. Chunks of suffixes only go together with all
// others: the values that use them are everywhere, and would have to be rewritten anyway.
func (w *writer) sparseChunks() (list []int) {
	used := make([]int, len(w.chunks))
	for i, c := range w.chunks {
		used[i] = len(c)
	}
	for _, a := range w.areas {
		if a.chunk >= 0 {
			used[a.chunk] = int(a.end)
		}
	}
	for i, f := range w.fills {
		if !f.suffixes && used[i] > 0 && (used[i]-int(f.live))*sweepChunk >= used[i] {
			list = append(list, i)
		}
	}
	share := func(i int) float64 { return float64(w.fills[i].live) / float64(used[i]) }
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(share(a), share(b)) })
	return list
}

// endSweep drops what is still there of the condemned chunks: suffixes.
func (w *zoneWriter) endSweep() {
	for i := range w.fills {
		if w.fills[i].condemned {
			w.drop(i)
		}
	}
	if w.sweep.leaves && len(w.ttls) == maxTTLs {
		ttls := append([]uint32(nil), w.ttls...) // older zones share the table
		for i := range ttls {
			if w.sweep.ttls[i/64]>>(i%64)&1 == 0 {
				ttls[i] = noTTL
			}
		}
		w.ttls = ttls
	}
	w.sweep = nil
}

// markTTL notes that a short value is there, with its TTL.
func (s *sweep) markTTL(v []byte) { s.ttls[v[1]/64] |= 1 << (v[1] % 64) }

// sweeper is one step of a sweep.
type sweeper struct {
	w    *zoneWriter
	z    *Zone
	left int64  // octets to be moved
	path []byte // where it is
	stop []byte // where it ends; nil: not yet
	room []byte // of a value
	// Suffixes that were met in this step, and where they stay.
	known [knownSuffixes][2]ref
}

const knownSuffixes = 128

func (s *sweeper) run() {
	w, z := s.w, s.z
	if w.cache == nil {
		w.cache = newSuffixCache(w.total)
	}
	w.toSweep = 0
	for _, f := range w.fills {
		if f.condemned {
			w.toSweep += int64(f.live)
		}
	}
	w.area = areaSwept
	if !w.sweep.nsec3 {
		z.root = s.node(z.root, 0, w.sweep.cursor)
		if s.stop == nil {
			w.sweep.nsec3, w.sweep.cursor = true, nil
		}
	}
	if s.stop == nil && z.nsec3 != 0 {
		z.nsec3 = s.node(z.nsec3, 0, w.sweep.cursor)
	}
	w.dropEmptied()
	if w.sweep.cursor = s.stop; s.stop == nil {
		w.endSweep()
	}
}

// node sweeps the node at r, whose run begins at depth, and all below it, and
// returns what takes its place. What comes before the rest of the cursor is done;
// an empty rest is before everything.
func (s *sweeper) node(r ref, depth int, cursor []byte) ref {
	if s.left <= 0 && s.stop == nil {
		s.stop = append([]byte{}, s.path...)
	}
	if s.stop != nil || s.w.full {
		return r
	}
	n := s.w.node(r, depth)
	if len(cursor) == 0 { // the way to the cursor is free, so that each step gets on
		s.left -= sweepLook
	}
	if n.isLeaf() {
		return s.rewrite(r, n.b[:n.body], n.b[n.body:])
	}
	save := len(s.path)
	for i := range n.run() {
		v := n.nibble(depth, i)
		var isDone bool
		if cursor, isDone = pass(cursor, v); isDone {
			s.path = s.path[:save]
			return r
		}
		s.path = append(s.path, v)
	}
	var room [maxRefs]ref
	news := room[:n.refs()] // in the order in which they lie
	for i := range news {
		news[i] = n.ref(i)
	}
	end := depth + n.run()
	at := n.childIndex(0) // of the first
	for children := n.children(); children != 0; children &= children - 1 {
		news[at] = s.child(news[at], end+1, byte(bits.TrailingZeros32(children)), cursor)
		at++
	}
	if n.hasOrdinary() {
		i := n.ordinaryIndex()
		news[i] = s.child(news[i], end, pathOrdinary, cursor)
	}
	if n.hasValue() {
		news[0] = s.rewrite(news[0], nil, s.w.at(news[0]))
	}
	s.path = s.path[:save]
	changed := s.isCondemned(r)
	for i, next := range news {
		changed = changed || next != n.ref(i)
	}
	if !changed {
		return r
	}
	size := n.size()
	moved, to := s.w.alloc(size)
	copy(to, n.b[:n.body])
	for i, next := range news {
		binary.LittleEndian.PutUint32(to[n.refsAt()+refSize*i:], uint32(next))
	}
	s.w.release(r, size)
	s.left -= int64(size)
	return moved
}

// child is node for the child behind a nibble or the ordinary branch.
func (s *sweeper) child(r ref, depth int, symbol byte, cursor []byte) ref {
	cursor, isDone := pass(cursor, symbol)
	if isDone {
		return r
	}
	s.path = append(s.path, symbol)
	r = s.node(r, depth, cursor)
	s.path = s.path[:len(s.path)-1]
	return r
}

// pass returns what is left of the cursor behind a symbol of the path. isDone reports
// that all behind it comes before the cursor.
func pass(cursor []byte, symbol byte) (rest []byte, isDone bool) {
	switch {
	case len(cursor) == 0 || symbol > cursor[0]:
		return nil, false
	case symbol < cursor[0]:
		return nil, true
	}
	return cursor[1:], false
}

func (s *sweeper) isCondemned(r ref) bool { return s.w.fills[r>>chunkShift].condemned }

// rewrite returns the ref that takes the place of r, where a value lies behind a head: the
// header and run of a leaf, or nothing in front of a value apart from its node.
func (s *sweeper) rewrite(r ref, head, value []byte) ref {
	must := s.isCondemned(r)
	if !must && !s.w.sweep.leaves {
		return r
	}
	old := valueAt(value)
	v, changed := s.moved(old, must)
	if !changed {
		return r
	}
	n, to := s.w.alloc(len(head) + len(v))
	copy(to[copy(to, head):], v)
	s.w.release(r, len(head)+len(old))
	s.left -= int64(len(head) + len(v))
	return n
}

// moved returns a value with its suffix where it stays, valid until the next
// call, and whether it has to be rewritten; with must it has to be in any case.
func (s *sweeper) moved(v []byte, must bool) (moved []byte, changed bool) {
	if v[0] == formSets {
		return v, must
	}
	s.w.sweep.markTTL(v)
	le := binary.LittleEndian
	old := ref(le.Uint32(v[3:]))
	head, suffix := v[shortHeader:], []byte(nil)
	switch first := 1 + int(head[0]); {
	case old != 0:
		if r := s.suffix(old); r != old {
			return s.withSuffix(v, head, r), true
		}
		return v, must
	case len(head) <= first+1 || !must:
		return v, must
	default:
		head, suffix = head[:first], head[first:]
	}
	return s.withSuffix(v, head, s.share(suffix)), true
}

// suffix returns the ref that takes the place of that of a suffix.
func (s *sweeper) suffix(old ref) ref {
	known := &s.known[old&(knownSuffixes-1)]
	if known[0] != old {
		b := s.w.at(old)
		suffix := b[1 : 1+int(b[0])]
		*known = [2]ref{old, old}
		if s.isCondemned(old) {
			known[1] = s.share(suffix)
		} else if s.w.cache.find(&s.w.storage, suffix) == 0 {
			s.w.cache.add(suffix, old)
		}
	}
	return known[1]
}

// share returns the ref of a suffix where it stays.
func (s *sweeper) share(suffix []byte) ref {
	r := s.w.cache.find(&s.w.storage, suffix)
	if r == 0 {
		r = s.w.putSuffix(suffix)
		s.w.cache.add(suffix, r)
		s.left -= int64(len(suffix))
	}
	return r
}

// withSuffix returns a short value like v with another head and suffix.
func (s *sweeper) withSuffix(v, head []byte, r ref) []byte {
	s.room = append(append(s.room[:0], v[:shortHeader]...), head...)
	s.room[2] = byte(len(head))
	binary.LittleEndian.PutUint32(s.room[3:], uint32(r))
	return s.room
}
