package update

import (
	"fmt"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Message is an UPDATE message taken apart (RFC 2136 §2). It shares nothing with
// the octets it came in.
type Message struct {
	Zone          dname.Name // ZNAME
	Prerequisites []Record
	Updates       []Record
}

// Record is a record of the prerequisite or update section.
type Record struct {
	Owner dname.Name
	Type  rr.Type
	Class rr.Class
	TTL   uint32
	Data  []byte // RDATA, names in it uncompressed; of class ANY, as it came
}

// is reports whether the record is the one with these octets, but for the case
// of names.
func (r *Record) is(t rr.Type, data []byte) bool { return r.Type == t && rr.EqualData(t, r.Data, data) }

// Fault is why a request is not carried out.
type Fault struct {
	RCode wire.RCode
	Text  string // for the log and for EDE

	byPolicy  bool // Refused because of who sent it, and not of what it would do
	isDerived bool // Refused because the RRset is derived from other data
}

func (f *Fault) Error() string { return f.Text }

func faultf(c wire.RCode, format string, args ...any) *Fault {
	return &Fault{RCode: c, Text: fmt.Sprintf(format, args...)}
}

// forbidf returns a Fault of a client that may not do this.
func forbidf(format string, args ...any) *Fault {
	return &Fault{RCode: wire.RCodeRefused, Text: fmt.Sprintf(format, args...), byPolicy: true}
}

// Parse takes an UPDATE message apart. The fault is FORMERR or, for another class
// than IN, NOTAUTH (RFC 2136 §3.1). Records of the additional section are not
// looked at: TSIG and EDNS are the caller's, and what else may be there is never
// put into a zone (§2.6).
func Parse(msg []byte) (*Message, *Fault) {
	h, ok := wire.ReadHeader(msg)
	if !ok || h.Questions != 1 {
		return nil, faultf(wire.RCodeFormErr, "%d zones in the zone section, must be one (RFC 2136 §2.3)", h.Questions)
	}
	q, off := wire.ReadQuestion(msg, wire.HeaderLen)
	switch {
	case off < 0:
		return nil, faultf(wire.RCodeFormErr, "the zone section is malformed")
	case q.Type != rr.TypeSOA:
		return nil, faultf(wire.RCodeFormErr, "the type in the zone section is %v, must be SOA (RFC 2136 §2.3)", q.Type)
	case q.Class != rr.ClassIN:
		return nil, faultf(wire.RCodeNotAuth, "class %v of zone %v is not served, IN is", q.Class, q.Name)
	}
	m := &Message{Zone: q.Name.Clone()}
	// One allocation for nearly every message: what is in it without compression.
	room := make([]byte, 0, len(msg)+dname.MaxWire)
	var fault *Fault
	if m.Prerequisites, off, fault = readSection(&room, msg, off, int(h.Answers), "prerequisite"); fault != nil {
		return nil, fault
	}
	if m.Updates, _, fault = readSection(&room, msg, off, int(h.Authorities), "update"); fault != nil {
		return nil, fault
	}
	return m, nil
}

// readSection reads count records.
func readSection(room *[]byte, msg []byte, off, count int, section string) ([]Record, int, *Fault) {
	const least = 11 // octets of a record
	list := make([]Record, 0, min(count, (len(msg)-off)/least))
	for i := range count {
		rec, next := wire.ReadRecord(msg, off)
		if next < 0 {
			return nil, 0, faultf(wire.RCodeFormErr, "record %d of the %s section is malformed", i+1, section)
		}
		start := len(*room)
		owner := wire.AppendName((*room)[start:], msg, rec.Owner)
		if owner == nil {
			return nil, 0, faultf(wire.RCodeFormErr, "the name of record %d of the %s section is malformed", i+1, section)
		}
		*room = append(*room, owner...)
		r := Record{Owner: (*room)[start:len(*room):len(*room)], Type: rec.Type, Class: rec.Class, TTL: rec.TTL}
		if len(rec.Data) > 0 || rec.Class == rr.ClassIN && !rec.Type.IsMeta() && section == "update" {
			var ok bool
			start = len(*room)
			if *room, ok = wire.AppendRData(*room, msg, rec, next); !ok {
				return nil, 0, faultf(wire.RCodeFormErr, "the RDATA of %v at %v is malformed", r.Type, r.Owner)
			}
			r.Data = (*room)[start:len(*room):len(*room)]
			if !rec.Type.IsMeta() {
				if reason := rr.FormFault(r.Type, r.Data); reason != "" {
					return nil, 0, faultf(wire.RCodeFormErr, "the RDATA of %v at %v is malformed: %s", r.Type, r.Owner, reason)
				}
			}
		}
		list = append(list, r)
		off = next
	}
	return list, off, nil
}
