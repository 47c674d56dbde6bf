package secondary

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// query is a request to a primary.
type query struct {
	id   uint16
	apex dname.Name
	typ  rr.Type    // SOA, AXFR or IXFR
	base *zone.Zone // of an IXFR: the current copy
	edns bool
	pad  int // block length of the padding (RFC 8467), a power of two; 0: no padding
}

// padTo is the block length of queries over TLS (RFC 8467 §4.1).
const padTo = 128

// pack returns the message. With a key it is signed, and verifier verifies the answer.
func (q *query) pack(key *tsig.Key, unix int64) (msg []byte, verifier *tsig.Verifier) {
	h := wire.Header{ID: q.id, Questions: 1}
	msg = make([]byte, wire.HeaderLen, 512)
	msg = append(msg, q.apex...)
	msg = appendType(msg, q.typ)
	if q.typ == rr.TypeIXFR {
		// RFC 1995 §3: the SOA of the current copy.
		h.Authorities = 1
		soa, _ := q.base.Get(q.apex, rr.TypeSOA)
		data := soa.First(nil)
		msg = append(msg, 0xc0, wire.HeaderLen)
		msg = appendType(msg, rr.TypeSOA)
		msg = binary.BigEndian.AppendUint32(msg, soa.TTL)
		msg = binary.BigEndian.AppendUint16(msg, uint16(len(data)))
		msg = append(msg, data...)
	}
	if q.edns {
		h.Additionals = 1
		var opt [wire.OPTLen]byte
		wire.PutOPT(opt[:], udpSize, wire.RCodeNoError, 0)
		at := len(msg) + len(opt)
		msg = append(msg, opt[:]...)
		msg = appendOption(msg, wire.OptionExpire, 0)
		if q.pad > 0 {
			n := len(msg) + 4
			if key != nil {
				n += key.RequestLen()
			}
			msg = appendOption(msg, wire.OptionPadding, -n&(q.pad-1))
		}
		binary.BigEndian.PutUint16(msg[at-2:], uint16(len(msg)-at))
	}
	h.Put(msg)
	if key == nil {
		return msg, nil
	}
	return key.Request(msg, unix)
}

// udpSize is the largest datagram that requests allow, see RFC 9715 §3.2.
const udpSize = 1232

func appendType(msg []byte, t rr.Type) []byte {
	msg = binary.BigEndian.AppendUint16(msg, uint16(t))
	return binary.BigEndian.AppendUint16(msg, uint16(rr.ClassIN))
}

// appendOption appends an EDNS option with n octets of zero.
func appendOption(msg []byte, code uint16, n int) []byte {
	msg = binary.BigEndian.AppendUint16(msg, code)
	msg = binary.BigEndian.AppendUint16(msg, uint16(n))
	return append(msg, make([]byte, n)...)
}

// soaAnswer is what the answer to an SOA query has of the zone.
type soaAnswer struct {
	serial zone.Serial
	opt    optData
}

// readSOA reads the answer to an SOA query.
func readSOA(msg []byte, q *query) (a soaAnswer, err error) {
	h, off, err := readHead(msg, q.id, q.apex, rr.TypeSOA, true)
	if err != nil {
		return a, err
	}
	if a.opt, err = readOPT(msg, off, h); err != nil {
		return a, err
	}
	for range h.Answers {
		raw, next := wire.ReadRecord(msg, off)
		var buf [dname.MaxWire]byte
		owner := wire.AppendName(buf[:0], msg, raw.Owner)
		if owner == nil {
			return a, errMalformed
		}
		if raw.Type == rr.TypeSOA && raw.Class == rr.ClassIN && owner.Equal(q.apex) {
			data, ok := wire.AppendRData(nil, msg, raw, next)
			if !ok {
				return a, errMalformed
			}
			s, err := soaOf(&zone.Record{Owner: owner, Data: data})
			a.serial = s.serial
			return a, err
		}
		off = next
	}
	return a, errNoSOA
}
