package zone

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// Apply returns the zone with the changeset applied; z stays as it is. It costs
// what it changes: every node on the path to a changed name is written once,
// however many changes lie below it.
//
// A changeset is exact: what it removes is there, with that TTL; what it adds is
// not, and has the TTL of its RRset (RFC 2181 §5.2); signatures come and go with
// what they cover, but for those of a verbatim zone. So its reverse, applied to the result, leads back. The error
// names the first record that does not fit, or is out of zone, or of a kind that
// no zone can hold. Which records of one name may coexist is the
// caller's to check, see [Zone.Recheck].
func (z *Zone) Apply(c *Changeset) (*Zone, error) { return z.ApplyPaused(c, nil) }

// ApplyPaused is [Zone.Apply] for large changesets: it calls pause every few
// microseconds. pause may be nil.
func (z *Zone) ApplyPaused(c *Changeset, pause func()) (*Zone, error) {
	if !z.IsAvailable() {
		return nil, fmt.Errorf("zone %v has no data to change", z.apex)
	}
	n := *z
	w := &zoneWriter{writer: z.extend(), ttls: z.ttls}
	n.w = w
	e := &edit{pauser: pauser{pause: pause}, z: &n, c: c}
	e.gather()
	plain := z.family == dname.Forward
	n.root = e.trie(z.root, e.names, plain, false)
	n.nsec3 = e.trie(z.nsec3, e.hashes, true, true)
	if e.err == nil && w.full {
		e.err = z.tooLarge()
	}
	if e.err == nil && !e.hasSOA {
		e.err = fmt.Errorf("SOA at %v: a zone has exactly one SOA at its apex", z.apex)
	}
	if e.err != nil {
		w.rollback(&z.storage)
		return nil, e.err
	}
	n.continueSweep(w)
	if w.full {
		w.rollback(&z.storage)
		return nil, z.tooLarge()
	}
	n.storage = w.finish()
	n.ttls = w.ttls
	n.w = nil
	n.deriveApex()
	n.deriveRanges(e.hasRules || z.denial != unsigned)
	return &n, nil
}

func (z *Zone) tooLarge() error {
	return fmt.Errorf("zone %v takes more than 16 GiB; split it at an octet or nibble boundary", z.apex)
}

// edit is a changeset under way into a zone.
type edit struct {
	pauser
	z        *Zone // the new one
	c        *Changeset
	keys     []byte // of the changes
	names    []change
	hashes   []change // in the trie of NSEC3
	hasSOA   bool
	hasRules bool // a rule for names of ranges changes

	err   error // about the record numbered errAt, the first so far
	errAt int

	value    []byte // room of an encoded value
	was, now loneSet
}

// record returns the record with a number, which counts through what is removed
// and then what is added.
func (e *edit) record(i int) (r *Record, remove bool) {
	if i < len(e.c.Removed) {
		return &e.c.Removed[i], true
	}
	return &e.c.Added[i-len(e.c.Removed)], false
}

func (e *edit) fail(i int, format string, args ...any) {
	if e.err != nil && e.errAt <= i {
		return
	}
	r, _ := e.record(i)
	e.err, e.errAt = fmt.Errorf("%v at %v: %s", r.Type, r.Owner, fmt.Sprintf(format, args...)), i
}

// gather makes the lists of changes, as far as the first record that fits in no
// zone.
func (e *edit) gather() {
	z := e.z
	n := len(e.c.Removed) + len(e.c.Added)
	e.hasSOA = true // until the apex is changed
	e.names = make([]change, 0, n)
	var k key
	for i := range n {
		e.step()
		r, _ := e.record(i)
		switch {
		case !r.Owner.IsAtOrBelow(z.apex):
			e.fail(i, "not in zone %v", z.apex)
			return
		case r.Type.IsMeta():
			e.fail(i, "the type exists in queries only (RFC 6895 §3.1)")
			return
		case r.TTL > 1<<31-1:
			e.fail(i, "TTL %d is larger than 2147483647 (RFC 2181 §8)", r.TTL)
			return
		}
		e.hasRules = e.hasRules || r.Type == synth.Type
		if reason := badRData(r.Type, r.Data); reason != "" {
			e.fail(i, "%s", reason)
			return
		}
		if reason := oddRData(r.Type, r.Data); reason != "" && !z.verbatim {
			e.fail(i, "%s", reason)
			return
		}
		hash, ok := []byte(nil), false
		if isOfNSEC3(r) {
			if hash, ok = z.nsec3Hash(r.Owner); !ok && !z.verbatim {
				e.fail(i, nsec3Owner)
				return
			}
		}
		list := &e.names
		if ok {
			k.setHash(hash)
			list = &e.hashes
		} else {
			z.fill(&k, r.Owner)
		}
		*list = append(*list, change{order: k.order(), key: len(e.keys), index: i})
		e.keys = appendPath(e.keys, k.path())
	}
}

