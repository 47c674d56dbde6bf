package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// insideEnv marks the process that runs in a network and mount namespace of its own.
const insideEnv = "PTRD_INTEROP_NAMESPACE"

// Who has which address in the namespace: the parents' server, and ptrd. They lie in
// different networks, as the tools want it, and nothing leads out of the namespace.
var (
	parentAddrs = []string{"77.7.7.53", "88.8.8.53", "2a03:3:3::53", "2a04:4:4::53"}
	ptrdAddrs   = []string{"5.5.5.53", "45.10.20.53", "2a00:1:1::53", "2a02:2:2::53"}
)

// parentZones are the zones of the set delegated that are not ptrd's.
var parentZones = []string{".", "arpa.", "in-addr.arpa.", "ip6.arpa.", "example."}

// inlineZone is made by ptrd from its configuration, with its own SOA, instead of the
// file of the set.
const (
	inlineZone   = "5.5.5.in-addr.arpa."
	inlineConfig = `  - prefix: 5.5.5.0/24
    nameservers: [{name: ns1.example}, {name: ns2.example}]
    contact: hostmaster@site.example
    ptr: {5.5.5.53: ns1.example}
`
)

// TestNamespace runs what needs port 53, addresses of its own or another resolv.conf
// in a network namespace without a way out.
func TestNamespace(t *testing.T) {
	t.Parallel()
	peertest.RequireRoot(t, "to make a network namespace")
	for _, p := range []string{"ip", "nsd", "getent", "zonemaster-cli", "dnsviz"} {
		t.Run(p, func(t *testing.T) { peertest.Require(t, p) })
	}
	program := requireBinary(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestInside$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &exit):
		t.Errorf("%s", out)
	case errors.Is(err, fs.ErrPermission):
		peertest.Missing(t, "cannot make a network namespace: "+err.Error())
	default:
		t.Fatal(err)
	}
}

// TestInside is the part of TestNamespace in the namespace.
func TestInside(t *testing.T) {
	program := os.Getenv(insideEnv)
	if program == "" {
		t.Skip("runs in the namespace that TestNamespace makes")
	}
	s := loadSet(t, "testdata/delegated.txtar")
	dir := t.TempDir()
	s.write(t, dir)
	run(t, dir, "ip", "link", "set", "lo", "up")
	for _, a := range append(parentAddrs[:len(parentAddrs):len(parentAddrs)], ptrdAddrs...) {
		bits, option := "32", []string(nil)
		if strings.Contains(a, ":") {
			bits, option = "128", []string{"nodad"}
		}
		run(t, dir, "ip", append([]string{"address", "add", a + "/" + bits, "dev", "lo"}, option...)...)
	}
	startParents(t, dir, s)
	startInside(t, dir, program, s)

	t.Run("getent", func(t *testing.T) { testGetent(t, dir) })
	for _, zone := range []string{"2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", "5.5.5.in-addr.arpa"} {
		name := strings.ReplaceAll(zone, "/", "-")
		t.Run("dnsviz "+name, func(t *testing.T) { testDnsviz(t, dir, s, zone) })
		if strings.Contains(zone, "/") {
			continue // Zonemaster takes no slash in a name
		}
		t.Run("zonemaster "+name, func(t *testing.T) { testZonemaster(t, dir, zone) })
		t.Run("handover "+name, func(t *testing.T) {
			out := run(t, dir, program, "handover", zone, "--hints", writeHints(dir), "--json")
			if !strings.Contains(out, "\"ready\": true") || !strings.Contains(out, "\"done\": true") {
				t.Errorf("ptrd calls a zone not ready, or not delegated, that Zonemaster finds no error in:\n%s", out)
			}
		})
	}
}

// startParents runs NSD with the zones from the root down to ptrd's.
func startParents(t *testing.T, dir string, s *zoneSet) {
	var zones []setZone
	for _, z := range s.zones {
		for _, p := range parentZones {
			if z.apex == p {
				zones = append(zones, z)
			}
		}
	}
	args := configNSD(dir, netip.AddrPortFrom(netip.MustParseAddr(parentAddrs[0]), 53), zones)
	conf := args[len(args)-1]
	b, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	var more strings.Builder
	for _, a := range parentAddrs[1:] {
		fmt.Fprintf(&more, "\tip-address: %s@53\n", a)
	}
	mustWrite(dir, filepath.Base(conf), strings.Replace(string(b), "\tserver-count: 1\n", more.String()+"\tserver-count: 1\n", 1))
	c := startProcess(t, dir, peertest.Require(t, "nsd"), args...)
	if !awaitZones(netip.AddrPortFrom(netip.MustParseAddr(parentAddrs[0]), 53), parentZones, c.ended) {
		t.Fatalf("nsd does not answer:\n%s", c.log())
	}
}

// startInside runs ptrd with its zones on its four addresses.
func startInside(t *testing.T, dir, program string, s *zoneSet) {
	var b strings.Builder
	b.WriteString("listen:\n  admin: \"\"\n  dns:\n")
	for _, a := range ptrdAddrs {
		fmt.Fprintf(&b, "    - %q\n", netip.AddrPortFrom(netip.MustParseAddr(a), 53))
	}
	b.WriteString("state_dir: state\nzones:\n")
	var apexes []string
zones:
	for _, z := range s.zones {
		for _, p := range parentZones {
			if z.apex == p {
				continue zones
			}
		}
		apexes = append(apexes, z.apex)
		if z.apex == inlineZone {
			b.WriteString(inlineConfig)
			continue
		}
		fmt.Fprintf(&b, "  - {name: %q, file: %q}\n", z.apex, z.file)
	}
	c := startProcess(t, dir, program, "serve", "--config", mustWrite(dir, "ptrd.yaml", b.String()))
	for _, a := range ptrdAddrs {
		if !awaitZones(netip.AddrPortFrom(netip.MustParseAddr(a), 53), apexes, c.ended) {
			t.Fatalf("ptrd does not answer at %s:\n%s", a, c.log())
		}
	}
}

