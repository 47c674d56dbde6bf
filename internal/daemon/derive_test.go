package daemon

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

const deriving = `
listen: {dns: ["127.0.0.1:0"], route53: "127.0.0.1:0", admin: ""}
state_dir: ./state
defaults: {nameservers: [ns1.example.com], max_shrink: off}
route53: {access_keys: [{id: AKIALAB, secret: secret}], delegation_sets: [[ns1.example.com]]}
zones:
  - prefix: 192.0.2.0/24
    ptr: {192.0.2.1: static.example.com}
    update: [127.0.0.1]
    derive: [file.example, dynamic.example, hosted.example, {hosts: names}]
  - {name: file.example, file: file.zone}
  - {name: dynamic.example, dynamic: , update: [127.0.0.1]}
`

// PTRs follow forward zones of files, updates and the API, and a file of another program; a restart
// leaves content and serial as they are.
func TestDerived(t *testing.T) {
	dir := shortDir(t)
	file := func(text string) { replace(t, filepath.Join(dir, "file.zone"), text) }
	file("a 60 A 192.0.2.1\nb 60 A 192.0.2.2\nc 60 A 192.0.2.3\n")
	replace(t, filepath.Join(dir, "names"), "192.0.2.3 low.host.example\n192.0.2.9 nine.host.example\n")
	l := start(t, dir, deriving)
	reverse := func(last int) string {
		return lookup(t, l.dns, fmt.Sprintf("%d.2.0.192.in-addr.arpa.", last), dns.TypePTR)
	}
	expect := func(when string, want map[int]string) {
		t.Helper()
		for last, name := range want {
			if name = strings.TrimSpace("NOERROR " + name); name == "NOERROR" {
				name = "NXDOMAIN"
			}
			if got := reverse(last); got != name {
				t.Errorf("%s: %d is %s, want %s", when, last, got, name)
			}
		}
	}
	serial := func() zone.Serial { return l.zones.Set().Get(dname.MustParse("2.0.192.in-addr.arpa")).Serial() }
	expect("at the start", map[int]string{1: "static.example.com.", 2: "b.file.example.", 3: "c.file.example.", 9: "nine.host.example.", 5: ""})

	file("a 60 A 192.0.2.1\nb 60 A 192.0.2.4\n")
	before := serial()
	if o := l.reload(t); !o.OK() || len(o.Changed) != 2 {
		t.Errorf("%+v", o)
	}
	expect("after a reload", map[int]string{2: "", 3: "low.host.example.", 4: "b.file.example."})
	if now := serial(); !before.Before(now) {
		t.Errorf("serial %d after %d", now, before)
	}

	send := func(apex, record string, remove bool) string {
		t.Helper()
		m := new(dns.Msg)
		m.SetUpdate(apex)
		r, err := dns.NewRR(record)
		if err != nil {
			t.Fatal(err)
		}
		if remove {
			m.Remove([]dns.RR{r})
		} else {
			m.Insert([]dns.RR{r})
		}
		answer, err := exchange(m, l.dns)
		if err != nil {
			t.Fatal(err)
		}
		return dns.RcodeToString[answer.Rcode]
	}
	if rcode := send("dynamic.example.", "d.dynamic.example. 77 A 192.0.2.5", false); rcode != "NOERROR" {
		t.Error(rcode)
	}
	expect("after an update", map[int]string{5: "d.dynamic.example."})

	// What is derived cannot be updated, but what was updated is there again without it.
	send("2.0.192.in-addr.arpa.", "5.2.0.192.in-addr.arpa. 60 PTR update.example.com.", false)
	send("2.0.192.in-addr.arpa.", "6.2.0.192.in-addr.arpa. 60 PTR update.example.com.", false)
	expect("after an update of PTRs", map[int]string{5: "d.dynamic.example.", 6: "update.example.com."})
	send("dynamic.example.", "e.dynamic.example. 77 A 192.0.2.6", false)
	expect("over an update", map[int]string{6: "e.dynamic.example."})
	send("dynamic.example.", "e.dynamic.example. 77 A 192.0.2.6", true)
	expect("no longer over an update", map[int]string{6: "update.example.com."})

	z, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse("hosted.example"), CallerReference: "1"})
	if err != nil {
		t.Fatal(err)
	}
	value, err := hosted.ParseValue(rr.TypeA, "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	edit := hosted.Edit{Action: hosted.Create, Owner: dname.MustParse("h.hosted.example"), Type: rr.TypeA, TTL: 60, Values: []hosted.Value{value}}
	if _, err = l.hosted.ChangeRecords(z.ID, []hosted.Edit{edit}, "test", ""); err != nil {
		t.Fatal(err)
	}
	expect("after a change of the API", map[int]string{7: "h.hosted.example."})
	replace(t, filepath.Join(dir, "names"), "192.0.2.10 ten.host.example\n")
	await(t, func() bool { return reverse(10) == "NOERROR ten.host.example." })
	final := map[int]string{1: "static.example.com.", 2: "", 3: "", 4: "b.file.example.", 5: "d.dynamic.example.", 6: "update.example.com.", 7: "h.hosted.example.", 9: "", 10: "ten.host.example."}
	expect("after a change of hosts", final)

	before = serial()
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, deriving)
	expect("after a restart", final)
	if now := serial(); now != before {
		t.Errorf("serial %d after a restart, was %d", now, before)
	}

	// Other settings, and none.
	replace(t, filepath.Join(dir, "config.yaml"), strings.Replace(deriving, "derive: [file.example, ", "derive: [", 1))
	if o := l.reload(t); !o.InForce {
		t.Errorf("%+v", o)
	}
	expect("without a source", map[int]string{4: "", 5: "d.dynamic.example.", 7: "h.hosted.example."})
	replace(t, filepath.Join(dir, "config.yaml"), strings.Replace(deriving, "    derive: [", "    derive: [] # [", 1))
	if o := l.reload(t); !o.InForce {
		t.Errorf("%+v", o)
	}
	expect("without derive", map[int]string{1: "static.example.com.", 4: "", 5: "", 6: "update.example.com.", 7: ""})
}