// owner changes the RRsets of one name, the value of n, by its records in list.
func (e *edit) owner(n *node, list []change, hashed bool) {
	e.step()
	z := e.z
	p := e.path(list[0])
	old := z.contentIn(&e.was, n.value)
	sets := z.contentIn(&e.now, n.value)
	if !e.change(&sets, list) {
		return
	}
	sets.prune(z.verbatim)
	if len(p.octets) == 0 && !hashed { // the apex
		s := sets.find(rr.TypeSOA)
		e.hasSOA = s != nil && len(s.data) == 1
	}
	if len(old) > 0 {
		z.digestContent(old, -1, p, hashed)
		z.account(old, -1)
	}
	if !hashed && hasWildcard(p.octets, p.nibbles, p.ordinary) {
		z.wildcards += min(len(sets), 1) - min(len(old), 1)
	}
	if n.at != 0 {
		z.w.freeValue(n.at, n.value)
		n.at = 0
	}
	if n.value != nil && n.value[0] != formSets {
		s := z.short(n.value)
		z.w.loose += int64(len(s.tail))
	}
	n.value, n.flags = nil, 0
	if len(sets) == 0 {
		return
	}
	z.digestContent(sets, 1, p, hashed)
	z.account(sets, 1)
	e.value = z.w.encodeValue(e.value[:0], sets, false)
	n.value = e.value
	if z.w.sweep != nil && n.value[0] != formSets {
		z.w.sweep.markTTL(n.value)
	}
	if !hashed {
		n.flags = flagsOf(sets, p.nibbles)
	}
}

// change makes the changes in list in the RRsets of one name, and reports whether there is
// room for all of them.
func (e *edit) change(sets *content, list []change) bool {
	if len(list) > 2*maxAtName {
		e.fail(list[0].index, "more than %d records of this name change", 2*maxAtName)
		return false
	}
	for _, c := range list {
		r, remove := e.record(c.index)
		if len(*sets) > maxTypes {
			e.fail(c.index, "this name has records of more than %d types", maxTypes)
			return false
		}
		if s := sets.findFor(r); remove {
			if s == nil || !s.has(r) {
				e.fail(c.index, "record to be removed is not there")
			} else if ttl := *s.ttlOf(r.Type); ttl != r.TTL {
				e.fail(c.index, "record to be removed has TTL %d there, not %d", ttl, r.TTL)
			} else {
				sets.remove(r.Type, r.Data)
			}
		} else if s != nil && len(*s.listOf(r.Type)) > 0 && *s.ttlOf(r.Type) != r.TTL {
			e.fail(c.index, "record to be added has TTL %d, its RRset has %d, and an RRset has one TTL (RFC 2181 §5.2)", r.TTL, *s.ttlOf(r.Type))
		} else if !sets.add(r.Type, r.TTL, r.Data) {
			e.fail(c.index, "record to be added is there already")
		}
	}
	for i := range *sets {
		if s := &(*sets)[i]; len(s.data) == 0 && len(s.sigs) > 0 && !e.z.verbatim {
			for _, c := range list {
				if r, _ := e.record(c.index); sets.findFor(r) == s {
					e.fail(c.index, "signatures over %v would be left without it; they come and go with what they cover", s.typ)
				}
			}
		}
	}
	return true
}

// loneSet is room for the content of nearly every name, one RRset of one record,
// so that a million changes do not allocate as often.
type loneSet struct {
	sets   [1]contentSet
	data   [1][]byte
	octets [dname.MaxWire]byte
}

// contentIn is content with room, which it may use until the next call; a nil
// value has no RRsets.
func (z *Zone) contentIn(room *loneSet, v []byte) content {
	switch {
	case v == nil:
		room.sets[0] = contentSet{}
		return room.sets[:0]
	case v[0] == formSets:
		return z.content(v)
	}
	s := z.short(v)
	room.data[0] = append(append(room.octets[:0], s.list...), s.tail...)
	room.sets[0] = contentSet{typ: s.Type, ttl: s.TTL, sigTTL: s.SigTTL, data: room.data[:]}
	return room.sets[:]
}

// findFor returns the RRset that r belongs to or signs, or nil.
func (c content) findFor(r *Record) *contentSet {
	return c.find(belongsTo(r.Type, r.Data))
}

// listOf returns the records of s of type t, RRSIG or its own.
func (s *contentSet) listOf(t rr.Type) *[][]byte {
	if t == rr.TypeRRSIG {
		return &s.sigs
	}
	return &s.data
}

func (s *contentSet) ttlOf(t rr.Type) *uint32 {
	if t == rr.TypeRRSIG {
		return &s.sigTTL
	}
	return &s.ttl
}

// has reports whether r is one of the records or signatures of s.
func (s *contentSet) has(r *Record) bool {
	return slices.ContainsFunc(*s.listOf(r.Type), func(d []byte) bool { return bytes.Equal(d, r.Data) })
}

// WithSerial returns the zone with another SERIAL in its SOA.
func (z *Zone) WithSerial(s Serial) *Zone {
	if z.serial == s {
		return z
	}
	// The signatures over the SOA stay: the serial of a signed zone is its signer's,
	// which signs again after a change.
	m, err := z.Apply(z.ChangesetTo(z.SOA().WithSerial(s), nil, nil))
	if err != nil {
		panic("zone: SOA of a zone cannot be replaced: " + err.Error())
	}
	return m
}
