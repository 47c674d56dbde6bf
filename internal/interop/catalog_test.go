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
