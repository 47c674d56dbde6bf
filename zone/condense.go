package zone

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Condense returns the one changeset that does what those in list do one after
// the other (RFC 1995 §5): what comes and goes again is not in it. Each must begin
// with the serial that the one before it ends with; there is at least one. The
// result shares their records; the SOA comes first in both lists, the other records
// in the order in which they first changed.
func Condense(list []*Changeset) *Changeset {
	last := list[len(list)-1]
	c := &Changeset{Apex: last.Apex, From: list[0].From, To: last.To}
	var removed, added side
	var key []byte
	for _, part := range list {
		for i := range part.Removed {
			r := &part.Removed[i]
			key = appendRecordKey(key[:0], r)
			if !added.cancel(key) {
				removed.put(key, r)
			}
		}
		for i := range part.Added {
			r := &part.Added[i]
			key = appendRecordKey(key[:0], r)
			if !removed.cancel(key) {
				added.put(key, r)
			}
		}
	}
	c.Removed, c.Added = removed.list(), added.list()
	soaFirst(c.Removed)
	soaFirst(c.Added)
	return c
}

// side is what a condensed changeset removes, or what it adds.
type side struct {
	records []*Record // in order; nil: taken back
	index   map[string]int
}

func (s *side) put(key []byte, r *Record) {
	if s.index == nil {
		s.index = map[string]int{}
	}
	s.index[string(key)] = len(s.records)
	s.records = append(s.records, r)
}

func (s *side) cancel(key []byte) bool {
	i, ok := s.index[string(key)]
	if ok {
		delete(s.index, string(key))
		s.records[i] = nil
	}
	return ok
}

func (s *side) list() []Record {
	if len(s.index) == 0 {
		return nil
	}
	out := make([]Record, 0, len(s.index))
	for _, r := range s.records {
		if r != nil {
			out = append(out, *r)
		}
	}
	return out
}

// appendRecordKey appends what distinguishes the record from others of its zone.
func appendRecordKey(dst []byte, r *Record) []byte {
	var room [dname.MaxWire]byte
	dst = append(dst, r.Owner.AppendLower(room[:0])...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.Type))
	dst = binary.BigEndian.AppendUint32(dst, r.TTL)
	return append(dst, r.Data...)
}

func soaFirst(list []Record) {
	for i, r := range list {
		if r.Type == rr.TypeSOA {
			copy(list[1:i+1], list[:i])
			list[0] = r
			return
		}
	}
}
