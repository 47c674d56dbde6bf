package emit

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/dname"
)

// TestCheckers holds every text against the program's own checker. None of them
// serves anything, and none listens.
func TestCheckers(t *testing.T) {
	for _, c := range []struct {
		program string // that checks
		target  Target
		role    Role
		check   func(t *testing.T, program, dir, file string)
		needs   []string
	}{
		{"named-checkconf", bind, Secondary, checkBIND, nil},
		{"named-checkconf", bind, Resolver, checkBIND, nil},
		{"nsd-checkconf", nsd, Secondary, checkNSD, nil},
		{"knotc", knot, Secondary, checkKnot, nil},
		{"pdnsutil", powerDNS, Secondary, checkPowerDNS, []string{peertest.LMDB}},
		{"pdns_recursor", powerDNS, Resolver, checkRecursor, nil},
		{"unbound-checkconf", unbound, Resolver, checkUnbound, nil},
		{"dnsmasq", dnsmasq, Resolver, checkDnsmasq, nil},
		{"kea-dhcp-ddns", kea, Updater, checkKea, nil},
		{"dhcpd", iscDHCPD, Updater, checkDHCPD, nil},
	} {
		for name, o := range samples() {
			o.Role = c.role
			if c.target.Name == iscDHCPD.Name {
				for i, s := range o.Servers {
					o.Servers[i] = netip.AddrPortFrom(s.Addr(), 53)
				}
				o.Zones = slices.DeleteFunc(o.Zones, func(z Zone) bool { return z.Apex.Label()[0] == '_' })
			}
			t.Run(fmt.Sprintf("%s/%d/%s", c.target.Name, c.role, name), func(t *testing.T) {
				program := peertest.Require(t, c.program, c.needs...)
				dir := t.TempDir()
				file := writeText(t, dir, &c.target, o)
				c.check(t, program, dir, file)
			})
		}
	}
}

// samples are Options that between them have every kind of zone, of server and of key.
func samples() map[string]Options {
	const servers = "127.0.0.1:5300 [::1]:5300"
	return map[string]Options{
		"all":     {Zones: sampleZones(sampleKeys), Servers: addrPorts(servers)},
		"no_keys": {Zones: sampleZones(nil), Servers: addrPorts(servers), Unsigned: true},
		"port_53": {Zones: sampleZones(sampleKeys), Servers: addrPorts("192.0.2.53:53 [2001:db8::53]:53")},
		"one":     {Zones: sampleZones(nil)[:1], Servers: addrPorts("192.0.2.53:53")},
	}
}

var sampleKeys = []*Key{
	nil,
	{dname.MustParse("transfer-key."), "hmac-sha256"},
	{dname.MustParse("Lab.example."), "hmac-sha512"},
}

const sampleSecret = "c2VjcmV0IG9mIGEgc2FtcGxlLCB3aGljaCBpcyBsb25nZXIgdGhhbiBpdCBoYXMgdG8gYmU="

func sampleZones(keys []*Key) []Zone {
	var list []Zone
	add := func(prefix string, names ...string) {
		var p netip.Prefix
		if prefix != "" {
			p = netip.MustParsePrefix(prefix)
		}
		for _, n := range names {
			z := Zone{Apex: dname.MustParse(n), Prefix: p}
			if keys != nil {
				z.Key = keys[len(list)%len(keys)]
			}
			list = append(list, z)
		}
	}
	add("192.0.2.0/24", "2.0.192.in-addr.arpa.")
	for _, s := range []string{"192.168.0.0/16", "10.20.0.0/22", "2001:db8:100::/46", "fd00::/8", "198.0.0.0/8", "5.6.7.0/24"} {
		for _, p := range dname.Split(netip.MustParsePrefix(s)) {
			n, _ := dname.FromPrefix(p)
			add(p.String(), n.String())
		}
	}
	for _, s := range []dname.Style{dname.Range, dname.Slash, dname.RFC4183} {
		p := netip.MustParsePrefix("203.0.113.64/26")
		add(p.String(), dname.FromClassless(p, s).String())
	}
	add("203.0.113.160/29", "lab.113.0.203.in-addr.arpa.")
	add("", "Example.org.", "lab.home.arpa.", "_dmarc.example.net.")
	return list
}

func addrPorts(s string) (list []netip.AddrPort) {
	for f := range strings.FieldsSeq(s) {
		list = append(list, netip.MustParseAddrPort(f))
	}
	return list
}

// writeText writes a target's text into a file of dir, and the file of its keys, made
// from what the comments say.
func writeText(t *testing.T, dir string, target *Target, o Options) string {
	t.Helper()
	if target.KeyFile != "" {
		o.KeyFile = filepath.Join(dir, "keys")
	}
	text, err := target.Text(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, form, ok := strings.Cut(string(text), " holds:\n"); ok {
		writeFile(t, dir, "keys", strings.ReplaceAll(indented(form), "…", sampleSecret))
	}
	return writeFile(t, dir, "text", string(text))
}

// indented returns the comments that a text begins with and that are behind a tab.
func indented(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		l = strings.TrimLeft(l, "#/")
		if !strings.HasPrefix(l, "\t") {
			break
		}
		b.WriteString(l[1:])
	}
	return b.String()
}

// beside returns what a text says that the program needs beside it.
func beside(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(strings.ReplaceAll(string(data), " needs:\n", " need:\n"), " need:\n")
	return indented(text)
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a program that must succeed, and returns what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}
