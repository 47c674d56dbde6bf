package assemble

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/zonefile"
	"github.com/ptrd/ptrd/zone/zonetest"
)

func TestFileOfSeveralZones(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.112.0/22
    file: v4.zone
    ptr: {203.0.115.9: inline.example.com}
  - prefix: 2001:db8:100::/46
    file: v6.zone
-- v4.zone --
$TTL 600
1.112 PTR a.example.com.
1.113 PTR b.example.com.
255.115.0.203.in-addr.arpa. PTR c.example.com.
-- v6.zone --
$TTL 600
$ORIGIN 0.1.0.8.b.d.0.1.0.0.2.ip6.arpa.
0 TXT "first"
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3 PTR last.example.com.
`)
	p := l.reload()
	l.expect(p.Findings, "")
	l.holds("112.0.203.in-addr.arpa", ownNS+"1 600 PTR a.example.com.")
	l.holds("113.0.203.in-addr.arpa", ownNS+"1 600 PTR b.example.com.")
	l.holds("114.0.203.in-addr.arpa", ownNS)
	l.holds("115.0.203.in-addr.arpa", ownNS+"255 600 PTR c.example.com.\n9 3600 PTR inline.example.com.")
	l.holds("0.0.1.0.8.b.d.0.1.0.0.2.ip6.arpa", ownNS+`@ 600 TXT "first"`)
	l.holds("2.0.1.0.8.b.d.0.1.0.0.2.ip6.arpa", ownNS)
	l.holds("3.0.1.0.8.b.d.0.1.0.0.2.ip6.arpa", ownNS+"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 600 PTR last.example.com.")

	// a change of one of them leaves the others, serials too
	l.now += 100
	l.write("-- v4.zone --\n$TTL 600\n1.112 PTR a.example.com.\n1.113 PTR new.example.com.\n255.115.0.203.in-addr.arpa. PTR c.example.com.\n")
	if p = l.reload(); changed(p) != "113.0.203.in-addr.arpa." {
		t.Errorf("changed %s", changed(p))
	}
	if l.serial("113.0.203.in-addr.arpa") != labNow+100 || l.serial("112.0.203.in-addr.arpa") != labNow {
		t.Error("serials")
	}

	l.write(`
-- v4.zone --
$TTL 600
112 SOA ns.example.net. hostmaster.example.com. 7 3600 600 86400 300
113 NS ns.example.net.
4.113 NS ns.example.net.
1.116 PTR a.example.com.
`)
	p = l.reload()
	l.expect(p.Findings, `
		error: v4.zone:2:1: SOA at 112.0.203.in-addr.arpa.: 203.0.112.0/22 makes 4 zones, whose SOAs are generated; remove the SOA from the file, or configure each zone with a file of its own
		error: v4.zone:3:1: NS at 113.0.203.in-addr.arpa.: 203.0.112.0/22 makes 4 zones, which share `+"`nameservers`"+`; remove the NS from the file and give the server there
		warning: v4.zone:5:1: PTR at 1.116.0.203.in-addr.arpa.: the owner is not in 203.0.112.0/22 and is ignored; move the record to its own zone, or correct the $ORIGIN or the owner
	`)
	if len(p.Broken) != 4 || changed(p) != "" {
		t.Errorf("broken %v, changed %s", p.Broken, changed(p))
	}
}

// An error in one of an item's zones, found when it is built, leaves the others.
func TestOneOfSeveralZonesIsBroken(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.112.0/23
    file: v4.zone
-- v4.zone --
$TTL 600
1.112 PTR a.example.com.
1.113 CNAME a.example.com.
1.113 CNAME b.example.com.
`)
	p := l.reload()
	l.expect(p.Findings, `error: v4.zone:4:1: CNAME at 1.113.0.203.in-addr.arpa.: a name has one CNAME, this is another (RFC 2181 §10.1); remove one (there is CNAME at v4.zone:3:1)`)
	if len(p.Broken) != 1 || p.Broken[0].Apex.String() != "113.0.203.in-addr.arpa." {
		t.Errorf("broken %v", p.Broken)
	}
	l.holds("112.0.203.in-addr.arpa", ownNS+"1 600 PTR a.example.com.")
}

