package zonetest

import (
	"crypto/sha1"
	"encoding/base32"
	"maps"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// hashChain is the NSEC3 chain of a zone. Only the chain of the first NSEC3PARAM
// counts (RFC 5155 §7.3: each of them is complete).
type hashChain struct {
	salt       string
	iterations int
	sorted     []string              // hashes in lower-case base32hex, ascending
	owners     map[string]dname.Name // by hash
}

// hasNSEC reports whether denials can be proven by NSEC.
func (o *Oracle) hasNSEC() bool { return o.Get(o.Apex, rr.TypeNSEC) != nil }

// chain returns the NSEC3 chain, or nil if there is none.
func (o *Oracle) chain() *hashChain {
	if o.hashes != nil || o.Get(o.Apex, rr.TypeNSEC3PARAM) == nil {
		return o.hashes
	}
	param := o.Get(o.Apex, rr.TypeNSEC3PARAM).Data[0] // RFC 5155 §4.2
	h := &hashChain{iterations: int(param[2])<<8 | int(param[3]), salt: param[5:], owners: map[string]dname.Name{}}
	for owner, sets := range o.sets {
		set := sets[rr.TypeNSEC3]
		if set != nil && strings.HasPrefix(set.Data[0][2:], param[2:]) { // of this chain, not of another
			h.owners[string(dname.Name(owner).Label())] = dname.Name(owner)
		}
	}
	h.sorted = slices.Sorted(maps.Keys(h.owners))
	o.hashes = h
	return h
}

// Hash returns the label of RFC 5155 §5 in lower case.
func Hash(n dname.Name, salt string, iterations int) string {
	sum := sha1.Sum([]byte(n.Key() + salt))
	for range iterations {
		sum = sha1.Sum([]byte(string(sum[:]) + salt))
	}
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))
}

// unhash returns the octets of a label that Hash made.
func unhash(label string) []byte {
	b, err := base32.HexEncoding.DecodeString(strings.ToUpper(label))
	if err != nil {
		panic("zonetest: " + label + " is no hash")
	}
	return b
}

// matching returns the owner of the NSEC3 that matches n, or nil.
func (h *hashChain) matching(n dname.Name) dname.Name {
	return h.owners[Hash(n, h.salt, h.iterations)]
}

// covering returns the owner of the NSEC3 with the greatest hash before that of
// n; the last of the ring where none is.
func (h *hashChain) covering(n dname.Name) dname.Name {
	i, _ := slices.BinarySearch(h.sorted, Hash(n, h.salt, h.iterations))
	return h.owners[h.sorted[(i+len(h.sorted)-1)%len(h.sorted)]]
}

// proof adds the NSEC or NSEC3 at owner to the authority section, once.
func (q *question) proof(owner dname.Name, t rr.Type) {
	for _, it := range q.r.Items {
		if it.Section == zone.SectionAuthority && it.Type == t && it.Owner == owner.Key() {
			return
		}
	}
	q.add(zone.SectionAuthority, owner, t, q.o.Get(owner, t))
}

// nsec adds the NSEC that matches or covers n.
func (q *question) nsec(n dname.Name) {
	q.proof(q.o.Predecessor(n, rr.TypeNSEC), rr.TypeNSEC)
}

// provable adds the closest encloser proof of RFC 5155 §7.2.1 for n: the NSEC3
// that matches its longest ancestor with one, and the one that covers the name a
// label longer. It returns that ancestor, which opt-out can make shorter than the
// closest encloser.
func (q *question) provable(n dname.Name) (encloser dname.Name) {
	h := q.o.chain()
	for encloser = n.Parent(); ; n, encloser = encloser, encloser.Parent() {
		if m := h.matching(encloser); m != nil {
			q.proof(m, rr.TypeNSEC3)
			q.proof(h.covering(n), rr.TypeNSEC3)
			return encloser
		}
	}
}

// nextCloser returns the ancestor of QNAME, or itself, one label longer than the
// closest encloser.
func (q *question) nextCloser() dname.Name { return q.qname.Suffix(q.encloser.Labels() + 1) }

// wildcard calls prove with the wildcard at n, unless it is too long to exist.
func wildcard(n dname.Name, prove func(dname.Name)) {
	if w, err := n.Prepend([]byte("*")); err == nil {
		prove(w)
	}
}

// hashed adds the NSEC3 that matches or else covers n.
func (q *question) hashed(n dname.Name) {
	h := q.o.chain()
	if m := h.matching(n); m != nil {
		q.proof(m, rr.TypeNSEC3)
		return
	}
	q.proof(h.covering(n), rr.TypeNSEC3)
}

// proveNXDomain: RFC 4035 §3.1.3.2, RFC 5155 §7.2.2.
func (q *question) proveNXDomain() {
	switch h := q.o.chain(); {
	case !q.do:
	case h != nil:
		wildcard(q.provable(q.nextCloser()), func(w dname.Name) { q.proof(h.covering(w), rr.TypeNSEC3) })
	case q.o.hasNSEC():
		q.nsec(q.qname)
		wildcard(q.encloser, q.nsec)
	}
}

// proveNoData: RFC 4035 §3.1.3.1 and §3.1.3.4, RFC 5155 §7.2.3 to §7.2.5.
func (q *question) proveNoData(source dname.Name) {
	switch h := q.o.chain(); {
	case !q.do:
	case h != nil && q.encloser != nil:
		q.provable(q.nextCloser())
		q.hashed(source)
	case h != nil:
		q.matchOrProvable(source)
	case q.o.hasNSEC():
		q.nsec(source)
		if q.encloser != nil {
			q.nsec(q.qname)
		}
	}
}

// matchOrProvable adds the NSEC3 that matches n or, for a name that opt-out left
// without one, the closest provable encloser proof (RFC 5155 §7.2.4, §7.2.7).
func (q *question) matchOrProvable(n dname.Name) {
	if m := q.o.chain().matching(n); m != nil {
		q.proof(m, rr.TypeNSEC3)
		return
	}
	q.provable(n)
}

// proveWildcard shows that no name closer to QNAME than the wildcard exists: RFC
// 4035 §3.1.3.3, RFC 5155 §7.2.6.
func (q *question) proveWildcard() {
	switch h := q.o.chain(); {
	case !q.do:
	case h != nil:
		q.proof(h.covering(q.nextCloser()), rr.TypeNSEC3)
	case q.o.hasNSEC():
		q.nsec(q.qname)
	}
}

// proveNoDS: RFC 4035 §3.1.4, RFC 5155 §7.2.7.
func (q *question) proveNoDS(cut dname.Name) {
	switch {
	case q.o.chain() != nil:
		q.matchOrProvable(cut)
	case q.o.hasNSEC():
		q.nsec(cut)
	}
}
