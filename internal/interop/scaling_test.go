package interop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// servers are those of docs/scaling.md, each in a directory of its own and at an
// address of loopback that ends like the one there.
type servers struct {
	t     *testing.T
	files map[string]string // of the page, by name
	dir   string
	port  uint16
	all   []*process
}

var pageFile = regexp.MustCompile("(?ms)^```[a-z]+ file=(\\S+)\n(.*?)^```$")

func newServers(t *testing.T) *servers {
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	f := &servers{t: t, files: map[string]string{}, dir: t.TempDir(), port: freePort(t).Port()}
	for _, m := range pageFile.FindAllStringSubmatch(string(page), -1) {
		f.files[m[1]] = m[2]
	}
	return f
}

// at returns the address of the server whose address ends so on the page. BIND, .12,
// listens only where an interface has the very address.
func (f *servers) at(last int) netip.AddrPort {
	if last == 12 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), f.port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 77, 0, byte(last)}), f.port)
}

var pagePort = regexp.MustCompile(`(127\.77\.0\.\d+|127\.0\.0\.1)(:|@| port )53\b`)

// write puts a file of the page into the directory of a server, with the addresses
// and directories that there are here.
func (f *servers) write(server, file string, others ...string) (dir, path string) {
	f.t.Helper()
	text, ok := f.files[file]
	if !ok {
		f.t.Fatalf("docs/scaling.md has no file %q", file)
	}
	dir = filepath.Join(f.dir, server)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	text = strings.NewReplacer(append(others,
		"203.0.113.53", "127.77.0.53", "192.0.2.12", "127.0.0.1", "192.0.2.", "127.77.0.", "listen-on port 53", fmt.Sprintf("listen-on port %d", f.port), "127.0.0.1:9153", "127.0.0.1:0",
		"/var/cache/bind", dir, "/run/knot", dir, "/var/lib/knot", dir, "/var/lib/nsd", dir, "/etc/nsd", dir,
	)...).Replace(text)
	text = pagePort.ReplaceAllString(text, fmt.Sprintf("${1}${2}%d", f.port))
	return dir, mustWrite(dir, filepath.Base(file), text)
}

func (f *servers) run(dir, program string, args ...string) *process {
	f.t.Helper()
	p := startProcess(f.t, dir, program, args...)
	f.all = append(f.all, p)
	return p
}

// await waits until the servers whose addresses end so have a zone with this serial;
// 0: until they do not answer for it.
func (f *servers) await(zone string, serial uint32, servers ...int) {
	f.t.Helper()
	for _, s := range servers {
		awaitThat(f.t, fmt.Sprintf("%s with serial %d at .%d", zone, serial, s), func() bool { return serialAt(f.at(s), zone) == serial }, f.all...)
	}
}

// serial returns the serial at the primary, which answers clients that have the key.
func (f *servers) serial(zone string) (serial uint32) {
	f.t.Helper()
	awaitThat(f.t, zone+" at the primary", func() bool {
		// The secret is that of the page; without records, the zone is refused.
		records, _ := transferFrom(f.at(11), zone, "transfer-key.", "Zm9yIHRoZSBmbGVldCBhbmQgbm9ib2R5IGVsc2UhISE=")
		for _, r := range records {
			if soa, ok := r.(*dns.SOA); ok {
				serial = soa.Serial
			}
		}
		return serial != 0
	}, f.all...)
	return serial
}

