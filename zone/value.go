package zone

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// A value is the RRsets of one name. Its first octet is its form:
//
//	formPTR, formCNAME, formNS: one unsigned RRset of one record whose RDATA is a
//	  name, which nearly every name of a reverse zone has:
//	    TTL     1 octet, an index into the zone's table of TTLs
//	    length  1 octet, of the head
//	    suffix  4 octets, the ref of a suffix shared with other names; 0: none
//	    head    the name, or its first label where a suffix follows
//	formSets: everything else:
//	    RRsets  2 octets, how many; each of them, by ascending type:
//	      type 2, TTL 4, TTL of the signatures 4, records 2, signatures 2,
//	      octets of the records 4, octets of the signatures 4
//	      the records, then the signatures: length 2 (big endian), RDATA
//
// A suffix is its length (1 octet) and the rest of a name in wire form.
const (
	formSets  = 0
	formPTR   = 1
	formCNAME = 2
	formNS    = 3

	shortHeader = 7
	setHeader   = 22
)

func formOf(t rr.Type) byte {
	switch t {
	case rr.TypePTR:
		return formPTR
	case rr.TypeCNAME:
		return formCNAME
	case rr.TypeNS:
		return formNS
	}
	return formSets
}

func typeOf(form byte) rr.Type {
	switch form {
	case formPTR:
		return rr.TypePTR
	case formCNAME:
		return rr.TypeCNAME
	}
	return rr.TypeNS
}

// valueAt returns the value at the start of b, without what follows it.
func valueAt(b []byte) []byte {
	if b[0] != formSets {
		n := shortHeader + int(b[2])
		return b[:n:n]
	}
	n := 3
	for range binary.LittleEndian.Uint16(b[1:]) {
		n += setHeader + int(binary.LittleEndian.Uint32(b[n+14:])) + int(binary.LittleEndian.Uint32(b[n+18:]))
	}
	return b[:n:n]
}

// short returns the RRset of a value that is not formSets.
func (z *Zone) short(v []byte) RRset {
	ttl := z.ttls[v[1]]
	n := shortHeader + int(v[2])
	s := RRset{Type: typeOf(v[0]), TTL: ttl, SigTTL: ttl, count: 1, split: true, list: v[shortHeader:n:n]}
	if r := ref(binary.LittleEndian.Uint32(v[3:])); r != 0 {
		b := z.at(r)
		s.tail = b[1 : 1+int(b[0])]
	}
	return s
}

// set returns the RRset of type t in the value v; it does not exist if t is not
// there.
func (z *Zone) set(v []byte, t rr.Type) (s RRset) {
	if v[0] != formSets {
		if typeOf(v[0]) != t {
			return s
		}
		return z.short(v)
	}
	for it := iterate(v); it.next(&s); {
		if s.Type == t {
			return s
		}
	}
	return RRset{}
}

// setIter walks the RRsets of a formSets value.
type setIter struct {
	v []byte
	n int
}

func (it *setIter) next(s *RRset) bool {
	if it.n == 0 {
		return false
	}
	it.n--
	v := it.v
	le := binary.LittleEndian
	dataLen, sigLen := int(le.Uint32(v[14:])), int(le.Uint32(v[18:]))
	*s = RRset{
		Type:   rr.Type(le.Uint16(v)),
		TTL:    le.Uint32(v[2:]),
		SigTTL: le.Uint32(v[6:]),
		count:  int(le.Uint16(v[10:])),
		sigs:   int(le.Uint16(v[12:])),
		list:   v[setHeader : setHeader+dataLen : setHeader+dataLen],
		sig:    v[setHeader+dataLen : setHeader+dataLen+sigLen : setHeader+dataLen+sigLen],
	}
	it.v = v[setHeader+dataLen+sigLen:]
	return true
}

// sets calls yield with each RRset of the value, by ascending type, until it
// returns false.
func (z *Zone) sets(v []byte, yield func(RRset) bool) {
	if v[0] != formSets {
		yield(z.short(v))
		return
	}
	var s RRset
	for it := iterate(v); it.next(&s); {
		if !yield(s) {
			return
		}
	}
}

// content is the RRsets of one name while a zone is built or changed.
type content []contentSet

type contentSet struct {
	typ         rr.Type
	ttl, sigTTL uint32
	data, sigs  [][]byte
}

// find returns the RRset of type t, or nil.
func (c content) find(t rr.Type) *contentSet {
	for i := range c {
		if c[i].typ == t {
			return &c[i]
		}
	}
	return nil
}

// covered returns the type that the RDATA of an RRSIG covers (RFC 4034 §3.1.1).
func covered(rdata []byte) rr.Type {
	if len(rdata) < 2 {
		return rr.TypeNone
	}
	return rr.Type(binary.BigEndian.Uint16(rdata))
}

// belongsTo returns the type of the RRset that a record is in: of a signature, what it
// covers.
func belongsTo(t rr.Type, data []byte) rr.Type {
	if t == rr.TypeRRSIG {
		return covered(data)
	}
	return t
}

// add puts a record in, signatures with what they cover; it reports whether the
// record is new. The TTL of an RRset is that of its first record (RFC 2181
// §5.2).
func (c *content) add(t rr.Type, ttl uint32, data []byte) bool {
	of := belongsTo(t, data)
	s := c.find(of)
	if s == nil {
		i, _ := slices.BinarySearchFunc(*c, of, func(s contentSet, t rr.Type) int { return int(s.typ) - int(t) })
		*c = slices.Insert(*c, i, contentSet{typ: of, ttl: ttl, sigTTL: ttl})
		s = &(*c)[i]
	}
	list := s.listOf(t)
	if len(*list) == 0 {
		*s.ttlOf(t) = ttl
	}
	i, there := slices.BinarySearchFunc(*list, data, bytes.Compare)
	if there {
		return false
	}
	*list = slices.Insert(*list, i, data)
	return true
}

