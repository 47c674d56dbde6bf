package zone

import "sync"

// An area is where pieces of one kind go one behind the other, in a chunk that
// has room, so that what dies together lies together: most of what a change
// writes is given up by one of the next changes.
type area struct {
	chunk int32 // -1: none has room
	end   int32 // octets of the chunk that are used
}

const (
	areaNodes    = iota // of a fresh build, or written by a change
	areaSwept           // moved here by a sweep, in the order of the trie
	areaSuffixes        // whose references are not counted
	areas
)

const (
	// A chunk of changes is a thirty-second of a small zone, from the room that a new
	// SOA and the path to it take, so that a hundred thousand small zones stay small.
	minChunk = 256
	// A chunk of changes is a thousandth of the zone, but not less than this. Large
	// ones take long to make, which one change in a thousand waits for, and small
	// ones many numbers.
	changeChunk = 8 << 10
	// Up to this size a zone is swept at once, so that it need not keep apart what
	// can be swept apart. It takes some ten microseconds.
	smallZone = 16 << 10
	// A chunk that is swept to lives long, and is as large as may be without a
	// single change having to wait for much memory.
	sweptChunk = 128 << 10
)

// room is what zones that grew out of one have in common: how far the chunks that
// are not full are used by any of them, by which only one writer may go on at a
// time. What a zone that was never published has taken there is lost. A fresh build has
// none: its chunks are full.
type room struct {
	mu    sync.Mutex
	busy  bool
	areas [areas]area
	first [areas]*byte // of the areas' chunks: the same number may be another chunk elsewhere
	cache *suffixCache
}

// writer appends to a storage. It is used by one goroutine.
type writer struct {
	storage
	fresh   bool // a new build: full chunks, trimmed at the end
	full    bool // no ref is left
	own     bool // the table of chunks is not shared
	took    bool // the room is not given to another writer meanwhile
	area    int  // that alloc appends to
	written int64
	toSweep int64 // octets that a sweep still has to move, about
	emptied []int // chunks in which nothing is referred to any more, perhaps
	cache   *suffixCache
	spare   []byte // a first chunk, zeroed, for the next build; nil: none
}

// newWriter returns a writer of an empty storage that begins in the octets of first,
// which are zero.
func newWriter(first []byte) *writer {
	w := &writer{storage: storage{book: new(book)}, fresh: true, own: true}
	w.chunks = [][]byte{first}
	w.fills = []fill{{}}
	w.total = int64(len(first))
	for i := range w.areas {
		w.areas[i].chunk = -1
	}
	w.areas[areaNodes] = area{0, 4}
	return w
}

