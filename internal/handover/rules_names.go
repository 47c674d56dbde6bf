package handover

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxChain is the number of aliases at which Zonemaster and package delegation give up.
const maxChain = 10

// nameRules are about the names of the zone and of its servers, and about their addresses.
func nameRules() []rule {
	zone := func(f *Facts) []string { return []string{f.Zone} }
	const inName = "letters, digits and hyphens are allowed (RFC 1123 §2.1)"
	const plain = "give the name server a name of its own with A and AAAA records (RFC 2181 §10.3)"
	const global = "give the server a global address, or leave it out of the delegation"
	return []rule{
		{"NON_ALLOWED_CHARS", "", ripe, "has other characters than a host name", inName + "; style range makes a zone name without a slash", eachName(zone, hasOddCharacter)},
		{"INITIAL_HYPHEN", "", ripe, "has a label that starts with a hyphen", "rename the zone", eachName(zone, func(_ *Facts, n string) bool {
			return slices.ContainsFunc(labels(n), func(l string) bool { return strings.HasPrefix(l, "-") })
		})},
		{"TERMINAL_HYPHEN", "", ripe, "has a label that ends with a hyphen", "rename the zone", eachName(zone, func(_ *Facts, n string) bool {
			return slices.ContainsFunc(labels(n), func(l string) bool { return strings.HasSuffix(l, "-") })
		})},
		{"NAMESERVER_NON_ALLOWED_CHARS", "", ripe, "has other characters than a host name", inName, eachName((*Facts).allNames, hasOddCharacter)},
		{"NAMESERVER_NUMERIC_TLD", "", ripe, "ends in a label of digits only: it is an address, not a name", "give the name of the server", eachName((*Facts).allNames, func(_ *Facts, n string) bool {
			l := labels(n)
			return len(l) > 0 && isNumeric([]byte(l[len(l)-1]))
		})},
		{"NS_IS_CNAME", "", ripe, "is an alias", plain, eachName((*Facts).allNames, func(f *Facts, n string) bool {
			if l := f.Names[n]; l != nil && len(l.Chain) > 0 {
				return true
			}
			return slices.ContainsFunc(f.Servers, func(s *Server) bool {
				r := s.Replies[Question{n, dns.TypeA, 0}]
				return r != nil && len(records[*dns.CNAME](r.Answer)) > 0
			})
		})},
		{"CAN_NOT_BE_RESOLVED", "", ripe, "has no address", "add its A and AAAA records, or leave it out", func(f *Facts) []string {
			if len(f.known()) == 0 || len(f.unresolved()) == len(f.allNames()) {
				return nil
			}
			return f.unresolved()
		}},
		{"NO_RESOLUTION", "NO_GLUE_PREVENTS_NAMESERVER_TESTS", all, "has no address, and neither has any other name server", "add the A and AAAA records of the name servers", func(f *Facts) []string {
			if len(f.unresolved()) < len(f.allNames()) {
				return nil
			}
			return f.unresolved()
		}},
		{"B02_NS_NO_IP_ADDR", "FAKE_DELEGATION_NO_IP", ripe, "has no address", "add its A and AAAA records, or leave it out", eachName(listed, func(f *Facts, n string) bool { return slices.Contains(f.unresolved(), n) })},
		{"B02_NO_DELEGATION", "", all, "has no name servers to delegate to", "give them by --ns, or as `nameservers` in the configuration", eachName(zone, func(f *Facts, _ string) bool { return len(f.Listed) == 0 })},
		{"A01_ADDR_NOT_GLOBALLY_REACHABLE", "NAMESERVER_IP_PRIVATE_NETWORK", ripe, "is not an address that the Internet reaches", global, eachAddress(func(a netip.Addr) bool { return kindOf(a) == special })},
		{"A01_LOCAL_USE_ADDR", "NAMESERVER_IP_PRIVATE_NETWORK", ripe, "is an address for local use", global, eachAddress(func(a netip.Addr) bool { return kindOf(a) == local })},
		{"A01_DOCUMENTATION_ADDR", "NAMESERVER_IP_PRIVATE_NETWORK", ripe, "is an address for documentation", global, eachAddress(func(a netip.Addr) bool { return kindOf(a) == documentation })},
		{"CNAME_LOOP_OUTER", "CNAME_LOOP_INNER", ripe, "is an alias that leads into a circle", plain, chains(func(c []*dns.CNAME) bool {
			return slices.ContainsFunc(c, func(r *dns.CNAME) bool { return reaches(c, r.Target, r.Hdr.Name) })
		})},
		{"CNAME_CHAIN_TOO_LONG", "CNAME_RECORDS_TOO_MANY", ripe, "is an alias of ten steps or more", plain, chains(func(c []*dns.CNAME) bool { return len(c) >= maxChain })},
		{"CNAME_RECORDS_MULTIPLE_FOR_NAME", "", ripe, "is an alias with several CNAME records for one name", plain, chains(func(c []*dns.CNAME) bool {
			for i, r := range c {
				if slices.ContainsFunc(c[i+1:], func(o *dns.CNAME) bool { return same(r.Hdr.Name, o.Hdr.Name) && !same(r.Target, o.Target) }) {
					return true
				}
			}
			return false
		})},
		{"CNAME_RECORDS_CHAIN_BROKEN", "", ripe, "is an alias whose CNAME records do not follow from one another", plain, chains(func(c []*dns.CNAME) bool {
			return slices.ContainsFunc(c[min(1, len(c)):], func(r *dns.CNAME) bool {
				return !slices.ContainsFunc(c, func(o *dns.CNAME) bool { return same(o.Target, r.Hdr.Name) })
			})
		})},
	}
}

