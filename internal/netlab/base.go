package netlab

import (
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/internal/delegation"
)

// addrs returns the addresses that host n of network of the lab has.
func addrs(network, n int) []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr(fmt.Sprintf("11.%d.0.%d", network, n)),
		netip.MustParseAddr(fmt.Sprintf("2e00:%d::%d", network, n)),
	}
}

func parseAddrs(list ...string) (out []netip.Addr) {
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// rootNames are the names and addresses of the root servers of the Internet, so that programs
// with built-in hints run unchanged.
func rootNames() []Name {
	var names []Name
	for _, s := range delegation.RootServers() {
		if n := len(names); n == 0 || names[n-1].Name != s.Name.String() {
			names = append(names, Name{Name: s.Name.String()})
		}
		last := &names[len(names)-1]
		last.Addrs = append(last.Addrs, s.Addr.Addr())
	}
	return names
}

// Client is the host that people and tests ask from. It is in the namespaces of the first
// process.
const Client = "client"

// Scenarios are those of `make lab`, each a function of the provider's software.
func Scenarios() map[string]func(provider string) *Scenario {
	return map[string]func(string) *Scenario{
		"base":     Base,
		"newcomer": Newcomer,
		"faults":   func(provider string) *Scenario { return WithFaults(provider, Faults()) },
		"rejected": Rejected,
		"mail":     func(provider string) *Scenario { return WithMail(provider, MailFaults(), Receivers...) },
	}
}

// customerConfig is ptrd's, as a customer writes it.
const customerConfig = `state_dir: state
defaults:
  nameservers: [ns1.customer.example, ns2.customer.example]
  transfer:
    allow: [11.6.0.53, "2e00:6::53"]
    notify: ["11.6.0.53:53"]
zones:
  - prefix: 11.4.7.0/24
    ptr:
      11.4.7.25: mail.customer.example
      11.4.7.53: ns1.customer.example
  - prefix: 2e00:7::/32
    ptr:
      2e00:7::25: mail.customer.example
      2e00:7::53: ns1.customer.example
`

// Base returns the scenario that others begin with. The customer has 11.4.7.0/24 from a provider,
// which has 11.4.0.0/16, and 2e00:7::/32 from the registry. Its zones are served by the hosts
// "ns1", ptrd, and "ns2", NSD. Of 11.4.8.0/24, customers of the provider have parts.
//
// The addresses look global to every tool, but lead nowhere outside the lab: the first octet
// is of a network that is not announced, and 2e00::/7 is unassigned.
func Base(provider string) *Scenario {
	pair := func(domain string, network int) []Name {
		return []Name{{Name: "ns1." + domain, Addrs: addrs(network, 53)}, {Name: "ns2." + domain, Addrs: addrs(network, 54)}}
	}
	names := func(domain string) []string { return []string{"ns1." + domain, "ns2." + domain} }
	customer := names("customer.example.")
	var roots []string
	for _, n := range rootNames() {
		roots = append(roots, n.Name)
	}
	zone := func(host, domain, apex string) Zone {
		return Zone{Apex: apex, Hosts: []string{host}, NS: names(domain)}
	}
	return &Scenario{
		Hosts: []Host{
			{Name: Client, About: "where you are: dig, ptrd, zonemaster-cli", Names: []Name{{Name: "client.isp.example.", Addrs: addrs(4, 99)}}},
			{Name: "root", About: "the root, arpa and example", Software: "nsd", Names: rootNames()},
			{Name: "arpa", About: "in-addr.arpa and ip6.arpa", Software: "knot", Names: pair("arpa.example.", 1)},
			{Name: "registry", About: "a registry, with 11.0.0.0/8 and 2e00::/16", Software: "nsd", Names: pair("registry.example.", 2)},
			{Name: "isp", About: "the provider, with 11.4.0.0/16 and 2e00:4::/32", Software: provider, Names: pair("isp.example.", 4)},
			{Name: "resolver", About: "a resolver, not related to the customer", Software: "unbound", Names: []Name{{Name: "resolver.example.", Addrs: addrs(9, 53)}}},
			{Name: "hoster", About: "the forward zone customer.example", Software: "nsd", Names: pair("hoster.example.", 5)},
			{Name: "ns1", About: "the customer's ptrd", Software: "ptrd", Config: customerConfig, Names: []Name{
				{Name: customer[0], Addrs: []netip.Addr{netip.MustParseAddr("11.4.7.53"), netip.MustParseAddr("2e00:7::53")}}}},
			{Name: "ns2", About: "the customer's second name server, elsewhere", Software: "nsd", Names: []Name{{Name: customer[1], Addrs: addrs(6, 53)}}},
		},
		Zones: []Zone{
			{Apex: ".", Hosts: []string{"root"}, NS: roots},
			{Apex: "arpa.", Hosts: []string{"root"}, NS: roots},
			{Apex: "example.", Hosts: []string{"root"}, NS: roots},
			zone("arpa", "arpa.example.", "in-addr.arpa."),
			zone("arpa", "arpa.example.", "ip6.arpa."),
			zone("registry", "registry.example.", "11.in-addr.arpa."),
			zone("registry", "registry.example.", "0.0.e.2.ip6.arpa."),
			zone("isp", "isp.example.", "4.11.in-addr.arpa."),
			zone("isp", "isp.example.", "8.4.11.in-addr.arpa."),
			zone("isp", "isp.example.", "4.0.0.0.0.0.e.2.ip6.arpa."),
			zone("isp", "isp.example.", "isp.example."),
			{Apex: "customer.example.", Hosts: []string{"hoster"}, NS: names("hoster.example."), Records: "mail A 11.4.7.25\nmail AAAA 2e00:7::25\ngw A 11.4.8.65\n@ MX 10 mail\n"},
			{Apex: "7.4.11.in-addr.arpa.", Hosts: []string{"ns1"}, Secondaries: []string{"ns2"}, NS: customer},
			{Apex: "7.0.0.0.0.0.e.2.ip6.arpa.", Hosts: []string{"ns1"}, Secondaries: []string{"ns2"}, NS: customer},
		},
	}
}

// Newcomer returns the scenario of a customer who begins: nothing runs on the host ns1, no zone is
// on ns2, and none is delegated.
func Newcomer(provider string) *Scenario {
	s := Base(provider)
	for i := range s.Hosts {
		if h := &s.Hosts[i]; h.Name == "ns1" {
			h.Software, h.Config, h.About = "", "", "the customer's server, with nothing on it"
			h.Dirs = []string{"/var/lib"} // for the state
		} else if h.Name == "ns2" {
			h.Dirs = []string{"/var/lib/nsd"} // for the zones that it transfers
		}
	}
	for i := range s.Zones {
		if z := &s.Zones[i]; z.Secondaries != nil {
			z.Hosts, z.Secondaries, z.Parent = nil, nil, "; not delegated"
		}
	}
	return s
}
