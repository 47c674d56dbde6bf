package daemon

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/ec2"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone/dname"
)

const elasticConfig = `
listen: {dns: ["127.0.0.1:0"], ec2: "127.0.0.1:0"}
state_dir: state
defaults: {nameservers: [ns1.example.net]}
route53: {access_keys: [{id: AKIALAB, secret: secret}]}
ec2: {prefixes: [203.0.113.64/26, 198.51.100.0/24]}
zones:
  - {prefix: 203.0.113.0/24, ptr: {203.0.113.1: gw.example.com}}
  - {name: example.com, records: {mail: {A: [203.0.113.65, 198.51.100.0]}}}
`

// TestElasticIP: the reverse name of an address is part of a zone with sources, over reloads,
// a rollback and a restart, and what DNS has is reported truthfully.
func TestElasticIP(t *testing.T) {
	dir := shortDir(t)
	l := start(t, dir, elasticConfig)
	defer func() { l.stop() }()
	const owner, apex = "65.113.0.203.in-addr.arpa.", "113.0.203.in-addr.arpa."
	order := &ec2.Order{By: "AKIALAB", Allow: func(netip.Addr) error { return nil }}
	name := dname.MustParse("mail.example.com")
	if addr := l.Status().EC2; !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("the API listens at %q", addr)
	}
	serial := func() string {
		text := l.dumped(t, apex)
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); len(f) > 6 && f[3] == "SOA" {
				return f[6]
			}
		}
		t.Fatal(text)
		return ""
	}
	first := serial()
	first0, err := l.elastic.Allocate(ec2.Allocation{Address: "203.0.113.65"}, order)
	if err != nil {
		t.Fatal(err)
	}
	set := func() *ec2.Address {
		t.Helper()
		a, err := l.elastic.SetName(t.Context(), first0.ID, name, order)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := set()
	// check compares what DNS and the API have, and whether the update is pending.
	check := func(what string, served bool, pending string) {
		t.Helper()
		const line = owner + " 300 IN PTR mail.example.com. ; by update, Elastic IP "
		if text := l.dumped(t, apex); strings.Contains(text, line+a.ID+"\n") != served {
			t.Errorf("%s:\n%s", what, text)
		}
		u := l.elastic.Served(a)[0]
		if (u.Served == name.String()) != served || !strings.Contains(u.Pending, pending) || (u.Pending == "") != (pending == "") {
			t.Errorf("%s: %+v", what, u)
		}
	}
	check("at first", true, "")

	var out bytes.Buffer
	if err := l.verbs()[VerbExplain](t.Context(), url.Values{"name": {owner}, "type": {"PTR"}}, &out); err != nil {
		t.Fatal(err)
	}
	var e explain.Explanation
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || len(e.Answer) != 1 || len(e.Answer[0].Sources) != 1 ||
		!strings.HasPrefix(e.Answer[0].Sources[0].What, "update by AKIALAB, Elastic IP "+a.ID+", serial ") {
		t.Errorf("explained as %+v, %v", e.Answer, err)
	}

	// The zone accepts no UPDATE messages for it.
	m := new(dns.Msg)
	m.SetUpdate(apex)
	m.RemoveName([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: owner}}})
	if r, _, err := (&dns.Client{Timeout: patience, Net: "tcp"}).Exchange(m, l.dns); err != nil || r.Rcode != dns.RcodeRefused {
		t.Errorf("UPDATE: %v, %v", r, err)
	}

	if _, err := l.rollback(url.Values{"what": {apex}, "serial": {first}}); err != nil {
		t.Fatal(err)
	}
	check("rolled back", false, "was removed")
	set()
	check("set again", true, "")

	reload := func(config string) {
		t.Helper()
		replace(t, dir+"/config.yaml", config)
		if o := l.reload(t); !o.OK() {
			t.Fatalf("%+v", o)
		}
	}
	reload(elasticConfig + "  - {prefix: 10.0.0.0/24}\n")
	check("after a reload", true, "")
	reload(strings.Replace(elasticConfig, "203.0.113.1: gw", "203.0.113.65: other.example.com, 203.0.113.1: gw", 1))
	check("with a PTR in the sources", false, "the sources of zone")
	reload(strings.Replace(elasticConfig, "203.0.113.64/26, ", "", 1))
	check("with the prefix closed", false, "in none of the prefixes")
	if _, err := l.elastic.ResetName(a.ID, order); err == nil || !strings.Contains(err.Error(), "add its prefix again") {
		t.Errorf("a reset with the prefix closed: %v", err)
	}
	replace(t, dir+"/config.yaml", elasticConfig)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, elasticConfig)
	check("after a restart", true, "")
	if _, err := l.elastic.ResetName(a.ID, order); err != nil {
		t.Fatal(err)
	}
	if text := l.dumped(t, apex); strings.Contains(text, owner) {
		t.Errorf("after a reset:\n%s", text)
	}

	// In a hosted zone it is a record like others.
	z, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse("100.51.198.in-addr.arpa"), CallerReference: "1"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.elastic.Allocate(ec2.Allocation{Pool: "198.51.100.0/24"}, order)
	if err == nil {
		_, err = l.elastic.SetName(t.Context(), b.ID, name, order)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := l.hosted.Count(z); n != 3 {
		t.Errorf("%d record sets", n)
	}
	if text := l.dumped(t, "100.51.198.in-addr.arpa."); !strings.Contains(text, "0.100.51.198.in-addr.arpa. 300 IN PTR mail.example.com. ; Elastic IP "+b.ID+"\n") {
		t.Errorf("%s", text)
	}
	if _, err := l.hosted.DeleteZone(z.ID); err == nil {
		t.Error("the zone was deleted with the name")
	}
}