// remove takes a record out and reports whether it was there. Empty RRsets stay
// until prune.
func (c *content) remove(t rr.Type, data []byte) bool {
	s := c.find(belongsTo(t, data))
	if s == nil {
		return false
	}
	list := s.listOf(t)
	i, there := slices.BinarySearchFunc(*list, data, bytes.Compare)
	if there {
		*list = slices.Delete(*list, i, i+1)
	}
	return there
}

// prune drops the RRsets without records. Signatures over nothing go with them, but for
// those of a verbatim zone.
func (c *content) prune(verbatim bool) {
	*c = slices.DeleteFunc(*c, func(s contentSet) bool { return len(s.data) == 0 && !(verbatim && len(s.sigs) > 0) })
}

// has reports whether there are records of type t.
func (c content) has(t rr.Type) bool {
	s := c.find(t)
	return s != nil && len(s.data) > 0
}

// content decodes a value. The RDATA are views of the storage, or copies.
func (z *Zone) content(v []byte) content {
	var c content
	z.sets(v, func(s RRset) bool {
		cs := contentSet{typ: s.Type, ttl: s.TTL, sigTTL: s.SigTTL}
		for it := s.Data(); it.Next(); {
			d := it.Head
			if len(it.Tail) > 0 {
				d = append(append([]byte{}, it.Head...), it.Tail...)
			}
			cs.data = append(cs.data, d)
		}
		for it := s.SigData(); it.Next(); {
			cs.sigs = append(cs.sigs, it.Head)
		}
		c = append(c, cs)
		return true
	})
	return c
}

// encodeSets appends c as formSets to dst. Every RRset must have a record or a
// signature.
func (c content) encodeSets(dst []byte) []byte {
	le := binary.LittleEndian
	dst = append(dst, formSets)
	dst = le.AppendUint16(dst, uint16(len(c)))
	for _, s := range c {
		dst = le.AppendUint16(dst, uint16(s.typ))
		dst = le.AppendUint32(dst, s.ttl)
		dst = le.AppendUint32(dst, s.sigTTL)
		dst = le.AppendUint16(dst, uint16(len(s.data)))
		dst = le.AppendUint16(dst, uint16(len(s.sigs)))
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
		for _, d := range s.data {
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(d)))
			dst = append(dst, d...)
		}
		mid := len(dst)
		for _, d := range s.sigs {
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(d)))
			dst = append(dst, d...)
		}
		le.PutUint32(dst[at:], uint32(mid-at-8))
		le.PutUint32(dst[at+4:], uint32(len(dst)-mid))
	}
	return dst
}

// short reports whether c can be stored in a short form.
func (c content) short() bool {
	return len(c) == 1 && len(c[0].data) == 1 && len(c[0].sigs) == 0 && formOf(c[0].typ) != formSets &&
		len(c[0].data[0]) <= dname.MaxWire
}

// encodeValue appends c as a value to dst. With share the suffix of a name is
// stored where it is not there yet; without, one that is not cached stays with
// the name.
func (w *zoneWriter) encodeValue(dst []byte, c content, share bool) []byte {
	if !c.short() {
		return c.encodeSets(dst)
	}
	s := &c[0]
	ttl, ok := w.ttlIndex(s.ttl)
	if !ok {
		return c.encodeSets(dst)
	}
	head, suffix := s.data[0], ref(0)
	if first := 1 + int(head[0]); len(head) > first+1 {
		if share {
			suffix = w.suffix(head[first:])
		} else {
			suffix = w.cache.find(&w.storage, head[first:])
		}
		if suffix != 0 {
			head = head[:first]
		} else {
			w.loose += int64(len(head) - first)
		}
	}
	dst = append(dst, formOf(s.typ), ttl, byte(len(head)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(suffix))
	return append(dst, head...)
}

// zoneWriter writes the nodes and values of one zone.
type zoneWriter struct {
	*writer
	ttls     []uint32
	suffixes suffixes
}

// newZoneWriter returns a writer of an empty zone.
func newZoneWriter() *zoneWriter { return &zoneWriter{writer: newWriter(make([]byte, minChunk))} }

// reset makes a writer that has finished a build one of an empty zone.
func (w *zoneWriter) reset() {
	first := w.spare
	if first == nil {
		first = make([]byte, minChunk)
	}
	w.writer, w.ttls = newWriter(first), nil
	w.suffixes.reset()
}

// ttlIndex returns the index of a TTL in the zone's table; ok is false once 256
// different ones are there.
func (w *zoneWriter) ttlIndex(ttl uint32) (i byte, ok bool) {
	for i, t := range w.ttls {
		if t == ttl {
			return byte(i), true
		}
	}
	if i := slices.Index(w.ttls, noTTL); i >= 0 {
		w.ttls = slices.Clone(w.ttls) // older zones share the table
		w.ttls[i] = ttl
		return byte(i), true
	}
	if len(w.ttls) == maxTTLs {
		return 0, false
	}
	// Copied, since older zones share it.
	w.ttls = append(w.ttls[:len(w.ttls):len(w.ttls)], ttl)
	return byte(len(w.ttls) - 1), true
}

// iterate returns an iterator over the RRsets of a formSets value.
func iterate(v []byte) setIter {
	return setIter{v: v[3:], n: int(binary.LittleEndian.Uint16(v[1:]))}
}
