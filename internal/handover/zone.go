package handover

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Zone is a zone with what its parent needs to know.
type Zone struct {
	Apex    dname.Name
	Prefix  netip.Prefix // of its addresses; invalid: not a reverse zone
	Parent  dname.Name   // nil: not known
	Servers []config.NameServer
	DS      []*dns.DS // none: the zone is not signed, or is to have an insecure delegation
}

// Zones returns the zones of a prefix or a reverse name with their name servers: the given ones,
// or those of the configuration, which may be nil. A name outside of in-addr.arpa and ip6.arpa is
// one zone without a prefix.
func Zones(input string, servers []config.NameServer, c *config.Config) ([]Zone, *naming.Naming, error) {
	n, err := naming.Describe(input, c)
	if err != nil {
		if apex, nameErr := dname.Parse(input); nameErr == nil && isForward(apex, c) {
			return []Zone{{Apex: apex, Servers: serversOf(servers, c, func(z *config.Zone) bool { return z.Name.Equal(apex) })}}, nil, nil
		}
		return nil, nil, err
	}
	if n.Address != nil {
		return nil, nil, fmt.Errorf("%s is one address, and zones of prefixes are handed over; give the prefix, such as %v, or use `ptrd name`",
			input, netip.PrefixFrom(*n.Address, boundaryOf(*n.Address)).Masked())
	}
	servers = serversOf(servers, c, func(z *config.Zone) bool { return z.Prefix.IsValid() && z.Prefix.Masked() == n.Prefix })
	var zones []Zone
	for _, apex := range n.Zones {
		p := n.Prefix
		if part, ok := dname.ToPrefix(apex); ok {
			p = part
		}
		zones = append(zones, Zone{Apex: apex, Prefix: p, Parent: n.Parent, Servers: servers})
	}
	return zones, n, nil
}

// isForward reports whether the name can be that of a zone with other data than addresses. A name
// of one label or of digits is a mistake unless the configuration has the zone.
func isForward(n dname.Name, c *config.Config) bool {
	if c != nil && slices.ContainsFunc(c.Zones, func(z config.Zone) bool { return z.Name.Equal(n) }) {
		return true
	}
	last := n
	for !last.IsRoot() && !last.Parent().IsRoot() {
		last = last.Parent()
	}
	return n.IsForward() && n.Labels() > 1 && !isNumeric(last.Label())
}

func isNumeric(label []byte) bool {
	return !slices.ContainsFunc(label, func(c byte) bool { return c < '0' || c > '9' })
}

// boundaryOf returns the length of the shortest usual prefix of an address.
func boundaryOf(a netip.Addr) int {
	if a.Is4() {
		return 24
	}
	return 64
}

// serversOf returns the given servers, or those that the configuration has for a zone.
func serversOf(given []config.NameServer, c *config.Config, is func(*config.Zone) bool) []config.NameServer {
	if given != nil || c == nil {
		return given
	}
	for i := range c.Zones {
		if is(&c.Zones[i]) {
			return c.Zones[i].NameServers
		}
	}
	return c.Defaults.NameServers
}

// Glue returns the addresses of a server that the parent zone needs: those of a server whose name
// is in the zone itself (RFC 9471).
func (z *Zone) Glue(s *config.NameServer) []netip.Addr {
	if !s.Name.IsAtOrBelow(z.Apex) {
		return nil
	}
	return s.Addresses
}

// IsClassless reports whether the zone is for a part of a /24, whose addresses need a CNAME each
// in the parent zone (RFC 2317).
func (z *Zone) IsClassless() bool { return z.Prefix.IsValid() && dname.IsClassless(z.Prefix) }

// Records returns the records for the parent zone, without the CNAMEs of a classless zone.
func (z *Zone) Records() []string {
	var out []string
	for _, s := range z.Servers {
		out = append(out, fmt.Sprintf("%v NS %v", z.Apex, s.Name))
	}
	for i := range z.Servers {
		for _, a := range z.Glue(&z.Servers[i]) {
			out = append(out, fmt.Sprintf("%v %s %v", z.Servers[i].Name, rr.AddressType(a), a))
		}
	}
	for _, d := range z.DS {
		out = append(out, dsLine(z.Apex, d))
	}
	return out
}

func dsLine(apex dname.Name, d *dns.DS) string {
	return fmt.Sprintf("%v DS %d %d %d %s", apex, d.KeyTag, d.Algorithm, d.DigestType, strings.ToUpper(d.Digest))
}

// CNAMEs returns the CNAME records of a classless zone for its parent zone, one per address.
func (z *Zone) CNAMEs() []string {
	if !z.IsClassless() {
		return nil
	}
	var out []string
	for owner, target := range z.aliases {
		out = append(out, fmt.Sprintf("%v CNAME %v", owner, target))
	}
	return out
}

// aliases yields the CNAMEs of a classless zone.
func (z *Zone) aliases(yield func(owner, target dname.Name) bool) {
	for a := z.Prefix.Addr(); a.IsValid() && z.Prefix.Contains(a); a = a.Next() {
		owner := dname.FromAddr(a)
		target, _ := z.Apex.Prepend(owner.Label()) // there is always room for an octet
		if !yield(owner, target) {
			return
		}
	}
}

// Generate returns the CNAMEs of a classless zone as one line for a master file.
func (z *Zone) Generate() string {
	first := int(z.Prefix.Addr().As4()[3])
	return fmt.Sprintf("$GENERATE %d-%d $.%v CNAME $.%v", first, first+1<<(32-z.Prefix.Bits())-1, z.Parent, z.Apex)
}

// withoutGlue returns the servers in the zone itself whose addresses are not known.
func (z *Zone) withoutGlue() []config.NameServer {
	return slices.DeleteFunc(slices.Clone(z.Servers), func(s config.NameServer) bool {
		return !s.Name.IsAtOrBelow(z.Apex) || len(s.Addresses) > 0
	})
}
