package zonetest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Add puts records into the zone. The first TTL given to an RRset is its TTL; an
// RRSIG goes to the RRset that it covers, which must be there already or come
// with the same call.
func (o *Oracle) Add(records ...zone.Record) {
	o.changed()
	for _, r := range records {
		if r.Type == rr.TypeRRSIG {
			continue
		}
		sets := o.sets[r.Owner.Key()]
		if sets == nil {
			sets = map[rr.Type]*Set{}
			o.sets[r.Owner.Key()] = sets
		}
		set := sets[r.Type]
		if set == nil {
			set = &Set{TTL: r.TTL}
			sets[r.Type] = set
		}
		set.Data = insert(set.Data, string(r.Data))
	}
	for _, r := range records {
		if r.Type != rr.TypeRRSIG {
			continue
		}
		covered := rr.Type(binary.BigEndian.Uint16(r.Data))
		set := o.Get(r.Owner, covered)
		if set == nil {
			panic(fmt.Sprintf("zonetest: RRSIG at %v covers no %v", r.Owner, covered))
		}
		set.SigTTL = r.TTL
		set.Sigs = insert(set.Sigs, string(r.Data))
	}
}

// Underlay adds a record of a lower layer: what is there already wins, RRset by RRset, and so
// does what hides its owner.
func (o *Oracle) Underlay(r zone.Record) {
	cut, alias := o.occluded(r.Owner)
	if cut || alias || o.Get(r.Owner, r.Type) != nil || o.Get(r.Owner, rr.TypeCNAME) != nil {
		return
	}
	o.Add(r)
}

// Remove takes the RRset with its signatures out of the zone.
func (o *Oracle) Remove(owner dname.Name, t rr.Type) {
	o.changed()
	sets := o.at(owner)
	delete(sets, t)
	if len(sets) == 0 {
		delete(o.sets, owner.Key())
	}
}

func (o *Oracle) changed() { o.exists, o.sorted, o.hashes = nil, nil, nil }

// insert returns a new sorted list, so that lists can be shared by clones.
func insert(list []string, data string) []string {
	i, found := slices.BinarySearch(list, data)
	if found {
		return list
	}
	return slices.Insert(slices.Clone(list), i, data)
}

// Clone returns a copy that can be changed.
func (o *Oracle) Clone() *Oracle {
	c := New(o.Apex)
	for owner, sets := range o.sets {
		m := make(map[rr.Type]*Set, len(sets))
		for t, set := range sets {
			copied := *set
			m[t] = &copied
		}
		c.sets[owner] = m
	}
	return c
}

// Records returns every record in canonical order of owners, then by type, the
// SOA first and RRSIGs after what they cover.
func (o *Oracle) Records() []zone.Record {
	var out []zone.Record
	for _, owner := range o.Owners() {
		sets := o.at(owner)
		types := slices.SortedFunc(maps.Keys(sets), func(a, b rr.Type) int {
			if (a == rr.TypeSOA) != (b == rr.TypeSOA) {
				return flag(b == rr.TypeSOA) - flag(a == rr.TypeSOA)
			}
			return int(a) - int(b)
		})
		for _, t := range types {
			out = sets[t].appendRecords(out, owner, t)
		}
	}
	return out
}

func (s *Set) appendRecords(out []zone.Record, owner dname.Name, t rr.Type) []zone.Record {
	for _, data := range s.Data {
		out = append(out, zone.Record{Owner: owner, Type: t, TTL: s.TTL, Data: []byte(data)})
	}
	for _, sig := range s.Sigs {
		out = append(out, zone.Record{Owner: owner, Type: rr.TypeRRSIG, TTL: s.SigTTL, Data: []byte(sig)})
	}
	return out
}

// RecordKey identifies a record, its TTL included.
func RecordKey(r zone.Record) string {
	return fmt.Sprintf("%v %d %v %x", dname.Name(r.Owner.Key()), r.TTL, r.Type, r.Data)
}

// Serial returns the SERIAL of the SOA.
func (o *Oracle) Serial() zone.Serial {
	data := o.Get(o.Apex, rr.TypeSOA).Data[0]
	return zone.Serial(binary.BigEndian.Uint32([]byte(data[len(data)-20:])))
}

// SetSerial gives the SOA another SERIAL and drops the signatures over it.
func (o *Oracle) SetSerial(s zone.Serial) {
	o.changed()
	old := o.Get(o.Apex, rr.TypeSOA)
	data := []byte(old.Data[0])
	binary.BigEndian.PutUint32(data[len(data)-20:], uint32(s))
	o.at(o.Apex)[rr.TypeSOA] = &Set{TTL: old.TTL, Data: []string{string(data)}}
}

// Diff returns the records that only from and only to holds, the SOA always
// among them, as plain differences of sets.
func Diff(from, to *Oracle) *zone.Changeset {
	c := &zone.Changeset{Apex: to.Apex, From: from.Serial(), To: to.Serial()}
	c.Removed, c.Added = minus(from, to), minus(to, from)
	return c
}

func minus(a, b *Oracle) []zone.Record {
	there := map[string]bool{}
	for _, r := range b.Records() {
		there[RecordKey(r)] = true
	}
	return slices.DeleteFunc(a.Records(), func(r zone.Record) bool { return there[RecordKey(r)] })
}

// Apply changes the zone by a changeset; the error says what does not fit: a
// record that is removed but absent or added but there, an RRset of two TTLs (RFC
// 2181 §5.2), a signature without what it covers, not one SOA at the apex.
func (o *Oracle) Apply(c *zone.Changeset) error {
	all := map[string]zone.Record{}
	for _, r := range o.Records() {
		all[RecordKey(r)] = r
	}
	for _, r := range c.Removed {
		if _, ok := all[RecordKey(r)]; !ok {
			return fmt.Errorf("%s: removed but absent", RecordKey(r))
		}
		delete(all, RecordKey(r))
	}
	for _, r := range c.Added {
		if _, ok := all[RecordKey(r)]; ok {
			return fmt.Errorf("%s: added but there", RecordKey(r))
		}
		all[RecordKey(r)] = r
	}
	type set struct {
		owner          string
		owned, covered rr.Type
	}
	setOf := func(r zone.Record) set {
		if r.Type == rr.TypeRRSIG {
			return set{r.Owner.Key(), r.Type, rr.Type(binary.BigEndian.Uint16(r.Data))}
		}
		return set{r.Owner.Key(), r.Type, 0}
	}
	ttls := map[set]uint32{}
	for _, r := range all {
		if ttl, ok := ttls[setOf(r)]; ok && ttl != r.TTL {
			return fmt.Errorf("%v at %v: TTLs %d and %d", r.Type, r.Owner, ttl, r.TTL)
		}
		ttls[setOf(r)] = r.TTL
	}
	for s := range ttls {
		if _, ok := ttls[set{s.owner, s.covered, 0}]; s.owned == rr.TypeRRSIG && !ok {
			return fmt.Errorf("RRSIG at %v: covers %v, which is not there", dname.Name(s.owner), s.covered)
		}
	}
	soas := 0
	for _, r := range all {
		if r.Type == rr.TypeSOA && r.Owner.Equal(o.Apex) {
			soas++
		}
	}
	if soas != 1 {
		return fmt.Errorf("%d SOAs at %v", soas, o.Apex)
	}
	o.changed()
	o.sets = map[string]map[rr.Type]*Set{}
	o.Add(slices.Collect(maps.Values(all))...)
	return nil
}

// Equal reports whether two zones hold the same records with the same TTLs.
func Equal(a, b *Oracle) bool { return len(minus(a, b)) == 0 && len(minus(b, a)) == 0 }
