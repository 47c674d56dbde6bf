package zone

import (
	"encoding/binary"
	"unsafe"
)

// raw is where octets of a chunk are, to be read without a look at the end of the
// chunk, which would take a third of the instructions of a walk. That is sound because
// a ref comes from the writer, as all that lies at it does: a node, a value and a
// suffix lie in their chunk as a whole, and a reader stays within the size that it
// states. [Zone.Check] proves it of a zone, with bounds checked.
//
// The pointer keeps the chunk alive.
type raw struct{ p unsafe.Pointer }

// rawAt returns the place that r leads to. The number of the chunk is checked.
func rawAt(chunks [][]byte, r ref) raw {
	return raw{unsafe.Pointer(unsafe.SliceData(chunks[r>>chunkShift]))}.add(uint(r&(chunkUnits-1)) << 2)
}

// add returns the place n octets further on.
func (p raw) add(n uint) raw { return raw{unsafe.Add(p.p, n)} }

// aligned returns the first place from p on at a multiple of 4 octets of the chunk:
// chunks begin at one of the memory.
func (p raw) aligned() raw { return p.add(-uint(uintptr(p.p)) & 3) }

func (p raw) octet() byte { return *(*byte)(p.p) }

// word returns the 4 octets there as a number.
func (p raw) word() uint32 { return binary.LittleEndian.Uint32((*[4]byte)(p.p)[:]) }

// octets returns the n octets there.
func (p raw) octets(n byte) []byte { return unsafe.Slice((*byte)(p.p), n) }
