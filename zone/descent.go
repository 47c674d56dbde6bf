package zone

import (
	"encoding/binary"
	"unsafe"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/synth"
)

// Descent is a walk from an apex to the name of a whole address, taken step by
// step: nearly all that a reverse zone is asked. Each step ends with a prefetch of
// the octets that the next one reads. A step of another Descent taken in between
// needs nothing of them, so that the waits for memory of a batch of questions
// overlap, where walks one after the other would wait for each in turn.
//
// It handles the plain cases only: a name with one PTR, and a name that does not
// exist in a zone without wildcards. Everything else, such as a zone cut, a DNAME or
// an alias, is Other and left to [Zone.Lookup]; a Descent never returns anything that
// Lookup would not.
type Descent struct {
	hi, lo uint64   // the nibbles still to go, the next one on top
	chunks [][]byte // of the zone
	at     ref      // of the node, or the suffix, that the next step reads
	left   uint32   // nibbles still to go
	cold   uint32   // with fewer still to go, a node is expected to be in no cache
	hot    uint32   // nodes from the root on that are in one
	apex   uint32   // nibbles of the zone's apex
	status DescentStatus
	ttl    uint32 // of HasPTR
	slot   *prefixSlot
	zone   *Zone
	head   []byte // of HasPTR: the target is head, tail
	tail   []byte
	made   *madeRange // of MadePTR
	search search
}

// search is the part of a Descent that comes before the first node.
type search struct {
	table  *table[prefixSlot, *prefixSlot]
	page   *page[prefixSlot] // that has the prefix, if the table does
	key    dname.AddressKey
	prefix prefix       // that is looked for
	at     uint32       // the slot to read next
	masks  []prefixMask // of the lengths from this one on
}

// DescentStatus is how far a Descent has come.
type DescentStatus uint8

// The states of a Descent.
const (
	Other    DescentStatus = iota // use Lookup
	HasPTR                        // the name has one PTR and nothing else
	NoName                        // the name does not exist, nor a wildcard for it
	MadePTR                       // the name is not stored, and a rule makes its PTR
	inSlots                       // from here on Step goes on: the zone is looked for
	inTrie                        // at a node
	inSuffix                      // at the end of the target
	inRule                        // at a rule
)

// Going reports whether Step is to be called.
func (d *Descent) Going() bool { return d.status >= inSlots }

// Key is where the address to be looked for is written before [Set.Descend].
func (d *Descent) Key() *dname.AddressKey { return &d.search.key }

// Descend begins a walk to the name of the address d.Key in the zone with the longest
// apex above it, and reports whether Step goes on with it; if not, its status is
// Other.
func (s *Set) Descend(d *Descent) bool {
	d.status = Other
	d.hot = s.hot
	f := &d.search
	k := &f.key
	if s.few != nil {
		for i := range s.few {
			p := &s.few[i]
			if k.Hi&p.mask.hi == p.hi && k.Lo&p.mask.lo == p.lo && k.Family == p.family {
				return d.enter(&p.prefixSlot, k)
			}
		}
		return false
	}
	if f.masks = s.masks[k.Family]; len(f.masks) == 0 {
		return false
	}
	f.table = &s.prefixes
	d.find()
	return true
}

// enter goes to the root of the zone that the address lies in, and reports whether
// there is one.
func (d *Descent) enter(e *prefixSlot, k *dname.AddressKey) bool {
	if !e.available {
		d.status = Other
		return false
	}
	d.slot, d.zone = e, e.zone
	d.apex = uint32(e.nibbles)
	if e.family == dname.InAddr {
		d.hi, d.lo = k.Hi<<(4*d.apex&63), 0
	} else {
		d.hi, d.lo = shiftLeft(k.Hi, k.Lo, 4*uint(d.apex))
	}
	d.left = addressNibbles(e.family) - d.apex
	d.cold = d.left + 1 - min(d.left+1, d.hot)
	d.chunks, d.at = e.chunkTable(), e.root
	d.status = inTrie
	return true
}

