package zone

// ref addresses a node, a value or a suffix in a zone's chunks: chunk number and
// offset in units of 4 octets. Chunk 0 begins with one unused unit, so that the
// zero ref is none.
type ref uint32

const (
	// A chunk holds at most 1 MiB, so that 16 GiB can be addressed, ten million
	// names take about 500 chunks, and the end of the last one wastes little. A
	// single value larger than that gets a longer chunk of its own.
	chunkShift = 18 // units of 4 octets in a chunk, as a power of two
	chunkUnits = 1 << chunkShift
	chunkSize  = chunkUnits * 4
	maxChunks  = 1 << (32 - chunkShift)
)

// storage is what a zone's refs point into. Chunks never move and nothing in
// them that a snapshot can reach is ever written again; only the newest zone of
// a storage appends, behind the ends that older ones know of. A chunk that nothing
// refers to any more is nil, and its number is given to a new one; older zones
// still have the old one at that place.
type storage struct {
	chunks [][]byte // shared by zones until one of them has another chunk
	*book
}

// book is what changes have to know of a storage, and queries have not.
type book struct {
	fills []fill // of the chunks
	areas [areas]area
	total int64  // octets of all chunks
	live  int64  // octets of what is referred to, as far as fills know
	loose int64  // octets that a sweep of all chunks might gain beyond that: suffixes given up, and names stored whole
	sweep *sweep // nil: none is under way
	room  *room
}

// fill is what is known of a chunk.
type fill struct {
	live      uint32 // octets that are referred to
	suffixes  bool   // holds suffixes: whether they are referred to is unknown, and they count as live
	condemned bool   // is to be emptied, see sweep.go
}

// at returns the octets from r to the end of its chunk.
func (s *storage) at(r ref) []byte {
	return s.chunks[r>>chunkShift][uint(r&(chunkUnits-1))<<2:]
}

// size returns the octets of all chunks; a zone without data has none.
func (s *storage) size() int64 {
	if s.book == nil {
		return 0
	}
	return s.total
}