// extend returns a writer that goes on behind what s uses, and leaves s as it is.
func (s *storage) extend() *writer {
	b := *s.book
	w := &writer{storage: storage{s.chunks, &b}}
	if b.sweep != nil {
		next := *b.sweep
		b.sweep = &next
	}
	w.fills = append(make([]fill, 0, len(s.fills)+1), s.fills...)
	if s.room == nil { // a fresh build, in which nothing has room
		w.room = new(room)
		return w
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	w.took = !s.room.busy
	for i := range w.areas {
		c := w.areas[i].chunk
		if w.took && c >= 0 && s.room.areas[i].chunk == c && s.room.first[i] == &s.chunks[c][0] {
			w.areas[i].end = s.room.areas[i].end
		} else {
			w.areas[i].chunk = -1
		}
	}
	if w.took {
		s.room.busy = true
		w.cache = s.room.cache
	} else {
		w.room = new(room)
	}
	return w
}

// rollback undoes the extend of s that made w: another writer may have the room,
// which is zero again.
func (w *writer) rollback(s *storage) {
	if !w.took {
		return
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.room.busy = false
	for i, a := range s.room.areas {
		c := s.areas[i].chunk
		if c < 0 || a.chunk != c || s.room.first[i] != &s.chunks[c][0] {
			continue
		}
		to := len(s.chunks[c])
		if b := w.areas[i]; b.chunk == c && !w.full {
			to = int(b.end)
		}
		clear(s.chunks[c][a.end:to])
	}
}

// alloc returns the ref and the octets of a new piece of n octets, zeroed. In a
// fresh build the octets are valid until the next call.
func (w *writer) alloc(n int) (ref, []byte) {
	n = (n + 3) &^ 3
	a := &w.areas[w.area]
	if a.chunk < 0 || int(a.end)+n > len(w.chunks[a.chunk]) {
		w.open(a, n)
	}
	r := ref(a.chunk)<<chunkShift | ref(a.end)>>2
	b := w.chunks[a.chunk][a.end : int(a.end)+n]
	a.end += int32(n)
	w.fills[a.chunk].live += uint32(n)
	w.live += int64(n)
	w.written += int64(n)
	return r, b
}

// open gives the area a chunk with room for n octets.
func (w *writer) open(a *area, n int) {
	size := w.chunkSize(w.area)
	if w.fresh && len(w.chunks) == 1 && a.chunk == 0 {
		// The first chunk grows, as it is not known how large the zone will be.
		if more := max(2*len(w.chunks[0]), int(a.end)+n); more <= smallZone {
			w.total += int64(more - len(w.chunks[0]))
			w.chunks[0] = append(make([]byte, 0, more), w.chunks[0]...)[:more]
			return
		}
	}
	if a.chunk >= 0 && w.fills[a.chunk].live == 0 {
		w.emptied = append(w.emptied, int(a.chunk))
	}
	i, start := 0, 0
	for i < len(w.chunks) && w.chunks[i] != nil {
		i++
	}
	if i == 0 {
		start = 4 // the zero ref is none
	}
	chunk := make([]byte, max(size, start+n))
	if w.area == areaSwept {
		w.toSweep = max(0, w.toSweep-int64(len(chunk)))
	}
	w.ownChunks()
	switch {
	case i == maxChunks:
		// What is written from here on is thrown away. It must not go where
		// another zone reads.
		w.full = true
		i--
		w.chunks[i] = make([]byte, chunkSize+n)
	case i == len(w.chunks):
		w.chunks = append(w.chunks, chunk)
		w.fills = append(w.fills, fill{})
	default:
		w.chunks[i], w.fills[i] = chunk, fill{}
	}
	w.total += int64(len(chunk))
	w.fills[i].suffixes = w.area == areaSuffixes
	*a = area{int32(i), int32(start)}
}

// chunkSize returns how large the next chunk of an area is to be.
func (w *writer) chunkSize(area int) int {
	if w.fresh { // parts of the zone that a sweep empties one by one
		return int(min(max(w.live/4&^3, smallZone), chunkSize))
	}
	part := max(int(w.live/32)&^3, minChunk)
	if area != areaSwept {
		return min(max(int(w.live/1024)&^3, min(part, changeChunk)), chunkSize)
	}
	if w.live <= smallZone {
		part = smallZone
	}
	return min(max(int(w.live/256)&^3, min(part, sweptChunk)), max(int(w.toSweep)&^3, minChunk), chunkSize)
}

func (w *writer) ownChunks() {
	if !w.own {
		w.chunks = append(make([][]byte, 0, len(w.chunks)+1), w.chunks...)
		w.own = true
	}
}

// allocSuffix is alloc for a suffix. In a small zone it goes with all else: a
// chunk more would matter, and all of it is swept at once.
func (w *writer) allocSuffix(n int) (ref, []byte) {
	old := w.area
	if w.live > smallZone {
		w.area = areaSuffixes
	}
	r, b := w.alloc(n)
	w.fills[r>>chunkShift].suffixes = true
	w.area = old
	return r, b
}

// release counts n octets at r that are no longer referred to.
func (w *writer) release(r ref, n int) {
	n = (n + 3) &^ 3
	i := int(r >> chunkShift)
	f := &w.fills[i]
	f.live -= uint32(n)
	w.live -= int64(n)
	if f.live == 0 && !f.suffixes {
		w.emptied = append(w.emptied, i)
	}
}

// free counts the octets of a node that is no longer referred to. A value that
// lies apart from it is still there.
func (w *writer) free(r ref, depth int) { n := w.node(r, depth); w.release(r, n.size()) }

// freeValue counts the octets of a value at r, apart from its node.
func (w *writer) freeValue(r ref, v []byte) { w.release(r, len(v)) }

// drop releases a chunk to which nothing refers any more.
func (w *writer) drop(i int) {
	w.ownChunks()
	w.total -= int64(len(w.chunks[i]))
	w.live -= int64(w.fills[i].live)
	w.chunks[i], w.fills[i] = nil, fill{}
	w.closeChunk(i)
}

// closeChunk makes nothing more be written to a chunk.
func (w *writer) closeChunk(chunk int) {
	for i := range w.areas {
		if int(w.areas[i].chunk) == chunk {
			w.areas[i].chunk = -1
		}
	}
}

// dropEmptied drops the chunks that became empty, but for those that have room
// still.
func (w *writer) dropEmptied() {
	for _, i := range w.emptied {
		if w.chunks[i] != nil && w.fills[i].live == 0 && !w.fills[i].suffixes && !w.isOpen(i) {
			w.drop(i)
		}
	}
	w.emptied = w.emptied[:0]
}

// isOpen reports whether something is still to be written to a chunk.
func (w *writer) isOpen(chunk int) bool {
	for _, a := range w.areas {
		if int(a.chunk) == chunk {
			return true
		}
	}
	return false
}

// finish returns the storage; the writer is spent. A fresh build is trimmed.
func (w *writer) finish() storage {
	if w.fresh {
		for i, a := range w.areas {
			if a.chunk >= 0 {
				c := w.chunks[a.chunk]
				w.chunks[a.chunk] = append(make([]byte, 0, a.end), c[:a.end]...)
				w.total -= int64(len(c) - int(a.end))
				w.areas[i].chunk = -1
				if len(c) <= smallZone {
					clear(c[:a.end])
					w.spare = c
				}
			}
		}
		return w.storage
	}
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	w.room.busy = false
	w.room.areas = w.areas
	w.room.cache = w.cache
	for i, a := range w.areas {
		if a.chunk >= 0 {
			w.room.first[i] = &w.chunks[a.chunk][0]
		}
	}
	return w.storage
}