// find looks for the prefix of the length that is next.
func (d *Descent) find() {
	f := &d.search
	m := &f.masks[0]
	f.prefix = prefix{dname.AddressKey{Hi: f.key.Hi & m.hi, Lo: f.key.Lo & m.lo, Family: f.key.Family}, m.nibbles, true}
	f.at = f.prefix.hash()
	f.page = f.table.page(f.at)
	d.status = inSlots
	prefetch(unsafe.Pointer(&f.page.slots[f.at%pageSlots]), 0)
}

// Status returns where the walk has ended.
func (d *Descent) Status() DescentStatus { return d.status }

// Release drops the references to the zone that was walked and to what was found, so that
// waiting for the next question does not keep a replaced zone in memory.
func (d *Descent) Release() {
	d.chunks, d.slot, d.zone, d.head, d.tail, d.made, d.search.table, d.search.page, d.search.masks = nil, nil, nil, nil, nil, nil, nil, nil, nil
	d.status = Other
}

// Zone returns the zone that was walked; it is undefined if the status is Other.
func (d *Descent) Zone() *Zone { return d.zone }

// PTR returns the TTL and, in two pieces, the target of the PTR that was found.
// The pieces are views of the zone. The status must be HasPTR.
func (d *Descent) PTR() (ttl uint32, head, tail []byte) { return d.ttl, d.head, d.tail }

// Step reads one node, or at once the upper ones that every walk passes, or what
// comes before the first or behind the last. It must be called only
// while Going, and returns whether that still holds.
func (d *Descent) Step() bool {
	if d.status != inTrie {
		d.seek()
		return d.status >= inSlots
	}
	hi, at := d.hi, d.at
	for {
		n := rawAt(d.chunks, at)
		h := header(n.word())
		behind := n.add(headerSize)
		if h.run() != 0 || h&maskFlags != 0 {
			d.hi = hi
			run := d.run(at, h)
			if d.status != inTrie {
				return d.status >= inSlots
			}
			hi = d.hi
			behind = behind.add(run)
		}
		if d.left == 0 || h.isLeaf() {
			d.end(behind, h)
			return d.status >= inSlots
		}
		v := hi >> 60
		if !h.hasChild(v) {
			d.missing()
			return d.status >= inSlots
		}
		at = ref(behind.aligned().add(refSize * uint(h.childIndex(v))).word())
		hi = hi<<4 | d.lo>>60
		d.lo <<= 4
		d.left--
		if d.left < d.cold {
			d.hi, d.at = hi, at
			d.ahead()
			return true
		}
	}
}

// ahead prefetches the node that the next step reads: its header, and what that step
// reads behind it, as far as it is known. In a node with all of the children that is
// the ref of the next; at the depth of the name it is the value, most of which is 30
// to 50 octets.
func (d *Descent) ahead() {
	const value = 40
	more := uintptr(value)
	if d.left > 0 {
		more = 4 + uintptr(d.hi>>60)*4
	}
	prefetch(rawAt(d.chunks, d.at).p, more)
}

// seek is a step before the first node, which reads a slot of the set's table; or the
// step behind the last node.
func (d *Descent) seek() {
	switch d.status {
	case inSuffix:
		d.suffix()
		return
	case inRule:
		d.make()
		return
	}
	f := &d.search
	e := &f.page.slots[f.at%pageSlots]
	f.at++
	switch {
	case e.zone == nil:
		if f.masks = f.masks[1:]; len(f.masks) == 0 {
			d.status = Other
			return
		}
		d.find()
	case e.isOf(&f.prefix):
		if d.enter(e, &f.key) {
			d.ahead()
		}
	}
}

