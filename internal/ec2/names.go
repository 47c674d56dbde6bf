package ec2

import (
	"net/netip"

	"github.com/ptrd/ptrd/internal/lookup"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// finder looks names up in a snapshot.
type finder struct{ *lookup.Finder }

func newFinder(set *zone.Set) *finder { return &finder{lookup.NewFinder(set)} }

// place returns the zone and the name in it where the PTR of an address belongs, which is in a
// classless zone (RFC 2317) if a CNAME leads there.
func (x *finder) place(addr netip.Addr) (z *zone.Zone, owner dname.Name, err error) {
	reverse := dname.FromAddr(addr)
	f := x.Find(reverse, rr.TypePTR)
	switch {
	case f.Zone == nil && f.Name.Equal(reverse):
		return nil, nil, faultf(codeNotPermitted, "No zone served here has %v, the reverse name of %v: serve the zone, or create it with the Route 53 API.", reverse, addr)
	case f.Zone == nil:
		return nil, nil, faultf(codeNotPermitted, "%v, the reverse name of %v, is an alias of %v, which no zone served here has.", reverse, addr, f.Name)
	case !f.Zone.IsAvailable():
		return nil, nil, faultf(codeUnavailable, "Zone %v has no data: `ptrd status` has the reason.", f.Zone.Apex())
	case f.Rest != nil:
		return nil, nil, faultf(codeNotPermitted, "%v, the reverse name of %v, is delegated by zone %v: set it at the servers of the delegation.", f.Name, addr, f.Zone.Apex())
	}
	for n, i := reverse, 0; !n.Equal(f.Name); i++ {
		// Others would change with the target of a wildcard or a DNAME.
		alias, ok := x.Set.Find(n).Get(n, rr.TypeCNAME)
		if !ok || i == lookup.MaxAliases {
			return nil, nil, faultf(codeNotPermitted, "%v, the reverse name of %v, is redirected to %v by a wildcard or a DNAME in zone %v: give it a CNAME or a record of its own there.", n, addr, f.Name, x.Set.Find(n).Apex())
		}
		n = dname.Name(alias.First(nil)).Clone()
	}
	return f.Zone, f.Name, nil
}

// reverseNames returns the names that an address has.
func (x *finder) reverseNames(addr netip.Addr) (names []dname.Name) {
	for _, d := range x.Find(dname.FromAddr(addr), rr.TypePTR).Data {
		names = append(names, d)
	}
	return names
}
