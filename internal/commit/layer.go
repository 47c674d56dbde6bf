package commit

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// RRset is an RRset of a zone or of a layer.
type RRset struct {
	Owner dname.Name
	Type  rr.Type
	TTL   uint32   // seconds
	Data  [][]byte // empty: there is no RRset
}

// ReadRRset returns an RRset of a zone, which may be nil.
func ReadRRset(z *zone.Zone, owner dname.Name, t rr.Type) RRset {
	if z != nil {
		if set, ok := z.Get(owner, t); ok {
			return NewRRset(owner, &set)
		}
	}
	return RRset{Owner: owner, Type: t}
}

// NewRRset returns an RRset that a zone has at a name.
func NewRRset(owner dname.Name, set *zone.RRset) RRset {
	return RRset{owner, set.Type, set.TTL, slices.AppendSeq(make([][]byte, 0, set.Len()), set.Values())}
}

// Equal reports whether two RRsets of one name and type have the same records.
func (s *RRset) Equal(other RRset) bool {
	return len(s.Data) == len(other.Data) && len(Missing(s.Records(), other.Records())) == 0
}

// EqualData reports whether two RRsets of one name and type have the same records but for TTLs and the case of names.
func (s *RRset) EqualData(other RRset) bool {
	return len(s.Data) == len(other.Data) && s.Includes(other)
}

// Includes reports whether the RRset has the records of another one, but for TTLs and the case of names.
func (s *RRset) Includes(other RRset) bool {
	return !slices.ContainsFunc(other.Data, func(d []byte) bool { return s.Index(d) < 0 })
}

// Index returns the index in Data of a record, but for the case of names; -1: it has none like it.
func (s *RRset) Index(data []byte) int {
	return slices.IndexFunc(s.Data, func(d []byte) bool { return rr.EqualData(s.Type, d, data) })
}

// Has reports whether the RRset has a record with the data.
func (s *RRset) Has(data []byte) bool {
	return slices.ContainsFunc(s.Data, func(d []byte) bool { return bytes.Equal(d, data) })
}

// Records returns the records of the RRset.
func (s *RRset) Records() []zone.Record {
	list := make([]zone.Record, 0, len(s.Data))
	for _, d := range s.Data {
		list = append(list, zone.Record{Owner: s.Owner, Type: s.Type, TTL: s.TTL, Data: d})
	}
	return list
}

// NewLayer returns a zone for the field Derived or Made of [zone.Layers] with the records, and
// with an SOA and NS, which are no part of the layer. Merge looks at the PTRs of Derived, and at the
// PTRs, A and AAAA of Made; records of other types, such as private ones, are the source's own, at
// the apex.
// The layer changes by [zone.Zone.Apply]. pause is that of [zone.Builder.SetPause] and may be nil.
func NewLayer(apex dname.Name, records iter.Seq[zone.Record], pause func()) (*zone.Zone, error) {
	b := NewLayerBuilder(apex, pause)
	for r := range records {
		b.Add(r)
	}
	return BuildLayer(b)
}

// NewLayerBuilder is the first part of NewLayer, for records that come for several zones at once.
func NewLayerBuilder(apex dname.Name, pause func()) *zone.Builder {
	b := zone.NewBuilder(apex)
	b.SetPause(pause)
	b.Add(zone.Record{Owner: apex, Type: rr.TypeSOA, Data: slices.Concat(dname.Root(), dname.Root(), make([]byte, rr.SOANumbersLen))})
	b.Add(zone.Record{Owner: apex, Type: rr.TypeNS, Data: dname.Root()})
	return b
}

// BuildLayer is the last part of NewLayer.
func BuildLayer(b *zone.Builder) (*zone.Zone, error) {
	z, findings := b.Build()
	if z == nil {
		return nil, fmt.Errorf("a layer of zone %v: %v", b.Apex(), findings)
	}
	return z, nil
}

