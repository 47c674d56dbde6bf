package interop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/peertest"
)

// producer is a server of other software that has a catalog of the zones it is given.
type producer struct {
	program string
	// config writes what the server needs to be primary for the zones, and for the catalog
	// cat.example, and to tell a secondary of changes.
	config func(dir string, addr, secondary netip.AddrPort, zones []string) []string
	// again has it reload its configuration.
	again func(t *testing.T, dir string, p *process)
}

var producers = map[string]producer{
	// BIND has no producer: its catalog is a zone file, as its manual has it.
	"bind": {"named", func(dir string, addr, secondary netip.AddrPort, zones []string) []string {
		args := configBIND(dir, addr, nil)
		catalog := fmt.Sprintf("@ 0 IN SOA invalid. invalid. %d 3600 600 2147483646 0\n@ 0 IN NS invalid.\nversion 0 IN TXT \"2\"\n", time.Now().UnixNano()/1e7%1e9)
		for i, z := range append([]string{"cat.example"}, zones...) {
			appendTo(filepath.Join(dir, "named.conf"), fmt.Sprintf("zone %q { type primary; file %q; allow-transfer { 127.0.0.1; }; notify explicit; also-notify { %s port %d; }; };\n", z, z+".zone", secondary.Addr(), secondary.Port()))
			if i > 0 {
				catalog += fmt.Sprintf("n%d.zones 0 IN PTR %s.\n", i, z)
			}
		}
		mustWrite(dir, "cat.example.zone", catalog)
		return args
	}, reloadByHangup},
	"knot": {"knotd", func(dir string, addr, secondary netip.AddrPort, zones []string) []string {
		args := configKnot(dir, addr, nil)
		path := filepath.Join(dir, "knot.conf")
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		var b strings.Builder
		b.WriteString(strings.TrimSuffix(string(text), "zone:\n"))
		fmt.Fprintf(&b, "remote:\n  - id: s\n    address: %s@%d\nacl:\n  - id: all\n    address: 127.0.0.1\n    action: [transfer, query]\nzone:\n", secondary.Addr(), secondary.Port())
		b.WriteString("  - domain: cat.example\n    catalog-role: generate\n    acl: all\n    notify: s\n")
		for _, z := range zones {
			fmt.Fprintf(&b, "  - domain: %s\n    file: %s.zone\n    acl: all\n    notify: s\n    catalog-role: member\n    catalog-zone: cat.example\n    catalog-group: lab\n", z, z)
		}
		mustWrite(dir, "knot.conf", b.String())
		return args
	}, reloadByHangup},
}

// TestFollowPeers: ptrd follows the catalogs of BIND and Knot: members come and go, by
// NOTIFY, are answered, and are there after a restart.
func TestFollowPeers(t *testing.T) {
	t.Parallel()
	for name, p := range producers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, ptrd := peertest.Require(t, p.program, peertest.Catalogs), requireBinary(t)
			dir, own := t.TempDir(), t.TempDir()
			addr, secondary := freePort(t), freePort(t)
			const one, two, three = "2.0.192.in-addr.arpa", "100.51.198.in-addr.arpa", "example.com"
			for _, z := range []string{one, two, three} {
				mustWrite(dir, z+".zone", "@ 3600 IN SOA ns1.example.net. hostmaster.example.net. 7 7200 900 1209600 300\n@ 3600 IN NS ns1.example.net.\n")
			}
			peer := startProcess(t, dir, program, p.config(dir, addr, secondary, []string{one, two})...)
			config := mustWrite(own, "ptrd.yaml", fmt.Sprintf(`
listen: {dns: [%q], admin: ""}
state_dir: state
zones: []
catalogs: [{name: cat.example, secondary: {primaries: %q}}]
`, secondary, addr))
			start := func() *process { return startProcess(t, own, ptrd, "serve", "--config", config) }
			s := start()
			await := func(zone string, serial uint32) {
				t.Helper()
				awaitThat(t, fmt.Sprintf("%s with serial %d", zone, serial), func() bool { return serialAt(secondary, zone+".") == serial }, s, peer)
			}
			await(one, 7)
			await(two, 7)
			if serialAt(secondary, "cat.example.") != 0 {
				t.Error("the catalog is answered to any client")
			}
			p.config(dir, addr, secondary, []string{two, three})
			p.again(t, dir, peer)
			await(three, 7)
			await(one, 0)
			await(two, 7)
			peer.stop()
			s.stop()
			s = start()
			await(three, 7)
			await(two, 7)
			await(one, 0)
		})
	}
}

