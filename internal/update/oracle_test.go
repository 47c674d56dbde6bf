package update

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// oracle is the slow twin of the engine: a zone as a map, changed by the letter of
// RFC 2136 §3. Its RRsets are lists of text, and everything is copied.
type oracle struct {
	apex   string
	names  map[string]map[rr.Type]oracleSet // by owner in lower case
	static map[string]map[rr.Type]oracleSet // nil: none
	above  map[string]map[rr.Type]oracleSet // what no update changes; nil: as static
	// PTRs in above that are derived, those of updates that they hide, and of those that a message would
	// change what updates have of them afterwards.
	derived, hidden, same map[string]oracleSet

	made  map[string]map[rr.Type]oracleSet // what queries see besides names
	allow func(owner dname.Name, t rr.Type) string
	began int32 // serial before the message
}

type oracleSet struct {
	ttl  uint32
	data []string
}

func newOracle(apex dname.Name, records []zone.Record) *oracle {
	o := &oracle{apex: apex.Key(), names: map[string]map[rr.Type]oracleSet{}}
	for _, r := range records {
		s := o.get(r.Owner.Key(), r.Type)
		o.put(r.Owner.Key(), r.Type, oracleSet{r.TTL, append(s.data, string(r.Data))})
	}
	return o
}

func (o *oracle) clone() *oracle {
	c := *o
	c.names = map[string]map[rr.Type]oracleSet{}
	for owner, sets := range o.names {
		for t, s := range sets {
			c.put(owner, t, oracleSet{s.ttl, slices.Clone(s.data)})
		}
	}
	return &c
}

func (o *oracle) get(owner string, t rr.Type) oracleSet { return o.names[owner][t] }

// served returns an RRset as queries see it before the message.
func (o *oracle) served(owner string, t rr.Type) oracleSet {
	if s := o.get(owner, t); len(s.data) > 0 {
		return s
	}
	return o.made[owner][t]
}

// put sets an RRset; one without records is none.
func (o *oracle) put(owner string, t rr.Type, s oracleSet) {
	if len(s.data) == 0 {
		delete(o.names[owner], t)
		if len(o.names[owner]) == 0 {
			delete(o.names, owner)
		}
		return
	}
	if o.names[owner] == nil {
		o.names[owner] = map[rr.Type]oracleSet{}
	}
	o.names[owner][t] = s
}

// records returns the zone for comparison.
func (o *oracle) records() *zonetest.Oracle {
	z := zonetest.New(dname.Name(o.apex))
	for owner, sets := range o.names {
		for t, s := range sets {
			for _, d := range s.data {
				z.Add(zone.Record{Owner: dname.Name(owner), Type: t, TTL: s.ttl, Data: []byte(d)})
			}
		}
	}
	return z
}

// canonical is the form in which RDATA is compared.
func canonical(t rr.Type, data string) string {
	lower := func(s string) string { return string(dname.Name(s).AppendLower(nil)) }
	if data == "" {
		return ""
	}
	switch t {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME:
		return lower(data)
	case rr.TypeMX:
		return data[:2] + lower(data[2:])
	case rr.TypeSRV:
		return data[:6] + lower(data[6:])
	case rr.TypeSOA:
		return lower(data[:len(data)-20]) + data[len(data)-20:]
	}
	return data
}

func within(owner, apex string) bool {
	for ; ; owner = owner[1+int(owner[0]):] {
		if owner == apex {
			return true
		}
		if owner[0] == 0 {
			return false
		}
	}
}

