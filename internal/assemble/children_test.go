package assemble

import "testing"

const ownNS = "@ 86400 NS ns1.example.com.\n@ 86400 NS ns2.example.net.\n"

func TestNestedClassless(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.0.0/16
  - prefix: 203.0.113.0/24
    ptr: {203.0.113.1: gw.example.com}
  - prefix: 203.0.113.64/30
    ptr: {203.0.113.65: a.example.com}
  - prefix: 203.0.113.67/32
    nameservers: [{name: ns.67.113.0.203.in-addr.arpa, addresses: [203.0.113.67]}]
  - prefix: 198.51.100.8/30
    nameservers: [ns.elsewhere.example]
  - prefix: 198.51.0.0/16
`)
	l.expect(l.reload().Findings, "")
	l.holds("0.203.in-addr.arpa", ownNS+`
		113 86400 NS ns1.example.com.
		113 86400 NS ns2.example.net.
	`)
	// .67 is a zone of its own: a cut, and no CNAME
	l.holds("113.0.203.in-addr.arpa", ownNS+`
		1 3600 PTR gw.example.com.
		64 3600 CNAME 64.64-67.113.0.203.in-addr.arpa.
		64-67 86400 NS ns1.example.com.
		64-67 86400 NS ns2.example.net.
		65 3600 CNAME 65.64-67.113.0.203.in-addr.arpa.
		66 3600 CNAME 66.64-67.113.0.203.in-addr.arpa.
		67 86400 NS ns.67.113.0.203.in-addr.arpa.
		ns.67 86400 A 203.0.113.67
	`)
	l.holds("64-67.113.0.203.in-addr.arpa", ownNS+"65 3600 PTR a.example.com.")
	// the parent may be further up than the /24
	l.holds("51.198.in-addr.arpa", ownNS+`
		10.100 3600 CNAME 10.8-11.100.51.198.in-addr.arpa.
		11.100 3600 CNAME 11.8-11.100.51.198.in-addr.arpa.
		8.100 3600 CNAME 8.8-11.100.51.198.in-addr.arpa.
		8-11.100 86400 NS ns.elsewhere.example.
		9.100 3600 CNAME 9.8-11.100.51.198.in-addr.arpa.
	`)
}

func TestClasslessInClassless(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
  - prefix: 203.0.113.64/29
  - prefix: 203.0.113.68/30
`)
	l.expect(l.reload().Findings, "")
	// Both have names below the /24, which has the addresses' own names: the
	// longer prefix is where an address belongs.
	l.holds("113.0.203.in-addr.arpa", ownNS+`
		64 3600 CNAME 64.64-71.113.0.203.in-addr.arpa.
		64-71 86400 NS ns1.example.com.
		64-71 86400 NS ns2.example.net.
		65 3600 CNAME 65.64-71.113.0.203.in-addr.arpa.
		66 3600 CNAME 66.64-71.113.0.203.in-addr.arpa.
		67 3600 CNAME 67.64-71.113.0.203.in-addr.arpa.
		68 3600 CNAME 68.68-71.113.0.203.in-addr.arpa.
		68-71 86400 NS ns1.example.com.
		68-71 86400 NS ns2.example.net.
		69 3600 CNAME 69.68-71.113.0.203.in-addr.arpa.
		70 3600 CNAME 70.68-71.113.0.203.in-addr.arpa.
		71 3600 CNAME 71.68-71.113.0.203.in-addr.arpa.
	`)
	l.holds("64-71.113.0.203.in-addr.arpa", ownNS)
}

