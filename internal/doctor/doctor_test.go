package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

const soa = " SOA ns.example.com. hostmaster.example.com. 1 3600 900 86400 300\n"

// zones are healthy: the hosts of a network by their addresses, each a list of zones.
var zones = map[string][]string{
	"100.0.0.1": {"." + soa + `
. NS a.root.
a.root. A 100.0.0.1
arpa. NS ns.arpa.
arpa. DS 1 13 2 1111111111111111111111111111111111111111111111111111111111111111
ns.arpa. A 100.0.1.1
com. NS ns.com.
ns.com. A 100.0.2.1
`},
	"100.0.1.1": {"arpa." + soa + `
arpa. NS ns.arpa.
ns.arpa. A 100.0.1.1
in-addr.arpa. NS ns.arpa.
in-addr.arpa. DS 1 13 2 1111111111111111111111111111111111111111111111111111111111111111
`, "in-addr.arpa." + soa + `
in-addr.arpa. NS ns.arpa.
198.in-addr.arpa. NS ns.arpa.
198.in-addr.arpa. DS 1 13 2 1111111111111111111111111111111111111111111111111111111111111111
`, "ip6.arpa." + soa + `
ip6.arpa. NS ns.arpa.
8.b.d.0.1.0.0.2.ip6.arpa. NS ns1.isp.com.
`, "198.in-addr.arpa." + soa + `
198.in-addr.arpa. NS ns.arpa.
100.51.198.in-addr.arpa. NS ns1.isp.com.
100.51.198.in-addr.arpa. NS ns2.isp.com.
`},
	"100.0.2.1": {"com." + soa + `
com. NS ns.com.
ns.com. A 100.0.2.1
isp.com. NS ns1.isp.com.
isp.com. NS ns2.isp.com.
ns1.isp.com. A 100.0.3.1
ns2.isp.com. A 100.0.3.2
example.com. NS ns.example.com.
ns.example.com. A 100.0.4.1
`},
	"100.0.3.1": isp, "100.0.3.2": isp,
	"100.0.4.1": {"example.com." + soa + `
example.com. NS ns.example.com.
ns.example.com. A 100.0.4.1
example.com. MX 10 mail.example.com.
example.com. MX 20 mx2.example.com.
example.com. TXT "v=spf1 ip4:198.51.100.25 ip4:198.51.100.26 ip6:2001:db8::25 -all"
mail.example.com. A 198.51.100.25
mail.example.com. A 198.51.100.26
mail.example.com. AAAA 2001:db8::25
mx2.example.com. A 198.51.100.26
bounce.example.com. MX 10 feedback.example.com.
bounce.example.com. TXT "v=spf1 ip4:198.51.100.0/24 -all"
`, "bl.example.com." + soa + listEntries(2, "bl.example.com.", "127.0.0.2"),
		"all.example.com." + soa + listEntries(2, "all.example.com.", "127.0.0.2") + listEntries(1, "all.example.com.", "127.0.0.2"),
		"closed.example.com." + soa + listEntries(2, "closed.example.com.", "127.255.255.254") + "25.100.51.198.closed.example.com. A 127.255.255.254\n",
		"parked.example.com." + soa + "25.100.51.198.parked.example.com. A 203.0.113.80\n",
		"empty.example.com." + soa,
	},
}

var isp = []string{"isp.com." + soa + `
isp.com. NS ns1.isp.com.
isp.com. NS ns2.isp.com.
ns1.isp.com. A 100.0.3.1
ns2.isp.com. A 100.0.3.2
`, "100.51.198.in-addr.arpa." + soa + `
100.51.198.in-addr.arpa. NS ns1.isp.com.
100.51.198.in-addr.arpa. NS ns2.isp.com.
25.100.51.198.in-addr.arpa. PTR mail.example.com.
26.100.51.198.in-addr.arpa. PTR mail.example.com.
`, "8.b.d.0.1.0.0.2.ip6.arpa." + soa + `
8.b.d.0.1.0.0.2.ip6.arpa. NS ns1.isp.com.
5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.example.com.
`}

// scenario is a fault in the healthy network.
type scenario struct {
	name     string
	replace  []string // pairs of texts in all zones
	silent   []string // hosts that do not answer
	without  string   // a zone that no host has
	lame     string   // a host without zones
	ip       string   // default: both of IPv4
	helo     string   // default: mail.example.com
	mailFrom string
	lists    string // blocklists, separated by spaces
	sign     string // how the reverse zone is signed, see signed; empty: it is not

	first  string // check, addresses, who: contained in what First returns; empty: none
	reply  string // contained in the replies
	remedy string // contained in the remedy
	seen   string // contained in what is seen
	state  string // of another check: "NAME: STATE"
	plan   string // the checks of all steps; empty: not compared
}