// update carries a message out; the zone is changed where the result is NOERROR.
func (o *oracle) update(prerequisites, updates []Record) wire.RCode {
	// §3.2.5, the pseudocode
	temp := map[string]map[rr.Type][]string{}
	for _, p := range prerequisites {
		owner := p.Owner.Key()
		if p.TTL != 0 {
			return wire.RCodeFormErr
		}
		if !within(owner, o.apex) {
			return wire.RCodeNotZone
		}
		switch {
		case p.Class == rr.ClassANY && len(p.Data) != 0, p.Class == rr.ClassNONE && len(p.Data) != 0:
			return wire.RCodeFormErr
		case p.Class == rr.ClassANY && p.Type == rr.TypeANY:
			if len(o.names[owner])+len(o.made[owner]) == 0 {
				return wire.RCodeNXDomain
			}
		case p.Class == rr.ClassANY:
			if len(o.served(owner, p.Type).data) == 0 {
				return wire.RCodeNXRRSet
			}
		case p.Class == rr.ClassNONE && p.Type == rr.TypeANY:
			if len(o.names[owner])+len(o.made[owner]) != 0 {
				return wire.RCodeYXDomain
			}
		case p.Class == rr.ClassNONE:
			if len(o.served(owner, p.Type).data) != 0 {
				return wire.RCodeYXRRSet
			}
		case p.Class == rr.ClassIN:
			if temp[owner] == nil {
				temp[owner] = map[rr.Type][]string{}
			}
			temp[owner][p.Type] = append(temp[owner][p.Type], canonical(p.Type, string(p.Data)))
		default:
			return wire.RCodeFormErr
		}
	}
	for owner, types := range temp {
		for t, want := range types {
			var have []string
			for _, d := range o.served(owner, t).data {
				have = append(have, canonical(t, d))
			}
			slices.Sort(have)
			slices.Sort(want)
			if !slices.Equal(have, slices.Compact(want)) {
				return wire.RCodeNXRRSet
			}
		}
	}
	// §3.4.1.3
	for _, u := range updates {
		if !within(u.Owner.Key(), o.apex) {
			return wire.RCodeNotZone
		}
		query := u.Type == 0 || u.Type == 41 || u.Type >= 128 && u.Type <= 255
		switch u.Class {
		case rr.ClassIN:
			if query {
				return wire.RCodeFormErr
			}
		case rr.ClassANY:
			if u.TTL != 0 || len(u.Data) != 0 || query && u.Type != rr.TypeANY {
				return wire.RCodeFormErr
			}
		case rr.ClassNONE:
			if u.TTL != 0 || query {
				return wire.RCodeFormErr
			}
		default:
			return wire.RCodeFormErr
		}
	}
	// §3.3
	for _, u := range updates {
		owner := u.Owner.Key()
		types := []rr.Type{u.Type}
		if u.Type == rr.TypeANY && len(o.names[owner]) > 0 {
			types = nil
			for t := range o.names[owner] {
				if owner != o.apex || t != rr.TypeSOA && t != rr.TypeNS {
					types = append(types, t)
				}
			}
		}
		for _, t := range types {
			if o.allow != nil && o.allow(u.Owner, t) != "" {
				return wire.RCodeRefused
			}
		}
	}
	// §3.4.2.7
	next := o.clone()
	next.began = int32(o.records().Serial())
	next.same = map[string]oracleSet{}
	added := map[string][]string{}
	for _, u := range updates {
		before := next.clone()
		next.one(u)
		if d := o.derived[u.Owner.Key()]; len(d.data) > 0 && u.Class == rr.ClassIN && u.Type == rr.TypePTR {
			next.same[u.Owner.Key()] = oracleSet{}
			added[u.Owner.Key()] = append(added[u.Owner.Key()], string(u.Data))
		}
		if next.isRefused(before, u) {
			return wire.RCodeRefused
		}
	}
	for owner := range next.same {
		now, derived := next.get(owner, rr.TypePTR), o.derived[owner]
		isSame := slices.Equal(slices.Sorted(slices.Values(now.data)), slices.Sorted(slices.Values(derived.data)))
		if !isSame && (len(now.data) > 0 || len(next.get(owner, rr.TypeCNAME).data) > 0 || !slices.Equal(o.hidden[owner].data, derived.data)) {
			return wire.RCodeRefused
		}
		next.put(owner, rr.TypePTR, derived)
		if isSame && slices.ContainsFunc(derived.data, func(d string) bool { return !slices.Contains(added[owner], d) }) {
			delete(next.same, owner) // what it does not add, updates do not have
		} else if isSame {
			next.same[owner] = now
		}
	}
	o.same = next.same
	for _, sets := range next.names {
		for _, s := range sets {
			size := 0
			for _, d := range s.data {
				size += 12 + len(d)
			}
			if size > 65000 {
				return wire.RCodeRefused
			}
		}
	}
	was, is := o.records(), next.records()
	if !zonetest.Equal(was, is) && was.Serial() == is.Serial() { // §3.6
		is.SetSerial(is.Serial() + 1)
		soa := is.Get(is.Apex, rr.TypeSOA)
		next.put(o.apex, rr.TypeSOA, oracleSet{soa.TTL, []string{soa.Data[0]}})
	}
	o.names = next.names
	return wire.RCodeNoError
}

