package zone

import (
	"bytes"
	"encoding/binary"
)

// recent are records that a Builder got lately, so that a file that has the same ones
// again and again takes the memory of one of each. It finds those that came within
// some hundred records; others are dropped when the zone is built.
type recent struct {
	addresses [recentSlots]recentAddress
	entries   [recentSlots]uint64 // offsets in the log, plus one; 0: none
}

type recentAddress struct {
	at   addr
	slot ref // 0: none
}

const (
	// The table takes 32 KiB, which fits in the first caches of a core.
	recentSlots = 1024
	// A zone of fewer records has none.
	recentFrom = 4096
)

// seen returns the recent records; nil while there are few.
func (b *Builder) seen() *recent {
	if b.recent == nil && b.addresses.n+len(b.main.list)+len(b.nsec3.list) >= recentFrom {
		b.recent = new(recent)
	}
	return b.recent
}

// repeatsAddress reports whether the record at p is one of the recent ones. If it is
// not, place is where to note its slot, or nil.
func (b *Builder) repeatsAddress(p addr, r *Record) (place *recentAddress, repeats bool) {
	t := b.seen()
	if t == nil {
		return nil, false
	}
	place = &t.addresses[mix(p.hi^hashKey[0], p.lo^hashKey[1])%recentSlots]
	if place.slot == 0 || place.at != p {
		return place, false
	}
	v := b.w.slotValue(place.slot)
	if v[0] != formOf(r.Type) || b.w.ttls[v[1]] != r.TTL {
		return place, false
	}
	head := v[shortHeader : shortHeader+int(v[2])]
	tail := []byte(nil)
	if s := ref(binary.LittleEndian.Uint32(v[3:])); s != 0 {
		tail = b.w.at(s)
		tail = tail[1 : 1+int(tail[0])]
	}
	n := len(head)
	return place, len(r.Data) == n+len(tail) && bytes.Equal(r.Data[:n], head) && bytes.Equal(r.Data[n:], tail)
}

// repeats reports whether the record, whose key is in b.key, is one of the recent ones
// in the log. If it is not, place is where to note its offset, or nil.
func (b *Builder) repeats(r *Record) (place *uint64, repeats bool) {
	t := b.seen()
	if t == nil {
		return nil, false
	}
	var end [8]byte
	copy(end[:], r.Data[max(0, len(r.Data)-len(end)):])
	place = &t.entries[mix(b.key.order()^hashKey[0], binary.LittleEndian.Uint64(end[:])^uint64(len(r.Data))<<32^hashKey[1])%recentSlots]
	if *place == 0 {
		return place, false
	}
	e := b.log.entry(*place - 1)
	return place, e.typ() == r.Type && e.ttl() == r.TTL && bytes.Equal(e.data(), r.Data) && e.path().compare(b.key.path()) == 0
}
