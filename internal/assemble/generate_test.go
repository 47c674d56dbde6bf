package assemble

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

func TestInlineZone(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
    ptr:
      203.0.113.25: mail.example.com
      203.0.113.26: [www.example.com, shop.example.com]
`)
	p := l.reload()
	l.expect(p.Findings, `warning: ptrd.yaml:8:7: PTR at 26.113.0.203.in-addr.arpa.: 2 PTRs at one address; many programs look at one only, and mail servers may want each to lead back to the address; keep the one that does`)
	l.holds("113.0.203.in-addr.arpa", `
		@ 86400 NS ns1.example.com.
		@ 86400 NS ns2.example.net.
		25 3600 PTR mail.example.com.
		26 3600 PTR www.example.com.
		26 3600 PTR shop.example.com.
	`)
	if got := l.serial("113.0.203.in-addr.arpa"); got != labNow {
		t.Errorf("serial %d", got)
	}
	set, _ := l.zone("113.0.203.in-addr.arpa").Get(dname.MustParse("113.0.203.in-addr.arpa"), rr.TypeSOA)
	soa := set.First(nil)
	mname := dname.FromWire(soa)
	rname := dname.FromWire(soa[len(mname):])
	if mname.String() != "ns1.example.com." || rname.String() != "hostmaster.example.com." {
		t.Errorf("MNAME %v, RNAME %v", mname, rname)
	}
	if set.TTL != 3600 {
		t.Errorf("TTL of the SOA is %d", set.TTL)
	}
}

func TestGlueOfApex(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: example.com
    nameservers:
      - {name: ns1.example.com, addresses: [192.0.2.1, "2001:db8::1"]}
      - {name: ns2.example.net, addresses: [192.0.2.2]}
      - {name: ns3.example.com, addresses: [192.0.2.3]}
    soa: {mname: hidden.example.com}
    records:
      ns3: {A: 192.0.2.33}
`)
	p := l.reload()
	// the addresses of ns2 are not ours to tell; what is static about ns3 comes first
	l.expect(p.Findings, `warning: ptrd.yaml:9:9: A at ns3.example.com.: 192.0.2.3 is not served: ptrd.yaml:12:16 has A at this name, which takes precedence over what is generated (nameservers and soa); make both the same, or remove one`)
	l.holds("example.com", `
		@ 86400 NS ns1.example.com.
		@ 86400 NS ns2.example.net.
		@ 86400 NS ns3.example.com.
		ns1 86400 A 192.0.2.1
		ns1 86400 AAAA 2001:db8::1
		ns3 3600 A 192.0.2.33
	`)
	set, _ := l.zone("example.com").Get(dname.MustParse("example.com"), rr.TypeSOA)
	if mname := dname.FromWire(set.First(nil)); mname.String() != "hidden.example.com." {
		t.Errorf("MNAME %v", mname)
	}
}

