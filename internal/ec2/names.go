package ec2

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// maxAliases bounds a chain of aliases, as in answers.
const maxAliases = 16

// found is what the zones of a snapshot have at a name.
type found struct {
	data [][]byte   // RDATA
	rest dname.Name // where the chain leaves the zones that are served here; nil: it does not
	zone *zone.Zone // that has the last name of the chain
	name dname.Name // the last name of the chain
}

// finder looks names up in a snapshot. Make one for many look-ups: it is large. Not for use by
// two goroutines at a time.
type finder struct {
	set *zone.Set
	a   zone.Answer
}

func newFinder(set *zone.Set) *finder { return &finder{set, zone.Answer{Large: true}} }

// find follows a name to its records of a type.
func (x *finder) find(name dname.Name, t rr.Type) (f found) {
	a := &x.a
	f.name = name
	for range maxAliases {
		f.zone = x.set.Find(f.name)
		if f.zone == nil || !f.zone.IsAvailable() {
			f.rest = f.name
			return f
		}
		a.Reset()
		f.zone.Lookup(f.name, t, false, a)
		if a.Kind == zone.Referral {
			f.rest = f.name
			return f
		}
		if a.Next == nil {
			break
		}
		f.name = a.Next.Clone()
	}
	for i := range a.Items {
		it := &a.Items[i]
		if it.Section != zone.SectionAnswer || it.Set.Type != t {
			continue
		}
		for d := it.Set.Data(); d.Next(); {
			f.data = append(f.data, slices.Concat(d.Head, d.Tail))
		}
	}
	return f
}

// place returns the zone and the name in it where the PTR of an address belongs, which is in a
// classless zone (RFC 2317) if a CNAME leads there.
func (x *finder) place(addr netip.Addr) (z *zone.Zone, owner dname.Name, err error) {
	reverse := dname.FromAddr(addr)
	f := x.find(reverse, rr.TypePTR)
	switch {
	case f.zone == nil && f.name.Equal(reverse):
		return nil, nil, faultf(codeNotPermitted, "No zone served here has %v, the reverse name of %v: serve the zone, or create it with the Route 53 API.", reverse, addr)
	case f.zone == nil:
		return nil, nil, faultf(codeNotPermitted, "%v, the reverse name of %v, is an alias of %v, which no zone served here has.", reverse, addr, f.name)
	case !f.zone.IsAvailable():
		return nil, nil, faultf(codeUnavailable, "Zone %v has no data: `ptrd status` has the reason.", f.zone.Apex())
	case f.rest != nil:
		return nil, nil, faultf(codeNotPermitted, "%v, the reverse name of %v, is delegated by zone %v: set it at the servers of the delegation.", f.name, addr, f.zone.Apex())
	}
	for n, i := reverse, 0; !n.Equal(f.name); i++ {
		// Others would change with the target of a wildcard or a DNAME.
		alias, ok := x.set.Find(n).Get(n, rr.TypeCNAME)
		if !ok || i == maxAliases {
			return nil, nil, faultf(codeNotPermitted, "%v, the reverse name of %v, is redirected to %v by a wildcard or a DNAME in zone %v: give it a CNAME or a record of its own there.", n, addr, f.name, x.set.Find(n).Apex())
		}
		n = dname.Name(alias.First(nil)).Clone()
	}
	return f.zone, f.name, nil
}

// reverseNames returns the names that an address has.
func (x *finder) reverseNames(addr netip.Addr) (names []dname.Name) {
	for _, d := range x.find(dname.FromAddr(addr), rr.TypePTR).data {
		names = append(names, d)
	}
	return names
}

// addresses returns the addresses in RDATA of A or AAAA records.
func addresses(data [][]byte) (out []netip.Addr) {
	for _, d := range data {
		if a, ok := netip.AddrFromSlice(d); ok {
			out = append(out, a)
		}
	}
	return out
}
