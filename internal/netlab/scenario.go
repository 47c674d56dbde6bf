package netlab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Scenario describes a lab.
type Scenario struct {
	Hosts []Host
	Zones []Zone
	// Anchors are DS records that the resolver trusts, as if the zones above were signed.
	Anchors []string
}

// A Host is a machine: it has network namespace, addresses and software of its own.
type Host struct {
	Name     string // in the lab
	About    string // what it stands for
	Software string // an entry of programs, or none
	Names    []Name
	Config   string // in place of the configuration that the lab generates
	// Dirs are directories in place of which the host has others, empty at the start.
	Dirs []string
}

// A Name is a host name with its addresses. The lab adds A and AAAA records to the zone that
// the name lies in, and PTR records to the reverse zones, but not for addresses without name.
type Name struct {
	Name  string
	About string // what the addresses are for; empty: the name says it
	Addrs []netip.Addr
	Fault string // an entry of behaviours; of the software "faulty" only
}

// A Zone is served from a master file that the lab generates: SOA, NS, records of hosts, the
// delegations to the zones below, and Records.
type Zone struct {
	Apex  string
	Hosts []string // that serve it from the file; none: only its delegation is made
	NS    []string
	// Secondaries are hosts that transfer it from the first of Hosts.
	Secondaries []string
	Records     string // master-file lines, relative to the apex
	// Parent has the lines of the parent zone in place of the generated ones, relative to the
	// parent's apex. A comment (";") alone: the zone is not delegated.
	Parent string
}

// host returns the host of that name.
func (s *Scenario) host(name string) (*Host, error) {
	i := slices.IndexFunc(s.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("no host %q in the scenario", name)
	}
	return &s.Hosts[i], nil
}

// addrs returns the addresses of a name.
func (s *Scenario) addrs(name string) []netip.Addr {
	for i := range s.Hosts {
		for _, n := range s.Hosts[i].Names {
			if strings.EqualFold(n.Name, name) {
				return n.Addrs
			}
		}
	}
	return nil
}

// Addrs returns all addresses of the host.
func (h *Host) Addrs() []netip.Addr {
	var all []netip.Addr
	for _, n := range h.Names {
		for _, a := range n.Addrs {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// A service is a zone on a host.
type service struct {
	*Zone
	primary []netip.Addr // to transfer from; none: from the file
}

// served returns the zones that the host serves.
func (s *Scenario) served(host string) []service {
	var out []service
	for i := range s.Zones {
		z := &s.Zones[i]
		switch {
		case slices.Contains(z.Hosts, host):
			out = append(out, service{Zone: z})
		case slices.Contains(z.Secondaries, host):
			if h, err := s.host(z.Hosts[0]); err == nil {
				out = append(out, service{Zone: z, primary: h.Addrs()})
			}
		}
	}
	return out
}
