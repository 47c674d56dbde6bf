package wire

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Malformed is the offset that readers return where a message breaks a rule of
// its format.
const Malformed = -1

// Question is the question of a message (RFC 1035 §4.1.2).
type Question struct {
	Name  dname.Name // a view of the message, in the case that the client chose
	Type  rr.Type
	Class rr.Class
}

// ReadQuestion reads the question at offset off and returns the offset behind it. A compressed
// name is malformed: only the header precedes it.
func ReadQuestion(msg []byte, off int) (q Question, next int) {
	if off > len(msg) {
		return q, Malformed
	}
	name := dname.FromWire(msg[off:])
	if name == nil {
		return q, Malformed
	}
	next = off + len(name) + 4
	if next > len(msg) {
		return q, Malformed
	}
	return Question{
		Name:  name,
		Type:  rr.Type(binary.BigEndian.Uint16(msg[next-4:])),
		Class: rr.Class(binary.BigEndian.Uint16(msg[next-2:])),
	}, next
}

// SkipName returns the offset behind the name at off. A compression pointer ends the name (RFC
// 1035 §4.1.4); it must point backwards and is not followed. Label types other than 00 and 11
// are malformed (RFC 6891 §5).
func SkipName(msg []byte, off int) int {
	for start := off; off < len(msg) && off-start < dname.MaxWire; {
		switch l := int(msg[off]); {
		case l == 0:
			return off + 1
		case l >= 0xc0:
			if off+1 >= len(msg) || (l&0x3f)<<8|int(msg[off+1]) >= start {
				return Malformed
			}
			return off + 2
		case l > dname.MaxLabel:
			return Malformed
		default:
			off += 1 + l
		}
	}
	return Malformed
}

// Record is a resource record in a message (RFC 1035 §4.1.3).
type Record struct {
	Owner int // offset of the owner name
	Type  rr.Type
	Class rr.Class
	TTL   uint32
	Data  []byte // RDATA, a view of the message; names in it may be compressed
}

// ReadRecord reads the record at offset off and returns the offset behind it.
func ReadRecord(msg []byte, off int) (r Record, next int) {
	p := SkipName(msg, off)
	if p < 0 || len(msg)-p < 10 {
		return r, Malformed
	}
	next = p + 10 + int(binary.BigEndian.Uint16(msg[p+8:]))
	if next > len(msg) {
		return r, Malformed
	}
	return Record{
		Owner: off,
		Type:  rr.Type(binary.BigEndian.Uint16(msg[p:])),
		Class: rr.Class(binary.BigEndian.Uint16(msg[p+2:])),
		TTL:   binary.BigEndian.Uint32(msg[p+4:]),
		Data:  msg[p+10 : next],
	}, next
}

// AppendName appends the name at offset off, its compression pointers followed,
// to dst; it returns nil if the name is malformed or longer than 255 octets.
// Every pointer must point before the last one, so that following them ends.
func AppendName(dst, msg []byte, off int) dname.Name {
	start := len(dst)
	for limit := off; off < len(msg); {
		switch l := int(msg[off]); {
		case l >= 0xc0:
			if off+1 >= len(msg) {
				return nil
			}
			off = (l&0x3f)<<8 | int(msg[off+1])
			if off >= limit {
				return nil
			}
			limit = off
		case l > dname.MaxLabel || off+1+l > len(msg) || len(dst)-start+1+l > dname.MaxWire:
			return nil
		default:
			dst = append(dst, msg[off:off+1+l]...)
			if l == 0 {
				return dst[start:]
			}
			off += 1 + l
		}
	}
	return nil
}