const (
	nsRecords = "100.51.198.in-addr.arpa. NS ns1.isp.com.\n100.51.198.in-addr.arpa. NS ns2.isp.com.\n"
	ptr25     = "25.100.51.198.in-addr.arpa. PTR mail.example.com.\n"
	ispWho    = "the provider of the addresses, who operates the zone 100.51.198.in-addr.arpa."
	ownerWho  = "the operator of the zone example.com."
	rirWho    = "the provider of the addresses, who operates the zone 198.in-addr.arpa."
	self      = "the operator of the mail server"
	both      = "[198.51.100.25 198.51.100.26]"
	one       = "[198.51.100.25]"
	two       = "[198.51.100.26]"
	silence   = "no reply"
	none      = "cannot find your reverse hostname, [198.51.100.25]"
	forged    = "450 4.7.25 Client host rejected: cannot find your hostname, [198.51.100.25]"
)

var scenarios = []scenario{
	{name: "healthy"},
	{name: "healthy, MAIL FROM", mailFrom: "bounce.example.com"},
	{name: "healthy, IPv6", ip: "2001:db8::25"},
	{name: "healthy, IPv4 in IPv6 form", ip: "::ffff:198.51.100.25"},

	{name: "IPv6, not delegated", ip: "2001:db8::25", replace: []string{"8.b.d.0.1.0.0.2.ip6.arpa. NS ns1.isp.com.", ""}, without: "8.b.d.0.1.0.0.2.ip6.arpa.",
		first: "delegation [2001:db8::25] the provider of the addresses, who operates the zone ip6.arpa.", reply: "450 4.7.1"},
	{name: "IPv6, neither PTR nor address", ip: "2001:db8::26", first: "helo address [2001:db8::26] " + ownerWho, reply: silence,
		plan: "helo address, ptr, spf, mx address"},
	{name: "neither PTR nor HELO", helo: "new.example.com", ip: "198.51.100.25", replace: []string{ptr25, ""}, first: "helo " + one + " " + ownerWho, plan: "helo, ptr"},
	{name: "no PTR, HELO with one label", helo: "mail", ip: "198.51.100.25", replace: []string{ptr25, ""}, first: "ptr " + one + " " + ispWho, plan: "ptr, helo name", remedy: "PTR NAME-OF-THE-MAIL-SERVER.`, with a name that has the A record 198.51.100.25"},
	{name: "IPv6, no PTR", ip: "2001:db8::26", replace: []string{"mail.example.com. AAAA", "mail.example.com. AAAA 2001:db8::26\nmail.example.com. AAAA"}, first: "ptr [2001:db8::26] the provider of the addresses, who operates the zone 8.b.d.0.1.0.0.2.ip6.arpa.", reply: "450 4.7.1"},
	{name: "IPv6, name with IPv4 only", ip: "2001:db8::25", replace: []string{"mail.example.com. AAAA 2001:db8::25\n", ""}, first: "forward [2001:db8::25] " + ownerWho, reply: "450 4.7.25"},
	{name: "not delegated", replace: []string{nsRecords, ""},
		without: "100.51.198.in-addr.arpa.", first: "delegation " + both + " " + rirWho, reply: none},
	{name: "lame servers", without: "100.51.198.in-addr.arpa.", first: "delegation " + both + " " + ispWho, reply: none},
	{name: "one lame server", lame: "100.0.3.2", first: "servers " + both + " " + ispWho},
	{name: "only server without glue", replace: []string{nsRecords, "100.51.198.in-addr.arpa. NS ns.100.51.198.in-addr.arpa.\n"},
		first: "delegation " + both + " " + ispWho, reply: none},
	{name: "only server without address", replace: []string{nsRecords, "100.51.198.in-addr.arpa. NS ns3.isp.com.\n"},
		first: "delegation " + both + " " + ispWho, reply: none},
	{name: "silent servers", silent: []string{"100.0.3.1", "100.0.3.2"}, state: "delegation: not known"},
	{name: "one silent server", silent: []string{"100.0.3.2"}, state: "servers: not known"},
	{name: "DS without key", replace: []string{"100.51.198.in-addr.arpa. NS ns1.isp.com.\n100", "100.51.198.in-addr.arpa. DS 1 13 2 1111111111111111111111111111111111111111111111111111111111111111\n100.51.198.in-addr.arpa. NS ns1.isp.com.\n100"},
		first: "dnssec " + both + " " + rirWho, reply: none},
	{name: "signed", sign: "valid", state: "dnssec: ok"},
	{name: "signed, alias", sign: "valid", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. CNAME 25.0/25.100.51.198.in-addr.arpa.\n25.0/25.100.51.198.in-addr.arpa. PTR mail.example.com.\n"}, state: "dnssec: ok"},
	{name: "signed, other key", sign: "other", first: "dnssec " + both + " " + rirWho, reply: none},
	{name: "keys signed only by a key without DS record", sign: "zsk", first: "dnssec " + both + " " + ispWho, reply: none, seen: "by a key that is not in the zone, or that no DS record leads to"},
	{name: "signature of the keys expired", sign: "expired DNSKEY", first: "dnssec " + both + " " + ispWho, reply: none, seen: "expired at 1999-12-31T23:59:59Z"},
	{name: "signature of the SOA record early", sign: "early SOA", first: "dnssec " + both + " " + ispWho, reply: none, seen: "not valid before 2000-01-01T00:00:01Z"},
	{name: "signature of the PTR record invalid", sign: "invalid PTR", first: "dnssec " + both + " " + ispWho, reply: none, seen: "an invalid signature of the PTR record of "},
	{name: "signature of the alias expired", sign: "expired CNAME", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. CNAME 25.0/25.100.51.198.in-addr.arpa.\n25.0/25.100.51.198.in-addr.arpa. PTR mail.example.com.\n"}, first: "dnssec " + one + " " + ispWho, reply: none},
	{name: "PTR record not signed", sign: "unsigned PTR", first: "dnssec " + both + " " + ispWho, reply: none, seen: "no signature of the PTR record of "},
	{name: "keys not signed", sign: "unsigned DNSKEY", first: "dnssec " + both + " " + ispWho, reply: none},
	{name: "one server signs as before", sign: "expired SOA 100.0.3.2", first: "dnssec " + both + " " + ispWho, reply: silence, seen: "ns2.isp.com. (100.0.3.2): "},
	{name: "signature of an island expired", sign: "expired SOA", replace: []string{"\n198.in-addr.arpa. DS 1 13", "\nx.198.in-addr.arpa. DS 1 13"}, first: "dnssec " + both + " " + ispWho, reply: silence, seen: "as long as 198.in-addr.arpa. has no DS records"},
	{name: "signed by an unknown algorithm", sign: "algorithm", state: "dnssec: not known"},
	{name: "DS record of an unknown type", sign: "digest", state: "dnssec: not known"},
	{name: "signed, silent servers", sign: "valid", silent: []string{"100.0.3.1", "100.0.3.2"}, state: "dnssec: skipped"},

	{name: "aliases in a circle", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. CNAME 25.0/25.100.51.198.in-addr.arpa.\n25.0/25.100.51.198.in-addr.arpa. CNAME 25.100.51.198.in-addr.arpa.\n"},
		first: "delegation " + one + " " + ispWho, reply: none},
	{name: "alias to nothing", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. CNAME 25.0/25.100.51.198.in-addr.arpa.\n"},
		first: "ptr " + one + " " + ispWho, reply: none},
	{name: "alias", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. CNAME 25.0/25.100.51.198.in-addr.arpa.\n25.0/25.100.51.198.in-addr.arpa. PTR mail.example.com.\n"}},

	{name: "no PTR", replace: []string{ptr25, ""}, first: "ptr " + one + " " + ispWho, reply: none},
	{name: "no final dot", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR mail.example.com.100.51.198.in-addr.arpa.\n"},
		first: "name " + one + " " + ispWho, reply: forged},
	{name: "one label", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR mail.\n"}, first: "name " + one + " " + ispWho, reply: forged},
	{name: "PTR to a name without address", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR old.example.com.\n"},
		first: "forward " + one + " " + ispWho, reply: forged, remedy: "change the record to `25.100.51.198.in-addr.arpa. PTR mail.example.com.`"},
	{name: "PTR to a name without address, and HELO of another host", helo: "mx2.example.com", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR old.example.com.\n"},
		first: "forward " + one + " " + ownerWho, reply: forged, remedy: "`old.example.com. A 198.51.100.25`"},
	{name: "PTR to an address", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR 198.51.100.25.\n"}, first: "name " + one + " " + ispWho, reply: none},
	{name: "PTR to a domain that does not exist", helo: "mx2.example.com", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR mail.old.com.\n"},
		first: "forward " + one + " the operator of the zone com.", reply: forged, remedy: "let the registrar of the domain delegate it in the zone com."},
	{name: "PTR to a lame zone", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR mail.lame.com.\n", "isp.com. NS ns1", "lame.com. NS ns.example.com.\nisp.com. NS ns1"},
		first: "forward " + one + " the operator of the zone lame.com.", reply: forged},
	{name: "PTR to a silent zone", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR mail.silent.com.\n", "com. NS ns.com.\nns", "com. NS ns.com.\nsilent.com. NS ns.silent.com.\nns.silent.com. A 100.0.9.9\nns"},
		state: "forward: not known"},
	{name: "PTR to a name without address, and to a silent zone", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR old.example.com.\n25.100.51.198.in-addr.arpa. PTR mail.silent.com.\n", "com. NS ns.com.\nns", "com. NS ns.com.\nsilent.com. NS ns.silent.com.\nns.silent.com. A 100.0.9.9\nns"},
		state: "forward: not known"},
	{name: "PTR to a name without address, and to another host", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR old.example.com.\n25.100.51.198.in-addr.arpa. PTR mx2.example.com.\n"},
		first: "confirmed " + one + " " + ispWho, reply: forged},
	{name: "PTR to an alias that leads elsewhere", helo: "mx2.example.com", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR smtp.example.com.\n", "mx2.example.com. A", "smtp.example.com. CNAME mx2.example.com.\nmx2.example.com. A"},
		first: "confirmed " + one + " " + ownerWho, reply: forged, remedy: "`mx2.example.com. A 198.51.100.25`"},
	{name: "PTR leads elsewhere", replace: []string{"mail.example.com. A 198.51.100.25\n", ""},
		first: "confirmed " + one + " " + ownerWho, reply: forged},
	{name: "two PTR records", replace: []string{ptr25, ptr25 + "25.100.51.198.in-addr.arpa. PTR old.example.com.\n"},
		first: "all names " + one + " " + ispWho},
	{name: "name of a pool", replace: []string{ptr25, "25.100.51.198.in-addr.arpa. PTR host-198-51-100-25.example.com.\n", "mx2.example.com. A", "host-198-51-100-25.example.com. A 198.51.100.25\nmx2.example.com. A"},
		first: "pool " + one + " " + ispWho},

	{name: "on no list", lists: "bl.example.com", state: "dnsbl: ok"},
	{name: "on no list, IPv6", ip: "2001:db8::25", lists: "bl.example.com", state: "dnsbl: ok"},
	{name: "on a list", lists: "empty.example.com bl.example.com", replace: []string{"2.0.0.127.bl.", "25.100.51.198.bl.example.com. A 127.0.0.4\n25.100.51.198.bl.example.com. TXT \"sends spam, see https://bl.example.com/\"\n2.0.0.127.bl."},
		first: "dnsbl " + one + " the operator of the list bl.example.com", reply: "554 5.7.1 Service unavailable; Client host [198.51.100.25] blocked using bl.example.com; sends spam, see https://bl.example.com/", remedy: "ask the list to remove it"},
	{name: "on a list, IPv6", ip: "2001:db8::25", lists: "bl.example.com", replace: []string{"2.0.0.127.bl.", "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.com. A 127.0.0.2\n2.0.0.127.bl."},
		first: "dnsbl [2001:db8::25] the operator of the list bl.example.com", seen: "2001:db8::25 is on the blocklist bl.example.com"},
	{name: "list with all addresses", lists: "all.example.com", state: "dnsbl: not known"},
	{name: "list that refuses", lists: "closed.example.com", state: "dnsbl: not known"},
	{name: "list without test entry", lists: "empty.example.com", state: "dnsbl: not known"},
	{name: "list that was sold", lists: "parked.example.com", state: "dnsbl: not known"},
	{name: "silent list", lists: "bl.silent.com", replace: []string{"com. NS ns.com.\nns", "com. NS ns.com.\nsilent.com. NS ns.silent.com.\nns.silent.com. A 100.0.9.9\nns"}, state: "dnsbl: not known"},

	{name: "HELO with one label", helo: "mail", first: "helo name " + both + " " + self, reply: "504 5.5.2 <mail>"},
	{name: "HELO with an address", helo: "198.51.100.25", first: "helo name " + both + " " + self, reply: "504 5.5.2 <198.51.100.25>"},
	{name: "HELO with an address in brackets", helo: "[198.51.100.25]", first: "helo name " + both + " " + self, reply: silence},
	{name: "HELO with an IPv6 address in brackets", helo: "[IPv6:2001:db8::25]", first: "helo name " + both + " " + self, reply: silence},
	{name: "HELO of the local network", helo: "mail.local", first: "helo name " + both + " " + self, reply: "450 4.7.1 <mail.local>: Helo command rejected: Host not found"},
	{name: "HELO of another host", helo: "gone.example.com", replace: []string{"mx2.example.com. A", "gone.example.com. A 100.0.9.9\nmx2.example.com. A"}, first: "helo address " + both + " " + self, remedy: "set the name in HELO to mail.example.com,"},
	{name: "HELO does not exist", helo: "gone.example.com", first: "helo " + both + " " + self, remedy: "set the name in HELO to mail.example.com,", reply: "<gone.example.com>: Helo command rejected: Host not found"},
	{name: "HELO of one uplink only", helo: "mx2.example.com", first: "helo address " + one + " " + ownerWho},

	{name: "no MX, no address", replace: []string{"example.com. MX 10 mail.example.com.\nexample.com. MX 20 mx2.example.com.\n", ""},
		first: "mx " + both + " " + ownerWho, reply: "450 4.1.8 <postmaster@example.com>"},
	{name: "null MX", replace: []string{"example.com. MX 10 mail.example.com.\nexample.com. MX 20 mx2.example.com.\n", "example.com. MX 0 .\n"},
		first: "mx " + both + " " + ownerWho, reply: "550 5.7.27"},
	{name: "MX without address", replace: []string{"MX 20 mx2.", "MX 20 mx3."}, first: "mx " + both + " " + ownerWho},
	{name: "MX without one uplink", replace: []string{"example.com. MX 10 mail.example.com.\n", ""}, first: "mx address " + one + " " + ownerWho},
	{name: "no MX of the domain, another MAIL FROM", mailFrom: "bounce.example.com", replace: []string{"\nexample.com. MX 10 mail.example.com.\nexample.com. MX 20 mx2.example.com.\n", "\n"},
		first: "mx " + both + " " + ownerWho, reply: silence},
	{name: "MAIL FROM with two MX", mailFrom: "bounce.example.com", replace: []string{"bounce.example.com. TXT", "bounce.example.com. MX 20 mail.example.com.\nbounce.example.com. TXT"},
		first: "mail from " + both + " " + ownerWho, reply: silence},
	{name: "MAIL FROM without MX", mailFrom: "bounce.example.com", replace: []string{"bounce.example.com. MX 10 feedback.example.com.\n", ""},
		first: "mail from " + both + " " + ownerWho},

	{name: "SPF without one uplink", replace: []string{" ip4:198.51.100.26 ", " "}, first: "spf " + two + " " + ownerWho, reply: "550 5.7.23"},
	{name: "SPF with explanation", replace: []string{" ip4:198.51.100.26 ip6:2001:db8::25 -all\"", " -all exp=why.example.com\"\nwhy.example.com. TXT \"%{i} is not ours,\" \" ask %{d}\""},
		first: "spf " + two + " " + ownerWho, seen: `(its explanation: "198.51.100.26 is not ours, ask example.com")`},
	{name: "SPF by ptr", replace: []string{" ip4:198.51.100.26 ip6:2001:db8::25 -all", " ptr -all"}, first: "spf " + two + " " + ownerWho, reply: silence, seen: "only by `ptr`, which should not be used (RFC 7208 §5.5)"},
	{name: "SPF, soft", replace: []string{" ip4:198.51.100.26 ip6:2001:db8::25 -all", " ~all"}, first: "spf " + two + " " + ownerWho},
	{name: "no SPF", replace: []string{`example.com. TXT "v=spf1 ip4:198.51.100.25 ip4:198.51.100.26 ip6:2001:db8::25 -all"`, ""}, first: "spf " + both + " " + ownerWho},
	{name: "two SPF records", replace: []string{"example.com. MX 10 mail", "example.com. TXT \"v=spf1 mx -all\"\nexample.com. MX 10 mail"}, first: "spf " + both + " " + ownerWho, reply: "550 5.7.24"},
	{name: "SPF with an error", replace: []string{"v=spf1 ip4", "v=spf1 ipv4"}, first: "spf " + both + " " + ownerWho},
}

// listEntries returns the entries of a blocklist for 127.0.0.LAST in both families (RFC 5782 §5).
func listEntries(last int, list, value string) string {
	return fmt.Sprintf("%[1]d.0.0.127.%[2]s A %[3]s\n%[1]d.0.0.0.0.0.f.7.f.f.f.f%[4]s.%[2]s A %[3]s\n", last, list, value, strings.Repeat(".0", 20))
}

const reverse = "100.51.198.in-addr.arpa."

// signed returns a host that signs the answers of another one, and the DS record of its key.
// Scenario.sign is "KIND [TYPE [SERVER]]", for the RRsets of a type on one server; the others are
// valid.
func (s *scenario) signed(addr string, h *delegationtest.Host) (*delegationtest.Host, *dns.DS) {
	words := append(strings.Fields(s.sign), "", "")
	key, private := delegationtest.NewKey(reverse, 1)
	ds := key.ToDS(dns.SHA256)
	_, forger := delegationtest.NewKey(reverse, 2)
	switch words[0] {
	case "other", "zsk":
		key, private = delegationtest.NewKey(reverse, 2)
	case "algorithm":
		key.Algorithm = dns.ED448
		ds = key.ToDS(dns.SHA256)
	case "digest":
		ds.DigestType = 99
	}
	return &delegationtest.Host{Answer: func(request *dns.Msg, t delegation.Transport) *dns.Msg {
		m := h.Answer(request, t)
		if opt := request.IsEdns0(); opt == nil || !opt.Do() || !dns.IsSubDomain(reverse, m.Question[0].Name) {
			return m
		}
		if m.Question[0].Qtype == dns.TypeDNSKEY {
			m.Answer, m.Ns = []dns.RR{key}, nil
		}
		if words[0] == "zsk" {
			own, _ := delegationtest.NewKey(reverse, 1)
			if m.Question[0].Qtype == dns.TypeDNSKEY {
				m.Answer = append(m.Answer, own)
			}
		}
		use, by := *key, private
		use.Algorithm = dns.ED25519
		if words[0] == "invalid" && m.Question[0].Qtype == dns.StringToType[words[1]] {
			by = forger
		}
		m.Answer = delegationtest.Sign(m.Answer, &use, by, func(sig *dns.RRSIG) bool {
			sig.KeyTag = key.KeyTag()
			now := uint32(time.Now().Unix())
			sig.Inception, sig.Expiration = now-3600, now+3600
			if words[1] != dns.TypeToString[sig.TypeCovered] || words[2] != "" && words[2] != addr {
				return true
			}
			switch words[0] {
			case "expired":
				sig.Expiration = now - 1
			case "early":
				sig.Inception = now + 1
			}
			return words[0] != "unsigned"
		})
		for _, r := range m.Answer {
			if sig, ok := r.(*dns.RRSIG); ok {
				sig.Algorithm = key.Algorithm
			}
		}
		return m
	}}, ds
}

func (s *scenario) network() *delegationtest.Network {
	n := &delegationtest.Network{}
	r := strings.NewReplacer(s.replace...)
	for addr, list := range zones {
		var texts []string
		for _, z := range list {
			if apex, _, _ := strings.Cut(z, " "); apex != s.without {
				texts = append(texts, r.Replace(z))
			}
			if s.sign != "" && strings.HasPrefix(z, "198.in-addr.arpa.") {
				_, ds := s.signed("", nil)
				texts[len(texts)-1] += ds.String() + "\n"
			}
		}
		host := delegationtest.NewServer(texts...).Host()
		if s.sign != "" {
			host, _ = s.signed(addr, host)
		}
		n.Add(addr, host)
	}
	if s.lame != "" {
		n.Add(s.lame, delegationtest.NewServer().Host())
	}
	for _, addr := range s.silent {
		n.Add(addr, nil)
	}
	return n
}

func (s *scenario) request(n *delegationtest.Network) *Request {
	q := &Request{
		Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.25"), netip.MustParseAddr("198.51.100.26")},
		HELO:      dname.MustParse("mail.example.com"),
		Domain:    dname.MustParse("example.com"),
		Client: delegation.New(delegation.Options{Network: n, Brief: true, Hints: []delegation.Server{
			{Name: dname.MustParse("a.root"), Addr: netip.MustParseAddrPort("100.0.0.1:53")}}}),
	}
	if s.ip != "" {
		q.Addresses = []netip.Addr{netip.MustParseAddr(s.ip)}
	}
	if s.helo != "" {
		q.HELO = dname.MustParse(s.helo)
	}
	for _, l := range strings.Fields(s.lists) {
		q.Lists = append(q.Lists, dname.MustParse(l))
	}
	if s.mailFrom != "" {
		q.MailFrom = dname.MustParse(s.mailFrom)
	}
	return q
}

// TestFaults: of each fault in an otherwise healthy network, the report names that fault first.
func TestFaults(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := s.network()
				defer n.Wait()
				start := time.Now()
				r := Examine(t.Context(), s.request(n))
				if took := time.Since(start); took > longest || took > 0 && s.state == "" {
					t.Errorf("took %v", took)
				}
				var b bytes.Buffer
				if err := r.Print(&b); err != nil {
					t.Fatal(err)
				}
				got, reply := "", ""
				if f := r.First(); f != nil {
					got = f.Check + " [" + join(f.Addresses) + "] " + f.Owner.Who
					reply = strings.Join(f.Replies, "\n")
					if !strings.Contains(f.Remedy, s.remedy) {
						t.Errorf("remedy: %s, want %s", f.Remedy, s.remedy)
					}
					if f.Remedy == "" || !strings.Contains(f.Seen, s.seen) || f.Seen == "" {
						t.Errorf("no remedy, or nothing seen: %+v", f)
					}
				}
				var plan []string
				for _, x := range r.Steps {
					plan = append(plan, x.Check)
				}
				if got := strings.Join(plan, ", "); s.plan != "" && got != s.plan {
					t.Errorf("plan: %s, want %s", got, s.plan)
				}
				if s.reply == silence {
					s.reply = ""
					if reply != "" {
						t.Errorf("replies: %q, want none", reply)
					}
				}
				if _, err := json.Marshal(r); err != nil {
					t.Error(err)
				}
				if got != s.first || !strings.Contains(reply, s.reply) {
					t.Errorf("first: %q, want %q\nreplies: %q, want %q\n%s", got, s.first, reply, s.reply, &b)
				}
				if check, state, ok := strings.Cut(s.state, ": "); ok {
					for _, v := range r.Rows[0].Verdicts {
						if v.Check == check && string(v.State) != state {
							t.Errorf("%s: %s, want %s\n%s", check, v.State, state, &b)
						}
					}
				}
			})
		})
	}
}