// madeTypes are the types of the layer that rules make.
var madeTypes = []rr.Type{rr.TypePTR, rr.TypeA, rr.TypeAAAA}

// IsMadeType reports whether rules make RRsets of a type.
func IsMadeType(t rr.Type) bool { return slices.Contains(madeTypes, t) }

// layers are the layers of a zone with static data.
type layers struct {
	zone.Layers
	// dynamic returns the RRsets of an owner in the layer of updates, in any order; nil: none.
	dynamic func(owner dname.Name) ([]RRset, error)
}

// above returns the types that the layers above the dynamic one have at a name, and the derived
// RRset that is among them.
func (l *layers) above(owner dname.Name) (there []rr.Type, derived RRset) {
	for set := range l.Static.RRsets(owner) {
		there = append(there, set.Type)
	}
	if l.Derived != nil {
		derived = ReadRRset(l.Derived, owner, rr.TypePTR)
		if len(derived.Data) > 0 && l.fits(there, &derived) && !l.Static.IsOccluded(owner) {
			return append(there, rr.TypePTR), derived
		}
	}
	return there, RRset{}
}

// at returns the RRsets that the layers below the static one show at a name, by the precedence
// that Merge describes.
func (l *layers) at(owner dname.Name) (shown []RRset, err error) {
	there, derived := l.above(owner)
	if len(derived.Data) > 0 {
		shown = append(shown, derived)
	}
	add := func(s RRset) {
		if len(s.Data) > 0 && l.fits(there, &s) {
			shown, there = append(shown, s), append(there, s.Type)
		}
	}
	if l.dynamic != nil {
		sets, err := l.dynamic(owner)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(sets, func(x, y RRset) int {
			return cmp.Or(cmp.Compare(rank(x.Type), rank(y.Type)), cmp.Compare(x.Type, y.Type))
		})
		for _, s := range sets {
			add(s)
		}
	}
	if l.Made != nil && !l.Static.IsOccluded(owner) {
		for _, t := range madeTypes {
			add(ReadRRset(l.Made, owner, t))
		}
	}
	return shown, nil
}

// rank orders the RRsets of a layer at one name: first what coexists with everything, then what
// must be alone. They can contradict each other if one was added while a higher layer hid the
// other.
func rank(t rr.Type) int {
	switch t {
	case rr.TypeCNAME:
		return 2
	case rr.TypeDNAME:
		return 1
	}
	return 0
}

// fits reports whether an RRset can be added to a name where higher layers have RRsets of the
// types there, and hides no static data.
func (l *layers) fits(there []rr.Type, s *RRset) bool {
	atApex := s.Owner.Equal(l.Static.Apex())
	for _, other := range there {
		switch {
		case other == s.Type:
			return false
		case s.Type == rr.TypeCNAME && !CoexistsWithCNAME(other), other == rr.TypeCNAME && !CoexistsWithCNAME(s.Type):
			return false
		case !atApex && (s.Type == rr.TypeNS && other == rr.TypeDNAME || s.Type == rr.TypeDNAME && other == rr.TypeNS):
			return false // RFC 6672 §2.3
		}
	}
	return s.Type != rr.TypeNS && s.Type != rr.TypeDNAME || !l.Static.HasBelow(s.Owner)
}

// CoexistsWithCNAME reports whether an owner name may have both a CNAME and an RRset of
// the type (RFC 2535 §2.3.5, RFC 4035 §2.5).
func CoexistsWithCNAME(t rr.Type) bool {
	return t == rr.TypeCNAME || t == rr.TypeKEY || t == rr.TypeNSEC
}

// mergeRecords is how many records change in a zone at once: few enough to take little memory,
// enough that paths to names that they share are seldom written twice.
const mergeRecords = 1 << 13

