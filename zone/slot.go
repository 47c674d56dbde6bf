package zone

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone/rr"
)

// A slot is the place of a leaf that is not known to be one yet, nor how long its
// run is: while a zone is built, the value of a name goes where it will stay, with
// room in front of it.
//
//	room   4 octets, how many octets are left free for the run
//	free   as many
//	value
//
// Once the names are in order, fillSlot makes it a leaf.

// reserve makes a slot for the short value of one record.
func (w *zoneWriter) reserve(room int, t rr.Type, ttl byte, head []byte, suffix ref) ref {
	r, b := w.alloc(4 + room + shortHeader + len(head))
	binary.LittleEndian.PutUint32(b, uint32(room))
	v := b[4+room:]
	v[0], v[1], v[2] = formOf(t), ttl, byte(len(head))
	binary.LittleEndian.PutUint32(v[3:], uint32(suffix))
	copy(v[shortHeader:], head)
	return r
}

// slotValue returns the value in a slot.
func (w *zoneWriter) slotValue(r ref) []byte {
	b := w.at(r)
	return valueAt(b[4+binary.LittleEndian.Uint32(b):])
}

// emptySlot makes a slot the place of its value alone, for a name that is no leaf,
// and returns the value and its ref.
func (w *zoneWriter) emptySlot(r ref) (v []byte, at ref) {
	b := w.at(r)
	v = w.slotValue(r)
	w.release(r, w.slotSize(r)-(len(v)+3)&^3)
	return b[:copy(b, v)], r
}

// slotSize returns the octets that a slot takes.
func (w *zoneWriter) slotSize(r ref) int {
	return (4 + int(binary.LittleEndian.Uint32(w.at(r))) + len(w.slotValue(r)) + 3) &^ 3
}

// fillSlot makes a slot the leaf whose run is the path's nibbles from depth to
// end, and returns its ref.
func (w *zoneWriter) fillSlot(r ref, path []byte, depth, end int, flags uint32) ref {
	b := w.at(r)
	room := int(binary.LittleEndian.Uint32(b))
	off := headerSize + runOctets(depth, end-depth)
	if off > 4+room {
		panic("zone: no room for the run in a slot")
	}
	v := valueAt(b[4+room:])
	if off < 4+room {
		before := (4 + room + len(v) + 3) &^ 3
		w.release(r, before-(off+len(v)+3)&^3)
		copy(b[off:], v)
	}
	binary.LittleEndian.PutUint32(b, flags|bitValue|uint32(end-depth)<<runShift)
	if off > 4 {
		copy(b[4:off], path[depth>>1:])
		if depth&1 == 1 {
			b[4] &= 0x0f
		}
		if end&1 == 1 {
			b[off-1] &= 0xf0
		}
	}
	return r
}
