package handover

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/finding"
)

// rule is a test that the owner of the addresses makes. Tag is the one of Zonemaster, which RIPE NCC
// runs with its default profile; also is another tag of it for the same, or the one of version 4.
//
// A rule is added to a table of this package, and a case that breaks it to rules_test.go.
type rule struct {
	tag, also string
	refuse    owners // that refuse the delegation for it; none: a warning
	text      string
	remedy    string
	test      func(*Facts) []string // returns where it is broken: servers, names or values
}

// rules returns all rules.
func rules() []rule {
	return slices.Concat(reachRules(), setRules(), nameRules(), signedRules(), denialRules(), keyRules())
}

// each returns the servers for which the test is true.
func each(test func(*Facts, *Server) bool) func(*Facts) []string {
	return func(f *Facts) []string {
		var out []string
		for _, s := range f.Servers {
			if test(f, s) {
				out = append(out, s.String())
			}
		}
		return out
	}
}

// eachReply is each, for servers with a reply to a question about the zone.
func eachReply(t uint16, m Mode, test func(*dns.Msg) bool) func(*Facts) []string {
	return each(func(f *Facts, s *Server) bool {
		r := f.reply(s, t, m)
		return r != nil && test(r)
	})
}

// eachName returns the names of the list for which the test is true.
func eachName(list func(*Facts) []string, test func(*Facts, string) bool) func(*Facts) []string {
	return func(f *Facts) []string {
		return slices.DeleteFunc(slices.Clone(list(f)), func(n string) bool { return !test(f, n) })
	}
}

func listed(f *Facts) []string { return f.Listed }