// Merge returns a zone with the data of all layers: the static, derived and made ones of l, and
// the RRsets that updates added. Static data are first in precedence, then derived, dynamic and
// made ones. Precedence is per RRset: one that would add to an RRset of a higher layer, coexist
// with a CNAME, or hide static data below its owner is left out, and so are derived and made
// RRsets where static data have a delegation. As the result depends on the layers alone, an
// RRset is there again when the higher one has gone. pause may be nil; it is called every few
// microseconds.
//
// The zone grows out of the largest layer and shares its memory. What the others have costs time, and memory.
func Merge(l zone.Layers, dynamic []RRset, pause func()) (*zone.Zone, error) {
	base := l.Static
	for _, z := range [...]*zone.Zone{l.Derived, l.Made} {
		if z != nil && z.Stats().Records > base.Stats().Records && slices.Equal(z.Apex(), base.Apex()) {
			base = z
		}
	}
	return mergeOnto(base, l, dynamic, pause)
}

// mergeOnto is Merge for a zone that grows out of base, one of the layers.
func mergeOnto(base *zone.Zone, l zone.Layers, dynamic []RRset, pause func()) (*zone.Zone, error) {
	byOwner := make(map[string][]RRset, len(dynamic))
	for _, s := range dynamic {
		byOwner[s.Owner.Key()] = append(byOwner[s.Owner.Key()], s)
	}
	m := &layers{l, func(owner dname.Name) ([]RRset, error) { return byOwner[owner.Key()], nil }}
	if len(byOwner) == 0 {
		m.dynamic = nil
	}
	z := base.WithLayers(l)
	c := &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: z.Serial()}
	apply := func() (err error) {
		if !c.IsEmpty() {
			z, err = z.ApplyPaused(c, pause)
			c.Removed, c.Added = c.Removed[:0], c.Added[:0]
		}
		if err != nil {
			return fmt.Errorf("merge the layers of zone %v: %w", c.Apex, err)
		}
		return nil
	}
	for owner := range m.owners(base, byOwner) {
		if pause != nil {
			pause()
		}
		removed, added, err := m.difference(base, owner)
		if err != nil {
			return nil, err
		}
		c.Removed, c.Added = append(c.Removed, removed...), append(c.Added, added...)
		if len(c.Removed)+len(c.Added) >= mergeRecords {
			if err := apply(); err != nil {
				return nil, err
			}
		}
	}
	if err := apply(); err != nil {
		return nil, err
	}
	return z, nil
}

// difference returns the records that must go and come so that a zone has what the layers show at a name.
func (l *layers) difference(z *zone.Zone, owner dname.Name) (removed, added []zone.Record, err error) {
	shown, err := l.at(owner)
	if err != nil {
		return nil, nil, err
	}
	want, have := recordsAt(l.Static, owner), recordsAt(z, owner)
	for i := range shown {
		want = append(want, shown[i].Records()...)
	}
	return Missing(have, want), Missing(want, have), nil
}

// recordsAt returns the records of a zone at a name.
func recordsAt(z *zone.Zone, owner dname.Name) (list []zone.Record) {
	for set := range z.RRsets(owner) {
		s := NewRRset(owner, &set)
		list = append(list, s.Records()...)
		for it := set.SigData(); it.Next(); {
			list = append(list, zone.Record{Owner: owner, Type: rr.TypeRRSIG, TTL: set.SigTTL, Data: slices.Concat(it.Head, it.Tail)})
		}
	}
	return list
}

// Missing returns those records of one name that a list has and another lacks. What the lists share in one
// order, as a zone and its next state do, is compared once. The result may be the list itself.
func Missing(list, other []zone.Record) (out []zone.Record) {
	if len(list) == 0 || len(other) == 0 {
		return list
	}
	const near = 4 // records that are compared before all are looked up
	next := 0      // in other, behind the last record that both have
	var known map[string]bool
	key := func(r *zone.Record) string {
		b := binary.BigEndian.AppendUint16(make([]byte, 0, 6+len(r.Data)), uint16(r.Type))
		return string(append(binary.BigEndian.AppendUint32(b, r.TTL), r.Data...))
	}
	for i := range list {
		r := &list[i]
		isSame := func(o zone.Record) bool { return o.Type == r.Type && o.TTL == r.TTL && bytes.Equal(o.Data, r.Data) }
		if i := slices.IndexFunc(other[next:min(next+near, len(other))], isSame); i >= 0 {
			next += i + 1
			continue
		}
		if known == nil {
			known = make(map[string]bool, len(other))
			for i := range other {
				known[key(&other[i])] = true
			}
		}
		if !known[key(r)] {
			out = append(out, *r)
		}
	}
	return out
}

