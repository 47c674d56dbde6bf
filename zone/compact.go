package zone

import "encoding/binary"

// A zone whose storage is more than half as large again as what its trie refers
// to, the unused end of its newest chunk included, is written anew: under constant
// change a zone takes less than twice its fresh size and, while it is written anew,
// three times. Each octet that becomes garbage costs about two octets copied; a
// larger share would save copying and cost memory.
//
// The slack keeps small zones from being written anew at every other change.
const compactSlack = 1 << 10

// isSparse reports whether so much of the storage is no longer referred to that
// it should be written anew.
func (s *storage) isSparse() bool {
	size := s.size()
	live := size - s.dead
	return size > live+live/2+compactSlack
}

// compact moves z to a storage of its own that holds nothing but what its nodes
// refer to. Other zones that share the old storage keep it.
func (z *Zone) compact() {
	w := newZoneWriter(z.size() - z.dead)
	c := compaction{from: z.storage, ttls: z.ttls, w: w, suffixes: map[ref]ref{}}
	if z.root != 0 {
		z.root = c.node(z.root, 0)
	}
	if z.nsec3 != 0 {
		z.nsec3 = c.node(z.nsec3, 0)
	}
	z.storage, z.ttls = w.done(), w.ttls
}

// compaction copies tries from one storage to another.
type compaction struct {
	from     storage
	ttls     []uint32 // of from
	w        *zoneWriter
	suffixes map[ref]ref // old to new
	room     []byte
}

// node copies the node at r, whose run begins at depth, and all below it.
func (c *compaction) node(r ref, depth int) ref {
	var room [maxRun]byte
	n := c.from.decode(r, depth, room[:0])
	end := depth + len(n.run)
	for v, child := range n.children {
		if child != 0 {
			n.children[v] = c.node(child, end+1)
		}
	}
	if n.ordinary != 0 {
		n.ordinary = c.node(n.ordinary, end)
	}
	if n.value != nil {
		n.value, n.at = c.value(n.value), 0
	}
	return c.w.encode(&n, depth)
}

// value returns v with the refs of the new storage, valid until the next call.
// Names that a change stored whole share their suffixes again.
func (c *compaction) value(v []byte) []byte {
	if v[0] == formSets {
		return v
	}
	c.room = append(c.room[:0], v...)
	v = c.room
	v[1], _ = c.w.ttlIndex(c.ttls[v[1]]) // there is room: no more TTLs than before
	le := binary.LittleEndian
	if old := ref(le.Uint32(v[3:])); old != 0 {
		r, ok := c.suffixes[old]
		if !ok {
			b := c.from.at(old)
			r = c.w.suffix(b[1 : 1+int(b[0])])
			c.suffixes[old] = r
		}
		le.PutUint32(v[3:], uint32(r))
		return v
	}
	first := shortHeader + 1 + int(v[shortHeader])
	if len(v) <= first+1 {
		return v
	}
	le.PutUint32(v[3:], uint32(c.w.suffix(v[first:])))
	v[2] = byte(first - shortHeader)
	return v[:first]
}
