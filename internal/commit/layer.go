package commit

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// RRset is an RRset of a layer below the static one.
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
			return newRRset(owner, &set)
		}
	}
	return RRset{Owner: owner, Type: t}
}

func newRRset(owner dname.Name, set *zone.RRset) RRset {
	return RRset{owner, set.Type, set.TTL, slices.AppendSeq(make([][]byte, 0, set.Len()), set.Values())}
}

// Equal reports whether two RRsets of one name and type have the same records.
func (s *RRset) Equal(other RRset) bool {
	return len(s.Data) == len(other.Data) && len(s.without(&other)) == 0
}

// Records returns the records of the RRset.
func (s *RRset) Records() (list []zone.Record) {
	for _, d := range s.Data {
		list = append(list, zone.Record{Owner: s.Owner, Type: s.Type, TTL: s.TTL, Data: d})
	}
	return list
}

// NewLayer returns a zone for the field Derived or Made of [zone.Layers] with the records, and
// with an SOA and NS, which are no part of the layer. Merge looks at the PTRs of Derived, and at the
// PTRs, A and AAAA of Made; records of other types, such as private ones, are the source's own.
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

// The types that layers can have.
var (
	derivedTypes = []rr.Type{rr.TypePTR}
	madeTypes    = []rr.Type{rr.TypePTR, rr.TypeA, rr.TypeAAAA}
)

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

// mergeRecords is how many records are added to a zone at once: few enough to take little
// memory, enough that paths to names that they share are seldom written twice.
const mergeRecords = 1 << 13

// Merge returns a zone with the data of all layers: the static, derived and made ones of l, and
// the RRsets that updates added. Static data are first in precedence, then derived, dynamic and
// made ones. Precedence is per RRset: one that would add to an RRset of a higher layer, coexist
// with a CNAME, or hide static data below its owner is left out, and so are derived and made
// RRsets where static data have a delegation. As the result depends on the layers alone, an
// RRset is there again when the higher one has gone. pause may be nil; it is called every few
// microseconds.
func Merge(l zone.Layers, dynamic []RRset, pause func()) (*zone.Zone, error) {
	byOwner := make(map[string][]RRset, len(dynamic))
	for _, s := range dynamic {
		byOwner[s.Owner.Key()] = append(byOwner[s.Owner.Key()], s)
	}
	m := &layers{l, func(owner dname.Name) ([]RRset, error) { return byOwner[owner.Key()], nil }}
	if len(byOwner) == 0 {
		m.dynamic = nil
	}
	z := l.Static.WithLayers(l)
	c := &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: z.Serial()}
	for owner := range m.owners(byOwner) {
		if pause != nil {
			pause()
		}
		shown, err := m.at(owner)
		if err != nil {
			return nil, err
		}
		for i := range shown {
			c.Added = append(c.Added, shown[i].Records()...)
		}
		if len(c.Added) >= mergeRecords {
			if z, err = z.ApplyPaused(c, pause); err != nil {
				return nil, mergeError(z, err)
			}
			c.Added = c.Added[:0]
		}
	}
	if len(c.Added) == 0 {
		return z, nil
	}
	next, err := z.ApplyPaused(c, pause)
	if err != nil {
		return nil, mergeError(z, err)
	}
	return next, nil
}

func mergeError(z *zone.Zone, err error) error {
	return fmt.Errorf("merge the layers of zone %v: %w", z.Apex(), err)
}

// owners yields the owners that layers below the static one have, each once.
func (l *layers) owners(dynamic map[string][]RRset) iter.Seq[dname.Name] {
	return func(yield func(dname.Name) bool) {
		stopped := false
		ofZone := func(z *zone.Zone, types []rr.Type, isKnown func(dname.Name) bool) {
			if z == nil || stopped {
				return
			}
			var last dname.Name
			for r := range z.All() {
				if !slices.Contains(types, r.Type) || last != nil && r.Owner.Equal(last) || isKnown(r.Owner) {
					continue
				}
				last = r.Owner.Clone()
				if stopped = !yield(last); stopped {
					return
				}
			}
		}
		isDerived := func(owner dname.Name) bool {
			if l.Derived == nil {
				return false
			}
			_, ok := l.Derived.Get(owner, rr.TypePTR)
			return ok
		}
		ofZone(l.Derived, derivedTypes, func(dname.Name) bool { return false })
		for _, sets := range dynamic {
			if owner := sets[0].Owner; !stopped && !isDerived(owner) {
				stopped = !yield(owner)
			}
		}
		ofZone(l.Made, madeTypes, func(owner dname.Name) bool { return isDerived(owner) || dynamic[owner.Key()] != nil })
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
