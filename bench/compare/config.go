package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// setting is a part of the configuration that changes from scene to scene.
type setting struct {
	udpSize int
	require string // cookies
	zones   []sceneZone
	extra   string // zones of the scene in YAML
}

// config returns the configuration of a side.
func (s *side) config(c *comparison, v setting) string {
	var b strings.Builder
	fmt.Fprintf(&b, `listen:
  dns: [%q]
  admin: ""
  tls: {addresses: [%q], cert_file: %q, key_file: %q}
state_dir: state
identity: {nsid: "compared", version: "ptrd", server: "one of two"}
access: {deny: [127.0.0.2]}
limits: {udp_size: %d}
cookies:
  require: %s
  secrets: [000102030405060708090a0b0c0d0e0f]
`, s.dns, s.tls, c.examples+"/tls.pem", c.examples+"/tls.key", v.udpSize, v.require)
	b.WriteString(keysText())
	fmt.Fprintf(&b, `defaults:
  nameservers:
    - {name: ns1.example.com, addresses: [203.0.113.2, "2001:db8::2"]}
    - {name: ns2.example.net, addresses: [198.51.100.2, "2001:db8:0:1::2"]}
  contact: hostmaster@example.com
  transfer: {allow: [127.0.0.1, {key: k512}], notify: ["127.0.0.1:%d"], notify_nameservers: false}
`, s.notified.port())
	fmt.Fprintf(&b, lasting, c.primary.dns, c.primary.dns, c.primary.dns)
	b.WriteString("  - {name: big.test, file: big.zone}\n")
	for _, z := range v.zones {
		fmt.Fprintf(&b, "  - {name: %q, file: %q}\n", z.apex, z.file)
	}
	b.WriteString(v.extra)
	fmt.Fprintf(&b, `catalogs:
  - name: cat.own.test
    zones: [198.18.0.0/24, {zone: plain.test, group: [a, b]}, {zone: filed.test, coo: cat.other.test}]
  - name: cat.primary.test
    secondary: {primaries: %q}
    members: {access: {allow: [127.0.0.0/8]}}
`, c.primary.dns)
	return b.String()
}

