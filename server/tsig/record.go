package tsig

import (
	"encoding/binary"
	"strconv"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Error is the error field of a TSIG record (RFC 8945 §3), or FormErr.
type Error uint16

// The errors.
const (
	NoError  Error = 0
	FormErr  Error = 1  // the record is malformed; only the RCODE of the answer has this
	BadSig   Error = 16 // the MAC is not that of the message
	BadKey   Error = 17 // no such key, or not with this algorithm
	BadTime  Error = 18 // the clocks differ by more than the fudge
	BadTrunc Error = 22 // the MAC is shorter than accepted
)

// String returns the mnemonic.
func (e Error) String() string {
	switch e {
	case NoError:
		return "NOERROR"
	case FormErr:
		return "FORMERR"
	case BadSig:
		return "BADSIG"
	case BadKey:
		return "BADKEY"
	case BadTime:
		return "BADTIME"
	case BadTrunc:
		return "BADTRUNC"
	}
	return "ERROR" + strconv.Itoa(int(e))
}

// Fudge is the number of seconds that the clocks of two signers may differ (RFC
// 8945 §10).
const Fudge = 300

const (
	recordFixed = 10                     // octets of a record between its owner and its RDATA
	dataFixed   = timers + 2 + 2 + 2 + 2 // octets of RDATA without algorithm, MAC and other data
	timers      = 6 + 2                  // time signed, fudge
	timeLen     = 6                      // octets of a time
	timeMask    = 1<<(8*timeLen) - 1     // RFC 8945 §4.2: 48 bits
	maxUnsigned = 99                     // messages of a stream between two signed ones (RFC 8945 §5.3.1)
	headerLen   = wire.HeaderLen         // of a message
	maxMAC      = 64                     // octets, of HMAC-SHA512
	arcount     = headerLen - 2          // where a header counts the additional records
)

// record is a TSIG record (RFC 8945 §4.2).
type record struct {
	at         int        // its offset in the message
	name       dname.Name // of the key, as sent
	algorithm  dname.Name // as sent
	time       uint64     // Unix seconds
	fudge      uint16     // seconds
	mac        []byte     // a view of the message
	originalID uint16
	err        Error
	other      []byte // a view of the message
}

// find returns the offset of the last record of msg if that is a TSIG record, -1
// if there is none, and false if msg is malformed. A TSIG record elsewhere is
// malformed, too (RFC 8945 §5.1).
func find(msg []byte) (at int, ok bool) {
	h, ok := wire.ReadHeader(msg)
	if !ok {
		return 0, false
	}
	off := headerLen
	for range h.Questions {
		if off = wire.SkipName(msg, off); off < 0 || off+4 > len(msg) {
			return 0, false
		}
		off += 4
	}
	n := int(h.Answers) + int(h.Authorities) + int(h.Additionals)
	for i := range n {
		r, next := wire.ReadRecord(msg, off)
		switch {
		case next < 0:
			return 0, false
		case r.Type != rr.TypeTSIG:
		case i == n-1 && h.Additionals > 0 && next == len(msg):
			return off, true
		default:
			return 0, false
		}
		off = next
	}
	return -1, off == len(msg)
}

// parse reads the TSIG record at offset at.
func parse(msg []byte, at int) (t record, ok bool) {
	r, next := wire.ReadRecord(msg, at)
	if next != len(msg) || r.Type != rr.TypeTSIG || r.Class != rr.ClassANY || r.TTL != 0 {
		return t, false
	}
	t.at = at
	if t.name = wire.AppendName(nil, msg, at); t.name == nil {
		return t, false
	}
	if t.algorithm = dname.FromWire(r.Data); t.algorithm == nil { // RFC 8945 §4.2: not compressed
		return t, false
	}
	d := r.Data[len(t.algorithm):]
	if len(d) < timers+2 {
		return t, false
	}
	t.time = uint64(binary.BigEndian.Uint16(d))<<32 | uint64(binary.BigEndian.Uint32(d[2:]))
	t.fudge = binary.BigEndian.Uint16(d[timeLen:])
	n := int(binary.BigEndian.Uint16(d[timers:]))
	if d = d[timers+2:]; len(d) < n+6 {
		return t, false
	}
	t.mac, d = d[:n], d[n:]
	t.originalID = binary.BigEndian.Uint16(d)
	t.err = Error(binary.BigEndian.Uint16(d[2:]))
	t.other = d[6:]
	return t, len(t.other) == int(binary.BigEndian.Uint16(d[4:]))
}

// appendTime appends a time of 48 bits.
func appendTime(b []byte, t uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(t>>32))
	return binary.BigEndian.AppendUint32(b, uint32(t))
}

// appendRecord appends the record to a message and counts it in the header. The
// names are written as they are.
func (t *record) appendTo(msg []byte) []byte {
	msg = append(msg, t.name...)
	msg = binary.BigEndian.AppendUint16(msg, uint16(rr.TypeTSIG))
	msg = binary.BigEndian.AppendUint16(msg, uint16(rr.ClassANY))
	msg = binary.BigEndian.AppendUint32(msg, 0) // TTL
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(t.algorithm)+dataFixed+len(t.mac)+len(t.other)))
	msg = append(msg, t.algorithm...)
	msg = appendTime(msg, t.time)
	msg = binary.BigEndian.AppendUint16(msg, t.fudge)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(t.mac)))
	msg = append(msg, t.mac...)
	msg = binary.BigEndian.AppendUint16(msg, t.originalID)
	msg = binary.BigEndian.AppendUint16(msg, uint16(t.err))
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(t.other)))
	msg = append(msg, t.other...)
	binary.BigEndian.PutUint16(msg[arcount:], binary.BigEndian.Uint16(msg[arcount:])+1)
	return msg
}