// TestScaling runs what docs/scaling.md describes: a hidden primary whose catalog BIND,
// Knot and two ptrds follow, and NSD with the list that ptrd emits; zones come and go, and
// the secondaries go on without the primary.
func TestScaling(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	ptrd := requireBinary(t)
	named, knotd, nsd := peertest.Require(t, "named"), peertest.Require(t, "knotd", peertest.Catalogs), peertest.Require(t, "nsd")

	dir, config := f.write("primary", "primary/config.yaml")
	primary := f.run(dir, ptrd, "serve", "--config", config)
	const v4, v6, forward, catalog = "100.51.198.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "example.com.", "catalog.example.net."
	first := f.serial(v4)

	dir, path := f.write("bind", "bind/named.conf", `"/var/cache/bind";`, fmt.Sprintf(`"%s"; pid-file none; session-keyfile "%[1]s/session.key"; lock-file none; dnssec-validation no;`, filepath.Join(f.dir, "bind")))
	appendTo(path, "controls { };\n")
	f.run(dir, named, "-g", "-n", "1", "-c", path)
	dir, path = f.write("knot", "knot/knot.conf")
	f.run(dir, knotd, "-c", path)
	var anycast []*process
	for i := range 2 {
		server := fmt.Sprintf("anycast-%d", i+1)
		var others []string
		if i == 1 {
			others = []string{`"192.0.2.15:53"`, `"127.77.0.16:53"`, "source: 192.0.2.15", "source: 127.77.0.16", "anycast-1}", "anycast-2}", `"203.0.113.53:53"`, `"127.77.0.54:53"`}
		}
		dir, path := f.write(server, "anycast/config.yaml", others...)
		anycast = append(anycast, f.run(dir, ptrd, "serve", "--config", path))
	}
	startNSD := func() *process {
		dir, path := f.write("nsd", "nsd/nsd.conf")
		f.write("nsd", "nsd/ptrd.keys")
		list := run(t, dir, ptrd, "emit", "nsd", "--config", config, "--server", f.at(11).String(), "--directory", dir, "--key-file", filepath.Join(dir, "ptrd.keys"))
		mustWrite(dir, "ptrd.conf", list)
		return f.run(dir, nsd, "-d", "-c", path)
	}
	lists := startNSD()

	all := []int{12, 13, 14, 15, 16, 53, 54}
	followers := []int{12, 13, 15, 16, 53, 54}
	f.await(v4, first, all...)
	f.await(v6, f.serial(v6), all...)
	for _, s := range all {
		q := new(dns.Msg)
		q.SetQuestion("25.100.51.198.in-addr.arpa.", dns.TypePTR)
		if r, err := exchange(f.at(s), q); err != nil || !r.Authoritative || len(r.Answer) != 1 || !strings.Contains(r.Answer[0].String(), "mail.example.com.") {
			t.Errorf(".%d answers %v (%v)", s, r, err)
		}
		if serialAt(f.at(s), catalog) != 0 {
			t.Errorf(".%d answers any client from the catalog", s)
		}
	}
	if serialAt(f.at(11), v4) != 0 {
		t.Error("the hidden primary answers anybody")
	}

	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) {
		t.Helper()
		next := strings.Replace(string(text), old, new, 1)
		if next == string(text) {
			t.Fatalf("%q is not in the page's config", old)
		}
		text = []byte(next)
		mustWrite(filepath.Dir(config), "new.yaml", next)
		if err := os.Rename(filepath.Join(filepath.Dir(config), "new.yaml"), config); err != nil {
			t.Fatal(err)
		}
	}
	change("zones:\n  - prefix", "zones:\n  - name: example.com\n  - prefix")
	f.await(forward, f.serial(forward), followers...)
	lists.stop()
	lists = startNSD()
	f.await(forward, f.serial(forward), 14)
	change("198.51.100.25: mail", "198.51.100.25: smtp")
	awaitThat(t, "another serial", func() bool { return f.serial(v4) != first }, primary)
	f.await(v4, f.serial(v4), all...)
	change("  - prefix: 198.51.100.0/24\n    ptr: {198.51.100.25: smtp.example.com}\n", "")
	f.await(v4, 0, followers...)
	last := f.serial(v6)
	lists.stop()
	startNSD()
	f.await(v6, last, 14)
	f.await(v4, 0, 14)

	primary.stop()
	anycast[0].stop()
	f.run(filepath.Join(f.dir, "anycast-1"), ptrd, "serve", "--config", filepath.Join(f.dir, "anycast-1", "config.yaml"))
	f.await(v6, last, all...)
	f.await(v4, 0, 15)
}
