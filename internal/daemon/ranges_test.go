package daemon

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Zones whose content comes at run time, and zones that omit their rules from transfers, have names
// of ranges that are no part of their data: neither APIs nor transfers nor serials show them. They
// come and go with the zones and with reloads.
func TestAttachedRules(t *testing.T) {
	const (
		reverse   = "113.0.203.in-addr.arpa."
		inHosted  = "203-0-113-7.pool.example.net."
		inDynamic = "d-203-0-113-200.example.org."
	)
	config := func(template string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: "", route53: "127.0.0.1:0"}
state_dir: state
defaults: {nameservers: ns1.example.com, transfer: {allow: 127.0.0.1}, checks: {range-transfer: off}}
route53: {access_keys: [{id: AKIALAB, secret: secret}]}
zones:
  - {name: example.org, dynamic: {}, update: 127.0.0.1}
  - prefix: 203.0.113.0/24
    synth_transfer: omit
    synth:
      - {range: 203.0.113.0/25, name: "%s.pool.example.net"}
      - {range: 203.0.113.128/25, name: "d-{dashed}.example.org"}
`, template)
	}
	l := start(t, shortDir(t), config("{dashed}"))
	defer func() { l.stop() }()
	check := func(when string, want ...string) {
		t.Helper()
		for i, q := range []struct {
			name string
			typ  uint16
		}{{"7." + reverse, dns.TypePTR}, {inHosted, dns.TypeA}, {"200." + reverse, dns.TypePTR}, {inDynamic, dns.TypeA}} {
			if got := lookup(t, l.dns, q.name, q.typ); got != want[i] {
				t.Errorf("%s: %s is %s, want %s", when, q.name, got, want[i])
			}
		}
	}
	ptr, other, address := "NOERROR "+inHosted, "NOERROR "+inDynamic, "NOERROR 203.0.113.200"
	check("without the hosted zone", ptr, "REFUSED", other, address)
	create := func(reference string) *hosted.Zone {
		t.Helper()
		z, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse("example.net"), CallerReference: reference})
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	z := create("1")
	check("with it", ptr, "NOERROR 203.0.113.7", other, address)

	value, err := hosted.ParseValue(rr.TypeA, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	edit := hosted.Edit{Action: hosted.Create, Owner: dname.MustParse(inHosted), Type: rr.TypeA, TTL: 60, Values: []hosted.Value{value}}
	for _, change := range []struct {
		hosted.Action
		want string
	}{{hosted.Create, "192.0.2.1"}, {hosted.Delete, "203.0.113.7"}} {
		edit.Action = change.Action
		if _, err := l.hosted.ChangeRecords(z.ID, []hosted.Edit{edit}, "test", ""); err != nil {
			t.Fatal(err)
		}
		check(string(change.Action), ptr, "NOERROR "+change.want, other, address)
	}
	l.addRecord(t, "example.org.", inDynamic+" 60 TXT x")
	check("after an update", ptr, "NOERROR 203.0.113.7", other, address)

	if page, _, err := l.hosted.Records(z.ID, hosted.Start{}, 100); err != nil || len(page) != 2 {
		t.Errorf("record sets of the hosted zone: %v %v", page, err)
	}
	for _, apex := range []string{reverse, "example.net.", "example.org."} {
		records, err := transferred(l.dns, apex, "", 0)
		if err != nil && apex != "example.net." || slices.ContainsFunc(records, func(r string) bool { return strings.Contains(r, "TYPE") || strings.Contains(r, "PTR") }) {
			t.Errorf("the transfer of %s has %q, %v", apex, records, err)
		}
	}

	soas := func() (list []string) {
		for _, apex := range []string{reverse, "example.net.", "example.org."} {
			list = append(list, lookup(t, l.dns, apex, dns.TypeSOA))
		}
		return list
	}
	before := soas()
	reload := func(config string) {
		t.Helper()
		replace(t, filepath.Join(l.dir, "config.yaml"), config)
		if o := l.reload(t); !o.OK() || len(o.Changed) > 0 {
			t.Errorf("%+v", o)
		}
		if after := soas(); !slices.Equal(before, after) {
			t.Errorf("SOAs are %q, were %q", after, before)
		}
	}
	reload(config("x-{dashed}"))
	check("another template", "NOERROR x-"+inHosted, "NXDOMAIN", other, address)
	reload(config("{dashed}"))
	check("the former template", ptr, "NOERROR 203.0.113.7", other, address)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, l.dir, config("{dashed}"))
	check("after a restart", ptr, "NOERROR 203.0.113.7", other, address)
	if _, err := l.hosted.DeleteZone(z.ID); err != nil {
		t.Fatal(err)
	}
	check("the hosted zone is deleted", ptr, "REFUSED", other, address)
	create("2")
	check("the hosted zone is there again", ptr, "NOERROR 203.0.113.7", other, address)
	before = soas()
	reload(strings.Split(config(""), "    synth_transfer")[0])
	check("without ranges", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN", "NOERROR") // of the update
}

// A zone that comes while a reload is on its way, or after one that could not be published, has names
// by the keys of the configuration that is active.
func TestKeysOfAttachedRules(t *testing.T) {
	text := func(secret string) string {
		return `
listen: {dns: ["127.0.0.1:0"], admin: "", route53: "127.0.0.1:0"}
state_dir: state
defaults: {nameservers: ns1.example.com, checks: {range-transfer: off}}
route53: {access_keys: [{id: AKIALAB, secret: secret}]}
keys: [{name: k, secret: ` + secret + `}]
zones:
  - {prefix: 203.0.113.0/24, synth: [{range: 203.0.113.0/24, name: "{permuted}.example.net", key: k}]}
`
	}
	l := start(t, shortDir(t), text("c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE="))
	defer func() { l.stop() }()
	other, err := config.Parse("config.yaml", []byte(text("YW5vdGhlciBzZWNyZXQgb2YgdGhlIGV4YW1wbGUhISE=")))
	if err != nil {
		t.Fatal(err)
	}
	l.assembler.SetKeys(other)
	if _, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse("example.net"), CallerReference: "1"}); err != nil {
		t.Fatal(err)
	}
	_, name, _ := strings.Cut(lookup(t, l.dns, "7.113.0.203.in-addr.arpa.", dns.TypePTR), " ")
	if got := lookup(t, l.dns, name, dns.TypeA); got != "NOERROR 203.0.113.7" {
		t.Errorf("%s is %s", name, got)
	}
}

// A zone with the records of its ranges: updates replace them, and they are there again, in the same
// changeset; a change of the template is incremental where it is small.
func TestMaterializedZone(t *testing.T) {
	const reverse = "113.0.203.in-addr.arpa."
	config := func(template string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
defaults: {nameservers: ns1.example.com, transfer: {allow: 127.0.0.1}, synth_transfer: materialize}
zones:
  - prefix: 203.0.113.0/24
    update: 127.0.0.1
    synth: [{range: 203.0.113.0/28, name: "%s.pool.example.net", ttl: 1m}]
  - {name: example.net}
`, template)
	}
	l := start(t, shortDir(t), config("{dashed}"))
	defer func() { l.stop() }()
	serial := func() uint32 { return uint32(l.views.Load().Zones.Get(dname.MustParse(reverse)).Serial()) }
	// since returns what changed since a serial, without SOAs, and how the zone answers for 7.
	since := func(from uint32) (list []string) {
		t.Helper()
		records, err := transferred(l.dns, reverse, "", from)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if !strings.Contains(r, " SOA ") {
				list = append(list, strings.Replace(r, "."+reverse, "", 1))
			}
		}
		return list
	}
	check := func(when string, from uint32, want ...string) {
		t.Helper()
		if got := since(from); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	const made, dynamic = "7 60 IN PTR 203-0-113-7.pool.example.net.", "7 300 IN PTR host.example.net."
	if whole := since(0); len(whole) != 17 || !slices.Contains(whole, made) {
		t.Errorf("the zone has %q", whole)
	}
	if got := lookup(t, l.dns, "203-0-113-7.pool.example.net.", dns.TypeA); got != "NOERROR 203.0.113.7" {
		t.Errorf("its address is %s", got)
	}
	update := func(change func(m *dns.Msg)) {
		t.Helper()
		m := new(dns.Msg)
		m.SetUpdate(reverse)
		change(m)
		r, err := exchange(m, l.dns)
		if err != nil || r.Rcode != dns.RcodeSuccess {
			t.Fatal(r, err)
		}
	}
	record := func(text string) []dns.RR {
		r, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		return []dns.RR{r}
	}
	before := serial()
	update(func(m *dns.Msg) { m.Insert(record("7." + reverse + " 300 PTR host.example.net.")) })
	check("an update", before, made, dynamic)
	before = serial()
	update(func(m *dns.Msg) { m.RemoveRRset(record("7." + reverse + " PTR host.example.net.")) })
	check("its removal", before, dynamic, made)
	e, err := l.explain(l.views.Load(), explain.Question{Name: dname.MustParse("7." + reverse), Type: rr.TypePTR})
	if err != nil || len(e.Answer) != 1 || len(e.Answer[0].Sources) != 1 || !strings.HasPrefix(e.Answer[0].Sources[0].What, "shown again by update by 127.0.0.1,") {
		t.Errorf("explained: %v, %+v", err, e)
	}

	before = serial()
	update(func(m *dns.Msg) { m.Insert(record("8." + reverse + " 300 CNAME 8.customer.example.")) })
	check("an alias", before, "8 60 IN PTR 203-0-113-8.pool.example.net.", "8 300 IN CNAME 8.customer.example.")
	before = serial()
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, l.dir, config("{dashed}"))
	if serial() != before {
		t.Error("the serial changed with a restart")
	}
	update(func(m *dns.Msg) { m.RemoveName(record("8." + reverse + " A 192.0.2.1")) })
	check("the alias is removed", before, "8 300 IN CNAME 8.customer.example.", "8 60 IN PTR 203-0-113-8.pool.example.net.")

	before = serial()
	replace(t, filepath.Join(l.dir, "config.yaml"), config("x-{dashed}"))
	if o := l.reload(t); !o.OK() {
		t.Errorf("%+v", o)
	}
	if changes := since(before); len(changes) != 32 {
		t.Errorf("another template changes %q", changes)
	}
	if got := lookup(t, l.dns, "7."+reverse, dns.TypePTR); got != "NOERROR x-203-0-113-7.pool.example.net." {
		t.Errorf("with another template: %s", got)
	}
}