// TestSilence makes each set of hosts of the healthy network silent. Nothing may become wrong
// because of that, and a whole examination keeps to its time.
func TestSilence(t *testing.T) {
	hosts := slices.Sorted(maps.Keys(zones))
	for set := range 1 << len(hosts) {
		s := scenario{sign: "valid", lists: "bl.example.com"}
		for i, h := range hosts {
			if set>>i&1 != 0 {
				s.silent = append(s.silent, h)
			}
		}
		synctest.Test(t, func(t *testing.T) {
			n := s.network()
			defer n.Wait()
			start := time.Now()
			q := s.request(n)
			q.MailFrom = dname.MustParse("bounce.example.com")
			r := Examine(t.Context(), q)
			if len(r.Steps) > 0 || time.Since(start) > 30*time.Second {
				t.Errorf("silent %v: %v after %v", s.silent, r.Steps[0], time.Since(start))
			}
			if isp := slices.Contains(s.silent, "100.0.3.1") && slices.Contains(s.silent, "100.0.3.2"); isp && !r.IsNotKnown() {
				t.Errorf("silent %v: all is known", s.silent)
			}
		})
	}
}

// TestMessages: a healthy host costs few messages, with all that can be asked.
func TestMessages(t *testing.T) {
	for _, c := range []struct {
		addresses string
		most      int
	}{{"198.51.100.25", 80}, {"198.51.100.25 198.51.100.26 2001:db8::25", 160}} {
		synctest.Test(t, func(t *testing.T) {
			s := scenario{mailFrom: "bounce.example.com", lists: "bl.example.com"}
			n := s.network()
			defer n.Wait()
			q := s.request(n)
			q.Addresses = nil
			for _, a := range strings.Fields(c.addresses) {
				q.Addresses = append(q.Addresses, netip.MustParseAddr(a))
			}
			Examine(t.Context(), q)
			if _, sent := n.Sent(""); sent > c.most {
				t.Errorf("%s: %d messages, want at most %d", c.addresses, sent, c.most)
			}
		})
	}
}