func keysText() string {
	var b strings.Builder
	b.WriteString("keys:\n")
	for _, k := range keys() {
		fmt.Fprintf(&b, "  - {name: %s, algorithm: %s, secret: %q", strings.TrimSuffix(k.name, "."), strings.TrimSuffix(k.algorithm, "."), k.secret)
		if k.name == "k256." {
			b.WriteString(", min_mac: 16")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// lasting are the zones that stay all the time.
const lasting = `zones:
  - prefix: 198.18.0.0/24
    ptr: {198.18.0.1: a.example.com, 198.18.0.2: [b.example.com, c.example.com], 198.18.0.3: {names: d.example.com, ttl: 5m}}
    delegate:
      - {prefix: 198.18.0.128/27, nameservers: [ns.customer.example], style: slash}
      - {prefix: 198.18.0.192/28, nameservers: [ns1.branch.example, ns2.branch.example], label: branch, ttl: 1h}
    update: {from: 127.0.0.0/8}
    follow_classless: true
  - prefix: 198.18.0.64/26
    ptr: {198.18.0.65: vpn.example.com}
    update: {from: 127.0.0.0/8}
    dynamic_lifetime: 7d
  - prefix: 198.18.4.0/22
    ptr: {198.18.5.1: four.example.com}
  - prefix: 198.18.9.0/24
    hosts: hosts
    hosts_domain: example.com
    access: {allow: [127.0.0.0/8], deny: [127.0.0.3]}
  - prefix: 2001:db9::/32
    ptr: {2001:db9::2: ns1.example.com, 2001:db9::25: mail.example.com}
    records:
      "@": {TXT: '"network"'}
      2001:db9:0:1::/64: {TXT: {data: ['"servers"', '"rack 7"'], ttl: 1d}}
      "*.2001:db9:1::/48": {PTR: pool.example.com.}
      b._dns-sd._udp.2001:db9:0:1::/64: {PTR: dns-sd.example.com.}
    delegate:
      - prefix: 2001:db9:f000::/36
        nameservers: [ns.customer.example]
        ds: 60485 13 2 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a
    update: {from: 127.0.0.0/8}
  - prefix: 2001:db9:100::/46
    ptr: {2001:db9:102::1: gw.example.com}
  - {name: filed.test, file: filed.zone, update: {from: 127.0.0.0/8}, dynamic_lifetime: 30d}
  - {name: plain.test, file: plain.zone}
  - {name: own.serial.test, file: serial.zone}
  - {name: dyn.example, dynamic: {seed: dyn.zone}, update: [127.0.0.1]}
  - {name: keyed.example, dynamic: {}, update: [{key: k256, types: [TXT, A]}, {from: 127.0.0.3, types: [PTR]}, {key: k1}]}
  - {name: closed.test, file: plain.zone, access: {allow: [127.0.0.3]}, transfer: {allow: {key: k256}}}
  - {name: sec1.example, secondary: {primaries: %q}}
  - {name: sec2.example, secondary: {primaries: %q, key: k384, allow_notify: [127.0.0.4]}}
  - {name: 66.18.198.in-addr.arpa, secondary: {primaries: %q}}
`

// primaryConfig returns that of the primary of the secondary zones and of the catalog.
func primaryConfig(p *side, sides []*side, members []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {dns: [%q], admin: \"\"}\nstate_dir: state\n%s", p.dns, keysText())
	var notify []string
	for _, s := range sides {
		notify = append(notify, fmt.Sprintf("%q", s.dns))
	}
	fmt.Fprintf(&b, `defaults:
  nameservers: [ns1.example.com]
  contact: hostmaster@example.com
  transfer: {allow: [127.0.0.0/8], notify: [%s], notify_nameservers: false}
zones:
  - {name: dyn.example, dynamic: {}}
  - {name: sec1.example, dynamic: {seed: dyn.zone}, update: [127.0.0.1]}
  - {name: sec2.example, dynamic: {seed: dyn.zone}, update: [127.0.0.1]}
  - {name: 66.18.198.in-addr.arpa, dynamic: {seed: dyn.zone}, update: [127.0.0.1]}
`, strings.Join(notify, ", "))
	for _, m := range members {
		fmt.Fprintf(&b, "  - {name: %s, file: plain.zone}\n", m)
	}
	b.WriteString("catalogs:\n  - name: cat.primary.test\n    zones:\n")
	for _, m := range members {
		fmt.Fprintf(&b, "      - %s\n", m)
	}
	return b.String()
}

// files are those that stay, by name.
func files() map[string]string {
	const soa = "$TTL 3600\n@ SOA ns1.example.com. hostmaster.example.com. %d 86400 7200 3600000 600\n"
	return map[string]string{
		"dyn.zone": fmt.Sprintf(soa, 100) + `@ NS ns1.example.com.
@ NS ns2.example.com.
1 PTR a.example.com.
2 PTR b.example.com.
2 PTR c.example.com.
3 CNAME 3.0/25
4 TXT "text"
4 A 192.0.2.4
64/26 NS ns.customer.example.
*.w TXT "wildcard"
a.b.c PTR deep.example.com.
dn DNAME 64/26
`,
		"hosts":       "198.18.9.1 one two\n198.18.9.2 three.example.net\n192.0.2.9 elsewhere\n198.18.9.7 seven\n",
		"big.zone":    bigZone(5000),
		"plain.zone":  plainZone(0),
		"filed.zone":  plainZone(0),
		"serial.zone": fmt.Sprintf(soa, 7) + plainZone(0) + "@ NS ns.sub\nns.sub A 192.0.2.1\n",
	}
}

// bigZone returns so many records: a transfer takes several messages, and a change that
// removes most of them is held back.
func bigZone(records int) string {
	var b strings.Builder
	b.WriteString("$TTL 3600\n")
	for i := range records {
		fmt.Fprintf(&b, "%d.%d PTR host-%d.example.com.\n", i%256, i/256, i)
	}
	return b.String()
}

// plainZone returns records, some of them those of a version.
func plainZone(version int) string {
	var b strings.Builder
	b.WriteString("$TTL 3600\n")
	for i := range 60 {
		switch {
		case i%7 == version%7:
			fmt.Fprintf(&b, "%d PTR version-%d.example.com.\n", i, version)
		case i%11 != version%11:
			fmt.Fprintf(&b, "%d PTR host-%d.example.com.\n", i, i)
		}
	}
	for i := range 40 {
		fmt.Fprintf(&b, "many PTR host-with-a-name-of-middling-length-%d.v%d.example.com.\n", i, version%2)
	}
	b.WriteString("sub NS ns.sub\nsub NS ns.other\nns.sub A 192.0.2.1\nns.sub AAAA 2001:db8::1\nocc.sub TXT \"occluded\"\n*.wild PTR wild.example.com.\na.b.c.d TXT \"deep\"\ndn DNAME elsewhere.example.\n")
	if version%3 == 1 {
		b.WriteString("*.wild TXT \"too\"\nsub DS 1 13 2 0101010101010101010101010101010101010101010101010101010101010101\n")
	}
	return b.String()
}

// lastingNames are zones that stay, for transfers and NOTIFY.
var lastingNames = []string{
	"0.18.198.in-addr.arpa.", "64-127.0.18.198.in-addr.arpa.", "5.18.198.in-addr.arpa.", "9.18.198.in-addr.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa.",
	"filed.test.", "plain.test.", "own.serial.test.", "dyn.example.", "keyed.example.", "closed.test.", "sec1.example.", "sec2.example.",
	"66.18.198.in-addr.arpa.", "cat.own.test.", "cat.primary.test.", "big.test.", "member0.test.", "member1.test.",
}

// updated are those that take updates, or refuse them.
var updated = []string{
	"0.18.198.in-addr.arpa.", "0.18.198.in-addr.arpa.", "64-127.0.18.198.in-addr.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa.", "filed.test.", "filed.test.",
	"0.18.198.in-addr.arpa.", "64-127.0.18.198.in-addr.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa.", "filed.test.", "dyn.example.", "dyn.example.", "dyn.example.",
	"keyed.example.", "keyed.example.", "closed.test.", "plain.test.", "sec1.example.", "nowhere.test.", "cat.own.test.",
}

// clients are addresses that requests come from: one that may do everything, one that the
// server denies, one that a zone denies, and one that another allows.
var clients = [...]netip.Addr{
	netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.AddrFrom4([4]byte{127, 0, 0, 2}), netip.AddrFrom4([4]byte{127, 0, 0, 3}), netip.AddrFrom4([4]byte{127, 0, 0, 4}),
}

// client returns the first of them mostly.
func (g *generator) client() netip.Addr {
	if g.chance(4) {
		return pick(g, clients[:])
	}
	return clients[0]
}