func TestStaticSourcesAreOneLayer(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 192.0.2.0/24
    file: [a.zone, b.zone]
    hosts: hosts
    ptr: {192.0.2.1: inline.example.com}
    records:
      "@": {TXT: '"here"'}
-- a.zone --
$TTL 600
2 PTR a.example.com.
-- b.zone --
$TTL 600
2 PTR b.example.com.
-- hosts --
127.0.0.1 localhost
192.0.2.3 three.example.com three
2001:db8::3 three.example.com
192.0.2.1 inline.example.com
`)
	p := l.reload()
	l.expect(p.Findings, `warning: b.zone:2:1: PTR at 2.2.0.192.in-addr.arpa.: 2 PTRs at one address; many programs look at one only, and mail servers may want each to lead back to the address; keep the one that does`)
	l.holds("2.0.192.in-addr.arpa", ownNS+`
		@ 3600 TXT "here"
		1 3600 PTR inline.example.com.
		2 600 PTR a.example.com.
		2 600 PTR b.example.com.
		3 3600 PTR three.example.com.
	`)
	if strings.Join(p.Watch, " ") != l.dir+"/a.zone "+l.dir+"/b.zone "+l.dir+"/hosts" {
		t.Errorf("watches %v", p.Watch)
	}
	l.write("-- hosts --\n192.0.2.3 new.example.com\n192.0.2.4 4.example.com\n")
	if p = l.reload(); changed(p) != "2.0.192.in-addr.arpa." {
		t.Errorf("changed %s", changed(p))
	}
	l.write("-- hosts --\n192.0.2.3 new.example.com\n192.0.2.4\n")
	p = l.reload()
	if len(p.Broken) != 1 || !strings.HasPrefix(p.Broken[0].Reason, l.dir+"/hosts:2:") {
		t.Errorf("broken %v", p.Broken)
	}
}

func TestHostsOfClasslessZone(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {prefix: 192.0.2.64/26, hosts: hosts}
-- hosts --
192.0.2.63 below.example.com
192.0.2.64 first.example.com
192.0.2.127 last.example.com
`)
	l.expect(l.reload().Findings, "")
	l.holds("64-127.2.0.192.in-addr.arpa", ownNS+"127 3600 PTR last.example.com.\n64 3600 PTR first.example.com.")
}

// The domain of a hosts file completes its short names; another domain makes the
// zone anew though the file is the same.
func TestHostsDomain(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {prefix: 192.0.2.0/24, hosts: hosts, hosts_domain: lan.example}
-- hosts --
192.0.2.1 printer
192.0.2.2 nas.example.com
`)
	l.expect(l.reload().Findings, "")
	l.holds("2.0.192.in-addr.arpa", ownNS+"1 3600 PTR printer.lan.example.\n2 3600 PTR nas.example.com.")
	l.write("-- ptrd.yaml --\nzones:\n  - {prefix: 192.0.2.0/24, hosts: hosts, hosts_domain: home.example}\n")
	l.expect(l.reload().Findings, "")
	l.holds("2.0.192.in-addr.arpa", ownNS+"1 3600 PTR printer.home.example.\n2 3600 PTR nas.example.com.")
}

func TestContradictionsNameBothPlaces(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 192.0.2.0/24
    file: [a.zone, b.zone]
    ptr: {192.0.2.7: seven.example.com}
-- a.zone --
$TTL 600
2 CNAME a.example.com.
7 CNAME b.example.com.
-- b.zone --
$TTL 600
2 CNAME b.example.com.
@ SOA ns.example.net. hostmaster.example.com. 7 3600 600 86400 300
@ SOA ns.example.net. hostmaster.example.com. 8 3600 600 86400 300
@ NS ns.example.net.
`)
	l.expect(l.reload().Findings, `
		error: a.zone:3:1: CNAME at 7.2.0.192.in-addr.arpa.: CNAME together with PTR: an alias has no other data (RFC 2181 §10.1); remove the CNAME or the PTR (there is PTR at ptrd.yaml:7:11)
		error: b.zone:2:1: CNAME at 2.2.0.192.in-addr.arpa.: a name has one CNAME, this is another (RFC 2181 §10.1); remove one (there is CNAME at a.zone:2:1)
		error: b.zone:4:1: SOA at 2.0.192.in-addr.arpa.: a zone has one SOA, this is another (RFC 1035 §5.2); remove it (there is SOA at b.zone:3:1)
	`)
}

