package naming

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Argument is what an operator designates zones and names by: one of its fields, the others are zero.
type Argument struct {
	Address netip.Addr   // without interface, IPv4 as such
	Prefix  netip.Prefix // without host bits
	Name    dname.Name
}

// ParseArgument reads an argument of the commands that are about zones or names.
func ParseArgument(what string) (a Argument, err error) {
	if a.Address, err = netip.ParseAddr(what); err == nil {
		a.Address = a.Address.WithZone("").Unmap()
		return a, nil
	}
	if p, err := netip.ParsePrefix(what); err == nil {
		if fault := spelling.HostBits(p); fault != "" {
			return a, errors.New(fault)
		}
		return Argument{Prefix: p}, nil
	}
	if a.Name, err = dname.Parse(what); err != nil {
		return a, fmt.Errorf("%q is neither an address, a prefix nor a name: %w", what, err)
	}
	return a, nil
}

// NameOf returns the name that an argument designates, here or elsewhere: the reverse name of an
// address, the apex of the zone of a prefix, for which the configuration, which may be nil, can have
// a name, or any name.
func NameOf(what string, c *config.Config) (dname.Name, error) {
	a, err := ParseArgument(what)
	switch {
	case err != nil:
		return nil, err
	case a.Address.IsValid():
		return dname.FromAddr(a.Address), nil
	case !a.Prefix.IsValid():
		return a.Name, nil
	}
	zones := new(Naming).prefix(a.Prefix, nil, c).Zones
	if len(zones) > 1 {
		return nil, Several(what, len(zones), zones[0], zones[len(zones)-1])
	}
	return zones[0], nil
}

// Several is the error that a prefix has n zones where one is needed.
func Several(prefix string, n int, first, last dname.Name) error {
	return fmt.Errorf("prefix %s has %d zones, from %v to %v; name one of them", prefix, n, first, last)
}
