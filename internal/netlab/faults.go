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
	Name    string
	About   string
	Listed  []string // name servers in the delegation, NAME or NAME/ADDRESS,…; {zone} is the zone
	Child   []string // name servers in the zone
	Records string   // more records of the zone
	Server  string   // behaviour of NAME.faulty.example

	// Tags are what Zonemaster 4.6 finds at the levels ERROR and CRITICAL, and ptrd finds too.
	Tags string
	// More is what ptrd finds in addition: tests of later versions, and those in Why.
	More string
	Why  string // Zonemaster 4.6 does not find what it has a tag for

	Zone string // set by Faults
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
same AAAA 2e00:7::53
ipv4 A 11.6.0.53
ipv6 AAAA 2e00:6::53
loop CNAME pool
pool CNAME loop
`

// Faults returns the table of faults, with the zone of each.
func Faults() []Fault {
	faults := []Fault{
		{Name: "none", About: "nothing is wrong"},

		{Name: "no-udp", About: "the second server does not answer over UDP", Server: "no-udp", More: "NAMESERVER_NO_UDP_53"},
		{Name: "no-tcp", About: "the second server does not answer over TCP", Server: "no-tcp", More: "NAMESERVER_NO_TCP_53"},
		{Name: "silent", About: "the second server does not answer", Server: "silent", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "refused", About: "the second server does not serve the zone: REFUSED", Server: "refused", Tags: "NS_FAILED", More: "B02_UNEXPECTED_RCODE"},
		{Name: "servfail", About: "the second server has not transferred the zone: SERVFAIL", Server: "servfail", Tags: "NS_FAILED", More: "B02_UNEXPECTED_RCODE"},
		{Name: "nxdomain", About: "the second server serves a zone above: NXDOMAIN", Server: "nxdomain", Tags: "IS_A_RECURSOR NS_FAILED", More: "B02_UNEXPECTED_RCODE"},
		{Name: "no-aa", About: "the second server answers from a cache", Server: "no-aa", More: "B02_NS_NOT_AUTH"},
		{Name: "recursor", About: "the second server resolves names of others", Server: "recursor", Tags: "IS_A_RECURSOR"},
		{Name: "recursion-available", About: "the second server sets RA", Server: "recursion-available", Tags: "IS_A_RECURSOR"},
		{Name: "upward-referral", About: "the second server refers to the root for names of others", Server: "upward-referral"},
		{Name: "drop-edns", About: "a packet filter drops queries with EDNS", Server: "drop-edns", Tags: "BREAKS_ON_EDNS"},
		{Name: "formerr-edns", About: "the second server does not know EDNS", Server: "formerr-edns"},
		{Name: "strip-edns", About: "the second server answers queries with EDNS without it", Server: "strip-edns", More: "EDNS_RESPONSE_WITHOUT_EDNS", Why: "it takes a response without OPT record for one of version 0"},
		{Name: "any-edns-version", About: "the second server accepts every EDNS version", Server: "any-edns-version"},
		{Name: "edns-version-1", About: "the second server answers in EDNS version 1", Server: "edns-version-1", Tags: "EDNS_VERSION_ERROR"},
		{Name: "drop-aaaa", About: "the second server drops queries for AAAA", Server: "drop-aaaa", Tags: "AAAA_QUERY_DROPPED"},
		{Name: "servfail-aaaa", About: "the second server fails queries for AAAA", Server: "servfail-aaaa", Tags: "AAAA_UNEXPECTED_RCODE"},
		{Name: "nxdomain-case", About: "the second server does not find names in capitals", Server: "nxdomain-case", More: "B02_UNEXPECTED_RCODE IS_A_RECURSOR NS_FAILED", Why: "it asks in lower case, except where it compares two random cases"},
		{Name: "no-soa", About: "the second server has no SOA record", Server: "no-soa", Tags: "SOA_NOT_EXISTS", More: "B02_NS_BROKEN"},
		{Name: "two-soa", About: "the second server has two SOA records", Server: "two-soa", Tags: "MULTIPLE_SOA"},
		{Name: "other-serial", About: "the second server has another serial", Server: "other-serial"},
		{Name: "more-ns", About: "the second server has more NS records", Server: "more-ns"},
		{Name: "other-source", About: "the second server answers from elsewhere", Server: "other-source", More: "NAMESERVER_NO_UDP_53"},
		{Name: "other-id", About: "the second server answers with another ID", Server: "other-id", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "other-question", About: "the second server answers another question", Server: "other-question", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "garbage", About: "the second server sends what is no message", Server: "garbage", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "truncated", About: "the second server answers over TCP only", Server: "truncated"},
		{Name: "truncated-no-tcp", About: "the second server asks for TCP, and does not answer it", Server: "truncated-no-tcp", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "trickle", About: "the second server sends an octet a second over TCP", Server: "trickle", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "poison", About: "the second server adds addresses of names of others", Server: "poison"},

		{Name: "one-server", About: "one server only", Listed: []string{healthy}, Child: []string{healthy}, Tags: "NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV4_NS_DEL NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL NOT_ENOUGH_NS_CHILD NOT_ENOUGH_NS_DEL"},
		{Name: "same-address", About: "two names for one server", Listed: []string{healthy, "same." + domain}, Tags: "CHILD_NS_SAME_IP DEL_NS_SAME_IP SAME_IP_ADDRESS"},
		{Name: "server-is-alias", About: "a server's name is an alias", Listed: []string{healthy, "alias." + domain}, Tags: "CHILD_NS_SAME_IP DEL_NS_SAME_IP NS_IS_CNAME SAME_IP_ADDRESS"},
		{Name: "alias-loop", About: "a server's name is an alias of itself", Listed: []string{healthy, "loop." + domain}, Tags: "CAN_NOT_BE_RESOLVED NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV4_NS_DEL NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL NS_IS_CNAME", More: "B02_NS_NO_IP_ADDR CNAME_LOOP_OUTER"},
		{Name: "extra-name", About: "a server is not in the zone's NS records", Child: []string{healthy, "ns2.customer.example."}, Tags: "EXTRA_NAME_PARENT"},
		{Name: "other-names", About: "the zone has other NS records", Child: []string{"ns2.customer.example.", "none." + domain}, Tags: "EXTRA_NAME_PARENT TOTAL_NAME_MISMATCH"},
		{Name: "private-address", About: "a server has a private address", Listed: []string{healthy, "private." + domain}, Tags: "NAMESERVER_IP_PRIVATE_NETWORK NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "documentation-address", About: "a server has an address for documentation", Listed: []string{healthy, "documentation." + domain}, Tags: "NAMESERVER_IP_PRIVATE_NETWORK NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
		{Name: "underscore", About: "a server's name has an underscore", Listed: []string{healthy, "under_score." + domain}, Tags: "NAMESERVER_NON_ALLOWED_CHARS"},
		{Name: "address-as-name", About: "a server's name is an address", Listed: []string{healthy, "11.6.0.53."}, Tags: "CAN_NOT_BE_RESOLVED NAMESERVER_NUMERIC_TLD NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV4_NS_DEL NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL", More: "B02_NS_NO_IP_ADDR"},
		{Name: "no-address", About: "a server's name does not exist", Listed: []string{healthy, "missing." + domain}, Tags: "CAN_NOT_BE_RESOLVED NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV4_NS_DEL NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL", More: "B02_NS_NO_IP_ADDR"},
		{Name: "one-ipv4", About: "one server has no IPv4 address", Listed: []string{healthy, "ipv6." + domain}, Tags: "NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV4_NS_DEL"},
		{Name: "one-ipv6", About: "one server has no IPv6 address", Listed: []string{healthy, "ipv4." + domain}, Tags: "NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL"},
		{Name: "wrong-address", About: "a server was given with another address than it has", Listed: []string{healthy, "ns2.customer.example./11.6.0.99,2e00:6::99"}, More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53 OUT_OF_BAILIWICK_ADDR_MISMATCH", Why: "it does not look up a name that has addresses given"},

		{Name: "glue-only", About: "a server in the zone has an address in the delegation only", Listed: []string{healthy, "ns.{zone}/11.6.0.53,2e00:6::53"}, Tags: "IN_BAILIWICK_ADDR_MISMATCH NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV6_NS_CHILD"},
		{Name: "glue-differs", About: "a server in the zone has another address there", Listed: []string{healthy, "ns.{zone}/11.6.0.53,2e00:6::53"}, Records: "ns A 11.4.7.54\nns AAAA 2e00:6::53\n", Tags: "IN_BAILIWICK_ADDR_MISMATCH", More: "NAMESERVER_NO_TCP_53 NAMESERVER_NO_UDP_53"},
	}
	for i := range faults {
		f := &faults[i]
		f.Zone = fmt.Sprintf("%d.4.11.in-addr.arpa.", 100+i)
		if f.Listed == nil {
			f.Listed = []string{healthy, f.Name + "." + domain}
		}
		for j, n := range f.Listed {
			f.Listed[j] = strings.Replace(n, "{zone}", f.Zone, 1)
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
			Apex: f.Zone, Hosts: []string{"ns1", "ns2"}, NS: f.Child, Records: f.Records,
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