func TestDelegateStyles(t *testing.T) {
	for _, c := range []struct{ how, label string }{
		{"", "64-95"},
		{", style: range", "64-95"},
		{", style: slash", "64/27"},
		{", style: rfc4183", "64-27"},
		{", label: customer", "customer"},
		{", name: a.b.113.0.203.in-addr.arpa", "a.b"},
	} {
		t.Run(c.label, func(t *testing.T) {
			l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
    ptr: {203.0.113.63: below.example.com, 203.0.113.96: above.example.com}
    delegate:
      - {prefix: 203.0.113.64/27, nameservers: [ns.customer.example]`+c.how+`}
`)
			p := l.reload()
			l.expect(p.Findings, "")
			want := "@ 86400 NS ns1.example.com.\n@ 86400 NS ns2.example.net.\n63 3600 PTR below.example.com.\n"
			for i := 64; i < 96; i++ { // the network and broadcast addresses as well
				want += fmt.Sprintf("%d 3600 CNAME %d.%s.113.0.203.in-addr.arpa.\n", i, i, c.label)
			}
			want += "96 3600 PTR above.example.com.\n" + c.label + " 86400 NS ns.customer.example.\n"
			if got := sorted(dump(l.zone("113.0.203.in-addr.arpa"))); got != sorted(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func sorted(s string) string {
	list := strings.Split(s, "\n")
	m := map[string]bool{}
	for _, x := range list {
		m[x] = true
	}
	if len(m) != len(list) {
		return "twice the same line in " + s
	}
	var b strings.Builder
	for _, x := range sortedKeys(m) {
		b.WriteString(x + "\n")
	}
	return b.String()
}

func TestDelegateWhole(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 10.0.0.0/8
    delegate:
      - prefix: 10.1.0.0/16
        nameservers:
          - {name: ns.1.10.in-addr.arpa, addresses: [10.1.0.53]}
          - {name: ns.2.10.in-addr.arpa, addresses: [10.2.0.53, "fd00::53"]}
          - {name: ns.example.net, addresses: [192.0.2.1]}
        ds: 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
        ttl: 5m
      - {prefix: 10.4.0.0/15, nameservers: [ns.example.net]}
  - prefix: fd00::/8
    delegate:
      - {prefix: "fd00::/15", nameservers: [ns.example.net]}
`)
	p := l.reload()
	l.expect(p.Findings, "")
	// glue only for names below the cut or in the zone
	l.holds("10.in-addr.arpa", `
		@ 86400 NS ns1.example.com.
		@ 86400 NS ns2.example.net.
		1 300 NS ns.1.10.in-addr.arpa.
		1 300 NS ns.2.10.in-addr.arpa.
		1 300 NS ns.example.net.
		1 300 DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
		ns.1 300 A 10.1.0.53
		ns.2 300 A 10.2.0.53
		ns.2 300 AAAA fd00::53
		4 86400 NS ns.example.net.
		5 86400 NS ns.example.net.
	`)
	l.holds("d.f.ip6.arpa", `
		@ 86400 NS ns1.example.com.
		@ 86400 NS ns2.example.net.
		0.0 86400 NS ns.example.net.
		1.0 86400 NS ns.example.net.
	`)
}

func TestDelegateOutOfClasslessZone(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.64/26
    delegate:
      - {prefix: 203.0.113.72/30, nameservers: [ns.example.net]}
`)
	l.expect(l.reload().Findings, "")
	l.holds("64-127.113.0.203.in-addr.arpa", `
		@ 86400 NS ns1.example.com.
		@ 86400 NS ns2.example.net.
		72 3600 CNAME 72.72-75.64-127.113.0.203.in-addr.arpa.
		72-75 86400 NS ns.example.net.
		73 3600 CNAME 73.72-75.64-127.113.0.203.in-addr.arpa.
		74 3600 CNAME 74.72-75.64-127.113.0.203.in-addr.arpa.
		75 3600 CNAME 75.72-75.64-127.113.0.203.in-addr.arpa.
	`)
}

func TestSingleAddressZone(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.25/32
    ptr: {203.0.113.25: mail.example.com}
  - prefix: 2001:db8::25/128
    ptr: {"2001:db8::25": mail.example.com}
`)
	l.expect(l.reload().Findings, "")
	for _, apex := range []string{"25.113.0.203.in-addr.arpa", "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"} {
		l.holds(apex, `
			@ 86400 NS ns1.example.com.
			@ 86400 NS ns2.example.net.
			@ 3600 PTR mail.example.com.
		`)
	}
}

func TestNoNameServers(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
listen: {dns: ["127.0.0.1:5300"]}
zones:
  - prefix: 203.0.113.0/24
    file: a.zone
-- a.zone --
25 300 PTR mail.example.com.
`)
	l.expect(l.reload().Findings, "error: ptrd.yaml:3:5: zones[0]: zone 113.0.203.in-addr.arpa. has no name servers; give `nameservers` here or in `defaults`, as the zone's parent has them")
	// those that the file has do
	l.write(`
-- a.zone --
@ 300 NS ns.example.net.
25 300 PTR mail.example.com.
`)
	l.expect(l.reload().Findings, "")
	l.holds("113.0.203.in-addr.arpa", `
		@ 300 NS ns.example.net.
		25 300 PTR mail.example.com.
	`)
}

// A name server of this zone that a zone below has as well: its addresses keep the TTL of
// those at the apex, without a finding about records that nobody wrote.
func TestNameServerOfTwoOwners(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
listen: {dns: ["127.0.0.1:5300"]}
state_dir: state
defaults:
  nameservers: [{name: ns1.example.com, addresses: [192.0.2.1, "2001:db8::1"]}]
zones:
  - name: example.com
    ns_ttl: 12h
  - name: below.example.com
  - name: other.example.com
    ns_ttl: 5m
`)
	p := l.reload()
	l.expect(p.Findings, "")
	l.holds("example.com", `
		@ 43200 NS ns1.example.com.
		below 86400 NS ns1.example.com.
		ns1 43200 A 192.0.2.1
		ns1 43200 AAAA 2001:db8::1
		other 300 NS ns1.example.com.
	`)
}