func TestChildFromFileSaysItsNameServers(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: example.org
  - name: lab.example.org
    file: lab.zone
-- lab.zone --
$TTL 600
@ SOA name.lab.example.org. hostmaster.example.com. 7 3600 600 86400 300
@ NS name
@ NS ns.example.net.
name A 192.0.2.53
name AAAA 2001:db8::53
`)
	l.expect(l.reload().Findings, "")
	l.holds("example.org", ownNS+`
		lab 600 NS ns.example.net.
		lab 600 NS name.lab.example.org.
		name.lab 600 A 192.0.2.53
		name.lab 600 AAAA 2001:db8::53
	`)
	// and when they change, the parent follows in the same step
	l.now++
	l.write(`
-- lab.zone --
$TTL 600
@ SOA name.lab.example.org. hostmaster.example.com. 8 3600 600 86400 300
@ NS ns.example.net.
`)
	p := l.reload()
	if got := changed(p); got != "example.org. lab.example.org." {
		t.Errorf("changed %s", got)
	}
	l.holds("example.org", ownNS+"lab 600 NS ns.example.net.")
	// a child that is broken keeps its delegation
	l.write("-- lab.zone --\n@ SOA\n")
	p = l.reload()
	if got := changed(p); got != "" {
		t.Errorf("changed %s", got)
	}
}

func TestDelegateGoesBeforeZoneBelow(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 10.0.0.0/8
    delegate:
      - {prefix: 10.1.0.0/16, nameservers: [ns.customer.example]}
  - prefix: 10.1.0.0/16
  - prefix: 10.1.2.0/24
`)
	l.expect(l.reload().Findings, "warning: ptrd.yaml:5:5: zone 10.in-addr.arpa. delegates 1.10.in-addr.arpa. to ns.customer.example., but that zone, which is configured here (ptrd.yaml:8:5), names ns1.example.com., ns2.example.net.; make the two equal (RFC 1034 §4.2.2)")
	l.holds("10.in-addr.arpa", ownNS+"1 86400 NS ns.customer.example.")
	l.holds("1.10.in-addr.arpa", ownNS+"2 86400 NS ns1.example.com.\n2 86400 NS ns2.example.net.")
}

