package zone

import (
	"encoding/binary"
	"math/bits"

	"github.com/ptrd/ptrd/zone/dname"
)

// Descent is a walk from an apex to the name of a whole address, taken step by
// step: nearly all that a reverse zone is asked. Each step ends in the load of
// the octets that the next one reads. A step of another Descent taken in between
// needs nothing of them, so that the waits for memory of a batch of questions
// overlap, where one walk after the other would wait for each by itself.
//
// It knows the plain cases only: a name with one PTR, and a name that does not
// exist in a zone without wildcards. Whatever else it comes upon, a zone cut, a
// DNAME, an alias, is Other and for [Zone.Lookup] to answer; a Descent never
// says anything that Lookup would not.
type Descent struct {
	zone   *Zone
	hi, lo uint64 // the nibbles still to go, the next one on top
	left   int    // how many these are
	odd    uint   // 1 at an odd depth
	at     ref    // of the node that the next step reads
	status DescentStatus
	value  []byte // of HasPTR: formPTR
	warm   byte   // takes what was loaded ahead, so that the load is not left out
}

// DescentStatus says how far a Descent is.
type DescentStatus uint8

// The states of a Descent.
const (
	Other  DescentStatus = iota // nothing to say
	Going                       // Step goes on
	HasPTR                      // the name has one PTR and nothing else
	NoName                      // the name does not exist, nor a wildcard for it
)

// Descend begins a walk to the name of the address in the zone with the longest
// apex above it.
func (s *Set) Descend(k *dname.AddressKey, d *Descent) {
	d.status = Other
	z := s.findAddress(k)
	if z == nil || z.reason != "" {
		return
	}
	skip := uint(z.prefix.nibbles)
	d.zone = z
	d.hi, d.lo = shiftLeft(k.Hi, k.Lo, 4*skip)
	d.left = addressNibbles(k.Family) - int(skip)
	d.odd = 0
	d.at = z.root
	d.status = Going
	d.touch()
}

// Status returns where the walk is.
func (d *Descent) Status() DescentStatus { return d.status }

// Zone returns the zone that is walked; it is undefined once the status is Other.
func (d *Descent) Zone() *Zone { return d.zone }

// touch has the processor load the node at d.at.
func (d *Descent) touch() { d.warm = d.zone.at(d.at)[0] }

// Step reads one node. It must not be called unless the status is Going, and
// returns whether it still is.
func (d *Descent) Step() bool {
	d.status = d.step()
	return d.status == Going
}

func (d *Descent) step() DescentStatus {
	le := binary.LittleEndian
	z := d.zone
	b := z.at(d.at)
	h := le.Uint32(b)
	if h&(bitCut|bitDNAME) != 0 {
		return Other
	}
	off := 4
	if run := int(h >> 24); run > 0 {
		if run > d.left {
			return Other // it goes on into ordinary labels
		}
		same, known := d.matchRun(b[4:], uint(run))
		if !known {
			return Other
		}
		if !same {
			return d.missing()
		}
		off += (int(d.odd) + run + 1) >> 1
		d.hi, d.lo = shiftLeft(d.hi, d.lo, 4*uint(run))
		d.left -= run
		d.odd ^= uint(run) & 1
	}
	if h&maskInner == 0 { // leaf
		if d.left != 0 {
			return d.missing()
		}
		return d.found(b[off:])
	}
	off = (off + 3) &^ 3
	if d.left == 0 {
		if h&bitValue == 0 {
			return Other // an empty non-terminal
		}
		return d.found(z.at(ref(le.Uint32(b[off:]))))
	}
	v := d.hi >> 60
	if h>>v&1 == 0 {
		return d.missing()
	}
	// The refs of value and branch come before the children's.
	i := bits.OnesCount32(h&(1<<v-1)) + bits.OnesCount32(h&(bitValue|bitOrdinary))
	d.at = ref(le.Uint32(b[off+4*i:]))
	d.hi, d.lo = d.hi<<4|d.lo>>60, d.lo<<4
	d.left--
	d.odd ^= 1
	d.touch()
	return Going
}

// missing is the end of a walk whose name is not there.
func (d *Descent) missing() DescentStatus {
	if d.zone.wildcards > 0 {
		return Other
	}
	return NoName
}

// found is the end of a walk at a value.
func (d *Descent) found(v []byte) DescentStatus {
	if v[0] != formPTR {
		return Other
	}
	d.value = v
	if r := ref(binary.LittleEndian.Uint32(v[3:])); r != 0 {
		d.warm = d.zone.at(r)[0]
	}
	return HasPTR
}