func same(a, b string) bool { return dns.CanonicalName(a) == dns.CanonicalName(b) }

// reaches reports whether the aliases lead from a name to another.
func reaches(chain []*dns.CNAME, from, to string) bool {
	for range chain {
		if same(from, to) {
			return true
		}
		i := slices.IndexFunc(chain, func(r *dns.CNAME) bool { return same(r.Hdr.Name, from) })
		if i < 0 {
			return false
		}
		from = chain[i].Target
	}
	return false
}

// labels returns the labels of a name in text form.
func labels(name string) []string {
	return slices.DeleteFunc(strings.Split(strings.TrimSuffix(name, "."), "."), func(l string) bool { return l == "" })
}

func hasOddCharacter(_ *Facts, name string) bool {
	return strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.')
	})
}

// unresolved returns the names of servers without address.
func (f *Facts) unresolved() []string {
	with := f.known()
	return slices.DeleteFunc(f.allNames(), func(n string) bool { return len(with[n]) > 0 })
}

// chains returns the names of servers whose aliases fulfil the test.
func chains(test func([]*dns.CNAME) bool) func(*Facts) []string {
	return eachName((*Facts).allNames, func(f *Facts, n string) bool {
		l := f.Names[n]
		return l != nil && test(l.Chain)
	})
}

// namesWithChain returns the names that are aliases, sorted.
func namesWithChain(of map[string]*Lookup) []string {
	var out []string
	for n, l := range of {
		if len(l.Chain) > 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// eachAddress returns the addresses of servers for which the test is true.
func eachAddress(test func(netip.Addr) bool) func(*Facts) []string {
	return each(func(_ *Facts, s *Server) bool { return test(s.Addr) })
}

// kind is what an address is for.
type kind uint8

const (
	global kind = iota
	special
	local
	documentation
)

// block is an entry of the registries of special addresses (RFC 6890 and its updates), with those
// that are not globally reachable.
type block struct {
	prefix string
	kind   kind
}

// blocks are in the order of the search: 192.0.0.9, 192.0.0.10 and some others are reachable,
// although they lie in prefixes that are not.
func blocks() []block {
	return []block{
		{"192.0.0.9/32", global}, {"192.0.0.10/32", global}, {"2001:1::1/128", global}, {"2001:1::2/128", global},
		{"2001:3::/32", global}, {"2001:4:112::/48", global}, {"2001:20::/28", global}, {"2001:30::/28", global},
		{"192.0.2.0/24", documentation}, {"198.51.100.0/24", documentation}, {"203.0.113.0/24", documentation},
		{"2001:db8::/32", documentation}, {"3fff::/20", documentation},
		{"10.0.0.0/8", local}, {"172.16.0.0/12", local}, {"192.168.0.0/16", local}, {"127.0.0.0/8", local}, {"169.254.0.0/16", local},
		{"100.64.0.0/10", local}, {"fc00::/7", local}, {"fe80::/10", local}, {"::1/128", local},
		{"0.0.0.0/8", special}, {"192.0.0.0/24", special}, {"192.88.99.0/24", special}, {"198.18.0.0/15", special}, {"224.0.0.0/4", special},
		{"240.0.0.0/4", special}, {"::/128", special}, {"::ffff:0:0/96", special}, {"64:ff9b:1::/48", special}, {"100::/64", special},
		{"2001::/23", special}, {"2002::/16", special}, {"ff00::/8", special},
	}
}

func kindOf(a netip.Addr) kind {
	for _, b := range blocks() {
		if netip.MustParsePrefix(b.prefix).Contains(a) {
			return b.kind
		}
	}
	return global
}