// reachRules are about servers that do not answer, or not as an authoritative server does.
func reachRules() []rule {
	const serve = "let the server serve the zone: check that it has loaded or transferred it"
	isEDNS := func(r *dns.Msg) bool { return r.IsEdns0() != nil }
	return []rule{
		{"NAMESERVER_NO_UDP_53", "", all, "does not answer over UDP", "start it, and open UDP port 53 towards it in firewalls and packet filters",
			each(func(f *Facts, s *Server) bool {
				return f.reply(s, dns.TypeSOA, 0) == nil && f.reply(s, dns.TypeNS, 0) == nil
			})},
		{"NAMESERVER_NO_TCP_53", "", ripe, "does not answer over TCP", "let it listen on TCP too, and open TCP port 53 towards it (RFC 7766)",
			each(func(f *Facts, s *Server) bool { return f.reply(s, dns.TypeSOA, TCP) == nil })},
		{"B02_NO_WORKING_NS", "", all, "no server serves the zone", serve,
			func(f *Facts) []string {
				if len(f.Servers) == 0 || slices.ContainsFunc(f.Servers, func(s *Server) bool { return f.soa(s) != nil }) {
					return nil
				}
				return []string{f.Zone}
			}},
		{"B02_UNEXPECTED_RCODE", "", all, "refuses or fails the query for the SOA record", serve,
			eachReply(dns.TypeSOA, 0, func(r *dns.Msg) bool { return r.Rcode != dns.RcodeSuccess })},
		{"B02_NS_NOT_AUTH", "", all, "answers without the AA bit: it is not authoritative", serve + ", and not forward to or answer from the cache of a resolver",
			eachReply(dns.TypeSOA, 0, func(r *dns.Msg) bool { return r.Rcode == dns.RcodeSuccess && !r.Authoritative })},
		{"B02_NS_BROKEN", "", all, "answers with the AA bit but without the SOA record of the zone", serve,
			eachReply(dns.TypeSOA, 0, func(r *dns.Msg) bool {
				return r.Rcode == dns.RcodeSuccess && r.Authoritative && len(records[*dns.SOA](r.Answer)) == 0
			})},
		{"SOA_NOT_EXISTS", "", all, "answers without the SOA record of the zone", serve,
			eachReply(dns.TypeSOA, 0, func(r *dns.Msg) bool {
				return r.Rcode == dns.RcodeSuccess && len(records[*dns.SOA](r.Answer)) == 0
			})},
		{"NS_FAILED", "", ripe, "answers without the NS records of the zone", serve,
			eachReply(dns.TypeNS, 0, func(r *dns.Msg) bool { return len(records[*dns.NS](r.Answer)) == 0 })},
		{"MULTIPLE_SOA", "", ripe, "answers with more than one SOA record", "remove all but one of the zone",
			eachReply(dns.TypeSOA, 0, func(r *dns.Msg) bool { return len(records[*dns.SOA](r.Answer)) > 1 })},
		{"IS_A_RECURSOR", "", ripe, "resolves names of other zones, or sets the RA bit", "switch recursion off, or use another address for the resolver",
			each(func(f *Facts, s *Server) bool {
				replies, denied := 0, 0
				for _, n := range foreign() {
					r := s.Replies[Question{n, dns.TypeA, 0}]
					switch {
					case r == nil:
						continue
					case r.RecursionAvailable:
						return true
					case r.Rcode == dns.RcodeNameError:
						denied++
					}
					replies++
				}
				return replies > 0 && denied == replies
			})},
		{"BREAKS_ON_EDNS", "", ripe, "answers without EDNS, but not with it", "update the server, or let packet filters pass EDNS (RFC 6891)",
			each(func(f *Facts, s *Server) bool {
				return f.reply(s, dns.TypeSOA, 0) != nil && f.reply(s, dns.TypeSOA, EDNS) == nil
			})},
		{"EDNS_RESPONSE_WITHOUT_EDNS", "", ripe, "answers a query with EDNS without it", "update the server (RFC 6891)",
			eachReply(dns.TypeSOA, EDNS, func(r *dns.Msg) bool { return r.Rcode == dns.RcodeSuccess && !isEDNS(r) })},
		{"EDNS_VERSION_ERROR", "", ripe, "answers with another EDNS version than 0", "update the server (RFC 6891 §6.1.3)",
			eachReply(dns.TypeSOA, EDNS, func(r *dns.Msg) bool {
				return r.Rcode == dns.RcodeSuccess && isEDNS(r) && r.IsEdns0().Version() != 0
			})},
		{"AAAA_QUERY_DROPPED", "", ripe, "answers queries for A but not for AAAA records", "update the server, or the load balancer in front of it (RFC 4074)",
			each(func(f *Facts, s *Server) bool {
				a := f.reply(s, dns.TypeA, 0)
				return a != nil && a.Rcode == dns.RcodeSuccess && f.reply(s, dns.TypeAAAA, 0) == nil
			})},
		{"AAAA_UNEXPECTED_RCODE", "", ripe, "fails queries for AAAA records", "update the server, or the load balancer in front of it (RFC 4074)",
			each(func(f *Facts, s *Server) bool {
				a, r := f.reply(s, dns.TypeA, 0), f.reply(s, dns.TypeAAAA, 0)
				return a != nil && a.Rcode == dns.RcodeSuccess && r != nil && r.Rcode != dns.RcodeSuccess
			})},
		{"CASE_QUERIES_RESULTS_DIFFER", "", ripe, "answers differently to the same name in upper and lower case", "update the server (RFC 4343)",
			each(func(f *Facts, s *Server) bool {
				upper, lower := mixedCase(f.Zone)
				a, b := s.Replies[Question{upper, dns.TypeSOA, 0}], s.Replies[Question{lower, dns.TypeSOA, 0}]
				if a == nil || b == nil {
					return (a == nil) != (b == nil)
				}
				return a.Rcode != b.Rcode || !sameRecords(a.Answer, b.Answer)
			})},
		{"MX_RECORD_IS_CNAME", "", ripe, "is the target of an MX record and an alias", "name the mail server itself (RFC 2181 §10.3), or remove the MX record: a reverse zone has no mail",
			func(f *Facts) []string { return namesWithChain(f.Targets) }},
		{"Z11_SPF1_MULTIPLE_RECORDS", "", ripe, "has more than one SPF record", "leave one (RFC 7208 §3.2)",
			each(func(f *Facts, s *Server) bool { return len(f.spf(s)) > 1 })},
		{"Z11_SPF1_SYNTAX_ERROR", "", ripe, "has an SPF record with an error", "correct it; a zone without mail has `v=spf1 -all` (RFC 7208 §4.6)",
			each(func(f *Facts, s *Server) bool {
				return slices.ContainsFunc(f.spf(s), func(text string) bool { return !isSPF(text) })
			})},
		{"Z11_UNABLE_TO_CHECK_FOR_SPF", "", ripe, "does not answer queries for TXT records", "update the server",
			func(f *Facts) []string {
				var out []string
				for _, s := range f.Servers {
					if f.authoritative(s, dns.TypeTXT, 0) != nil {
						return nil
					}
					if f.soa(s) != nil {
						out = append(out, s.String())
					}
				}
				return out
			}},
	}
}