func TestSettingsNotUsed(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: 2.0.192.in-addr.arpa
    file: a.zone
    nameservers: [ns.example.org]
    contact: me@example.org
    soa: {refresh: 1h}
    ptr: {192.0.2.1: added.example.com}
    delegate: [{prefix: 192.0.2.4/31, nameservers: [ns.customer.example]}]
-- a.zone --
`+withSOA(7, ""))
	tail := ": not used, because a.zone has an SOA, and then the SOA and NS of the zone come from there; remove `"
	l.expect(l.reload().Findings, `
		warning: ptrd.yaml:5:5: zones[0].contact`+tail+"contact` here, or the SOA and NS there"+`
		warning: ptrd.yaml:5:5: zones[0].soa`+tail+"soa` here, or the SOA and NS there"+`
		warning: ptrd.yaml:7:19: zones[0].nameservers`+tail+"nameservers` here, or the SOA and NS there"+`
	`)
	// what the config adds to the file is served
	l.holds("2.0.192.in-addr.arpa", `
		@ 600 NS ns.example.net.
		1 3600 PTR added.example.com.
		4 3600 CNAME 4.4-5.2.0.192.in-addr.arpa.
		4-5 86400 NS ns.customer.example.
		5 3600 CNAME 5.4-5.2.0.192.in-addr.arpa.
	`)
}

func TestFileWithSOANeedsApexSOAandNS(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {name: 2.0.192.in-addr.arpa, file: a.zone}
  - {name: 3.0.192.in-addr.arpa, file: b.zone}
-- a.zone --
$TTL 600
sub SOA ns.example.net. hostmaster.example.com. 7 3600 600 86400 300
@ NS ns.example.net.
-- b.zone --
$TTL 600
@ SOA ns.example.net. hostmaster.example.com. 7 3600 600 86400 300
`)
	got := l.text(l.reload().Findings)
	for _, want := range []string{
		"error: a.zone:2:5: SOA at sub.2.0.192.in-addr.arpa.: the SOA makes this a file of the zone sub.2.0.192.in-addr.arpa., but it is loaded as 2.0.192.in-addr.arpa.;",
		"error: b.zone:2:1: zone 3.0.192.in-addr.arpa. has no NS at its apex",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestRecordsOfTheConfig(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: example.org
    records:
      "@": {MX: 10 mail}
      mail: {A: [192.0.2.1, 192.0.2.2], TXT: '"a" "b"'}
`)
	l.expect(l.reload().Findings, "")
	l.holds("example.org", ownNS+`
		@ 3600 MX 10 mail.example.org.
		mail 3600 A 192.0.2.1
		mail 3600 A 192.0.2.2
		mail 3600 TXT "a" "b"
	`)
	l.write(`
-- ptrd.yaml --
zones:
  - name: example.org
    records:
      "@": {MX: mail}
      bad: {A: [192.0.2.1, 192.0.2.256]}
`)
	p := l.reload()
	got := l.text(p.Findings)
	for _, want := range []string{
		"error: ptrd.yaml:7:17: MX at example.org.: ",
		"error: ptrd.yaml:8:28: A at bad.example.org.: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if len(p.Broken) != 1 || !p.Broken[0].LastGood {
		t.Errorf("broken %v", p.Broken)
	}
}

// signed returns a signed zone as a master file.
func signed(serial int, more string) string {
	o := zonetest.MustParse("2.0.192.in-addr.arpa", withSOA(serial, more))
	var b strings.Builder
	for _, r := range zonetest.MustSign(o, 1, zonetest.Denial{}).Records() {
		b.Write(append(zonefile.AppendRecord(nil, r), '\n'))
	}
	return "-- a.zone --\n" + b.String()
}