// run compares the run of the node at r, whose header is h, and returns its octets.
func (d *Descent) run(r ref, h header) uint {
	if h&maskFlags != 0 {
		d.status = Other
		return 0
	}
	run := uint32(h.run())
	b := d.chunks[r>>chunkShift][uint(r&(chunkUnits-1))<<2+headerSize:]
	// A longer run goes on into ordinary labels. Near the end of a chunk whole
	// words cannot be read.
	if run > d.left || len(b) < 16 {
		d.status = Other
		return 0
	}
	// Depths count from the apex: what is odd there is odd from the end of an
	// address, but below an apex of an odd number of nibbles.
	odd := uint(d.left^d.apex) & 1
	be := binary.BigEndian
	hi := be.Uint64(b)
	if run < 16 { // in one word, the free half of an octet at an odd depth included
		n := uint(4*run) & 63
		if (hi<<(4*odd)^d.hi)>>((64-n)&63) != 0 {
			d.missing()
			return 0
		}
		d.hi, d.lo = d.hi<<n|d.lo>>((64-n)&63), d.lo<<n
	} else {
		hi, lo := shiftLeft(hi, be.Uint64(b[8:]), 4*odd)
		if hi != d.hi || (lo^d.lo)>>(128-4*run) != 0 {
			d.missing()
			return 0
		}
		d.hi, d.lo = shiftLeft(d.hi, d.lo, 4*uint(run))
	}
	d.left -= run
	return (uint(run) + odd + 1) >> 1
}

// missing ends a walk whose name is not there.
func (d *Descent) missing() {
	d.status = NoName
	if d.zone.wildcards > 0 {
		d.status = Other
	} else if d.zone.ranges != nil {
		d.rule()
	}
}

// end ends a walk at a leaf, or at the depth of the name, in a node with the header
// h, whose run ends before behind.
func (d *Descent) end(behind raw, h header) {
	v := behind
	switch {
	case h.isLeaf():
		if d.left != 0 {
			d.missing()
			return
		}
	case h.hasValue():
		v = rawAt(d.chunks, ref(behind.aligned().word()))
	default: // an empty non-terminal
		d.status = Other
		return
	}
	if v.octet() != formPTR {
		d.status = Other
		return
	}
	d.status = HasPTR
	d.ttl = d.slot.ttl(v.add(1).octet())
	d.head, d.tail = v.add(shortHeader).octets(v.add(2).octet()), nil
	if d.at = ref(v.add(3).word()); d.at == 0 {
		return
	}
	if d.cold == 0 {
		d.suffix()
		return
	}
	d.status = inSuffix
	prefetch(rawAt(d.chunks, d.at).p, 0)
}

// suffix reads the end of the target.
func (d *Descent) suffix() {
	t := rawAt(d.chunks, d.at)
	d.tail = t.add(1).octets(t.octet())
	d.status = HasPTR
}

// rule looks for the rule that makes the PTR of the address, whose name is not stored.
func (d *Descent) rule() {
	r := d.zone.ranges
	owner := r.addresses.owner(addressKey{d.search.key.Hi, d.search.key.Lo})
	if owner < 0 {
		return
	}
	d.made = &r.made[owner]
	if len(r.made) <= hotRules {
		d.make()
		return
	}
	d.status = inRule
	prefetch(unsafe.Pointer(d.made), unsafe.Sizeof(*d.made)-1)
}

// hotRules is how many rules are expected to be in a cache.
const hotRules = 64

// make ends a walk at a rule.
func (d *Descent) make() {
	d.status = MadePTR
	if d.made.inArpa {
		d.status = Other
	} else if len(d.zone.ranges.made) > hotRules {
		prefetch(d.made.template.Start(), 64)
	}
}

// PutPTR writes the target that a rule makes to dst and returns its length and the TTL. The status
// must be MadePTR.
func (d *Descent) PutPTR(dst *[synth.Room]byte) (size int, ttl uint32) {
	return d.made.template.Put(dst, d.search.key.Hi, d.search.key.Lo), d.made.ttl
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

// soaNames is where in the SOA the pieces of NegativeSOA lie, computed when
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
