package assemble

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

func TestCheck(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(7, "1 PTR\n2 PTR a.example.com.\n2 PTR b.example.com.\n"))
	list, err := Check(t.Context(), l.config())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Severity != finding.Error || list[0].Line != 4 || list[1].Severity != finding.Warning || list[1].Line != 6 {
		t.Errorf("findings\n%s", l.text(list))
	}
}

func TestCheckFile(t *testing.T) {
	l := newLab(t, twoZones)
	origin := dname.MustParse("2.0.192.in-addr.arpa")
	for _, c := range []struct{ name, text, want string }{
		{"good", withSOA(7, "1 PTR a.example.com.\n"), ""},
		{"no SOA", "$TTL 600\n@ NS ns.example.net.\n", "error: a.zone: zone 2.0.192.in-addr.arpa. has no SOA at its apex; add one"},
		{"contradiction", withSOA(7, "1 PTR a.example.com.\n1 CNAME b.example.com.\n"), "error: a.zone:5:1: CNAME at 1.2.0.192.in-addr.arpa.: CNAME together with PTR: an alias has no other data (RFC 2181 §10.1); remove the CNAME or the PTR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.write("-- a.zone --\n" + c.text)
			z, list := CheckFile(origin, l.dir+"/a.zone", 0)
			l.expect(list, c.want)
			if (z != nil) != (c.want == "") {
				t.Errorf("zone %v", z)
			}
		})
	}
	z, list := CheckFile(origin, l.dir+"/none", 0)
	if l.expect(list, "error: none: does not exist; correct the path or create the file"); z != nil {
		t.Error("a zone of no file")
	}
	_, list = CheckFile(origin, l.dir, 0)
	if want := "error: " + l.dir + ": is a directory; name the file in it\n"; l.text(list) != want {
		t.Errorf("got %s", l.text(list))
	}
}

// The configuration that is the manual makes zones without an error or warning.
func TestExampleConfig(t *testing.T) {
	cfg, err := config.Load("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Options{}).Assemble(t.Context(), cfg, zone.NewSet(), Round{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Findings {
		t.Error(f)
	}
}

func TestExplain(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - name: 2.0.192.in-addr.arpa
    file: a.zone
    hosts: hosts
    ptr: {192.0.2.1: inline.example.com}
    delegate: [{prefix: 192.0.2.8/31, nameservers: [ns.customer.example]}]
  - prefix: 192.0.2.64/26
    ptr: {192.0.2.65: vpn.example.com}
  - prefix: 192.0.2.3/32
    file: child.zone
-- a.zone --
$TTL 600
$INCLUDE part.inc
-- part.inc --
1 PTR file.example.com.
-- hosts --
192.0.2.1 hosts.example.com
-- child.zone --
`+withSOA(7, ""))
	l.reload()
	for _, c := range []struct{ owner, want string }{
		{"1.2.0.192.in-addr.arpa", `
			master file part.inc:1:1: PTR file.example.com.
			configuration ptrd.yaml:8:11: PTR inline.example.com.
			hosts file hosts:1:1: PTR hosts.example.com.
		`},
		{"9.2.0.192.IN-ADDR.arpa", `generated ptrd.yaml:9:16 delegate: CNAME 9.8-9.2.0.192.in-addr.arpa.`},
		{"8-9.2.0.192.in-addr.arpa", `generated ptrd.yaml:9:53 delegate: NS ns.customer.example.`},
		{"65.2.0.192.in-addr.arpa", `generated ptrd.yaml:10:5 classless zone: CNAME 65.64-127.2.0.192.in-addr.arpa.`},
		{"65.64-127.2.0.192.in-addr.arpa", `configuration ptrd.yaml:11:11: PTR vpn.example.com.`},
		{"3.2.0.192.in-addr.arpa", `
			master file child.zone:2:1: SOA ns.example.net. hostmaster.example.com. 7 3600 600 86400 300
			master file child.zone:3:1: NS ns.example.net.
			generated ptrd.yaml:12:5 zone below: NS ns.example.net. (2.0.192.in-addr.arpa.)
		`},
		{"2.0.192.in-addr.arpa", `
			generated ptrd.yaml:5:5 nameservers and soa: SOA ns1.example.com. hostmaster.example.com. 0 86400 7200 3600000 3600
			generated ptrd.yaml:3:26 nameservers and soa: NS ns1.example.com.
			generated ptrd.yaml:3:51 nameservers and soa: NS ns2.example.net.
		`},
		{"200.2.0.192.in-addr.arpa", ""},
		{"example.com", ""},
	} {
		t.Run(c.owner, func(t *testing.T) {
			owner := dname.MustParse(c.owner)
			list, err := Explain(t.Context(), l.config(), l.store.Set(), owner)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, o := range list {
				rule := ""
				if o.Rule != RuleNone {
					rule = " " + o.Rule.String()
				}
				fmt.Fprintf(&b, "%v %s%s: %v %s", o.Layer, strings.TrimPrefix(o.Pos.String(), l.dir+"/"), rule, o.Record.Type, rr.Text(o.Record.Type, o.Record.Data))
				if z := l.store.Set().Find(owner); !z.Apex().Equal(o.Apex) {
					fmt.Fprintf(&b, " (%v)", o.Apex)
				}
				b.WriteByte('\n')
			}
			if got, want := b.String(), lines(c.want); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Explain(ctx, l.config(), nil, dname.MustParse("2.0.192.in-addr.arpa")); err == nil {
		t.Error("no error though the context ended")
	}
	// sources that have gone since are no reason to fail
	if err := os.Remove(l.dir + "/a.zone"); err != nil {
		t.Fatal(err)
	}
	if list, err := Explain(t.Context(), l.config(), nil, dname.MustParse("1.2.0.192.in-addr.arpa")); err != nil || len(list) != 2 {
		t.Errorf("got %v %v", list, err)
	}
}