func TestParentFromFileLacksChildren(t *testing.T) {
	soa := "$TTL 600\n@ SOA ns.example.net. hostmaster.example.com. 7 3600 600 86400 300\n@ NS ns.example.net.\n"
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: 2.0.192.in-addr.arpa
    file: zones/2.0.192.zone
  - prefix: 192.0.2.0/25
    style: slash
  - name: 0.10.in-addr.arpa
    file: zones/0.10.zone
  - prefix: 10.0.7.0/24
    nameservers: [{name: ns.7.0.10.in-addr.arpa, addresses: [10.0.7.53, "fd00::53"]}]
-- zones/2.0.192.zone --
`+soa+`
-- zones/0.10.zone --
`+soa)
	p := l.reload()
	l.expect(p.Findings, "warning: zones/0.10.zone: zone 7.0.10.in-addr.arpa. is configured here (ptrd.yaml:11:5), but zone 0.10.in-addr.arpa. does not delegate it: resolvers that ask that zone first learn that its names do not exist; "+
		"add `7.0.10.in-addr.arpa. NS ns.7.0.10.in-addr.arpa.`, `ns.7.0.10.in-addr.arpa. A 10.0.7.53`, `ns.7.0.10.in-addr.arpa. AAAA fd00::53`\n"+
		"warning: zones/2.0.192.zone: 128 addresses unreachable: zone 2.0.192.in-addr.arpa. does not lead to zone 0/25.2.0.192.in-addr.arpa., which is configured here (ptrd.yaml:7:5) for 192.0.2.0/25; "+
		"add `0/25.2.0.192.in-addr.arpa. NS ns1.example.com.`, `0/25.2.0.192.in-addr.arpa. NS ns2.example.net.`, `$GENERATE 0-127 $.2.0.192.in-addr.arpa. CNAME $.0/25.2.0.192.in-addr.arpa.`\n")

	// The remedy is one.
	l.write(`
-- zones/2.0.192.zone --
` + soa + `
0/25.2.0.192.in-addr.arpa. NS ns1.example.com.
0/25.2.0.192.in-addr.arpa. NS ns2.example.net.
$GENERATE 0-127 $.2.0.192.in-addr.arpa. CNAME $.0/25.2.0.192.in-addr.arpa.
-- zones/0.10.zone --
` + soa + `
7.0.10.in-addr.arpa. NS ns.7.0.10.in-addr.arpa.
ns.7.0.10.in-addr.arpa. A 10.0.7.53
ns.7.0.10.in-addr.arpa. AAAA fd00::53
`)
	l.expect(l.reload().Findings, "")

	// Some addresses may be missing, lead there in two steps, or be delegated on their
	// own.
	l.write(`
-- zones/2.0.192.zone --
` + soa + `
0/25 NS NS1.example.com.
0/25 NS ns2.example.net.
$GENERATE 0-9 $ CNAME $.0/25
11 CNAME x.11.2.0.192.in-addr.arpa.
x.11 CNAME 11.0/25
12 NS ns.customer.example.
13 PTR host.example.com.
14 CNAME 14.elsewhere.example.
$GENERATE 16-127 $ CNAME $.0/25
`)
	l.expect(l.reload().Findings, "warning: zones/2.0.192.zone: 4 addresses unreachable: zone 2.0.192.in-addr.arpa. does not lead to zone 0/25.2.0.192.in-addr.arpa., which is configured here (ptrd.yaml:7:5) for 192.0.2.0/25; "+
		"add `10.2.0.192.in-addr.arpa. CNAME 10.0/25.2.0.192.in-addr.arpa.`, `$GENERATE 13-15 $.2.0.192.in-addr.arpa. CNAME $.0/25.2.0.192.in-addr.arpa.`")

	// Aliases alone are not enough: the zone itself is to be delegated.
	l.write(`
-- zones/2.0.192.zone --
` + soa + `
$GENERATE 0-127 $ CNAME $.0/25
`)
	l.expect(l.reload().Findings, "warning: zones/2.0.192.zone: zone 0/25.2.0.192.in-addr.arpa. is configured here (ptrd.yaml:7:5), but zone 2.0.192.in-addr.arpa. does not delegate it: resolvers that ask that zone first learn that its names do not exist; "+
		"add `0/25.2.0.192.in-addr.arpa. NS ns1.example.com.`, `0/25.2.0.192.in-addr.arpa. NS ns2.example.net.`")
}

func TestAliasCollisions(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
    file: a.zone
    delegate:
      - {prefix: 203.0.113.64/30, nameservers: [ns.customer.example]}
-- a.zone --
$TTL 600
63 PTR fine.example.com.
64 CNAME 64.64-67
65 PTR a.example.com.
66 CNAME elsewhere.example.com.
`)
	p := l.reload()
	l.expect(p.Findings, `
		error: a.zone:4:1: PTR at 65.113.0.203.in-addr.arpa.: the address is delegated at ptrd.yaml:8:9, which makes this name a CNAME to 65.64-67.113.0.203.in-addr.arpa., and a CNAME excludes other data (RFC 2317 §4, RFC 2181 §10.1); remove the PTR, or delegate without this address
		error: a.zone:5:1: CNAME at 66.113.0.203.in-addr.arpa.: the address is delegated at ptrd.yaml:8:9, which makes this name a CNAME to 66.64-67.113.0.203.in-addr.arpa., and a CNAME excludes other data (RFC 2317 §4, RFC 2181 §10.1); remove the CNAME, or delegate without this address
	`)
	if len(p.Broken) != 1 || p.Broken[0].LastGood {
		t.Errorf("broken: %+v", p.Broken)
	}
	// Where the zone below is configured here, what is static comes first.
	l.write(`
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
    file: a.zone
  - prefix: 203.0.113.64/30
`)
	l.expect(l.reload().Findings, `
		warning: a.zone:4:1: PTR at 65.113.0.203.in-addr.arpa.: this record hides 65.64-67.113.0.203.in-addr.arpa. of the zone configured at ptrd.yaml:7:5; move it there, so that the CNAME to that zone can be made
		warning: a.zone:5:1: CNAME at 66.113.0.203.in-addr.arpa.: this record hides 66.64-67.113.0.203.in-addr.arpa. of the zone configured at ptrd.yaml:7:5; move it there, so that the CNAME to that zone can be made
	`)
	l.holds("113.0.203.in-addr.arpa", ownNS+`
		63 600 PTR fine.example.com.
		64 600 CNAME 64.64-67.113.0.203.in-addr.arpa.
		64-67 86400 NS ns1.example.com.
		64-67 86400 NS ns2.example.net.
		65 600 PTR a.example.com.
		66 600 CNAME elsewhere.example.com.
		67 3600 CNAME 67.64-67.113.0.203.in-addr.arpa.
	`)
}

