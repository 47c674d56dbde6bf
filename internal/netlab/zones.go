package netlab

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// enclosing returns the zone of the scenario that a name lies in, or for an apex, with parent,
// the zone above it. Names of a scenario are in lower case.
func (s *Scenario) enclosing(name string, parent bool) *Zone {
	var best *Zone
	for i := range s.Zones {
		z := &s.Zones[i]
		if isAtOrBelow(name, z.Apex) && !(parent && z.Apex == name) && (best == nil || len(z.Apex) > len(best.Apex)) {
			best = z
		}
	}
	return best
}

// isAtOrBelow is called for each name and zone of a scenario.
func isAtOrBelow(name, apex string) bool {
	rest, ok := strings.CutSuffix(name, apex)
	return ok && (rest == "" || apex == "." || strings.HasSuffix(rest, "."))
}

// zoneText returns the master file of a zone.
func (s *Scenario) zoneText(z *Zone) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL 3600\n", z.Apex)
	if len(z.NS) > 0 {
		fmt.Fprintf(&b, "@ SOA %s hostmaster.%s 2026010101 14400 3600 1209600 3600\n", z.NS[0], mailDomain(z.NS[0]))
	}
	for _, ns := range z.NS {
		fmt.Fprintf(&b, "@ NS %s\n", ns)
	}
	b.WriteString(z.Records)
	for i := range s.Zones {
		if child := &s.Zones[i]; child.Apex != "." && s.enclosing(child.Apex, true) == z {
			b.WriteString(s.delegation(z, child))
		}
	}
	for i := range s.Hosts {
		for _, n := range s.Hosts[i].Names {
			b.WriteString(s.hostRecords(z, n))
		}
	}
	return b.String()
}

// mailDomain returns the name above that of a name server.
func mailDomain(server string) string {
	_, domain, _ := strings.Cut(server, ".")
	return domain
}

// delegation returns the records of a zone's delegation, with glue.
func (s *Scenario) delegation(parent, child *Zone) string {
	if child.Parent != "" {
		return strings.TrimSuffix(child.Parent, "\n") + "\n"
	}
	var b strings.Builder
	for _, ns := range child.NS {
		fmt.Fprintf(&b, "%s NS %s\n", child.Apex, ns)
		// Names in the parent zone itself have their addresses by hostRecords.
		if isAtOrBelow(ns, parent.Apex) && s.enclosing(ns, false) != parent {
			b.WriteString(addressRecords(ns, s.addrs(ns)))
		}
	}
	return b.String()
}

// hostRecords returns the records of one name of a host that lie in the zone.
func (s *Scenario) hostRecords(z *Zone, n Name) string {
	var b strings.Builder
	if n.Name == "" {
		return ""
	}
	if s.enclosing(n.Name, false) == z {
		b.WriteString(addressRecords(n.Name, n.Addrs))
	}
	for _, a := range n.Addrs {
		reverse, err := dns.ReverseAddr(a.String())
		if err == nil && s.enclosing(reverse, false) == z {
			fmt.Fprintf(&b, "%s PTR %s\n", reverse, n.Name)
		}
	}
	return b.String()
}

func addressRecords(name string, addrs []netip.Addr) string {
	var b strings.Builder
	for _, a := range addrs {
		rrtype := "A"
		if a.Is6() {
			rrtype = "AAAA"
		}
		fmt.Fprintf(&b, "%s %s %s\n", name, rrtype, a)
	}
	return b.String()
}

// hints returns the root hints of the lab.
func (s *Scenario) hints() string {
	var b strings.Builder
	for _, z := range s.Zones {
		if z.Apex == "." {
			for _, ns := range z.NS {
				fmt.Fprintf(&b, ". 3600000 NS %s\n%s", ns, addressRecords(ns+" 3600000", s.addrs(ns)))
			}
		}
	}
	return b.String()
}
