package journal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// errDamaged means that octets are not what was written.
var errDamaged = errors.New("damaged octets")

// recordCoder writes and reads records, each relative to the one before it, since
// neighbours mostly have type, TTL and the end of their RDATA in common. Package
// doc has the layout. Both ways it holds the same after the same records.
type recordCoder struct {
	apex  dname.Name
	left  []byte // of the last owner, what is to the left of the apex
	typ   rr.Type
	ttl   uint32
	data  []byte
	owner dname.Name // read: the last owner, whole
	slab  []byte     // read: room, so that many records are few allocations
}

const (
	sameOwner = 1
	sameType  = 2
	sameTTL   = 4
	sameTail  = 8 // RDATA ends as that of the record before
	allSame   = sameOwner | sameType | sameTTL | sameTail
)

// append appends a record.
func (c *recordCoder) append(dst []byte, r *zone.Record) ([]byte, error) {
	if !r.Owner.IsAtOrBelow(c.apex) {
		return dst, fmt.Errorf("%v at %v: not in zone %v", r.Type, r.Owner, c.apex)
	}
	left := r.Owner[:len(r.Owner)-len(c.apex)]
	tail := commonTail(r.Data, c.data)
	var flags byte
	if string(left) == string(c.left) {
		flags |= sameOwner
	}
	if r.Type == c.typ {
		flags |= sameType
	}
	if r.TTL == c.ttl {
		flags |= sameTTL
	}
	if tail > 1 {
		flags |= sameTail
	} else {
		tail = 0
	}
	dst = append(dst, flags)
	if flags&sameOwner == 0 {
		dst = append(append(dst, byte(len(left))), left...)
	}
	if flags&sameType == 0 {
		dst = binary.AppendUvarint(dst, uint64(r.Type))
	}
	if flags&sameTTL == 0 {
		dst = binary.AppendUvarint(dst, uint64(r.TTL))
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Data)-tail))
	dst = append(dst, r.Data[:len(r.Data)-tail]...)
	if tail > 0 {
		dst = binary.AppendUvarint(dst, uint64(tail))
	}
	c.left, c.typ, c.ttl, c.data = left, r.Type, r.TTL, r.Data
	return dst, nil
}

// copyLast makes what append remembers of the last record its own.
func (c *recordCoder) copyLast() {
	n := len(c.left)
	c.slab = append(append(c.slab[:0], c.left...), c.data...)
	c.left, c.data = c.slab[:n:n], c.slab[n:]
}

func commonTail(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// read reads a record.
func (c *recordCoder) read(r *reader) (rec zone.Record) {
	flags := r.octet()
	if flags&^byte(allSame) != 0 {
		r.bad = true
	}
	if flags&sameOwner == 0 || c.owner == nil {
		if flags&sameOwner == 0 {
			c.left = r.octets(uint64(r.octet()))
		}
		owner := c.room(len(c.left) + len(c.apex))
		owner = append(append(owner, c.left...), c.apex...)
		if name := dname.FromWire(owner); len(name) != len(owner) || !name.IsAtOrBelow(c.apex) {
			r.bad = true
		}
		c.owner = owner
	}
	if flags&sameType == 0 {
		t := r.uvarint()
		r.bad = r.bad || t > 0xffff
		c.typ = rr.Type(t)
	}
	if flags&sameTTL == 0 {
		ttl := r.uvarint()
		r.bad = r.bad || ttl > 1<<31-1
		c.ttl = uint32(ttl)
	}
	head := r.octets(r.uvarint())
	var tail []byte
	if flags&sameTail != 0 {
		n := r.uvarint()
		if n > uint64(len(c.data)) {
			r.bad = true
		} else {
			tail = c.data[uint64(len(c.data))-n:]
		}
	}
	if len(head)+len(tail) > 0xffff {
		r.bad = true
	}
	if r.bad {
		return zone.Record{}
	}
	c.data = append(append(c.room(len(head)+len(tail)), head...), tail...)
	return zone.Record{Owner: c.owner, Type: c.typ, TTL: c.ttl, Data: c.data}
}

// room returns an empty slice with room for n octets.
func (c *recordCoder) room(n int) []byte {
	if cap(c.slab)-len(c.slab) < n {
		// The first is small: most changesets are.
		c.slab = make([]byte, 0, max(n, min(32<<10, 256+2*cap(c.slab))))
	}
	at := len(c.slab)
	c.slab = c.slab[:at+n]
	return c.slab[at : at : at+n]
}

// reader takes values off octets. Behind their end it returns zeros and is bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) octet() byte {
	b := r.octets(1)
	if b == nil {
		return 0
	}
	return b[0]
}