func TestSignedZoneIsServedVerbatim(t *testing.T) {
	l := newLab(t, twoZones)
	const apex = "2.0.192.in-addr.arpa"
	l.write(signed(7, "1 PTR a.example.com.\n"))
	p := l.reload()
	l.expect(p.Findings, "")
	if c := p.Batch.Changes[0]; !c.Zone.IsSigned() || !c.Verbatim || c.Zone.Serial() != 7 {
		t.Fatalf("%+v", c)
	}
	good := l.zone(apex)
	refused := func(what, want string) {
		t.Helper()
		p := l.reload()
		if !strings.Contains(l.text(p.Findings), "error: a.zone:") || !strings.Contains(l.text(p.Findings), want) {
			t.Errorf("%s: findings\n%s", what, l.text(p.Findings))
		}
		if changed(p) != "" || l.zone(apex) != good || len(p.Broken) != 1 || !p.Broken[0].LastGood {
			t.Errorf("%s: changed %s, broken %v", what, changed(p), p.Broken)
		}
	}
	l.write(signed(7, "1 PTR b.example.com.\n"))
	refused("same serial", "content of this signed zone changed under the same serial 7, which secondaries would not notice; sign it again with a serial after 7")
	l.write(signed(6, "1 PTR b.example.com.\n"))
	refused("lower serial", "serial 6 of this signed zone is not after 7, which was served already (RFC 1982); sign it again with a serial after 7")
	l.write(signed(8, "1 PTR b.example.com.\n"))
	p = l.reload()
	if l.expect(p.Findings, ""); l.serial(apex) != 8 || len(p.Broken) != 0 {
		t.Errorf("serial %d", l.serial(apex))
	}
	good = l.zone(apex)
	l.write(strings.Replace(twoZones, "file: a.zone\n", "file: a.zone\n    ptr: {192.0.2.9: nine.example.com}\n", 1))
	refused("added", "zone 2.0.192.in-addr.arpa. is signed, but zones[0] adds 1 record from the configuration, which would have no signatures; put them in the file before it is signed")
	l.write(strings.Replace(twoZones, "file: a.zone\n", "file: a.zone\n    derive: [example.net]\n", 1))
	refused("derived", "zone 2.0.192.in-addr.arpa. is signed, but zones[0] derives PTRs, which would have no signatures; remove `derive`, or name a file that is not signed")

	// also over a restart, when there are no good data to keep
	l.write(twoZones)
	l.write(signed(8, "1 PTR c.example.com.\n"))
	l.restart()
	p = l.reload()
	if len(p.Broken) != 1 || p.Broken[0].LastGood || l.zone(apex).IsAvailable() {
		t.Errorf("broken %v", p.Broken)
	}
	l.write(signed(9, "1 PTR c.example.com.\n"))
	l.expect(l.reload().Findings, "")
	if l.serial(apex) != 9 {
		t.Errorf("serial %d", l.serial(apex))
	}
}

func TestFindingsAreCounted(t *testing.T) {
	var b strings.Builder
	for i := range 250 {
		fmt.Fprintf(&b, "%d.%d PTR\n", i, i)
	}
	l := newLab(t, twoZones+b.String())
	l.write("-- a.zone --\n" + withSOA(7, ""))
	list := l.reload().Findings
	errs := 0
	for _, f := range list {
		if f.Severity == finding.Error {
			errs++
		}
	}
	if errs > 101 || !strings.Contains(l.text(list), "150 more") {
		t.Errorf("%d errors in\n%s", errs, l.text(list))
	}
}

// TestEmptySources: a source that lost its content is an error, and what was served
// stays; a zone without any source is empty on purpose.
func TestEmptySources(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {name: a.example, file: a.zone}
  - {prefix: 192.0.2.0/24, hosts: hosts}
  - {name: b.example, file: b.zone}
  - {name: none.example}
-- a.zone --
www TXT there
-- hosts --
192.0.2.1 one.example
-- b.zone --
$INCLUDE more
-- more --
www TXT there
`)
	l.expect(l.reload().Findings, "")
	before := l.store.Set()
	l.write("-- a.zone --\n-- hosts --\n# none\n-- more --\n\n")
	p := l.reload()
	l.expect(p.Findings, `
		error: a.zone:1:1: the file has no record; write what it should have, or remove it from the zone if it is empty on purpose
		error: hosts:1:1: the file has no host; write a line with an address and a name, or remove it from the zone if it is empty on purpose
		error: more:1:1: the file has no record; write what it should have, or remove the $INCLUDE of it if it is empty on purpose
	`)
	if len(p.Broken) != 3 || !p.Broken[0].LastGood {
		t.Errorf("broken are %+v", p.Broken)
	}
	for z := range before.All() {
		if l.store.Set().Get(z.Apex()) != z {
			t.Errorf("zone %v is another one", z.Apex())
		}
	}
}