// sameRecords compares records without their order, case and TTL.
func sameRecords(a, b []dns.RR) bool {
	text := func(list []dns.RR) []string {
		var out []string
		for _, rr := range list {
			c := dns.Copy(rr)
			c.Header().Ttl = 0
			out = append(out, strings.ToLower(c.String()))
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(text(a), text(b))
}

// spf returns the SPF records at the apex.
func (f *Facts) spf(s *Server) []string {
	var out []string
	for _, t := range answer[*dns.TXT](f, s, dns.TypeTXT, 0) {
		text := strings.Join(t.Txt, "")
		if l := strings.ToLower(text); l == "v=spf1" || strings.HasPrefix(l, "v=spf1 ") {
			out = append(out, text)
		}
	}
	return out
}

// isSPF checks the terms of an SPF record (RFC 7208 §12), not what is behind `:` and `=`.
func isSPF(text string) bool {
	for _, term := range strings.Fields(text)[1:] {
		term = strings.ToLower(strings.TrimLeft(term, "+-?~"))
		name, value, isModifier := strings.Cut(term, "=")
		if isModifier && !strings.ContainsAny(name, ":/") {
			if name == "" || value == "" {
				return false
			}
			continue
		}
		name, _, _ = strings.Cut(term, ":")
		name, _, _ = strings.Cut(name, "/")
		if !slices.Contains([]string{"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}, name) {
			return false
		}
	}
	return true
}

// least is the number of servers that a zone must have (RFC 1034 §4.1).
const least = 2

// setRules are about the set of servers as a whole.
func setRules() []rule {
	const second = "add a second name server with an address of its own, such as a secondary at your provider"
	return []rule{
		{"NOT_ENOUGH_NS_DEL", "", ripe | apnic | lacnic, "fewer than two name servers would be delegated to", second, tooFew(listed)},
		{"NOT_ENOUGH_NS_CHILD", "", ripe | apnic | lacnic, "fewer than two NS records in the zone", second + ", and to the NS records of the zone", func(f *Facts) []string {
			if len(f.children()) == 0 {
				return nil // no server serves the zone, which is another finding
			}
			return tooFew((*Facts).children)(f)
		}},
		{"NOT_ENOUGH_IPV4_NS_DEL", "", ripe, "only one of the delegated name servers has an IPv4 address", second, tooFewIn((*Facts).delegated, netip.Addr.Is4)},
		{"NOT_ENOUGH_IPV4_NS_CHILD", "", ripe, "only one of the name servers in the zone has an IPv4 address", second, tooFewIn((*Facts).served, netip.Addr.Is4)},
		{"NOT_ENOUGH_IPV6_NS_DEL", "", ripe, "only one of the delegated name servers has an IPv6 address", "give the others an IPv6 address, or this one none", tooFewIn((*Facts).delegated, netip.Addr.Is6)},
		{"NOT_ENOUGH_IPV6_NS_CHILD", "", ripe, "only one of the name servers in the zone has an IPv6 address", "give the others an IPv6 address, or this one none", tooFewIn((*Facts).served, netip.Addr.Is6)},
		{"DEL_NS_SAME_IP", "", ripe, "is the address of several delegated name servers", second, sameAddress((*Facts).delegated)},
		{"CHILD_NS_SAME_IP", "", ripe, "is the address of several name servers in the zone", second, sameAddress((*Facts).served)},
		{"SAME_IP_ADDRESS", "", ripe, "is the address of several name servers", second, sameAddress((*Facts).known)},
		{"EXTRA_NAME_PARENT", "", ripe, "would be delegated to, but is not in the NS records of the zone", "add it to the NS records of the zone, or leave it out",
			eachName(listed, func(f *Facts, n string) bool {
				return len(f.children()) > 0 && !slices.Contains(f.children(), n)
			})},
		{"TOTAL_NAME_MISMATCH", "", ripe, "has no name server in common with those that would be delegated to", "use the same names in the zone and for the delegation",
			func(f *Facts) []string {
				if c := f.children(); len(c) > 0 && !slices.ContainsFunc(c, func(n string) bool { return slices.Contains(f.Listed, n) }) {
					return []string{f.Zone}
				}
				return nil
			}},
		{"CHILD_ZONE_LAME", "", ripe, "is in the zone itself, and no server answers queries for its address", "update the servers, and add its A and AAAA records to the zone",
			eachName((*Facts).allNames, func(f *Facts, n string) bool {
				_, isServed := f.zoneAddresses(n)
				return f.inZone(n) && !isServed && len(f.Servers) > 0
			})},
		{"IN_BAILIWICK_ADDR_MISMATCH", "", ripe, "would have another address in the delegation than in the zone", "use the same addresses in both",
			eachName(listed, func(f *Facts, n string) bool {
				zone, isServed := f.zoneAddresses(n)
				return f.inZone(n) && isServed && !containsAll(zone, f.Glue[n])
			})},
		{"OUT_OF_BAILIWICK_ADDR_MISMATCH", "", ripe, "was given with another address than it resolves to", "correct the address, or the A and AAAA records of the name",
			eachName(listed, func(f *Facts, n string) bool {
				l := f.Names[n]
				return !f.inZone(n) && l != nil && l.Err == nil && !containsAll(l.Addrs, f.Glue[n])
			})},
		{"MULTIPLE_SOA_SERIALS", "", 0, "not all servers have the same serial", "wait until the secondaries have transferred the zone (--wait), or check why they do not",
			differs(func(f *Facts, s *Server) string {
				if soa := f.soa(s); soa != nil {
					return fmt.Sprint(soa.Serial)
				}
				return ""
			})},
		{"MULTIPLE_NS_SET", "", 0, "not all servers have the same NS records", "wait until the secondaries have transferred the zone (--wait), or check why they do not",
			differs(func(f *Facts, s *Server) string { return strings.Join(f.nsSet(s), " ") })},
		{"EXTRA_NAME_CHILD", "", 0, "is in the NS records of the zone, but would not be delegated to", "add it to the delegation, or remove it from the zone",
			eachName((*Facts).children, func(f *Facts, n string) bool { return !slices.Contains(f.Listed, n) })},
	}
}

func tooFew(names func(*Facts) []string) func(*Facts) []string {
	return func(f *Facts) []string {
		if n := names(f); len(n) < least {
			return []string{cmp.Or(strings.Join(n, " "), f.Zone)}
		}
		return nil
	}
}

// tooFewIn finds sets of which some servers have an address of a family, but fewer than two.
func tooFewIn(addresses func(*Facts) map[string][]netip.Addr, is func(netip.Addr) bool) func(*Facts) []string {
	return func(f *Facts) []string {
		var out []string
		for n, list := range addresses(f) {
			if slices.ContainsFunc(list, is) {
				out = append(out, n)
			}
		}
		if len(out) >= least {
			return nil
		}
		return out
	}
}

func sameAddress(addresses func(*Facts) map[string][]netip.Addr) func(*Facts) []string {
	return func(f *Facts) []string {
		of := map[netip.Addr]int{}
		for _, list := range addresses(f) {
			for _, a := range list {
				of[a]++
			}
		}
		var out []string
		for _, a := range slices.SortedFunc(maps.Keys(of), netip.Addr.Compare) {
			if of[a] > 1 {
				out = append(out, a.String())
			}
		}
		return out
	}
}

// differs returns the servers with their values if these are not all the same; an empty value is
// that of a server that does not answer.
func differs(value func(*Facts, *Server) string) func(*Facts) []string {
	return func(f *Facts) []string {
		values := map[string]bool{}
		var out []string
		for _, s := range f.Servers {
			if v := value(f, s); v != "" {
				values[v] = true
				out = append(out, fmt.Sprintf("%v has %s", s, v))
			}
		}
		if len(values) < 2 {
			return nil
		}
		return out
	}
}

func containsAll(list, want []netip.Addr) bool {
	return !slices.ContainsFunc(want, func(a netip.Addr) bool { return !slices.Contains(list, a) })
}

// Check returns the findings about a zone, those that one of the owners refuses first. A rule that none
// of them has is a warning.
func (f *Facts) Check(of owners) []Finding {
	var out []Finding
	for _, r := range rules() {
		where := r.test(f)
		if len(where) == 0 {
			continue
		}
		n := Finding{Tag: r.tag, Also: r.also, Where: where}
		n.Rule = strings.ToLower(strings.ReplaceAll(r.tag, "_", "-"))
		n.Text = fmt.Sprintf("%s: %s; %s", strings.Join(where, ", "), r.text, r.remedy)
		for refuse := r.refuse & of; refuse != 0; {
			i := slices.IndexFunc(Owners(), func(o Owner) bool { return refuse&o.set != 0 })
			n.Severity = finding.Error
			n.Refused = append(n.Refused, Owners()[i].Key)
			refuse &^= Owners()[i].set
		}
		out = append(out, n)
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
	return out
}

// Finding is a broken rule.
type Finding struct {
	finding.Finding
	Tag     string   `json:"tag"`               // of Zonemaster
	Also    string   `json:"also,omitempty"`    // another tag for the same
	Where   []string `json:"where"`             // servers, names or values
	Refused []string `json:"refused,omitempty"` // by these owners
}
