package zone

import (
	"bytes"
	"iter"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Diff returns the changeset that turns from into to, two zones of one apex. A
// nil from has no records. The SOA comes first; an RRset whose TTL differs is
// removed and added whole.
func Diff(from, to *Zone) *Changeset {
	c := &Changeset{Apex: to.apex, To: to.serial}
	if from == nil || !from.IsAvailable() {
		for r := range to.All() {
			c.Added = append(c.Added, r.clone())
		}
		return c
	}
	c.From = from.serial
	if from == to {
		return c
	}
	diffNames(from, to, from.names, to.names, c)
	diffNames(from, to, from.hashed, to.hashed, c)
	soaFirst(c.Removed)
	soaFirst(c.Added)
	return c
}

func (r Record) clone() Record {
	r.Owner = r.Owner.Clone()
	r.Data = bytes.Clone(r.Data)
	return r
}

func soaFirst(list []Record) {
	for i, r := range list {
		if r.Type == rr.TypeSOA {
			copy(list[1:i+1], list[:i])
			list[0] = r
			return
		}
	}
}

// diffNames merges two walks in canonical order.
func diffNames(from, to *Zone, fromNames, toNames iter.Seq2[dname.Name, []byte], c *Changeset) {
	nextOld, stop := iter.Pull2(fromNames)
	defer stop()
	oldOwner, oldValue, more := nextOld()
	drop := func(owner dname.Name, s *contentSet) { c.Removed = appendSet(c.Removed, owner, s) }
	gone := func() {
		sets := from.content(oldValue)
		for i := range sets {
			drop(oldOwner, &sets[i])
		}
		oldOwner, oldValue, more = nextOld()
	}
	for owner, value := range toNames {
		for more && dname.Compare(oldOwner, owner) < 0 {
			gone()
		}
		if !more || dname.Compare(oldOwner, owner) != 0 {
			sets := to.content(value)
			for i := range sets {
				c.Added = appendSet(c.Added, owner, &sets[i])
			}
			continue
		}
		if !sameValue(from, to, oldValue, value) {
			diffContent(owner, from.content(oldValue), to.content(value), c)
		}
		oldOwner, oldValue, more = nextOld()
	}
	for more {
		gone()
	}
}

// sameValue reports whether two values of the commonest form are the same; false
// says nothing.
func sameValue(from, to *Zone, a, b []byte) bool {
	if a[0] == formSets || a[0] != b[0] {
		return false
	}
	x, y := from.short(a), to.short(b)
	return x.TTL == y.TTL && bytes.Equal(x.list, y.list) && bytes.Equal(x.tail, y.tail)
}

func appendSet(list []Record, owner dname.Name, s *contentSet) []Record {
	owner = owner.Clone()
	for _, d := range s.data {
		list = append(list, Record{Owner: owner, Type: s.typ, TTL: s.ttl, Data: bytes.Clone(d)})
	}
	for _, d := range s.sigs {
		list = append(list, Record{Owner: owner, Type: rr.TypeRRSIG, TTL: s.sigTTL, Data: bytes.Clone(d)})
	}
	return list
}

// diffContent compares the RRsets of one name. Records and signatures are
// compared apart, each with their TTL.
func diffContent(owner dname.Name, a, b content, c *Changeset) {
	owner = owner.Clone()
	for i := range a {
		var none contentSet
		other := b.find(a[i].typ)
		if other == nil {
			other = &none
		}
		c.Removed = appendMissing(c.Removed, owner, &a[i], other)
	}
	for i := range b {
		var none contentSet
		other := a.find(b[i].typ)
		if other == nil {
			other = &none
		}
		c.Added = appendMissing(c.Added, owner, &b[i], other)
	}
}

// appendMissing appends what s has and other has not.
func appendMissing(list []Record, owner dname.Name, s, other *contentSet) []Record {
	missing := func(t rr.Type, ttl, otherTTL uint32, data, others [][]byte) {
		for i, j := 0, 0; i < len(data); i++ {
			for j < len(others) && bytes.Compare(others[j], data[i]) < 0 {
				j++
			}
			if ttl == otherTTL && j < len(others) && bytes.Equal(others[j], data[i]) {
				continue
			}
			list = append(list, Record{Owner: owner, Type: t, TTL: ttl, Data: bytes.Clone(data[i])})
		}
	}
	missing(s.typ, s.ttl, other.ttl, s.data, other.data)
	missing(rr.TypeRRSIG, s.sigTTL, other.sigTTL, s.sigs, other.sigs)
	return list
}
