package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

const withServer = "defaults: {nameservers: [ns1.example.com]}\n"

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("ptrd.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return cfg
}

// TestApexes: any prefix length makes the right zones, under the right names.
func TestApexes(t *testing.T) {
	for _, c := range []struct {
		item, apexes, origin, prefix string
	}{
		{"prefix: 203.0.113.0/24", "113.0.203.in-addr.arpa.", "113.0.203.in-addr.arpa.", "203.0.113.0/24"},
		{"prefix: 10.0.0.0/8", "10.in-addr.arpa.", "10.in-addr.arpa.", "10.0.0.0/8"},
		{"prefix: 0.0.0.0/0", "in-addr.arpa.", "in-addr.arpa.", "0.0.0.0/0"},
		{"prefix: 203.0.113.25/32", "25.113.0.203.in-addr.arpa.", "25.113.0.203.in-addr.arpa.", "203.0.113.25/32"},
		{"prefix: 203.0.112.0/22", "112.0.203.in-addr.arpa. 113.0.203.in-addr.arpa. 114.0.203.in-addr.arpa. 115.0.203.in-addr.arpa.", "0.203.in-addr.arpa.", "203.0.112.0/22"},
		{"prefix: 10.2.0.0/15", "2.10.in-addr.arpa. 3.10.in-addr.arpa.", "10.in-addr.arpa.", "10.2.0.0/15"},
		{"prefix: '::/0'", "ip6.arpa.", "ip6.arpa.", "::/0"},
		{"prefix: 2001:db8::/32", "8.b.d.0.1.0.0.2.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "2001:db8::/32"},
		{"prefix: 2001:db8:4::/46", "4.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 5.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 6.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 7.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "2001:db8:4::/46"},
		{"prefix: 2001:db8::1/128", "1." + strings.Repeat("0.", 23) + "8.b.d.0.1.0.0.2.ip6.arpa.", "1." + strings.Repeat("0.", 23) + "8.b.d.0.1.0.0.2.ip6.arpa.", "2001:db8::1/128"},
		{"prefix: 192.0.2.64/26", "64-127.2.0.192.in-addr.arpa.", "64-127.2.0.192.in-addr.arpa.", "192.0.2.64/26"},
		{"{prefix: 192.0.2.64/26, style: slash}", "64/26.2.0.192.in-addr.arpa.", "64/26.2.0.192.in-addr.arpa.", "192.0.2.64/26"},
		{"{prefix: 192.0.2.64/26, style: rfc4183}", "64-26.2.0.192.in-addr.arpa.", "64-26.2.0.192.in-addr.arpa.", "192.0.2.64/26"},
		{"{prefix: 192.0.2.64/26, label: customer}", "customer.2.0.192.in-addr.arpa.", "customer.2.0.192.in-addr.arpa.", "192.0.2.64/26"},
		{"{prefix: 192.0.2.64/26, label: 064}", "064.2.0.192.in-addr.arpa.", "064.2.0.192.in-addr.arpa.", "192.0.2.64/26"},
		{"{prefix: 192.0.2.64/28, name: 64-79.64-127.2.0.192.in-addr.arpa.}", "64-79.64-127.2.0.192.in-addr.arpa.", "64-79.64-127.2.0.192.in-addr.arpa.", "192.0.2.64/28"},
		{"{prefix: 192.0.2.254/31}", "254-255.2.0.192.in-addr.arpa.", "254-255.2.0.192.in-addr.arpa.", "192.0.2.254/31"},
		{"{prefix: 192.0.2.0/24, name: 2.0.192.IN-ADDR.arpa}", "2.0.192.in-addr.arpa.", "2.0.192.in-addr.arpa.", "192.0.2.0/24"},
		{"name: 2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa.", "2.0.192.in-addr.arpa.", "192.0.2.0/24"},
		{"name: 64/26.2.0.192.in-addr.arpa.", "64/26.2.0.192.in-addr.arpa.", "64/26.2.0.192.in-addr.arpa.", "192.0.2.64/26"},
		{"name: customer.2.0.192.in-addr.arpa.", "customer.2.0.192.in-addr.arpa.", "customer.2.0.192.in-addr.arpa.", "invalid Prefix"},
		{"name: 8.B.D.0.1.0.0.2.ip6.arpa", "8.B.D.0.1.0.0.2.ip6.arpa.", "8.B.D.0.1.0.0.2.ip6.arpa.", "2001:db8::/32"},
		{"name: example.com", "example.com.", "example.com.", "invalid Prefix"},
		{"name: .", ".", ".", "invalid Prefix"},
	} {
		text := withServer + "zones:\n  - " + c.item + "\n"
		z := &mustParse(t, text).Zones[0]
		apexes := strings.Trim(fmt.Sprint(z.Apexes), "[]")
		if apexes != c.apexes || z.Origin.String() != c.origin || z.Prefix.String() != c.prefix {
			t.Errorf("%s: apexes %s, origin %v, prefix %v", c.item, apexes, z.Origin, z.Prefix)
		}
		if (z.Name == nil) != (len(z.Apexes) > 1) {
			t.Errorf("%s: name %v", c.item, z.Name)
		}
	}
}

// TestOwner: the owner of an address is its reverse name, in a classless zone its
// last octet below the apex.
func TestOwner(t *testing.T) {
	cfg := mustParse(t, withServer+`
zones:
  - prefix: 192.0.2.64/26
  - prefix: 203.0.112.0/22
  - prefix: 2001:db8::1/128
  - name: example.com
`)
	for _, c := range []struct {
		zone              int
		addr, owner, apex string
	}{
		{0, "192.0.2.64", "64.64-127.2.0.192.in-addr.arpa.", "64-127.2.0.192.in-addr.arpa."},
		{0, "192.0.2.127", "127.64-127.2.0.192.in-addr.arpa.", "64-127.2.0.192.in-addr.arpa."},
		{0, "192.0.2.128", "", ""},
		{1, "203.0.114.7", "7.114.0.203.in-addr.arpa.", "114.0.203.in-addr.arpa."},
		{1, "203.0.116.0", "", ""},
		{2, "2001:db8::1", "1." + strings.Repeat("0.", 23) + "8.b.d.0.1.0.0.2.ip6.arpa.", "1." + strings.Repeat("0.", 23) + "8.b.d.0.1.0.0.2.ip6.arpa."},
		{2, "192.0.2.1", "", ""},
		{3, "192.0.2.1", "", ""},
	} {
		owner, apex, ok := cfg.Zones[c.zone].Owner(netip.MustParseAddr(c.addr))
		if ok != (c.owner != "") || ok && (owner.String() != c.owner || apex.String() != c.apex) {
			t.Errorf("zone %d, %s: %v in %v, %v", c.zone, c.addr, owner, apex, ok)
		}
	}
}

// TestDelegations: parts get the names that fit the zone, and the prefix where a
// name stands for one.
func TestDelegations(t *testing.T) {
	for _, c := range []struct{ zone, part, want string }{
		{"prefix: 10.0.0.0/8", "prefix: 10.1.0.0/16", "10.1.0.0/16 1.10.in-addr.arpa."},
		{"prefix: 10.0.0.0/8", "prefix: 10.1.4.0/22", "10.1.4.0/24 4.1.10.in-addr.arpa.; 10.1.5.0/24 5.1.10.in-addr.arpa.; 10.1.6.0/24 6.1.10.in-addr.arpa.; 10.1.7.0/24 7.1.10.in-addr.arpa."},
		{"prefix: 10.0.0.0/8", "prefix: 10.1.2.64/26", "10.1.2.64/26 64-127.2.1.10.in-addr.arpa."},
		{"prefix: 10.0.0.0/8", "prefix: 10.1.2.3/32", "10.1.2.3/32 3.2.1.10.in-addr.arpa."},
		{"prefix: 10.0.0.0/8", "prefix: 10.1.2.3", "10.1.2.3/32 3.2.1.10.in-addr.arpa."},
		{"prefix: 10.0.0.0/8", "name: 2.1.10.in-addr.arpa", "10.1.2.0/24 2.1.10.in-addr.arpa."},
		{"prefix: 10.0.0.0/8", "name: 0/25.2.1.10.in-addr.arpa", "10.1.2.0/25 0/25.2.1.10.in-addr.arpa."},
		{"prefix: 10.0.0.0/8", "name: _lab.10.in-addr.arpa", "invalid Prefix _lab.10.in-addr.arpa."},
		{"prefix: 10.1.0.0/22", "{prefix: 10.1.2.0/25, style: rfc4183}", "10.1.2.0/25 0-25.2.1.10.in-addr.arpa."},
		{"prefix: 10.1.0.0/22", "{prefix: 10.1.2.0/25, label: lab}", "10.1.2.0/25 lab.2.1.10.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "prefix: 192.0.2.64/28", "192.0.2.64/28 64-79.64-127.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "prefix: 192.0.2.70/32", "192.0.2.70/32 70.64-127.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "name: 70.64-127.2.0.192.in-addr.arpa", "192.0.2.70/32 70.64-127.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "name: 64-79.64-127.2.0.192.in-addr.arpa", "192.0.2.64/28 64-79.64-127.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "name: 7.64-127.2.0.192.in-addr.arpa", "invalid Prefix 7.64-127.2.0.192.in-addr.arpa."},
		{"prefix: 2001:db8::/32", "prefix: 2001:db8:1::/48", "2001:db8:1::/48 1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
		{"prefix: 2001:db8::/32", "prefix: 2001:db8:2::/47", "2001:db8:2::/48 2.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.; 2001:db8:3::/48 3.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
		{"name: example.com", "name: lab.example.com.", "invalid Prefix lab.example.com."},
	} {
		part := strings.Trim(c.part, "{}")
		z := mustParse(t, withServer+"zones:\n  - "+c.zone+"\n    delegate: [{nameservers: ns.customer.example, "+part+"}]\n").Zones[0]
		var got []string
		for _, d := range z.Delegate {
			got = append(got, fmt.Sprint(d.Prefix, " ", d.Name))
			if len(d.NameServers) != 1 || d.TTL != zoneTTL {
				t.Errorf("%s, %s: %+v", c.zone, c.part, d)
			}
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s, %s: got %s", c.zone, c.part, s)
		}
	}
}

// TestOwners: owners of records are addresses, prefixes, relative and absolute
// names.
func TestOwners(t *testing.T) {
	for _, c := range []struct{ zone, owner, want string }{
		{"prefix: 192.0.2.0/24", "'@'", "2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "25", "25.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "'*'", "*.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "0x19", "0x19.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "true", "true.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "0/25", "0/25.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "192.0.2.25", "25.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "192.0.2.25/32", "25.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "192.0.2.0/24", "2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "_dmarc.192.0.2.25", "_dmarc.25.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "a.b.c.192.0.2.0/24", "a.b.c.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.0/24", "7.2.0.192.in-addr.arpa.", "7.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "192.0.2.70", "70.64-127.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "70", "70.64-127.2.0.192.in-addr.arpa."},
		{"prefix: 192.0.2.64/26", "192.0.2.64/26", "64-127.2.0.192.in-addr.arpa."},
		{"prefix: 10.1.0.0/22", "3", "3.1.10.in-addr.arpa."},
		{"prefix: 10.1.0.0/22", "10.1.3.0/24", "3.1.10.in-addr.arpa."},
		{"prefix: 10.1.0.0/22", "'*.10.1.3.0/24'", "*.3.1.10.in-addr.arpa."},
		{"prefix: 2001:db8::/32", "2001:db8:1::/48", "1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
		{"prefix: 2001:db8::/32", "'*.2001:db8:1::/48'", "*.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
		{"prefix: 2001:db8::/32", "a.2001:DB8:F::/48", "a.f.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
		{"prefix: 2001:db8::/32", "1.0.0.0", "1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
		{"prefix: 2001:db8::/32", "2001:db8::192.0.2.1", "1.0.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
		{"name: example.com", "www", "www.example.com."},
		{"name: example.com", "www.example.com.", "www.example.com."},
		{"name: example.com", "'a\\.b'", `a\.b.example.com.`},
	} {
		z := mustParse(t, withServer+"zones:\n  - "+c.zone+"\n    records: {"+c.owner+": {TXT: x}}\n").Zones[0]
		if len(z.Records) != 1 || z.Records[0].Owner.String() != c.want {
			t.Errorf("%s, %s: %v", c.zone, c.owner, z.Records)
		}
	}
}

// TestRecords: one text, a list, and data with a TTL; types in either case.
func TestRecords(t *testing.T) {
	z := mustParse(t, withServer+`
zones:
  - prefix: 192.0.2.0/24
    records:
      "@":
        txt: ['"a"', '"b"']
        MX: {data: 10 mail.example.com., ttl: 5m}
        TYPE65534: \# 1 00
`).Zones[0]
	var got []string
	for _, r := range z.Records {
		got = append(got, fmt.Sprint(r.Owner, " ", r.Type, " ", r.Data, " ", int64(r.TTL), " ", r.Pos))
	}
	want := []string{
		`2.0.192.in-addr.arpa. TXT "a" -1 ptrd.yaml:7:15`,
		`2.0.192.in-addr.arpa. TXT "b" -1 ptrd.yaml:7:22`,
		`2.0.192.in-addr.arpa. MX 10 mail.example.com. 300000000000 ptrd.yaml:8:20`,
		`2.0.192.in-addr.arpa. TYPE65534 \# 1 00 -1 ptrd.yaml:9:20`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// TestInheritance: what a zone sets takes precedence over the defaults, key by key; name
// servers as a whole.
func TestInheritance(t *testing.T) {
	cfg := mustParse(t, `
zones:
  - prefix: 192.0.2.0/24
  - prefix: 198.51.100.0/24
    nameservers: ns.example.net
    ttl: 5m
    soa: {minimum: 10m}
  - {prefix: 203.0.113.0/24, contact: a.b@example.org}
defaults:
  nameservers: [ns1.example.com, {name: ns2.example.com, addresses: 192.0.2.2}]
  ttl: 2h
  ns_ttl: 3h
  soa: {refresh: 4h, mname: hidden.example.com}
`)
	for i, want := range []string{
		"[ns1.example.com. ns2.example.com.] hostmaster.example.com. 2h 3h 4h 2h 5w6d16h 1h hidden.example.com. {false false false false false false false}",
		"[ns.example.net.] hostmaster.example.net. 5m 3h 4h 2h 5w6d16h 10m hidden.example.com. {true false true true false false false}",
		`[ns1.example.com. ns2.example.com.] a\.b.example.org. 2h 3h 4h 2h 5w6d16h 1h hidden.example.com. {false true false false false false false}`,
	} {
		z := cfg.Zones[i]
		var names []dname.Name
		for _, ns := range z.NameServers {
			names = append(names, ns.Name)
		}
		got := fmt.Sprint(names, " ", z.Contact)
		for _, d := range []time.Duration{z.TTL, z.NSTTL, z.SOA.Refresh, z.SOA.Retry, z.SOA.Expire, z.SOA.Minimum} {
			got += " " + formatDuration(d)
		}
		got += fmt.Sprint(" ", z.SOA.MName, " ", z.Explicit)
		if got != want {
			t.Errorf("zone %d:\n got %s\nwant %s", i, got, want)
		}
	}
	if cfg.Defaults.Contact != nil {
		t.Errorf("the contact of defaults is made up: %v", cfg.Defaults.Contact)
	}
}

// TestContact: a mail address and an RNAME are the same thing.
func TestContact(t *testing.T) {
	for in, want := range map[string]string{
		"hostmaster@example.com":   "hostmaster.example.com.",
		"host.master@example.com.": `host\.master.example.com.`,
		"host+ma$ter@example.com":  `host\+ma\$ter.example.com.`,
		"hostmaster.example.com":   "hostmaster.example.com.",
		`host\.master.example.com`: `host\.master.example.com.`,
	} {
		if got := mustParse(t, "zones: []\ndefaults: {contact: '"+in+"'}").Defaults.Contact; got.String() != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

// TestDurations: every unit, and back.
func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0":          0,
		"0s":         0,
		"90s":        90 * time.Second,
		"1h30m":      90 * time.Minute,
		"1w2d3h4m5s": (9*24+3)*time.Hour + 4*time.Minute + 5*time.Second,
		"250ms":      250 * time.Millisecond,
		"1s500ms":    1500 * time.Millisecond,
		"08m":        8 * time.Minute,
	} {
		got, ok := parseDuration(in)
		if !ok || got != want {
			t.Errorf("%s: %v, %v", in, got, ok)
		}
		if back, ok := parseDuration(formatDuration(want)); !ok || back != want {
			t.Errorf("%v is written %s", want, formatDuration(want))
		}
	}
}

// TestNesting: zones inside others, and one prefix under two names.
func TestNesting(t *testing.T) {
	cfg := mustParse(t, withServer+`
zones:
  - {prefix: 192.0.2.0/24, ptr: {192.0.2.1: a.example.com}}
  - {prefix: 192.0.2.64/26, ptr: {192.0.2.65: a.example.com}}
  - {prefix: 192.0.2.64/26, style: slash, ptr: {192.0.2.65: a.example.com}}
  - {prefix: 192.0.2.66/32, ptr: {192.0.2.66: a.example.com}}
  - {prefix: 192.0.0.0/16, delegate: [{prefix: 192.0.2.0/24, nameservers: ns1.example.com}]}
`)
	for i, z := range cfg.Zones {
		if want := min(1, 4-i); len(z.PTR) != want {
			t.Errorf("zone %d has %d PTR records", i, len(z.PTR))
		}
	}
}

// TestEverybody: a list of both whole families is no list.
func TestEverybody(t *testing.T) {
	cfg := mustParse(t, "zones: []\naccess: {allow: ['::/0', 0.0.0.0/0, 192.0.2.1], deny: [192.0.2.2]}")
	if cfg.Access.Allow != nil || fmt.Sprint(cfg.Access.Deny) != "[192.0.2.2/32]" {
		t.Errorf("%+v", cfg.Access)
	}
	if cfg = mustParse(t, "zones: []\naccess: {allow: 0.0.0.0/0}"); len(cfg.Access.Allow) != 1 {
		t.Errorf("IPv4 alone: %+v", cfg.Access)
	}
}

// TestSmallThings that no other test reads.
func TestSmallThings(t *testing.T) {
	cfg := mustParse(t, "\uFEFFzones: []\r\nlisten: {dns: '192.0.2.1:53', admin: ''}\r\nidentity: {nsid: 0x00ff, version: 9}\r\nlimits:\r\n")
	if fmt.Sprint(cfg.Listen.DNS) != "[192.0.2.1:53]" || cfg.Listen.Admin.IsValid() {
		t.Errorf("%+v", cfg.Listen)
	}
	if string(cfg.Identity.NSID) != "\x00\xff" || cfg.Identity.Version != "9" {
		t.Errorf("%+v", cfg.Identity)
	}
	if cfg.Limits != defaultConfig().Limits {
		t.Errorf("an empty section is not the default: %+v", cfg.Limits)
	}
	if cfg = mustParse(t, "zones: []\nlisten: {dns: []}"); cfg.Listen.DNS == nil || len(cfg.Listen.DNS) != 0 {
		t.Errorf("no sockets of our own: %v", cfg.Listen.DNS)
	}
}

// TestSharedOptions: items without keys of their own share what they have from `defaults`,
// and no other item does.
func TestSharedOptions(t *testing.T) {
	cfg := mustParse(t, `
defaults: {nameservers: [ns1.example.net], transfer: {allow: [192.0.2.1]}}
zones:
- {prefix: 192.0.2.0/24}
- {name: 2.10.in-addr.arpa, ttl: 1m}
- {name: 3.10.in-addr.arpa, file: a.zone}
- {name: 4.10.in-addr.arpa, secondary: {primaries: "192.0.2.9:53"}}
- {name: 5.10.in-addr.arpa}
`)
	z := cfg.Zones
	if z[0].ZoneOptions != z[2].ZoneOptions || z[0].ZoneOptions != z[4].ZoneOptions {
		t.Error("items alike do not share their options")
	}
	if z[1].ZoneOptions == z[0].ZoneOptions || z[1].TTL != time.Minute || z[4].TTL == time.Minute || z[4].Explicit.TTL {
		t.Errorf("TTLs %v, %v, %v", z[0].TTL, z[1].TTL, z[4].TTL)
	}
	if z[3].Secondary == nil || z[4].Secondary != nil || z[0].Contact == nil || z[3].Contact != nil || len(z[4].Transfer.Allow) != 1 {
		t.Errorf("%+v\n%+v", *z[3].ZoneOptions, *z[4].ZoneOptions)
	}
}
