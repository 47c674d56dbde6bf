package zone

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"math/bits"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// proof is what a signed answer must prove in addition to its data.
type proof uint8

const (
	noName   proof = iota // NXDOMAIN: neither the name nor a wildcard for it (RFC 4035 §3.1.3.2)
	noType                // NODATA at the name itself (§3.1.3.1)
	noExact               // the answer came from a wildcard (§3.1.3.3)
	noSynth               // NODATA at the wildcard that matched (§3.1.3.4)
	insecure              // a zone cut without DS (§3.1.4)
)

// prove appends the NSEC or NSEC3 RRsets that prove p for qname to a. The
// closest encloser of qname, or the owner of the cut, has enc labels below the
// apex.
func (z *Zone) prove(p proof, qname dname.Name, enc int, a *Answer) {
	switch z.denial {
	case withNSEC:
		z.proveNSEC(p, qname, enc, a)
	case withNSEC3:
		z.proveNSEC3(p, qname, enc, a)
	}
}

// below returns the suffix of qname with so many labels below the apex.
func (z *Zone) below(qname dname.Name, labels int) dname.Name {
	return qname.Suffix(z.apexLabels + labels)
}

func (z *Zone) proveNSEC(p proof, qname dname.Name, enc int, a *Answer) {
	if p == insecure {
		qname = z.below(qname, enc)
	}
	z.nsecAtOrBefore(qname, a)
	if p == noName || p == noSynth {
		if wild := a.wildcard(z.below(qname, enc)); wild != nil {
			z.nsecAtOrBefore(wild, a)
		}
	}
}

// nsecAtOrBefore appends the NSEC at name or, where there is none, that of its
// canonical predecessor, once.
func (z *Zone) nsecAtOrBefore(name dname.Name, a *Answer) {
	owner, v := z.lastAtOrBefore(name, a)
	if v == nil {
		return
	}
	// The TTL is served as the signer made it (RFC 9077 §3).
	a.addOnce(SectionAuthority, owner, z.set(v, rr.TypeNSEC), true)
}

// lastAtOrBefore returns the greatest owner of an NSEC that is name or comes
// before it in canonical order; nil if there is none.
func (z *Zone) lastAtOrBefore(name dname.Name, a *Answer) (owner dname.Name, value []byte) {
	k := &a.scratch.before
	z.fill(k, name)
	f := z.find(k, false)
	if f.status == foundName {
		if s := z.set(f.value, rr.TypeNSEC); s.Exists() {
			return name, f.value
		}
	}
	// The labels of name that exist are a way down; from its end up, look to the
	// left of each step.
	exists := k.encloser(f.depth)
	if exists == k.labels {
		exists--
	}
	var label, next [dname.MaxLabel]byte
	for i := exists; i >= 0; i-- {
		s, ok := z.spotAt(name, i)
		if !ok {
			continue
		}
		bound := z.below(name, i+1).Label()
		at := z.below(name, i)
		for c, ok := z.lastChild(s, bound, label[:0]); ok; c, ok = z.lastChild(s, bound, label[:0]) {
			buf := &a.scratch.buf
			buf.reset(at)
			buf.push(c.label)
			if v := z.lastSecure(c.spot, buf); v != nil {
				return a.copyName(buf.name()), v
			}
			bound = append(next[:0], c.label...)
		}
		if v := z.value(s.place); v != nil {
			if set := z.set(v, rr.TypeNSEC); set.Exists() {
				return at, v
			}
		}
	}
	return nil, nil
}

// lastSecure returns the value of the last name at or below s that has an NSEC
// and leaves its name in buf; nil if there is none.
func (z *Zone) lastSecure(s spot, buf *nameBuffer) []byte {
	var room, next [dname.MaxLabel]byte
	var bound []byte
	for {
		c, ok := z.lastChild(s, bound, room[:0])
		if !ok {
			break
		}
		old := buf.push(c.label)
		if v := z.lastSecure(c.spot, buf); v != nil {
			return v
		}
		buf.pop(old)
		bound = append(next[:0], c.label...)
	}
	if v := z.value(s.place); v != nil {
		if set := z.set(v, rr.TypeNSEC); set.Exists() {
			return v
		}
	}
	return nil
}

// spotAt returns the spot of the suffix of name with so many labels below the
// apex; ok is false if it does not exist.
func (z *Zone) spotAt(name dname.Name, labels int) (s spot, ok bool) {
	var k key
	z.fill(&k, z.below(name, labels))
	s = z.apexSpot()
	for k.n > s.depth+s.used {
		at := s.depth + s.used
		if at == k.ordinary && !s.ordinary {
			if s.place, ok = z.ordinary(s.place); !ok {
				return s, false
			}
			s.ordinary = true
			continue
		}
		v := k.nibble(at)
		if z.next(s.place)>>v&1 == 0 {
			return s, false
		}
		s.place = z.step(s.place, v)
	}
	s.address -= labels
	return s, true
}

