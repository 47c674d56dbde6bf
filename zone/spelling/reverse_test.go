package spelling_test

import (
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// TestReverseName: names that are almost those of reverse zones, and what is said about them. Sure
// slips begin with !.
func TestReverseName(t *testing.T) {
	for in, want := range map[string]string{
		// the tree
		"113.0.203.in-adr.arpa":        "!there is no reverse tree in-adr.arpa; did you mean 113.0.203.in-addr.arpa.?",
		"113.0.203.inaddr.arpa":        "!there is no reverse tree inaddr.arpa; did you mean 113.0.203.in-addr.arpa.?",
		"113.0.203.in.addr.arpa":       "!there is no reverse tree in.addr.arpa; did you mean 113.0.203.in-addr.arpa.?",
		"113.0.203.in-addr":            "!there is no reverse tree in-addr; did you mean 113.0.203.in-addr.arpa.?",
		"113.0.203.in-addrarpa":        "!there is no reverse tree in-addrarpa; did you mean 113.0.203.in-addr.arpa.?",
		"113.0.203in-addr.arpa":        "!there is no reverse tree in-addr; did you mean 113.0.203.in-addr.arpa.?",
		"113.0.203.in-addr.arp":        "!there is no reverse tree in-addr.arp; did you mean 113.0.203.in-addr.arpa.?",
		"113.0.203.IN-ADDR.ARPAA":      "!there is no reverse tree in-addr.arpaa; did you mean 113.0.203.in-addr.arpa.?",
		"64/26.113.0.203.in-addr.arp":  "!there is no reverse tree in-addr.arp; did you mean 64/26.113.0.203.in-addr.arpa.?",
		"in-addr.arp":                  "!there is no reverse tree in-addr.arp; did you mean in-addr.arpa.?",
		"8.b.d.0.1.0.0.2.ip6.arp":      "!there is no reverse tree ip6.arp; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		"8.b.d.0.1.0.0.2.ipv6.arpa":    "!there is no reverse tree ipv6.arpa; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		"8.b.d.0.1.0.0.2.ip6":          "!there is no reverse tree ip6; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		"2001.0db8.ip6.arp":            "!there is no reverse tree ip6.arp; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		"8.b.d.0.1.0.0.2.in-addr.arpa": "!IPv6 addresses are not in in-addr.arpa; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		// octets
		"256.113.203.in-addr.arpa":    `!label "256" is not an octet (0 to 255)`,
		"1000.in-addr.arpa":           `!label "1000" is not an octet (0 to 255)`,
		"013.0.203.in-addr.arpa":      "!octets have no leading zeros; did you mean 13.0.203.in-addr.arpa.?",
		"21.2.113.0.203.in-addr.arpa": "!it has 5 octets, and an IPv4 address has 4",
		"203.0.113.0/24.in-addr.arpa": "!a prefix is not the name of its zone; did you mean 113.0.203.in-addr.arpa.?",
		"203.0.113.in-addr.arpa":      "this is the name of 113.0.203.0/24, and the labels are likely in normal order; did you mean 113.0.203.in-addr.arpa.?",
		"192.168.1.in-addr.arpa":      "this is the name of 1.168.192.0/24, and the labels are likely in normal order; did you mean 1.168.192.in-addr.arpa.?",
		"192.168.in-addr.arpa":        "this is the name of 168.192.0.0/16, and the labels are likely in normal order; did you mean 168.192.in-addr.arpa.?",
		"10.0.0.in-addr.arpa":         "this is the name of 0.0.10.0/24, and the labels are likely in normal order; did you mean 0.0.10.in-addr.arpa.?",
		"127.0.0.in-addr.arpa":        "this is the name of 0.0.127.0/24, and the labels are likely in normal order; did you mean 0.0.127.in-addr.arpa.?",
		"203.0.113.25.in-addr.arpa":   "this is the name of 25.113.0.203/32, and the labels are likely in normal order; did you mean 25.113.0.203.in-addr.arpa.?",
		// nibbles
		"0db8.2001.ip6.arpa":             `!label "0db8" is not a nibble, one hexadecimal digit; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?`,
		"db8.2001.ip6.arpa":              `!label "db8" is not a nibble, one hexadecimal digit; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?`,
		"2001.db8.77.ip6.arpa":           `!label "2001" is not a nibble, one hexadecimal digit; did you mean 7.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa.?`,
		"fd00.1337.ip6.arpa":             `!label "fd00" is not a nibble, one hexadecimal digit; did you mean 7.3.3.1.0.0.d.f.ip6.arpa.?`,
		"2001:db8::/32.ip6.arpa":         "!2001:db8:: is an address, and a zone is named by nibbles; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		"2001:db8::.ip6.arpa":            "!2001:db8:: is an address, and a zone is named by nibbles",
		"2.0.0.1.0.d.b.8.ip6.arpa":       "this is the name of 8bd0:1002::/32, and the labels are likely in normal order; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		"f.d.0.0.1.ip6.arpa":             "this is the name of 100d:f000::/20, and the labels are likely in normal order; did you mean 1.0.0.d.f.ip6.arpa.?",
		"7.7.0.0.8.b.d.1.0.0.2.ip6.arpa": "a nibble is missing: 2001:db8 is 2001:0db8; did you mean 7.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa.?",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": "!it has 33 nibbles, and an IPv6 address has 32",

		// names without a slip
		".": "", "arpa": "", "in-addr.arpa": "", "IP6.ARPA": "", "example.com": "", "com": "", "ip6.int": "",
		"8.b.d.0.1.0.0.2.ip6.int": "", "home.arpa": "", "a.home.arpa": "", "e164.arpa": "", "4.3.2.1.e164.arpa": "",
		"uri.arpa": "", "urn.arpa": "", "iris.arpa": "", "as112.arpa": "", "empty.as112.arpa": "", "ipv4only.arpa": "", "eap.arpa": "",
		"in-addr-servers.arpa": "", "ip6-servers.arpa": "", "resolver.arpa": "", "service.arpa": "", "6tisch.arpa": "",
		"ip6.area": "", "www.ip6.area": "", "in-addr.army": "", "addr.example": "", "ip6.example": "", "in-addr.example": "", "1.2.3.example": "",
		"0/25.2.0.192.in-addr.arpa": "", "64-127.113.0.203.in-addr.arpa": "", "64-26.113.0.203.in-addr.arpa": "", "lab.113.0.203.in-addr.arpa": "",
		"10.in-addr.arpa": "", "168.192.in-addr.arpa": "", "0.in-addr.arpa": "", "255.in-addr.arpa": "", "255.255.255.255.in-addr.arpa": "",
		"0.168.192.in-addr.arpa": "", "1.0.127.in-addr.arpa": "", "1.0.10.in-addr.arpa": "", "10.1.100.in-addr.arpa": "", "1.0.224.in-addr.arpa": "",
		"110.51.198.in-addr.arpa": "", "16.172.in-addr.arpa": "", "254.169.in-addr.arpa": "", "100.51.198.in-addr.arpa": "", "64.100.in-addr.arpa": "",
		"0.0.0.0.0.0.0.0.7.3.3.1.0.0.d.f.ip6.arpa": "", "d.f.ip6.arpa": "", "2.ip6.arpa": "", "2.f.f.ip6.arpa": "", "0.ip6.arpa": "",
		"f.ip6.arpa": "", "b.e.f.ip6.arpa": "", "1.5.c.0.8.0.0.0.0.7.4.0.1.0.0.2.ip6.arpa": "", "b.9.f.f.4.6.0.0.ip6.arpa": "",
		"_dmarc.8.b.d.0.1.0.0.2.ip6.arpa": "", "ns1.8.b.d.0.1.0.0.2.ip6.arpa": "",
	} {
		got := spelling.ReverseName(dname.MustParse(in))
		text := got.String()
		if got.Sure {
			text = "!" + text
		}
		if text != want {
			t.Errorf("%s:\n got %s\nwant %s", in, text, want)
		}
	}
}

// TestReverseNamesOfPrefixes: the right names of all private and documentation prefixes, and of
// others, have no slip.
func TestReverseNamesOfPrefixes(t *testing.T) {
	for _, s := range []string{
		"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24", "192.168.0.0/16", "198.51.100.0/24", "203.0.113.0/24",
		"2001:db8::/32", "2a01:4f8::/32", "fd00::/8", "fe80::/10", "3fff::/20", "2001:db8:77::/48", "2001:db8:77::25/128", "192.0.2.25/32",
	} {
		for _, p := range dname.Split(netip.MustParsePrefix(s)) {
			n, _ := dname.FromPrefix(p)
			if slip := spelling.ReverseName(n); slip.Text != "" {
				t.Errorf("%v: %v", n, slip)
			}
		}
	}
}
