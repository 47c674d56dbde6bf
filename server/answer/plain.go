package answer

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// Plain is a request as nearly all for reverse zones are: one question for the PTR of a whole
// address, with at most an OPT record without options. It is looked up before
// [Responder.Respond], one step at a time, so that the memory accesses of a batch overlap
// (see [zone.Descent]). Respond then writes the response from the result. Anything special in
// the request, the zone or the policy takes the general path, which produces the same octets.
//
// The zero value is a request that is not plain.
type Plain struct {
	descent zone.Descent
	name    int // octets of QNAME; 0: not plain
	hasOPT  bool
	do      bool
	udpSize uint16 // as sent, where there is an OPT record
	kind    plainKind
}

// questionEnd is the octets of QTYPE and QCLASS.
const questionEnd = 4

// begin reads the request buf[:n] and begins the lookup. It reports whether [Plain.step] must
// continue it.
func (p *Plain) begin(v *View, buf []byte, n int) bool {
	p.name = 0
	const name = wire.HeaderLen
	if len(buf) < name+dname.AddressRoom || n < name {
		return false
	}
	// QR and OPCODE are 0; one question, nothing else but one additional record.
	be := binary.BigEndian
	head := (*[name + dname.AddressRoom]byte)(buf)
	counts := be.Uint64(head[4:])
	if head[2]&0xf8 != 0 || counts != 1<<48 && counts != 1<<48|1 {
		return false
	}
	size := dname.ReadAddress((*[dname.AddressRoom]byte)(head[name:]), p.descent.Key())
	end := name + size + questionEnd
	if size == 0 || end > n || be.Uint32(buf[end-questionEnd:]) != uint32(rr.TypePTR)<<16|uint32(rr.ClassIN) {
		return false
	}
	p.hasOPT, p.do = counts&1 != 0, false
	if !p.hasOPT {
		if end != n {
			return false
		}
	} else {
		// The root, OPT, the size, two octets of which the second is the version,
		// flags, no options.
		if end+wire.OPTLen != n {
			return false
		}
		opt := (*[wire.OPTLen]byte)(buf[end:])
		if opt[0] != 0 || be.Uint16(opt[1:]) != uint16(rr.TypeOPT) || opt[6] != 0 || be.Uint16(opt[9:]) != 0 {
			return false
		}
		p.udpSize = be.Uint16(opt[3:])
		p.do = be.Uint16(opt[7:])&wire.DO != 0
	}
	if !v.Zones.Descend(&p.descent) {
		return false
	}
	p.name = size
	return true
}

// step continues the lookup by one node and reports whether more are needed.
func (p *Plain) step() bool { return p.descent.Step() }

// LookAhead looks up the plain requests of a batch, one step of each in turn.
func (r *Responder) LookAhead(v *View, batch []Message) {
	n := 0
	for i := range batch {
		if d := &batch[i]; d.Plain.begin(v, d.Buf, d.Len) {
			r.going[n%BatchSize] = uint8(i)
			n++
		}
	}
	for n > 0 {
		still := 0
		for _, i := range r.going[:n] {
			if batch[i].Plain.step() {
				r.going[still%BatchSize] = i
				still++
			}
		}
		n = still
	}
}

// respondPlain writes the response to a plain request over it and returns its length. It
// returns 0, and leaves the request unchanged, if the general path must answer.
func (r *Responder) respondPlain(v *View, q *Request, p *Plain, buf []byte) int {
	d, policy := &p.descent, v.Policy
	if p.name == 0 || d.Status() == zone.Other {
		return 0
	}
	z := d.Zone()
	if !policy.Access.Allows(q.Client.Addr()) || !policy.maySee(z, q) {
		return 0
	}
	limit := responseLimit(policy, q, p.hasOPT, p.udpSize, len(buf))
	if p.hasOPT {
		limit -= wire.OPTLen
	}

	end := wire.HeaderLen + p.name + questionEnd
	be := binary.BigEndian
	var n int
	var flags wire.Flags
	var counts uint64
	var kind plainKind
	switch d.Status() {
	case zone.HasPTR:
		ttl, head, tail := d.PTR()
		n = end + recordHead + len(head) + len(tail)
		if n > limit || endsInArpa(head, tail) {
			return 0
		}
		b := putRecordHead(buf[end:n], wire.HeaderLen, rr.TypePTR, ttl, len(head)+len(tail))
		copy(b[copy(b, head):], tail)
		flags, counts = wire.AA, 1<<48|1<<32
		r.m.rcode, r.m.outcome = wire.RCodeNoError, CountAnswered
	case zone.MadePTR:
		if end+recordHead+synth.Room > limit {
			return 0 // it may not fit
		}
		size, ttl := d.PutPTR((*[synth.Room]byte)(buf[end+recordHead:]))
		n = end + recordHead + size
		putRecordHead(buf[end:n], wire.HeaderLen, rr.TypePTR, ttl, size)
		flags, counts = wire.AA, 1<<48|1<<32
		r.m.rcode, r.m.outcome = wire.RCodeNoError, CountAnswered
	case zone.NoName:
		if p.do && z.IsSigned() {
			return 0
		}
		if n = writeNoName(z, buf[:limit], end); n == 0 {
			return 0
		}
		flags, counts = wire.AA, 1<<48|1<<16
		r.m.rcode, r.m.outcome = wire.RCodeNXDomain, CountNXDomain
		kind = plainNoName
	default:
		return 0
	}
	policy.countQuery(z)
	flags = flags.WithRCode(r.m.rcode) | wire.QR
	if p.hasOPT {
		counts++
		f := uint16(0)
		kind += plainOPT
		if p.do {
			f = wire.DO
			kind += plainDO - plainOPT
		}
		n += wire.PutOPT(buf[n:], uint16(policy.udpSize()), r.m.rcode, f)
	}
	be.PutUint16(buf[2:], uint16(flags)|be.Uint16(buf[2:])&uint16(wire.RD))
	be.PutUint64(buf[4:], counts)
	kind += plainTransport * plainKind(q.Transport)
	p.kind = kind
	r.m.qtype, r.m.truncated = CountTypePTR, false
	return n
}