// TestIntercepted: where another server answers in place of all, nothing is known.
func TestIntercepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &delegationtest.Network{Any: &delegationtest.Host{Answer: func(request *dns.Msg, _ delegation.Transport) *dns.Msg {
			m := new(dns.Msg).SetRcode(request, dns.RcodeNameError)
			m.RecursionAvailable = true
			return m
		}}}
		defer n.Wait()
		if r := Examine(t.Context(), new(scenario).request(n)); len(r.Steps) > 0 || !r.IsNotKnown() || !strings.Contains(r.Rows[0].Verdicts[0].Seen, "answers in place of name servers") {
			t.Errorf("%+v", r)
		}
		// As a resolver of a network without the Internet.
		q := new(scenario).request(n)
		q.Client = delegation.New(delegation.Options{Network: n, Resolver: netip.MustParseAddrPort("100.0.8.1:53")})
		if v := Examine(t.Context(), q).Rows[0].Verdicts[0]; v.State != NotKnown || !strings.Contains(v.Seen, "does not look names up in the public DNS") {
			t.Errorf("%+v", v)
		}
	})
}

// TestResolver asks a resolver, which does not show why a lookup has no result.
func TestResolver(t *testing.T) {
	for _, s := range scenarios {
		synctest.Test(t, func(t *testing.T) {
			n := s.network()
			defer n.Wait()
			q := s.request(n)
			n.Add("100.0.8.1", delegationtest.Resolver(q.Client))
			q.Client = delegation.New(delegation.Options{Network: n, Resolver: netip.MustParseAddrPort("100.0.8.1:53")})
			got := ""
			r := Examine(t.Context(), q)
			if f := r.First(); f != nil {
				got = f.Check + " [" + join(f.Addresses) + "] " + f.Owner.Who
			}
			check, _, _ := strings.Cut(s.first, " ")
			isNotKnown := r.IsNotKnown() || slices.ContainsFunc(r.Rows[0].Verdicts, func(v Verdict) bool { return v.Check == check && v.State == NotKnown })
			if got != s.first && !isNotKnown {
				t.Errorf("%s: first: %q, want %q", s.name, got, s.first)
			}
			for _, v := range r.Rows[0].Verdicts {
				if (v.Check == "dnssec" || v.Check == "servers") && v.State != NotKnown && v.State != Skipped {
					t.Errorf("%s: %s is %s by the resolver", s.name, v.Check, v.State)
				}
			}
			if got != "" && s.first == "" {
				t.Errorf("%s: %s is wrong by the resolver", s.name, got)
			}
		})
	}
}

