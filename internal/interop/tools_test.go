package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// TestTools asks ptrd with the tools that people have.
func TestTools(t *testing.T) {
	t.Parallel()
	plain := loadSet(t, "testdata/classful.txtar")
	addr := startPtrd(t, plain)
	host, port := addr.Addr().String(), fmt.Sprint(addr.Port())
	for _, c := range []struct {
		program string
		args    []string
		want    []string
		reject  []string
	}{
		{"dig", []string{"@" + host, "-p", port, "+time=60", "-x", "192.0.2.10"},
			[]string{"status: NOERROR", "flags: qr aa rd;", "7200\tIN\tPTR\tmail.example.com."}, []string{";; Warning: query response not set", "Got bad packet", " ra"}},
		{"dig", []string{"@" + host, "-p", port, "+time=60", "+tcp", "+norec", "-x", "192.0.2.11"},
			[]string{"ANSWER: 3", "www.example.com.", "shop.example.com.", "api.example.com.", "(TCP)"}, nil},
		{"dig", []string{"@" + host, "-p", port, "+time=60", "+dnssec", "+nsid", "+ednsopt=100:beef", "-x", "192.0.2.99"},
			[]string{"status: NXDOMAIN", "600\tIN\tSOA\tns1.example.com."}, []string{"Got bad packet"}},
		{"dig", []string{"@" + host, "-p", port, "+time=60", "+edns=1", "+noednsnegotiation", "-x", "192.0.2.10"},
			[]string{"status: BADVERS"}, nil},
		{"kdig", []string{"@" + host, "-p", port, "+timeout=60", "-x", "192.0.2.10"},
			[]string{"status: NOERROR", "PTR\tmail.example.com."}, []string{"WARNING"}},
		{"kdig", []string{"@" + host, "-p", port, "+timeout=60", "+tcp", "+keepopen", "+dnssec", "-x", "192.0.2.12", "-x", "192.0.2.100"},
			[]string{"PTR\th12.example.com.", "PTR\th100.example.com."}, []string{"WARNING"}},
		{"nslookup", []string{"-port=" + port, "-timeout=60", "192.0.2.10", host},
			[]string{"10.2.0.192.in-addr.arpa\tname = mail.example.com."}, []string{"server can't find", "Got recursion not available"}},
		{"nslookup", []string{"-port=" + port, "-timeout=60", "-type=SOA", "2.0.192.in-addr.arpa", host},
			[]string{"origin = ns1.example.com", "serial = 2026010101"}, []string{"server can't find"}},
	} {
		t.Run(c.program+" "+strings.Join(c.args[len(c.args)-2:], " "), func(t *testing.T) {
			holdOutput(t, run(t, t.TempDir(), c.program, c.args...), c.want, c.reject)
		})
	}
}

func holdOutput(t *testing.T, out string, want, reject []string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("the output lacks %q", w)
		}
	}
	for _, r := range reject {
		if strings.Contains(out, r) {
			t.Errorf("the output has %q", r)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestDelv validates answers and denials of ptrd with BIND's validator.
func TestDelv(t *testing.T) {
	t.Parallel()
	peertest.Require(t, "delv")
	for _, c := range []struct{ set, apex, owner string }{
		{"signed_nsec", "2.0.192.in-addr.arpa.", "1.2.0.192.in-addr.arpa."},
		{"signed_nsec3", "2.0.192.in-addr.arpa.", "1.2.0.192.in-addr.arpa."},
		{"signed_ip6_nsec3", "8.b.d.0.1.0.0.2.ip6.arpa.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
	} {
		t.Run(c.set, func(t *testing.T) {
			t.Parallel()
			s := loadSet(t, "testdata/"+c.set+".txtar")
			addr := startPtrd(t, s)
			for _, q := range []struct{ name, qtype, want string }{
				{c.owner, "PTR", "one.example.com."},
				{c.owner, "TXT", "; negative response, fully validated"},
				{"missing." + c.apex, "PTR", "; negative response, fully validated"},
			} {
				out := runDelv(t, s, c.apex, addr, q.name, q.qtype)
				holdOutput(t, out, []string{"fully validated", q.want}, []string{"resolution failed"})
			}
		})
	}
}

// runDelv runs delv with the anchor of a zone in place of the root's.
func runDelv(t *testing.T, s *zoneSet, apex string, addr netip.AddrPort, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("trust-anchors {\n")
	for _, k := range s.anchors(t) {
		fmt.Fprintf(&b, "\t\"%s\" static-key %d %d %d \"%s\";\n", k.Hdr.Name, k.Flags, k.Protocol, k.Algorithm, k.PublicKey)
	}
	b.WriteString("};\n")
	anchors := mustWrite(dir, "anchors", b.String())
	return run(t, dir, "delv", append([]string{"@" + addr.Addr().String(), "-p", fmt.Sprint(addr.Port()),
		"-a", anchors, "+root=" + dns.Fqdn(apex)}, args...)...)
}
