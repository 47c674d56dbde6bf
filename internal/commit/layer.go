package commit

import (
	"fmt"

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

// Records returns the records of the RRset.
func (s *RRset) Records() (list []zone.Record) {
	for _, d := range s.Data {
		list = append(list, zone.Record{Owner: s.Owner, Type: s.Type, TTL: s.TTL, Data: d})
	}
	return list
}

// Merge returns a zone with the static data and the RRsets of the layers below it, of
// which the first has the highest precedence. Precedence is per RRset: one that would add
// to an RRset of a higher layer, coexist with a CNAME or hide static data below its owner
// is left out. As the result depends on the layers alone, it is there again when the
// higher one has gone. declared is the field of [zone.Layers].
func Merge(static *zone.Zone, declared bool, layers ...[]RRset) (*zone.Zone, error) {
	z := static.WithLayers(zone.Layers{Static: static, Declared: declared})
	for _, layer := range layers {
		// First what coexists with everything, then what must be alone: two RRsets of a layer
		// can contradict each other if one was added while a higher layer hid the other.
		for _, is := range [...]func(rr.Type) bool{
			func(t rr.Type) bool { return t != rr.TypeDNAME && t != rr.TypeCNAME },
			func(t rr.Type) bool { return t == rr.TypeDNAME },
			func(t rr.Type) bool { return t == rr.TypeCNAME },
		} {
			c := &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: z.Serial()}
			for i := range layer {
				if s := &layer[i]; is(s.Type) && fits(z, static, s) {
					c.Added = append(c.Added, s.Records()...)
				}
			}
			if c.IsEmpty() {
				continue
			}
			var err error
			if z, err = z.Apply(c); err != nil {
				return nil, fmt.Errorf("merge the layers of zone %v: %w", static.Apex(), err)
			}
		}
	}
	return z, nil
}

// IsHidden reports whether the static data hide an RRset of a layer below.
func IsHidden(static *zone.Zone, s *RRset) bool {
	return len(s.Data) > 0 && !fits(static, static, s)
}

// fits reports whether an RRset can be added to z, in which the higher layers are merged,
// and hides no static data.
func fits(z, static *zone.Zone, s *RRset) bool {
	if !s.Owner.IsAtOrBelow(z.Apex()) {
		return false
	}
	atApex := s.Owner.Equal(z.Apex())
	for other := range z.RRsets(s.Owner) {
		switch {
		case other.Type == s.Type:
			return false
		case s.Type == rr.TypeCNAME && !CoexistsWithCNAME(other.Type), other.Type == rr.TypeCNAME && !CoexistsWithCNAME(s.Type):
			return false
		case !atApex && (s.Type == rr.TypeNS && other.Type == rr.TypeDNAME || s.Type == rr.TypeDNAME && other.Type == rr.TypeNS):
			return false // RFC 6672 §2.3
		}
	}
	return s.Type != rr.TypeNS && s.Type != rr.TypeDNAME || !static.HasBelow(s.Owner)
}

// CoexistsWithCNAME reports whether an owner name may have both a CNAME and an RRset of
// the type (RFC 2535 §2.3.5, RFC 4035 §2.5).
func CoexistsWithCNAME(t rr.Type) bool {
	return t == rr.TypeCNAME || t == rr.TypeKEY || t == rr.TypeNSEC
}