// TestFrom starts at a server that has no zone above the address: what is known by lookups from
// the root does not count without the way to the reverse zone.
func TestFrom(t *testing.T) {
	for _, s := range scenarios {
		synctest.Test(t, func(t *testing.T) {
			n := s.network()
			defer n.Wait()
			q := s.request(n)
			q.Client = delegation.New(delegation.Options{Network: n,
				Hints: []delegation.Server{{Addr: netip.MustParseAddrPort("100.0.0.1:53")}},
				From:  []delegation.Server{{Addr: netip.MustParseAddrPort("100.0.4.1:53")}}})
			for _, v := range Examine(t.Context(), q).Rows[0].Verdicts {
				switch v.Check {
				case "delegation":
					if v.State != NotKnown {
						t.Errorf("%s: %+v", s.name, v)
					}
				case "dnssec", "ptr", "name", "forward", "confirmed", "servers", "all names", "pool":
					if v.State != Skipped {
						t.Errorf("%s: %+v", s.name, v)
					}
				}
			}
		})
	}
}

// TestMail: the mail to another operator is in the language of the request.
func TestMail(t *testing.T) {
	for language, want := range map[string]string{
		"":   "Subject: DNS of the mail server 198.51.100.25\n\nHello,\n\nreceiving servers may reject mail from our server 198.51.100.25: 25.100.51.198.in-addr.arpa. has no PTR record.\nPlease add the record `25.100.51.198.in-addr.arpa. PTR mail.example.com.`.\n",
		"ja": "当該アドレスの PTR レコード (逆引き) が登録されていません。\n\n次のレコードのとおりに設定していただけますでしょうか。\n\n    25.100.51.198.in-addr.arpa. PTR mail.example.com.\n\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := scenario{replace: []string{ptr25, ""}}
			n := s.network()
			defer n.Wait()
			q := s.request(n)
			q.Language = language
			if got := Examine(t.Context(), q).First().Mail; !strings.HasPrefix(got, "To: hostmaster@example.com\n") || !strings.Contains(got, want) {
				t.Errorf("%s", got)
			}
		})
	}
}