func TestDelegateAgainstFile(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 10.0.0.0/8
    file: a.zone
    delegate:
      - {prefix: 10.1.0.0/16, nameservers: [ns.customer.example]}
      - {prefix: 10.2.0.0/16, nameservers: [ns.customer.example]}
-- a.zone --
$TTL 600
1 NS NS.customer.example.
2 NS ns.old.example.
`)
	l.expect(l.reload().Findings, `warning: ptrd.yaml:9:45: NS at 2.10.in-addr.arpa.: ns.customer.example. is not served: a.zone:3:1 has NS at this name, which takes precedence over what is generated (delegate); make both the same, or remove one`)
	l.holds("10.in-addr.arpa", ownNS+`
		1 600 NS NS.customer.example.
		2 600 NS ns.old.example.
	`)
}

// An address delegated on its own gets no CNAME into the zone around it.
func TestDelegatedAddressInClasslessZone(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
    delegate:
      - {prefix: 203.0.113.65/32, nameservers: [ns.customer.example]}
  - prefix: 203.0.113.64/31
`)
	l.expect(l.reload().Findings, "")
	l.holds("113.0.203.in-addr.arpa", ownNS+`
		64 3600 CNAME 64.64-65.113.0.203.in-addr.arpa.
		64-65 86400 NS ns1.example.com.
		64-65 86400 NS ns2.example.net.
		65 86400 NS ns.customer.example.
	`)
}

// A classless zone that is named below a larger one is reached through that.
func TestClasslessNamedBelowClassless(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
  - prefix: 203.0.113.64/30
  - prefix: 203.0.113.66/31
    name: 66-67.64-67.113.0.203.in-addr.arpa
`)
	l.expect(l.reload().Findings, "")
	l.holds("113.0.203.in-addr.arpa", ownNS+`
		64 3600 CNAME 64.64-67.113.0.203.in-addr.arpa.
		64-67 86400 NS ns1.example.com.
		64-67 86400 NS ns2.example.net.
		65 3600 CNAME 65.64-67.113.0.203.in-addr.arpa.
		66 3600 CNAME 66.64-67.113.0.203.in-addr.arpa.
		67 3600 CNAME 67.64-67.113.0.203.in-addr.arpa.
	`)
	l.holds("64-67.113.0.203.in-addr.arpa", ownNS+`
		66 3600 CNAME 66.66-67.64-67.113.0.203.in-addr.arpa.
		66-67 86400 NS ns1.example.com.
		66-67 86400 NS ns2.example.net.
		67 3600 CNAME 67.66-67.64-67.113.0.203.in-addr.arpa.
	`)
}

// Both sides of a cut that are here name the same servers, whoever says so.
func TestOtherServersAtTheCut(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: 2.0.192.in-addr.arpa
    file: parent.zone
  - prefix: 192.0.2.5/32
  - name: 6.2.0.192.in-addr.arpa
    file: child.zone
  - prefix: 198.51.100.0/22
    delegate:
      - {prefix: 198.51.103.7/32, nameservers: [ns1.example.com]}
  - prefix: 198.51.103.7/32
-- parent.zone --
`+withSOA(7, "5 NS ns2.example.net.\n6 NS ns.example.net.\n")+`
-- child.zone --
`+withSOA(7, ""))
	l.expect(l.reload().Findings, `
		warning: parent.zone: zone 2.0.192.in-addr.arpa. delegates 5.2.0.192.in-addr.arpa. to ns2.example.net., but that zone, which is configured here (ptrd.yaml:7:5), names ns1.example.com., ns2.example.net.; make the two equal (RFC 1034 §4.2.2)
		warning: ptrd.yaml:10:5: zone 103.51.198.in-addr.arpa. delegates 7.103.51.198.in-addr.arpa. to ns1.example.com., but that zone, which is configured here (ptrd.yaml:13:5), names ns1.example.com., ns2.example.net.; make the two equal (RFC 1034 §4.2.2)
	`)
}

