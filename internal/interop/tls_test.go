package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/certtest"
	"github.com/ptrd/ptrd/internal/peertest"
)

// Transfers over TLS, to BIND, to NSD, to kdig and to ptrd itself, with certificates that are
// good and such that are not.
func TestTransferOverTLS(t *testing.T) {
	t.Parallel()
	binary := requireBinary(t)
	dir, at := t.TempDir(), freePort(t)
	dns := freePort(t)
	ca := certtest.New(t, dir, "ca")
	ca.Issue("server", "ns1.example", time.Hour)
	mustWrite(dir, "small.zone", "@ 3600 IN SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n@ NS ns1.example.net.\n1 PTR host.example.com.\n")
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf(`
listen: {dns: [%q], admin: "", tls: {addresses: [%q], cert_file: server.pem, key_file: server.key}}
state_dir: state
defaults: {transfer: {allow: [127.0.0.1], notify: [], notify_nameservers: false}}
zones: [{name: %s, file: small.zone}]
`, dns, at, smallZone))
	p := startProcess(t, dir, binary, "serve", "--config", config)
	if !awaitZones(dns, []string{smallZone}, p.ended) {
		t.Fatalf("ptrd does not answer:\n%s", p.log())
	}
	want := content(dns, smallZone, "")
	if len(want) < 3 {
		t.Fatalf("%q", want)
	}

	t.Run("kdig", func(t *testing.T) {
		kdig := peertest.Require(t, "kdig")
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{smallZone, "AXFR"}, "host.example.com."},
			{[]string{"1." + smallZone, "PTR", "+padding=64"}, "host.example.com."},
		} {
			out, err := exec.Command(kdig, append(c.args, "@127.0.0.1", fmt.Sprintf("-p%d", at.Port()), "+tls-ca="+ca.File, "+tls-hostname=ns1.example", "+retry=0", "+timeout=60")...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v: %v\n%s", c.args, err, out)
			}
			if slices.Contains(c.args, "PTR") && !strings.Contains(string(out), "PADDING") {
				t.Errorf("not padded\n%s", out)
			}
		}
	})
	t.Run("bind", func(t *testing.T) {
		own, addr := t.TempDir(), freePort(t)
		args := configBIND(own, addr, nil)
		appendTo(filepath.Join(own, "named.conf"), fmt.Sprintf(`tls t { ca-file %q; remote-hostname "ns1.example"; };
zone %q { type secondary; file "z.zone"; primaries { %s port %d tls t; }; allow-transfer { 127.0.0.1; }; };
`, ca.File, smallZone, at.Addr(), at.Port()))
		c := startProcess(t, own, peertest.Require(t, "named", peertest.TLS), args...)
		awaitThat(t, "the zone at BIND", func() bool { return slices.Equal(content(addr, smallZone, ""), want) }, c, p)
	})
	t.Run("nsd", func(t *testing.T) {
		own, addr := t.TempDir(), freePort(t)
		args := configNSD(own, addr, nil)
		path := filepath.Join(own, "nsd.conf")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(own, "nsd.conf", strings.Replace(string(text), "server:\n", fmt.Sprintf("server:\n\ttls-cert-bundle: %q\n", ca.File), 1))
		appendTo(path, fmt.Sprintf("tls-auth:\n\tname: \"t\"\n\tauth-domain-name: \"ns1.example\"\nzone:\n\tname: %q\n\tzonefile: \"z.zone\"\n\trequest-xfr: AXFR %s@%d NOKEY t\n\tprovide-xfr: 127.0.0.1 NOKEY\n",
			smallZone, at.Addr(), at.Port()))
		c := startProcess(t, own, peertest.Require(t, "nsd", peertest.TLS), args...)
		awaitThat(t, "the zone at NSD", func() bool { return slices.Equal(content(addr, smallZone, ""), want) }, c, p)
	})
}
