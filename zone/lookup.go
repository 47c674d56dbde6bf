package zone

import (
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// lookupScratch is the room that a lookup works in.
type lookupScratch struct {
	key, wild, before, other key
	buf                      nameBuffer
	hash                     [dname.MaxWire + 256 + 20]byte
}

// Lookup takes the steps of RFC 1034 §4.3.2 from 3 on in this zone for qname,
// which is at or below its apex, and appends what it finds to a. With do the
// items of a signed zone carry signatures and denials their proofs. If a.Next is
// set afterwards, the chain of aliases goes on there, in whichever zone that is.
// The zone must be available.
func (z *Zone) Lookup(qname dname.Name, qtype rr.Type, do bool, a *Answer) {
	do = do && z.denial != unsigned
	a.Next = nil
	k := &a.scratch.key
	z.fill(k, qname)
	f := z.find(k, true)

	// Step 3b: a zone cut. DS belongs to the upper side of the cut (RFC 4035
	// §3.1.4.1).
	if f.status == foundCut {
		enc := k.encloser(f.depth)
		if enc < k.labels || qtype != rr.TypeDS {
			z.refer(qname, enc, f.value, do, a)
			return
		}
		f.status = foundName
	}

	if z.ranges != nil && f.status != foundDNAME && z.synthesize(qname, qtype, k, &f, do, a) {
		return
	}

	switch f.status {
	case foundName: // step 3a
		z.answer(qname, qtype, f.value, do, a)
		if a.Kind == NoData {
			z.negative(do, a)
			if do {
				z.prove(noType, qname, k.labels, a)
			}
		}
		return
	case foundEmpty: // RFC 4592 §2.2.2, RFC 8020
		a.Kind = NoData
		z.negative(do, a)
		if do {
			z.prove(noType, qname, k.labels, a)
		}
		return
	case foundDNAME: // step 3c, RFC 6672 §3.2
		z.substitute(qname, qtype, k.encloser(f.depth), f.value, do, a)
		return
	}

	// Step 3c: the name does not exist. RFC 4592 §3.3.1: the source of synthesis
	// is the wildcard at the closest encloser.
	enc := k.encloser(f.depth)
	if z.wildcards > 0 {
		if z.ranges != nil {
			enc = z.madeEncloser(qname, k, enc)
		}
		w := &a.scratch.wild
		w.copyFrom(k)
		w.cut(enc)
		w.add(&z.layout, []byte{'*'})
		switch f := z.find(w, false); f.status {
		case foundName:
			z.answer(qname, qtype, f.value, do, a)
			if a.Kind == NoData {
				z.negative(do, a)
				if do {
					z.prove(noSynth, qname, enc, a)
				}
			} else if do {
				z.prove(noExact, qname, enc, a)
			}
			return
		case foundEmpty:
			a.Kind = NoData
			z.negative(do, a)
			if do {
				z.prove(noSynth, qname, enc, a)
			}
			return
		}
	}
	a.Kind = NXDomain
	z.negative(do, a)
	if do {
		z.prove(noName, qname, enc, a)
	}
}

// answer appends the RRsets in value that answer qtype, under the owner qname.
// If none does, NoData stays.
func (z *Zone) answer(qname dname.Name, qtype rr.Type, value []byte, do bool, a *Answer) {
	a.Kind = Success
	switch qtype {
	case rr.TypeANY: // RFC 8482 §4.1: one RRset is enough
		if s := z.any(value); s.Exists() {
			a.add(SectionAnswer, qname, s, do)
			return
		}
		a.Kind = NoData
		return
	case rr.TypeRRSIG:
		// The signatures over every RRset of the name, by type.
		a.Kind = NoData
		if value[0] != formSets {
			return
		}
		var s RRset
		for it := iterate(value); it.next(&s); {
			if s.sigs > 0 {
				a.Kind = Success
				a.add(SectionAnswer, qname, s, true).SigsOnly = true
			}
		}
		return
	}
	if s := z.set(value, qtype); s.Exists() {
		a.add(SectionAnswer, qname, s, do)
		z.addresses(&s, nil, do, a)
		return
	}
	// Step 3a: CNAME at the name, and the type is not CNAME.
	if s := z.set(value, rr.TypeCNAME); s.Exists() && qtype != rr.TypeCNAME {
		a.add(SectionAnswer, qname, s, do)
		a.Next = a.join(&s)
		return
	}
	a.Kind = NoData
}

// any returns the RRset that answers QTYPE ANY: the first that is no denial.
func (z *Zone) any(value []byte) RRset {
	if value[0] != formSets {
		return z.short(value)
	}
	var s RRset
	for it := iterate(value); it.next(&s); {
		if s.Type != rr.TypeNSEC && s.Exists() {
			return s
		}
	}
	return s
}

// negative appends the SOA of a negative answer (RFC 2308 §3).
func (z *Zone) negative(do bool, a *Answer) {
	it := a.add(SectionAuthority, z.apex, z.soa, do)
	// RFC 2308 §5; the signature has the same TTL (RFC 4035 §2.2).
	it.TTL = z.negTTL
	it.SigTTL = min(it.SigTTL, z.negTTL)
}

// refer appends a referral to the zone cut enc labels below the apex.
func (z *Zone) refer(qname dname.Name, enc int, value []byte, do bool, a *Answer) {
	a.Kind = Referral
	cut := z.below(qname, enc)
	ns := z.set(value, rr.TypeNS)
	a.add(SectionAuthority, cut, ns, false) // RFC 4035 §2.2: the NS at a cut is not signed
	if do {
		if ds := z.set(value, rr.TypeDS); ds.Exists() {
			a.add(SectionAuthority, cut, ds, true)
		} else {
			z.prove(insecure, qname, enc, a)
		}
	}
	z.addresses(&ns, cut, do, a) // RFC 4035 §3.1.1: an address that is not glue keeps its signatures
}

// substitute follows the DNAME enc labels below the apex (RFC 6672 §2.2, §3.1).
func (z *Zone) substitute(qname dname.Name, qtype rr.Type, enc int, value []byte, do bool, a *Answer) {
	a.Kind = Success
	set := z.set(value, rr.TypeDNAME)
	owner := z.below(qname, enc)
	a.addOnce(SectionAnswer, owner, set, do) // a chain may come by a second time
	it := set.Data()
	it.Next()
	target := dname.Name(it.Head)
	front := len(qname) - len(owner)
	if front+len(target) > dname.MaxWire {
		a.Kind = TooLong
		return
	}
	room := a.room(2 + front + len(target))
	if room == nil {
		return
	}
	n := 2 + copy(room[2:], qname[:front])
	copy(room[n:], target)
	room[0], room[1] = 0, byte(len(room)-2)
	// RFC 6672 §3.1: the CNAME has the DNAME's TTL and no signature.
	a.add(SectionAnswer, qname, RRset{Type: rr.TypeCNAME, TTL: set.TTL, count: 1, list: room}, false)
	if qtype != rr.TypeCNAME { // else that CNAME is the answer (RFC 1034 §3.6.2)
		a.Next = dname.Name(room[2:])
	}
}

// maxMadeTargets bounds the targets of an answer for whose addresses rules are tried. Not to have additional
// data is no fault, and an RRset of a zone of another server may have thousands of targets, each of which
// costs what a query for it does.
const maxMadeTargets = 64

// addresses appends the A and AAAA RRsets that the targets of s have in this
// zone (RFC 1034 §4.3.2 step 6). cut, if not nil, is the owner of the zone cut
// that s refers to: then what lies at or below it is glue and required (RFC 9471
// §3.1), and addresses below other cuts of this zone (sibling glue, §2.3) come
// along.
func (z *Zone) addresses(s *RRset, cut dname.Name, do bool, a *Answer) {
	if s.Type != rr.TypeNS && s.Type != rr.TypeMX && s.Type != rr.TypeSRV {
		return
	}
	for _, required := range [...]bool{true, false} {
		if required && cut == nil {
			continue
		}
		for it := s.Data(); it.Next(); {
			name := a.target(s.Type, &it)
			if name == nil || !name.IsAtOrBelow(z.apex) {
				continue
			}
			if (cut != nil && name.IsAtOrBelow(cut)) != required {
				continue
			}
			k := &a.scratch.other
			z.fill(k, name)
			f := z.find(k, true)
			isBelow := f.status == foundCut
			if isBelow && cut != nil {
				f = z.find(k, false)
			}
			var m made // is of no use below a cut or where a DNAME occludes it
			if z.ranges != nil && z.family == dname.Forward && !isBelow && f.status != foundDNAME && a.made < maxMadeTargets {
				m = z.made(name, k, k.labels)
				a.made++
			}
			if f.status != foundName && m.match != synth.Exact {
				continue
			}
			for _, t := range [...]rr.Type{rr.TypeA, rr.TypeAAAA} {
				var set RRset
				if f.status == foundName {
					set = z.set(f.value, t)
				}
				isMade := !set.Exists() && m.match == synth.Exact && z.madeType(&m) == t && !(f.status == foundName && z.hides(f.value, t))
				if !set.Exists() && !isMade {
					continue
				}
				if a.isFull() || isMade && !a.hasRoom(madeRoom) {
					a.Cut = a.Cut || required
					return
				}
				if isMade {
					set, _ = z.makeSet(&m, a)
				}
				it := a.addOnce(SectionAdditional, name, set, do)
				it.Required = it.Required || required
			}
		}
	}
}

// add appends an RRset with its own TTLs and returns the item, for the caller to
// finish. What finds no room is missing, and the answer is cut.
func (a *Answer) add(section Section, owner dname.Name, s RRset, sigs bool) *Item {
	if !sigs {
		s.sigs, s.sig = 0, nil
	}
	if a.isFull() {
		a.Cut = true
		return &a.overflow
	}
	a.Items = append(a.Items, Item{Owner: owner, Set: s, TTL: s.TTL, SigTTL: s.SigTTL, Section: section})
	return &a.Items[len(a.Items)-1]
}

// addOnce appends an RRset unless the section has it.
func (a *Answer) addOnce(section Section, owner dname.Name, s RRset, sigs bool) *Item {
	for i := range a.Items {
		it := &a.Items[i]
		if it.Section == section && it.Set.Type == s.Type && it.Owner.Equal(owner) {
			return it
		}
	}
	return a.add(section, owner, s, sigs)
}

// hasRoom reports whether room has n octets.
func (a *Answer) hasRoom(n int) bool { return a.nameLen+n <= len(a.names) }

// room returns n octets that stay until the next Reset; nil if there are none
// left, and the answer is cut.
func (a *Answer) room(n int) []byte {
	if !a.hasRoom(n) {
		a.Cut = true
		return nil
	}
	b := a.names[a.nameLen : a.nameLen+n : a.nameLen+n]
	a.nameLen += n
	return b
}

// copyName copies a name to stay until the next Reset.
func (a *Answer) copyName(n dname.Name) dname.Name {
	b := a.room(len(n))
	if b == nil {
		return n[len(n)-1:]
	}
	copy(b, n)
	return b
}

// join returns the only RDATA of s, a name, in one piece.
func (a *Answer) join(s *RRset) dname.Name {
	it := s.Data()
	it.Next()
	return a.whole(&it)
}

func (a *Answer) whole(it *RDataIter) dname.Name {
	if len(it.Tail) == 0 {
		return it.Head
	}
	b := a.room(len(it.Head) + len(it.Tail))
	if b == nil {
		return nil
	}
	copy(b[copy(b, it.Head):], it.Tail)
	return b
}

// target returns the name that the current RDATA of type t points to.
func (a *Answer) target(t rr.Type, it *RDataIter) dname.Name {
	if len(it.Tail) > 0 {
		return a.whole(it)
	}
	return rr.Target(t, it.Head)
}

// wildcard returns `*` in front of name; nil if that is too long to exist.
func (a *Answer) wildcard(name dname.Name) dname.Name {
	if len(name)+2 > dname.MaxWire {
		return nil
	}
	b := a.room(len(name) + 2)
	if b == nil {
		return nil
	}
	b[0], b[1] = 1, '*'
	copy(b[2:], name)
	return b
}