// notePlain sets what the general path would have read of a plain request whose response was
// just written to buf, so that another response can be written.
func (r *Responder) notePlain(policy *Policy, q *Request, p *Plain, buf []byte) {
	end := wire.HeaderLen + p.name + questionEnd
	m := message{hasQuestion: true, end: end, hasOPT: p.hasOPT, qtype: r.m.qtype, outcome: r.m.outcome, rcode: r.m.rcode}
	m.question = wire.Question{Name: dname.Name(buf[wire.HeaderLen:][:p.name]), Type: rr.TypePTR, Class: rr.ClassIN}
	m.header.ID = binary.BigEndian.Uint16(buf)
	m.header.Flags = wire.Flags(binary.BigEndian.Uint16(buf[2:])) & wire.RD
	if p.hasOPT {
		r.count(CountEDNS)
		m.opt.UDPSize = p.udpSize
		if p.do {
			r.count(CountDO)
			m.opt.Flags = wire.DO
		}
	}
	m.setLimit(policy, q, len(buf))
	r.m = m
}

// plainKind is a sum of the properties that the counters of a plain request depend on. DO
// replaces OPT.
type plainKind uint8

const (
	plainOPT    plainKind = 1
	plainDO     plainKind = 2
	plainNoName plainKind = 3
)

// plainTransport is multiplied by the Transport.
const plainTransport plainKind = 6

const plainKinds = plainTransport * plainKind(NumTransports)

// countPlain counts a plain request once, instead of in each of its counters.
func (r *Responder) countPlain(k plainKind) { r.plains[k%plainKinds]++ }

// settle counts the plain requests in all of their counters.
func (r *Responder) settle() {
	for i, n := range r.plains {
		if n == 0 {
			continue
		}
		r.plains[i] = 0
		k := plainKind(i)
		transport, outcome, rcode := CountRequests+Counter(k/plainTransport), CountAnswered, CountRCodeNoError
		if k%plainTransport >= plainNoName {
			outcome, rcode = CountNXDomain, CountRCodeNXDomain
		}
		for _, c := range [...]Counter{transport, CountTypePTR, outcome, rcode} {
			r.counts[c] += n
		}
		switch k % plainNoName {
		case plainDO:
			r.counts[CountDO] += n
			fallthrough
		case plainOPT:
			r.counts[CountEDNS] += n
		}
	}
}

// countersOfPlain are the counters of plain requests, except those of transports.
var countersOfPlain = [...]Counter{
	CountTypePTR, CountAnswered, CountNXDomain, CountRCodeNoError, CountRCodeNXDomain, CountEDNS, CountDO,
}

// writeNoName writes the SOA of a negative answer to buf[end:] and returns the length of the
// message; 0 if it does not fit or the general path must write it.
func writeNoName(z *zone.Zone, buf []byte, end int) int {
	s, ok := z.NegativeSOA()
	size := len(s.MName) + len(s.RName) + len(s.Numbers)
	if s.Shared >= 0 {
		size += 2
	}
	n := end + recordHead + size
	if n > len(buf) || !ok {
		return 0
	}
	apex := end - questionEnd - len(z.Apex())
	b := putRecordHead(buf[end:n], apex, rr.TypeSOA, s.TTL, size)
	i := copy(b, s.MName)
	i += copy(b[i:], s.RName)
	if s.Shared >= 0 {
		binary.BigEndian.PutUint16(b[i:], uint16(0xc000|end+recordHead+s.Shared))
		i += 2
	}
	copy(b[i:], s.Numbers)
	return n
}

// recordHead is the octets of a record before its RDATA whose owner is a pointer.
const recordHead = 2 + 2 + 2 + 4 + 2

// putRecordHead writes the head of a record of class IN whose owner is at offset
// owner of the message, and returns the room behind it.
func putRecordHead(b []byte, owner int, t rr.Type, ttl uint32, size int) []byte {
	be := binary.BigEndian
	be.PutUint64(b, uint64(0xc000|owner)<<48|uint64(t)<<32|uint64(rr.ClassIN)<<16|uint64(ttl>>16))
	be.PutUint32(b[8:], ttl<<16|uint32(size))
	return b[recordHead:]
}

// endsInArpa reports whether a target ends in arpa, in any case. Then it may share labels with
// QNAME, which the general path compresses.
func endsInArpa(head, tail []byte) bool {
	const arpa = "arpa\x00"
	if len(tail) < len(arpa) {
		if len(head)+len(tail) < len(arpa) {
			return false
		}
		return len(tail) > 0 || binary.BigEndian.Uint32(head[len(head)-len(arpa):])|0x2020_2020 == 0x61_72_70_61
	}
	return binary.BigEndian.Uint32(tail[len(tail)-len(arpa):])|0x2020_2020 == 0x61_72_70_61
}