// An address that is a zone of its own is no business of the classless zone
// around it.
func TestZoneOfOneAddressIsNotUnreachable(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: 2.0.192.in-addr.arpa
    file: a.zone
  - prefix: 192.0.2.4/31
  - prefix: 192.0.2.5/32
-- a.zone --
`+withSOA(7, "5 NS ns1.example.com.\n5 NS ns2.example.net.\n"))
	l.expect(l.reload().Findings, "warning: a.zone: 1 address unreachable: zone 2.0.192.in-addr.arpa. does not lead to zone 4-5.2.0.192.in-addr.arpa., which is configured here (ptrd.yaml:7:5) for 192.0.2.4/31; "+
		"add `4-5.2.0.192.in-addr.arpa. NS ns1.example.com.`, `4-5.2.0.192.in-addr.arpa. NS ns2.example.net.`, `4.2.0.192.in-addr.arpa. CNAME 4.4-5.2.0.192.in-addr.arpa.`")
}

// Name servers of `defaults` are for zones that say nothing; those of a file need
// no remark.
func TestFileOverrulesDefaults(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {prefix: 10.0.0.0/8, file: a.zone}
-- a.zone --
@ 60 NS ns.own.example.
`)
	l.expect(l.reload().Findings, "")
	l.holds("10.in-addr.arpa", "@ 60 NS ns.own.example.")
}

// A zone above the reverse trees leads to what lies below it as well.
func TestParentAboveInAddrArpa(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: arpa
  - prefix: 192.0.2.4/31
`)
	l.expect(l.reload().Findings, "")
	l.holds("arpa", ownNS+`
		4.2.0.192.in-addr 3600 CNAME 4.4-5.2.0.192.in-addr.arpa.
		4-5.2.0.192.in-addr 86400 NS ns1.example.com.
		4-5.2.0.192.in-addr 86400 NS ns2.example.net.
		5.2.0.192.in-addr 3600 CNAME 5.4-5.2.0.192.in-addr.arpa.
	`)
}

// A DNAME in place of name servers: one per zone of the prefix, at the same names.
func TestDelegateByDNAME(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 10.0.0.0/16
    delegate:
      - {prefix: 10.0.2.0/23, dname: rev.customer.example}
      - {prefix: 10.0.4.0/24, dname: four.customer.example}
      - {prefix: 10.0.5.64/31, dname: five.customer.example, ttl: 5m}
`)
	l.expect(l.reload().Findings, "")
	l.holds("0.10.in-addr.arpa", ownNS+`
		2 86400 DNAME 2.rev.customer.example.
		3 86400 DNAME 3.rev.customer.example.
		4 86400 DNAME four.customer.example.
		64.5 300 CNAME 64.64-65.5.0.10.in-addr.arpa.
		64-65.5 300 DNAME five.customer.example.
		65.5 300 CNAME 65.64-65.5.0.10.in-addr.arpa.
	`)
}
