package netlab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Fault is a zone with one fault: in its delegation, in its content, or in what a server does.
// Without the field, the zone has the name servers ns1.customer.example, which is ptrd, and
// NAME.faulty.example, in the delegation and in itself.
type Fault struct {
	Name   string
	About  string
	Listed []string // name servers in the delegation, NAME or NAME/ADDRESS
	Child  []string // name servers in the zone
	Server string   // behaviour of NAME.faulty.example
	// Tags are the names that Zonemaster 4.6 has for what is wrong, at the levels that a
	// registry rejects for; none: nothing.
	Tags []string

	Zone string // set by FaultZones
}

const (
	healthy = "ns1.customer.example."
	domain  = "faulty.example."
)

// faultyRecords are of the zone faulty.example: names of servers with a fault of their own.
const faultyRecords = `alias CNAME ns1.customer.example.
private A 10.1.2.3
documentation A 192.0.2.53
under_score A 11.6.0.53
under_score AAAA 2e00:6::53
same A 11.4.7.53
same AAAA 2e00:4:7::53
ipv4 A 11.6.0.53
ipv6 AAAA 2e00:6::53
loop CNAME pool
pool CNAME loop
`

// Faults returns the table of faults, with the zone of each.
func Faults() []Fault {
	faults := []Fault{
		{Name: "none", About: "nothing is wrong"},

		{Name: "no-udp", About: "the second server does not answer over UDP", Server: "no-udp"},
		{Name: "no-tcp", About: "the second server does not answer over TCP", Server: "no-tcp"},
		{Name: "silent", About: "the second server does not answer", Server: "silent"},
		{Name: "refused", About: "the second server does not serve the zone: REFUSED", Server: "refused"},
		{Name: "servfail", About: "the second server has not transferred the zone: SERVFAIL", Server: "servfail"},
		{Name: "nxdomain", About: "the second server serves a zone above: NXDOMAIN", Server: "nxdomain"},
		{Name: "no-aa", About: "the second server answers from a cache", Server: "no-aa"},
		{Name: "recursor", About: "the second server resolves names of others", Server: "recursor"},
		{Name: "recursion-available", About: "the second server sets RA", Server: "recursion-available"},
		{Name: "upward-referral", About: "the second server refers to the root for names of others", Server: "upward-referral"},
		{Name: "drop-edns", About: "the second server drops queries with EDNS", Server: "drop-edns"},
		{Name: "formerr-edns", About: "the second server does not know EDNS", Server: "formerr-edns"},
		{Name: "strip-edns", About: "the second server answers queries with EDNS without it", Server: "strip-edns"},
		{Name: "any-edns-version", About: "the second server answers in EDNS version 1", Server: "any-edns-version"},
		{Name: "drop-aaaa", About: "the second server drops queries for AAAA", Server: "drop-aaaa"},
		{Name: "servfail-aaaa", About: "the second server fails queries for AAAA", Server: "servfail-aaaa"},
		{Name: "nxdomain-case", About: "the second server does not find names in capitals", Server: "nxdomain-case"},
		{Name: "no-soa", About: "the second server has no SOA record", Server: "no-soa"},
		{Name: "two-soa", About: "the second server has two SOA records", Server: "two-soa"},
		{Name: "other-serial", About: "the second server has another serial", Server: "other-serial"},
		{Name: "more-ns", About: "the second server has more NS records", Server: "more-ns"},
		{Name: "other-source", About: "the second server answers from elsewhere", Server: "other-source"},
		{Name: "other-id", About: "the second server answers with another ID", Server: "other-id"},
		{Name: "other-question", About: "the second server answers another question", Server: "other-question"},
		{Name: "garbage", About: "the second server sends what is no message", Server: "garbage"},
		{Name: "truncated", About: "the second server answers over TCP only", Server: "truncated"},
		{Name: "truncated-no-tcp", About: "the second server asks for TCP, and does not answer it", Server: "truncated-no-tcp"},
		{Name: "trickle", About: "the second server sends an octet a second over TCP", Server: "trickle"},
		{Name: "poison", About: "the second server adds addresses of names of others", Server: "poison"},

		{Name: "one-server", About: "one server only", Listed: []string{healthy}, Child: []string{healthy}},
		{Name: "same-address", About: "two names for one server", Listed: []string{healthy, "same." + domain}},
		{Name: "server-is-alias", About: "a server's name is an alias", Listed: []string{healthy, "alias." + domain}},
		{Name: "alias-loop", About: "a server's name is an alias of itself", Listed: []string{healthy, "loop." + domain}},
		{Name: "extra-name", About: "a server is not in the zone's NS records", Child: []string{healthy, "ns2.customer.example."}},
		{Name: "other-names", About: "the zone has other NS records", Child: []string{"ns2.customer.example.", "ns1.isp.example."}},
		{Name: "private-address", About: "a server has a private address", Listed: []string{healthy, "private." + domain}},
		{Name: "documentation-address", About: "a server has an address for documentation", Listed: []string{healthy, "documentation." + domain}},
		{Name: "underscore", About: "a server's name has an underscore", Listed: []string{healthy, "under_score." + domain}},
		{Name: "address-as-name", About: "a server's name is an address", Listed: []string{healthy, "11.6.0.53."}},
		{Name: "no-address", About: "a server's name does not exist", Listed: []string{healthy, "missing." + domain}},
		{Name: "one-ipv4", About: "one server has no IPv4 address", Listed: []string{healthy, "ipv6." + domain}},
		{Name: "one-ipv6", About: "one server has no IPv6 address", Listed: []string{healthy, "ipv4." + domain}},
		{Name: "wrong-address", About: "a server was given with another address than it has", Listed: []string{healthy, "ns2.customer.example./11.6.0.99"}},
	}
	for i := range faults {
		f := &faults[i]
		f.Zone = fmt.Sprintf("%d.4.11.in-addr.arpa.", 100+i)
		if f.Listed == nil {
			f.Listed = []string{healthy, f.Name + "." + domain}
		}
		if f.Child == nil {
			for _, n := range f.Listed {
				name, _, _ := strings.Cut(n, "/")
				f.Child = append(f.Child, name)
			}
		}
	}
	return faults
}

// WithFaults returns the base scenario with the zones of all faults.
func WithFaults(provider string, faults []Fault) *Scenario {
	s := Base(provider)
	faulty := Host{Name: "faulty", About: "servers with a fault each", Software: "faulty"}
	for i, f := range faults {
		var names []string
		for _, n := range f.Listed {
			name, _, _ := strings.Cut(n, "/")
			names = append(names, name)
		}
		s.Zones = append(s.Zones, Zone{
			Apex: f.Zone, Hosts: []string{"ns1"}, NS: f.Child,
			Parent: lines(f.Zone+" NS %s", names),
		})
		if own := f.Name + "." + domain; slices.Contains(f.Listed, own) {
			faulty.Names = append(faulty.Names, Name{Name: own, Fault: f.Server, Addrs: []netip.Addr{
				netip.MustParseAddr(fmt.Sprintf("11.66.0.%d", i+1)), netip.MustParseAddr(fmt.Sprintf("2e00:66::%d", i+1)),
			}})
		}
	}
	s.Hosts = append(s.Hosts, faulty)
	s.Zones = append(s.Zones, Zone{Apex: domain, Hosts: []string{"hoster"}, NS: []string{"ns1.hoster.example.", "ns2.hoster.example."}, Records: faultyRecords})
	if h, err := s.host("ns1"); err == nil {
		h.Config = "" // the zones are files
	}
	return s
}

// lines formats one line for each value.
func lines(format string, values []string) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, format+"\n", v)
	}
	return b.String()
}