// consumers are servers of other software that follow the catalog cat.example of a primary.
var consumers = map[string]struct {
	program string
	config  func(dir string, addr, primary netip.AddrPort) []string
}{
	"bind": {"named", func(dir string, addr, primary netip.AddrPort) []string {
		args := configBIND(dir, addr, nil)
		path := filepath.Join(dir, "named.conf")
		from := fmt.Sprintf("{ %s port %d; }", primary.Addr(), primary.Port())
		mustWrite(dir, "named.conf", strings.Replace(mustRead(path), "options {\n", "options {\n\tcatalog-zones { zone \"cat.example\" default-primaries "+from+" min-update-interval 0; };\n\tallow-notify { 127.0.0.1; };\n", 1))
		appendTo(path, `zone "cat.example" { type secondary; primaries `+from+"; file \"cat.example.zone\"; };\n")
		return args
	}},
	"knot": {"knotd", func(dir string, addr, primary netip.AddrPort) []string {
		args := configKnot(dir, addr, nil)
		if err := os.MkdirAll(filepath.Join(dir, "db"), 0o755); err != nil { // for its catalogs
			panic(err)
		}
		text := strings.TrimSuffix(mustRead(filepath.Join(dir, "knot.conf")), "zone:\n")
		text = strings.Replace(text, "template:\n", fmt.Sprintf("remote:\n  - id: p\n    address: %s@%d\nacl:\n  - id: p\n    address: 127.0.0.1\n    action: notify\ntemplate:\n", primary.Addr(), primary.Port()), 1)
		text += "  - id: member\n    master: p\n    acl: p\n    zonefile-load: none\n"
		mustWrite(dir, "knot.conf", text+"zone:\n  - domain: cat.example\n    master: p\n    acl: p\n    zonefile-load: none\n    catalog-role: interpret\n    catalog-template: member\n")
		return args
	}},
}

// TestHostedCatalog: BIND and Knot follow a catalog of ptrd, and serve hosted zones that are made
// at run time, as long as they are there.
func TestHostedCatalog(t *testing.T) {
	t.Parallel()
	for name, c := range consumers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, ptrd := peertest.Require(t, c.program, peertest.Catalogs), requireBinary(t)
			dir, own := t.TempDir(), t.TempDir()
			addr, primary, listen := freePort(t), freePort(t), freePort(t)
			config := mustWrite(own, "ptrd.yaml", fmt.Sprintf(`
listen: {dns: [%q], route53: %q, admin: ""}
state_dir: state
defaults: {nameservers: ns1.example.net, transfer: {allow: 127.0.0.0/8, notify: [%[3]q], notify_nameservers: false}}
route53: {access_keys: [{id: %s, secret: %q}]}
zones: []
catalogs: [{name: cat.example, zones: all}]
`, primary, listen, addr, apiKey, apiSecret))
			s := startProcess(t, own, ptrd, "serve", "--config", config)
			api := newAPIClient(listen, exchangeWait)
			awaitThat(t, "the API answers", func() bool { return api.call("GET", "hostedzonecount", "", nil) == nil }, s)
			create := func(name, reference string) string {
				t.Helper()
				id, err := api.create(name, reference)
				if err != nil {
					t.Fatalf("%v\n%s", err, s.log())
				}
				return id
			}
			const before, meanwhile = "2.0.192.in-addr.arpa.", "0/25.100.51.198.in-addr.arpa."
			create(before, "1")
			peer := startProcess(t, dir, program, c.config(dir, addr, primary)...)
			await := func(zone string, isThere bool) {
				t.Helper()
				awaitThat(t, fmt.Sprintf("%s is there: %v", zone, isThere), func() bool { return serialAt(addr, zone) != 0 == isThere }, s, peer)
			}
			await(before, true)
			id := create(meanwhile, "2")
			await(meanwhile, true)
			mail := apiSet{Name: "5." + meanwhile, Type: "PTR", TTL: 300, Values: []string{"mail.example.com"}}
			if _, err := api.change(id, []apiEdit{{"CREATE", mail}}); err != nil {
				t.Fatal(err)
			}
			awaitThat(t, "the change is there", func() bool { return serialAt(addr, meanwhile) == serialAt(primary, meanwhile) }, s, peer)
			if _, err := api.change(id, []apiEdit{{"DELETE", mail}}); err != nil {
				t.Fatal(err)
			}
			if err := api.call("DELETE", "hostedzone/"+id, "", nil); err != nil {
				t.Fatal(err)
			}
			await(meanwhile, false)
			await(before, true)
		})
	}
}