// one carries out one record by the pseudocode of §3.4.2.7.
func (o *oracle) one(u Record) {
	owner, apex := u.Owner.Key(), u.Owner.Key() == o.apex
	old := o.get(owner, u.Type)
	data := string(u.Data)
	same := func(d string) bool { return canonical(u.Type, d) == canonical(u.Type, data) }
	switch u.Class {
	case rr.ClassIN:
		for t := range o.names[owner] {
			isAlias, becomesAlias := t == rr.TypeCNAME, u.Type == rr.TypeCNAME
			if isAlias != becomesAlias && t != rr.TypeKEY && u.Type != rr.TypeKEY {
				return
			}
		}
		ttl := u.TTL
		if ttl > 1<<31-1 { // RFC 2181 §8
			ttl = 0
		}
		if u.Type == rr.TypeSOA {
			if len(old.data) == 0 {
				return
			}
			serial := func(d string) int32 { return int32(binary.BigEndian.Uint32([]byte(d[len(d)-20:]))) }
			if serial(data)-serial(old.data[0]) <= 0 || serial(data)-o.began <= 0 {
				return
			}
		}
		for i, d := range old.data {
			single := u.Type == rr.TypeSOA || u.Type == rr.TypeCNAME || u.Type == rr.TypeDNAME
			if single || same(d) {
				list := slices.Clone(old.data)
				list[i] = data // with the case of names that it has now
				o.put(owner, u.Type, oracleSet{ttl, list})
				return
			}
		}
		o.put(owner, u.Type, oracleSet{ttl, append(slices.Clone(old.data), data)})
	case rr.ClassANY:
		for t := range o.names[owner] {
			core := apex && (t == rr.TypeSOA || t == rr.TypeNS)
			if (u.Type == rr.TypeANY || u.Type == t) && !core {
				defer o.put(owner, t, oracleSet{})
			}
		}
	case rr.ClassNONE:
		if u.Type == rr.TypeSOA || apex && u.Type == rr.TypeNS && len(old.data) == 1 {
			return
		}
		o.put(owner, u.Type, oracleSet{old.ttl, slices.DeleteFunc(slices.Clone(old.data), same)})
	}
}

// isRefused says what goes beyond the RFC: records of a signer, what no zone may
// hold, and the RRsets of the sources.
func (o *oracle) isRefused(before *oracle, u Record) bool {
	owner := u.Owner.Key()
	if u.Class == rr.ClassIN && slices.Contains([]rr.Type{rr.TypeRRSIG, rr.TypeNSEC, rr.TypeNSEC3, rr.TypeNSEC3PARAM}, u.Type) {
		return true
	}
	if owner != o.apex && len(o.get(owner, rr.TypeNS).data) > 0 && len(o.get(owner, rr.TypeDNAME).data) > 0 {
		return true
	}
	above := o.above
	if above == nil {
		above = o.static
	}
	for t := range above[owner] {
		was, is := before.get(owner, t), o.get(owner, t)
		if was.ttl == is.ttl && slices.Equal(was.data, is.data) {
			continue
		}
		if _, ok := o.derived[owner]; !ok || t != rr.TypePTR {
			return true
		}
		o.same[owner] = oracleSet{}
	}
	if u.Type == rr.TypeNS || u.Type == rr.TypeDNAME {
		if len(before.get(owner, u.Type).data) == 0 && len(o.get(owner, u.Type).data) > 0 {
			for below := range o.static {
				if below != owner && strings.HasSuffix(below, owner) && within(below, owner) {
					return true
				}
			}
		}
	}
	return false
}