// owners yields the names at which the merged zone may differ from base, each once: those of all other
// layers, and those of base where static data have a delegation.
func (l *layers) owners(base *zone.Zone, dynamic map[string][]RRset) iter.Seq[dname.Name] {
	others := slices.DeleteFunc([]*zone.Zone{l.Static, l.Derived, l.Made}, func(z *zone.Zone) bool { return z == nil || z == base })
	// hasOwner reports whether one of the first n others has a name.
	hasOwner := func(n int, owner dname.Name) bool {
		return slices.ContainsFunc(others[:n], func(z *zone.Zone) bool { return z.Has(owner) })
	}
	return func(yield func(dname.Name) bool) {
		var cuts []dname.Name
		for i, z := range others {
			records := z.All()
			if z == l.Static {
				records = appendCuts(&cuts, z)
			}
			for owner := range zone.Owners(records) {
				if !hasOwner(i, owner) && !yield(owner.Clone()) {
					return
				}
			}
		}
		for _, sets := range dynamic {
			if owner := sets[0].Owner; !hasOwner(len(others), owner) && !yield(owner) {
				return
			}
		}
		for _, cut := range cuts {
			for owner := range zone.Owners(base.Below(cut)) {
				if !hasOwner(len(others), owner) && dynamic[owner.Key()] == nil && !yield(owner.Clone()) {
					return
				}
			}
		}
	}
}

// appendCuts yields the records of a zone, and appends the names of the delegations and DNAMEs that
// are not below others.
func appendCuts(cuts *[]dname.Name, z *zone.Zone) iter.Seq[zone.Record] {
	return func(yield func(zone.Record) bool) {
		for r := range z.All() {
			isCut := r.Type == rr.TypeDNAME || r.Type == rr.TypeNS && !r.Owner.Equal(z.Apex())
			if n := len(*cuts); isCut && (n == 0 || !r.Owner.IsAtOrBelow((*cuts)[n-1])) {
				*cuts = append(*cuts, r.Owner.Clone())
			}
			if !yield(r) {
				return
			}
		}
	}
}

// Above reports whether a layer above that of updates has the RRset of a zone; isDerived, that it
// is the derived one.
func Above(z *zone.Zone, owner dname.Name, t rr.Type) (isAbove, isDerived bool) {
	l := layers{Layers: z.Layers()}
	if l.Static == nil {
		return false, false
	}
	if _, ok := l.Static.Get(owner, t); ok {
		return true, false
	}
	if t != rr.TypePTR || l.Derived == nil {
		return false, false
	}
	_, derived := l.above(owner)
	return len(derived.Data) > 0, len(derived.Data) > 0
}

// IsMade reports whether the RRset that a zone has is the one made by rules; the layer of updates
// may have the same.
func IsMade(z *zone.Zone, owner dname.Name, t rr.Type) bool {
	l := z.Layers()
	if l.Made == nil || !slices.Contains(madeTypes, t) {
		return false
	}
	s := ReadRRset(z, owner, t)
	return len(s.Data) > 0 && s.Equal(ReadRRset(l.Made, owner, t)) && !l.Static.IsOccluded(owner)
}

// IsHidden reports whether layers above that of updates hide an RRset of it.
func IsHidden(z *zone.Zone, s *RRset) bool {
	l := layers{Layers: z.Layers()}
	if l.Static == nil || len(s.Data) == 0 {
		return false
	}
	there, _ := l.above(s.Owner)
	return !l.fits(there, s)
}
