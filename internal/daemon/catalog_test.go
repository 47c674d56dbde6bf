package daemon

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
)

const catalogSecret = "c2VjcmV0IG9mIHRoZSB0ZXN0"

// transferred returns the records of a zone as a transfer brings them, in text, the
// last SOA left out. incremental is the serial that an IXFR begins with, 0: AXFR. The
// error tells RCODEs other than NOERROR.
func transferred(server, zone, key string, incremental uint32) ([]string, error) {
	m := new(dns.Msg)
	m.SetAxfr(zone)
	if incremental != 0 {
		m.SetIxfr(zone, incremental, "invalid.", "invalid.")
	}
	tr := &dns.Transfer{DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience}
	if key != "" {
		tr.TsigSecret = map[string]string{key: catalogSecret}
		m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
	}
	in, err := tr.In(m, server)
	if err != nil {
		return nil, err
	}
	var out []string
	for e := range in {
		if e.Error != nil {
			return nil, e.Error
		}
		for _, r := range e.RR {
			out = append(out, strings.Join(strings.Fields(r.String()), " "))
		}
	}
	if n := len(out); n > 1 {
		out = out[:n-1]
	}
	return out, nil
}

// TestMakeCatalog: what a catalog of ours lists follows the configuration, by IXFR
// as well, and nobody sees it who may not transfer it.
func TestMakeCatalog(t *testing.T) {
	dir := shortDir(t)
	text := func(zones string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: %s
rate_limit: {enabled: false}
keys: [{name: fleet-key, secret: %s}]
defaults: {nameservers: ns1.example.com, transfer: {allow: 127.0.0.1}}
zones: [%s]
catalogs:
  - {name: catalog.example, zones: [all, {zone: 192.0.2.0/24, group: lab}], transfer: {allow: {key: fleet-key}}}
`, filepath.Join(dir, "state"), catalogSecret, zones)
	}
	one, two, three := "{prefix: 192.0.2.0/24}", "{name: example.com}", "{prefix: 198.51.100.0/23}"
	l := start(t, dir, text(one+","+two))
	list := func(from uint32) []string {
		t.Helper()
		rrs, err := transferred(l.dns, "catalog.example.", "fleet-key.", from)
		if err != nil {
			t.Fatal(err)
		}
		return rrs
	}
	label := func(apex string) string { return catalog.Label(dname.MustParse(apex)) }
	ptr := func(apex string) string { return label(apex) + ".zones.catalog.example. 0 IN PTR " + apex }
	has := func(rrs []string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !slices.Contains(rrs, w) {
				t.Errorf("no %q in\n%s", w, strings.Join(rrs, "\n"))
			}
		}
	}
	first := list(0)
	has(first, "catalog.example. 0 IN NS invalid.", `version.catalog.example. 0 IN TXT "2"`,
		ptr("2.0.192.in-addr.arpa."), "group."+label("2.0.192.in-addr.arpa.")+`.zones.catalog.example. 0 IN TXT "lab"`, ptr("example.com."))
	if len(first) != 6 {
		t.Errorf("%d records, want 6:\n%s", len(first), strings.Join(first, "\n"))
	}
	serial := uint32(l.zones.Set().Get(dname.MustParse("catalog.example.")).Serial())

	replace(t, filepath.Join(dir, "config.yaml"), text(one+","+three))
	if o := l.reload(t); !o.OK() {
		t.Fatalf("%+v", o)
	}
	changes := list(serial)
	has(changes, ptr("example.com."), ptr("100.51.198.in-addr.arpa."), ptr("101.51.198.in-addr.arpa."))
	if len(changes) != 6 { // SOA, old SOA, 1 removed, new SOA, 2 added
		t.Errorf("IXFR of %d records, want 6:\n%s", len(changes), strings.Join(changes, "\n"))
	}

	if _, err := transferred(l.dns, "catalog.example.", "", 0); err == nil {
		t.Error("a transfer without the key")
	}
	for _, name := range []string{"version.catalog.example.", "catalog.example."} {
		q := new(dns.Msg)
		q.SetQuestion(name, dns.TypeTXT)
		if r, err := exchange(q, l.dns); err != nil || r.Rcode != dns.RcodeRefused {
			t.Errorf("%s was answered to anybody: %v %v", name, r, err)
		}
	}
	before := list(0)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, text(one+","+three))
	if after := list(0); !slices.Equal(before, after) {
		t.Errorf("after a restart\n%s\nbefore\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}

	// A catalog that becomes an ordinary zone goes from one owner to the other.
	replace(t, filepath.Join(dir, "config.yaml"), strings.Replace(text(one+",{name: catalog.example}"), "name: catalog.example, zones", "name: other.example, zones", 1))
	if o := l.reload(t); !o.OK() {
		t.Fatalf("%+v", o)
	}
	for apex, there := range map[string]bool{"catalog.example.": true, "other.example.": true, "101.51.198.in-addr.arpa.": false} {
		if z := l.zones.Set().Get(dname.MustParse(apex)); (z != nil && z.IsAvailable()) != there {
			t.Errorf("%s: served %t, want %t", apex, !there, there)
		}
	}
}

// TestCatalogNames: the configuration refuses the names that have no room for those
// in a catalog.
func TestCatalogNames(t *testing.T) {
	n := dname.Root()
	for len(n) < config.MaxCatalogName-1 {
		n, _ = n.Prepend([]byte(strings.Repeat("a", min(63, config.MaxCatalogName-len(n)-1))))
	}
	if longer, _ := n.Prepend([]byte("a")); !catalog.Fits(n) || catalog.Fits(longer) || len(n) != config.MaxCatalogName {
		t.Errorf("a name of %d octets fits %t, one of %d %t", len(n), catalog.Fits(n), len(longer), catalog.Fits(longer))
	}
}
