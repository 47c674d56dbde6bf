// Package lookup follows names to their records: in the zones of a snapshot, and by resolvers
// where aliases and zone cuts lead out of them.
//
//	served.go    Finder: names in the zones of a snapshot
//	resolver.go  Ask and Resolve: questions to resolvers
//	lookup.go    Lookup: both, for package fcrdns
package lookup

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// MaxAliases bounds a chain of aliases, as in answers.
const MaxAliases = 16

// Found is what the zones of a snapshot have at a name.
type Found struct {
	Data [][]byte   // RDATA
	Rest dname.Name // where the chain leaves the zones that are served here; nil: it does not
	Zone *zone.Zone // that has the last name of the chain; nil: none is served here
	Name dname.Name // the last name of the chain
}

// Addresses returns the addresses in the RDATA of A or AAAA records.
func (f *Found) Addresses() (out []netip.Addr) {
	for _, d := range f.Data {
		if a, ok := netip.AddrFromSlice(d); ok {
			out = append(out, a)
		}
	}
	return out
}

// Finder looks names up in a snapshot. Make one for many lookups: it is large. Not for use by
// two goroutines at a time.
type Finder struct {
	Set *zone.Set
	a   zone.Answer
}

// NewFinder returns a Finder in the zones of set.
func NewFinder(set *zone.Set) *Finder { return &Finder{set, zone.Answer{Large: true}} }

// Find follows a name to its records of a type.
func (x *Finder) Find(name dname.Name, t rr.Type) (f Found) {
	a := &x.a
	f.Name = name
	for range MaxAliases {
		f.Zone = x.Set.Find(f.Name)
		if f.Zone == nil || !f.Zone.IsAvailable() {
			f.Rest = f.Name
			return f
		}
		a.Reset()
		f.Zone.Lookup(f.Name, t, false, a)
		if a.Kind == zone.Referral {
			f.Rest = f.Name
			return f
		}
		if a.Next == nil {
			break
		}
		f.Name = a.Next.Clone()
	}
	for i := range a.Items {
		it := &a.Items[i]
		if it.Section != zone.SectionAnswer || it.Set.Type != t {
			continue
		}
		f.Data = slices.AppendSeq(f.Data, it.Set.Values())
	}
	return f
}