func (r *reader) octets(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// stepCoder writes and reads steps that follow each other.
type stepCoder struct {
	recordCoder
	serial zone.Serial // that the last step led to
	at     int64
	source string
	soa    []byte // RDATA of the SOA that the last step led to; nil: not known
	soaTTL uint32
}

const (
	sameSource = 1
	removesSOA = 2 // the SOA known is removed first
	addsSOA    = 4 // an SOA that differs from it in the serial alone is added first
)

// append appends a step.
func (c *stepCoder) append(dst []byte, s *zone.Step, pause func()) ([]byte, error) {
	set := s.Changeset
	removed, added := set.Removed, set.Added
	var flags byte
	if s.Source == c.source {
		flags |= sameSource
	}
	if len(removed) > 0 && c.isRememberedSOA(&removed[0], set.From) {
		flags |= removesSOA
		removed = removed[1:]
	} else if len(removed) > 0 && removed[0].Type == rr.TypeSOA {
		c.rememberSOA(&removed[0])
	}
	if len(added) > 0 && c.isRememberedSOA(&added[0], set.To) {
		flags |= addsSOA
		added = added[1:]
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(uint32(set.To-c.serial)))
	dst = binary.AppendVarint(dst, s.At-c.at)
	if flags&sameSource == 0 {
		dst = binary.AppendUvarint(dst, uint64(len(s.Source)))
		dst = append(dst, s.Source...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(removed)))
	dst = binary.AppendUvarint(dst, uint64(len(added)))
	var err error
	for _, list := range [][]zone.Record{removed, added} {
		for i := range list {
			if pause != nil && i%pauseRecords == pauseRecords-1 {
				pause()
			}
			if dst, err = c.recordCoder.append(dst, &list[i]); err != nil {
				return dst, err
			}
		}
	}
	c.serial, c.at, c.source = set.To, s.At, s.Source
	if len(set.Added) > 0 {
		c.rememberSOA(&set.Added[0])
	}
	return dst, nil
}

// rememberSOA remembers the SOA, if r is one at the apex.
func (c *stepCoder) rememberSOA(r *zone.Record) {
	if r.Type == rr.TypeSOA && r.Owner.Equal(c.apex) && len(r.Data) >= 20 {
		c.soa, c.soaTTL = r.Data, r.TTL
	}
}

// isRememberedSOA reports whether r is the SOA known with the given serial.
func (c *stepCoder) isRememberedSOA(r *zone.Record, serial zone.Serial) bool {
	at := len(c.soa) - 20
	return c.soa != nil && r.Type == rr.TypeSOA && r.Owner.Equal(c.apex) && r.TTL == c.soaTTL && len(r.Data) == len(c.soa) &&
		string(r.Data[:at]) == string(c.soa[:at]) && string(r.Data[at+4:]) == string(c.soa[at+4:]) &&
		zone.Serial(binary.BigEndian.Uint32(r.Data[at:])) == serial
}

// stepHead is a step without its records.
type stepHead struct {
	flags          byte
	from, to       zone.Serial
	at             int64
	source         string
	removed, added int // how many records follow
}

// removes and adds return how many records the step has, the SOA among them.
func (h *stepHead) removes() int { return h.removed + int(h.flags&removesSOA)/removesSOA }
func (h *stepHead) adds() int    { return h.added + int(h.flags&addsSOA)/addsSOA }

// readHead reads the head of a step. What it leaves is to be read by readRecords.
func (c *stepCoder) readHead(r *reader) (h stepHead) {
	h.flags = r.octet()
	h.from = c.serial
	to := r.uvarint()
	h.to = h.from + zone.Serial(to)
	h.at = c.at + r.varint()
	h.source = c.source
	if h.flags&sameSource == 0 {
		h.source = string(r.octets(r.uvarint()))
	}
	removed, added := r.uvarint(), r.uvarint()
	// A record takes two octets at least.
	if to > 1<<32-1 || removed > uint64(len(r.b)) || added > uint64(len(r.b)) || h.flags&^(sameSource|removesSOA|addsSOA) != 0 {
		r.bad = true
		return stepHead{}
	}
	h.removed, h.added = int(removed), int(added)
	c.serial, c.at, c.source = h.to, h.at, h.source
	return h
}

// readRecords reads the records of the step whose head was read last.
func (c *stepCoder) readRecords(r *reader, h *stepHead) *zone.Changeset {
	set := &zone.Changeset{Apex: c.apex, From: h.from, To: h.to}
	if h.flags&removesSOA != 0 {
		set.Removed = append(make([]zone.Record, 0, h.removed+1), c.soaWith(r, h.from))
	}
	for range h.removed {
		if r.bad {
			return nil
		}
		rec := c.read(r)
		if len(set.Removed) == 0 {
			set.Removed = make([]zone.Record, 0, h.removed)
			c.rememberSOA(&rec)
		}
		set.Removed = append(set.Removed, rec)
	}
	if h.flags&addsSOA != 0 {
		set.Added = append(make([]zone.Record, 0, h.added+1), c.soaWith(r, h.to))
	}
	for range h.added {
		if r.bad {
			return nil
		}
		set.Added = append(set.Added, c.read(r))
	}
	if r.bad {
		return nil
	}
	if len(set.Added) > 0 {
		c.rememberSOA(&set.Added[0])
	}
	return set
}

// soaWith returns the SOA known with the given serial.
func (c *stepCoder) soaWith(r *reader, serial zone.Serial) zone.Record {
	if c.soa == nil {
		r.bad = true
		return zone.Record{}
	}
	data := append(c.room(len(c.soa)), c.soa...)
	binary.BigEndian.PutUint32(rr.SOANumbers(data), uint32(serial))
	return zone.Record{Owner: c.apex, Type: rr.TypeSOA, TTL: c.soaTTL, Data: data}
}