func (z *Zone) proveNSEC3(p proof, qname dname.Name, enc int, a *Answer) {
	switch p {
	case noType, insecure:
		at := qname
		if p == insecure {
			at = z.below(qname, enc)
		}
		if z.matchNSEC3(at, a) {
			return
		}
		// RFC 5155 §7.2.4, §7.2.7: under opt-out the name has no NSEC3; then the
		// closest provable encloser and the next closer name.
		z.encloserNSEC3(at, at.Labels()-z.apexLabels-1, a)
	case noName:
		enc = z.encloserNSEC3(qname, enc, a)
		if wild := a.wildcard(z.below(qname, enc)); wild != nil {
			z.coverNSEC3(wild, a)
		}
	case noSynth:
		// Under opt-out the wildcard may be an empty non-terminal without an NSEC3.
		z.encloserNSEC3(qname, enc, a)
		if wild := a.wildcard(z.below(qname, enc)); wild != nil && !z.matchNSEC3(wild, a) {
			z.coverNSEC3(wild, a)
		}
	case noExact: // RFC 5155 §7.2.6
		z.coverNSEC3(z.below(qname, enc+1), a)
	}
}

// encloserNSEC3 appends the closest encloser proof of RFC 5155 §7.2.1 for qname:
// the NSEC3 that matches its closest encloser with an NSEC3, and the one that
// covers the next closer name. It returns the labels of that encloser.
func (z *Zone) encloserNSEC3(qname dname.Name, enc int, a *Answer) int {
	for ; enc >= 0; enc-- {
		if z.matchNSEC3(z.below(qname, enc), a) {
			z.coverNSEC3(z.below(qname, enc+1), a)
			return enc
		}
	}
	return 0
}

// hash computes the NSEC3 hash of a name (RFC 5155 §5) into k.
func (z *Zone) hash(name dname.Name, a *Answer) *key {
	z.hashInto(&a.scratch.before, name, a.scratch.hash[:0])
	return &a.scratch.before
}

// hashInto is hash with room for the name and the salt.
func (z *Zone) hashInto(k *key, name dname.Name, room []byte) {
	b := name.AppendLower(room)
	b = append(b, z.salt...)
	h := sha1.Sum(b)
	for range z.hashes {
		b = append(room, h[:]...)
		b = append(b, z.salt...)
		h = sha1.Sum(b)
	}
	k.setHash(h[:])
}

// matchNSEC3 appends the NSEC3 of name's own hash and reports whether there is
// one.
func (z *Zone) matchNSEC3(name dname.Name, a *Answer) bool {
	k := z.hash(name, a)
	f := z.findIn(z.nsec3, k, true, false)
	if f.status != foundName || !z.isOfChain(f.value) {
		return false
	}
	z.addNSEC3(k.b[:20], f.value, a)
	return true
}

// coverNSEC3 appends the NSEC3 whose span holds the hash of name: the one before
// it in the order of hashes, around the end where there is none. Those of another
// chain, which is there while the parameters change, are passed over; the apex's
// own, which derive has seen, ends the search at the latest.
func (z *Zone) coverNSEC3(name dname.Name, a *Answer) {
	k := z.hash(name, a)
	for {
		p := z.beforeHash(k)
		if v := z.value(p); z.isOfChain(v) {
			z.addNSEC3(k.b[:20], v, a)
			return
		}
	}
}

// beforeHash steps k to the greatest hash before it that owns an NSEC3, around
// the end where there is none, and returns its place.
func (z *Zone) beforeHash(k *key) place {
	var path [40]byte
	p, n, ok := z.before(place{at: z.nsec3}, k.b[:20], path[:])
	if !ok { // around the end
		p, n = place{at: z.nsec3}, 0
	}
	for ; n < len(path); n++ {
		path[n] = byte(bits.Len32(z.next(p)) - 1)
		p = z.step(p, path[n])
	}
	for i := range 20 {
		k.b[i] = path[2*i]<<4 | path[2*i+1]
	}
	return p
}

// isOfChain reports whether the NSEC3 in the value v has the parameters of the
// chain that is used (RFC 5155 §7.2).
func (z *Zone) isOfChain(v []byte) bool {
	s := z.set(v, rr.TypeNSEC3)
	for it := s.Data(); it.Next(); {
		d := it.Head
		if d[0] == hashSHA1 && int(binary.BigEndian.Uint16(d[2:])) == z.hashes && bytes.Equal(d[5:5+int(d[4])], z.salt) {
			return true
		}
	}
	return false
}

func (z *Zone) addNSEC3(hash, v []byte, a *Answer) {
	buf := &a.scratch.buf
	buf.reset(z.apex)
	var label [32]byte
	hashLabel(label[:], hash)
	buf.push(label[:])
	a.addOnce(SectionAuthority, a.copyName(buf.name()), z.set(v, rr.TypeNSEC3), true)
}