// TestMissing: a report says what else could be examined.
func TestMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{}
		n := s.network()
		defer n.Wait()
		q := s.request(n)
		q.HELO, q.Domain = nil, nil
		var b bytes.Buffer
		if err := Examine(t.Context(), q).Print(&b); err != nil {
			t.Fatal(err)
		}
		want := "\nNothing to fix.\n\nNot examined: the name that the mail server gives in HELO (--helo NAME); the domain of the mail addresses, with its MX and SPF records (--domain NAME); blocklists (--dnsbl NAME).\n"
		if !strings.HasSuffix(b.String(), want) {
			t.Errorf("%s", &b)
		}
	})
}

// TestPosition: a fault in a zone of our own has its place in the configuration, and no mail.
func TestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{replace: []string{ptr25, ""}}
		n := s.network()
		defer n.Wait()
		q := s.request(n)
		var asked string
		q.Ours = func(zone, name dname.Name, typ rr.Type) (Owner, bool) {
			asked = fmt.Sprint(zone, " ", name, " ", typ)
			return Owner{Who: "you", Position: finding.Position{File: "config.yaml", Line: 3, Col: 5}}, true
		}
		r := Examine(t.Context(), q)
		var b bytes.Buffer
		if err := r.Print(&b); err != nil {
			t.Fatal(err)
		}
		if asked != "100.51.198.in-addr.arpa. 25.100.51.198.in-addr.arpa. PTR" || !strings.Contains(b.String(), "\n  where:   config.yaml:3:5\n") || r.First().Mail != "" {
			t.Errorf("asked %s, %+v\n%s", asked, r.First(), &b)
		}
	})
}