// matchRun reports whether the next nibbles are the run in b; known is false if
// the end of the chunk is too near to tell by whole words.
func (d *Descent) matchRun(b []byte, run uint) (same, known bool) {
	if len(b) < 16 {
		return false, false
	}
	be := binary.BigEndian
	hi := be.Uint64(b)
	if run < 16 { // in one word, the free half of an octet at an odd depth included
		return (hi<<(4*d.odd)^d.hi)>>(64-4*run) == 0, true
	}
	hi, lo := shiftLeft(hi, be.Uint64(b[8:]), 4*d.odd)
	return hi == d.hi && (lo^d.lo)>>(128-4*run) == 0, true
}

// PTR returns the TTL and, in two pieces, the target of the PTR that was found.
// The pieces are views of the zone. The status must be HasPTR.
func (d *Descent) PTR() (ttl uint32, head, tail []byte) {
	s := d.zone.short(d.value)
	return s.TTL, s.list, s.tail
}

// NegativeSOA is the SOA of negative answers (RFC 2308 §3) in the pieces that a
// message is made of, its two names compressed against each other (RFC 1035
// §4.1.4). All are views of the zone.
type NegativeSOA struct {
	TTL     uint32 // seconds
	MName   []byte
	RName   []byte // without the end that MName has too
	Shared  int    // offset in MName where RName goes on; negative: RName is whole
	Numbers []byte // SERIAL to MINIMUM
}

// soaNames says where in the SOA the pieces of NegativeSOA lie, worked out when
// the zone is made.
type soaNames struct {
	mname, rname, rest uint8 // octets of MNAME; of RNAME, before what is shared; of that
	shared             int16
	arpa               bool // one of them ends in arpa, which a QNAME does as well
}

func splitSOA(rdata []byte) (s soaNames) {
	mname := dname.FromWire(rdata)
	rname := dname.FromWire(rdata[len(mname):])
	s = soaNames{mname: uint8(len(mname)), rname: uint8(len(rname)), shared: -1}
	arpa := dname.MustParse("arpa.")
	s.arpa = mname.IsAtOrBelow(arpa) || rname.IsAtOrBelow(arpa)
	for i := 0; rname[i] != 0; i += 1 + int(rname[i]) {
		for j := 0; mname[j] != 0; j += 1 + int(mname[j]) {
			if string(rname[i:]) == string(mname[j:]) {
				s.rname, s.rest, s.shared = uint8(i), uint8(len(rname)-i), int16(j)
				return s
			}
		}
	}
	return s
}

// NegativeSOA returns the pieces; ok is false if a name of the SOA may have its
// end in common with a QNAME, which they know nothing of.
func (z *Zone) NegativeSOA() (s NegativeSOA, ok bool) {
	n := &z.soaNames
	rdata := z.soa.list[2:]
	mname, rname := int(n.mname), int(n.rname)
	return NegativeSOA{
		TTL:     z.negTTL,
		MName:   rdata[:mname],
		RName:   rdata[mname : mname+rname],
		Shared:  int(n.shared),
		Numbers: rdata[mname+rname+int(n.rest):][:20],
	}, !n.arpa
}

// shiftLeft shifts 128 bits; n is less than 129.
func shiftLeft(hi, lo uint64, n uint) (uint64, uint64) {
	return hi<<n | lo>>(64-n) | lo<<(n-64), lo << n
}

// addressNibbles returns the nibbles of an address.
func addressNibbles(f dname.Family) int {
	if f == dname.IP6 {
		return 32
	}
	return 8
}

// prefix is an apex that is nothing but a prefix.
type prefix struct {
	key     dname.AddressKey // the rest 0
	nibbles uint8
	is      bool
}

// prefixOf returns the prefix of an apex; is is not set for any other apex, those
// of RFC 2317 among them.
func prefixOf(apex dname.Name) (p prefix) {
	net, ok := dname.ToPrefix(apex)
	if !ok {
		return p
	}
	a := net.Addr().AsSlice()
	p.nibbles, p.is = uint8(net.Bits()/4), true
	if len(a) == 4 {
		p.key = dname.AddressKey{Hi: uint64(binary.BigEndian.Uint32(a)) << 32, Family: dname.InAddr}
	} else {
		p.key = dname.AddressKey{Hi: binary.BigEndian.Uint64(a), Lo: binary.BigEndian.Uint64(a[8:]), Family: dname.IP6}
	}
	return p
}

// cutAt clears all but the upper nibbles.
func cutAt(hi, lo uint64, nibbles uint) (uint64, uint64) {
	n := 4 * nibbles
	return hi &^ (uint64(1)<<(64-min(n, 64)) - 1), lo &^ (uint64(1)<<(128-max(n, 64)) - 1)
}

func (p *prefix) hash() uint32 {
	return uint32(mix(mix(p.key.Hi^uint64(p.nibbles)<<8^uint64(p.key.Family)) ^ p.key.Lo))
}
