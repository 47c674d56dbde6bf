package tsig

import (
	"encoding/binary"
	"hash"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// digest computes the MACs of all messages of one exchange.
type digest struct {
	mac  hash.Hash
	room [2*dname.MaxWire + 32]byte
	sum  [maxMAC]byte
}

func newDigest(k *Key) *digest { return &digest{mac: k.mac()} }

// prior begins with the MAC of the message before (RFC 8945 §4.3.1).
func (d *digest) prior(mac []byte) {
	b := binary.BigEndian.AppendUint16(d.room[:0], uint16(len(mac)))
	d.mac.Write(append(b, mac...))
}

// message adds a message without its TSIG record, with another ID (RFC 8945 §4.3.2). records is
// how many records its header counts in excess.
func (d *digest) message(msg []byte, id uint16, records uint16) {
	b := append(d.room[:0], msg[:headerLen]...)
	binary.BigEndian.PutUint16(b, id)
	binary.BigEndian.PutUint16(b[arcount:], binary.BigEndian.Uint16(b[arcount:])-records)
	d.mac.Write(b)
	d.mac.Write(msg[headerLen:])
}

// variables adds the fields of the record except its MAC (RFC 8945 §4.3.3), names in canonical
// form.
func (d *digest) variables(t *record) {
	b := []byte(t.name.AppendLower(d.room[:0]))
	b = binary.BigEndian.AppendUint16(b, uint16(rr.ClassANY))
	b = binary.BigEndian.AppendUint32(b, 0) // TTL
	b = t.algorithm.AppendLower(b)
	b = appendTime(b, t.time)
	b = binary.BigEndian.AppendUint16(b, t.fudge)
	b = binary.BigEndian.AppendUint16(b, uint16(t.err))
	b = binary.BigEndian.AppendUint16(b, uint16(len(t.other)))
	d.mac.Write(b)
	d.mac.Write(t.other)
}

// timers adds the part of the variables that all messages of a stream except the first have (RFC
// 8945 §5.3.1).
func (d *digest) timers(t *record) {
	d.mac.Write(binary.BigEndian.AppendUint16(appendTime(d.room[:0], t.time), t.fudge))
}

// end returns the MAC, valid until the next call of end, and begins another one.
func (d *digest) end() []byte {
	mac := d.mac.Sum(d.sum[:0])
	d.mac.Reset()
	return mac
}

// isWithin reports whether now is within the fudge of the time of the record (RFC 8945 §5.2.3).
func (t *record) isWithin(now int64) bool {
	n := uint64(now) & timeMask
	return max(n, t.time)-min(n, t.time) <= uint64(t.fudge)
}

// rcode returns the RCODE that goes with an error.
func (e Error) rcode() wire.RCode {
	switch e {
	case NoError:
		return wire.RCodeNoError
	case FormErr:
		return wire.RCodeFormErr
	}
	return wire.RCodeNotAuth
}