// testGetent asks by way of glibc, whose resolver queries ptrd.
func testGetent(t *testing.T, dir string) {
	// Nothing that is mounted here is seen outside.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"/etc/resolv.conf":   "nameserver " + ptrdAddrs[0] + "\noptions timeout:10 attempts:3\n",
		"/etc/nsswitch.conf": "hosts: dns\n",
	} {
		own := mustWrite(dir, filepath.Base(path), text)
		if err := syscall.Mount(own, path, "", syscall.MS_BIND, ""); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	for addr, want := range map[string]string{
		"192.0.2.25":      "mail.example",
		"192.0.2.1":       "gw.example", // by way of the CNAME of RFC 2317
		"192.0.2.200":     "",
		"2001:db8::25":    "mail.example",
		"192.0.2.26":      "example",
		"2001:db8::dead":  "",
		"5.5.5.53":        "ns1.example",
		"198.51.100.1":    "", // REFUSED
		"::ffff:5.5.5.53": "ns1.example",
	} {
		cmd := exec.Command(peertest.Require(t, "getent"), "hosts", addr)
		out, err := cmd.Output()
		if want == "" {
			if err == nil {
				t.Errorf("getent hosts %s: %s, want no answer", addr, out)
			}
			continue
		}
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("getent hosts %s: %q, %v; want %s", addr, out, err, want)
		}
	}
}

// writeHints writes the root hints, and returns the path.
func writeHints(dir string) string {
	var hints strings.Builder
	for i, n := range []string{"a", "b"} {
		fmt.Fprintf(&hints, ". 3600000 NS %[1]s.parent.example.\n%[1]s.parent.example. 3600000 A %[2]s\n%[1]s.parent.example. 3600000 AAAA %[3]s\n",
			n, parentAddrs[i], parentAddrs[i+2])
	}
	return mustWrite(dir, "hints", hints.String())
}

// testZonemaster looks for errors in all that Zonemaster tests of a zone.
func testZonemaster(t *testing.T, dir, zone string) {
	out := run(t, dir, "zonemaster-cli", "--hints", writeHints(dir),
		"--level", "NOTICE", "--json", "--raw", "--no-progress", "--no-time", zone)
	var messages []struct {
		Level, Testcase, Tag string
		Args                 map[string]any
	}
	if err := json.Unmarshal([]byte(out), &messages); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, m := range messages {
		t.Logf("%s: %s %s %v", m.Level, m.Testcase, m.Tag, m.Args)
		if m.Level == "ERROR" || m.Level == "CRITICAL" {
			t.Errorf("%s: %s %s %v", m.Level, m.Testcase, m.Tag, m.Args)
		}
	}
}

// testDnsviz looks for errors and warnings in what DNSViz finds along the chain of
// trust.
func testDnsviz(t *testing.T, dir string, s *zoneSet, zone string) {
	var keys strings.Builder
	for _, k := range s.anchors(t) {
		fmt.Fprintln(&keys, k)
	}
	anchors := mustWrite(dir, "anchors", keys.String())
	probe := filepath.Join(dir, "probe.json")
	root := fmt.Sprintf(".:a.parent.example=%s,a.parent.example=[%s],b.parent.example=%s,b.parent.example=[%s]",
		parentAddrs[0], parentAddrs[2], parentAddrs[1], parentAddrs[3])
	run(t, dir, "dnsviz", "probe", "-d", "1", "-A", "-E", "-a", ".", "-R", "PTR,SOA,NS", "-x", root, "-o", probe, dns.Fqdn(zone))
	t.Setenv("PYTHONPATH", pygraphvizShim(t))
	grok := func(level string) string {
		return strings.TrimSpace(run(t, dir, "dnsviz", "grok", "-t", anchors, "-r", probe, "-l", level))
	}
	if out := grok("warning"); out != "" {
		t.Errorf("dnsviz finds:\n%s", out)
	}
	if !s.isSignedZone(dns.Fqdn(zone)) {
		return // dnsviz 0.9.4 breaks down over an unsigned zone when it should tell all
	}
	all := grok("info")
	var report map[string]struct {
		Status     string
		Delegation struct{ Status string }
	}
	if err := json.Unmarshal([]byte(all), &report); err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	// It has seen something, and found it signed all the way down.
	if z := report[dns.Fqdn(zone)]; z.Status != "NOERROR" || z.Delegation.Status != "SECURE" {
		t.Errorf("dnsviz says of the zone %+v\n%s", z, all)
	}
}

// pygraphvizShim returns a directory for PYTHONPATH that lets dnsviz 0.9.4 run with
// pygraphviz 1.7, as Debian 12 has them: it asks for the version in a module that is no
// longer there.
func pygraphvizShim(t *testing.T) string {
	dir := t.TempDir()
	mustWrite(dir, "sitecustomize.py", `try:
    import pygraphviz, types
    if not hasattr(pygraphviz, "release"):
        pygraphviz.release = types.ModuleType("pygraphviz.release")
        pygraphviz.release.version = pygraphviz.__version__
except ImportError:
    pass
`)
	return dir
}
