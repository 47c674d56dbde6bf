package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestCaseOfRData changes nothing but the case of names in RDATA (RFC 4343), in a file, by UPDATE
// and in transfers from there: the new spelling replaces the old one, with a new serial.
func TestCaseOfRData(t *testing.T) {
	t.Parallel()
	dir, ours, second := t.TempDir(), freePort(t), freePort(t)
	lines := func(name string) string {
		return fmt.Sprintf("x 60 PTR %[1]s\nm 60 MX 10 %[1]s\ns 60 SRV 1 2 3 %[1]s\n", name)
	}
	want := func(apex, name string) byOwner {
		w := byOwner{}
		n := string(dname.MustParse(name))
		w.add("x."+apex, rr.TypePTR, []byte(n))
		w.add("m."+apex, rr.TypeMX, []byte("\x00\x0a"+n))
		w.add("s."+apex, rr.TypeSRV, []byte("\x00\x01\x00\x02\x00\x03"+n))
		return w
	}
	const before, after = "Host.Example.Net.", "hOST.example.net."
	mustWrite(dir, "zone", lines(before))
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: state
defaults: {nameservers: [ns1.example.net], transfer: {allow: [127.0.0.0/8], notify: [%q]}}
zones:
  - {name: file.test, file: zone}
  - {name: update.test, dynamic: {}, update: [{from: 127.0.0.0/8}]}
`, ours, second))
	apexes := []string{"file.test.", "update.test."}
	p := startProcess(t, dir, requireBinary(t), "serve", "--config", config)
	if !awaitZones(ours, apexes, p.ended) {
		t.Fatalf("ptrd does not answer:\n%s", p.log())
	}
	update := func(name string) {
		m := new(dns.Msg)
		m.SetUpdate("update.test.")
		for _, l := range strings.Split(strings.TrimSpace(lines(name)), "\n") {
			w := strings.SplitN(l, " ", 2)
			m.Insert([]dns.RR{must(dns.NewRR(w[0] + ".update.test. " + w[1]))})
		}
		c := dns.Client{Net: "tcp", Timeout: exchangeWait}
		if r, _, err := c.Exchange(m, ours.String()); err != nil || r.Rcode != 0 {
			t.Fatalf("UPDATE: %v %v\n%s", r, err, p.log())
		}
	}
	update(before)
	secondDir := filepath.Join(dir, "second")
	if err := os.Mkdir(secondDir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := startProcess(t, secondDir, requireBinary(t), "serve", "--config", mustWrite(secondDir, "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: state
defaults: {transfer: {allow: [127.0.0.0/8]}}
zones:
  - {name: file.test, secondary: {primaries: [%[2]q]}}
  - {name: update.test, secondary: {primaries: [%[2]q]}}
`, second, ours)))
	serials := map[string]uint32{}
	hold := func(name string) {
		t.Helper()
		for _, apex := range apexes {
			awaitThat(t, "a new serial of "+apex, func() bool { return serialAt(ours, apex) != serials[apex] }, p)
			serials[apex] = serialAt(ours, apex)
			awaitThat(t, "the transfer of "+apex, func() bool { return serialAt(second, apex) == serials[apex] }, p, c)
			must(axfr(ours, apex)).compare(t, "primary", want(apex, name))
			must(axfr(second, apex)).compare(t, "secondary", want(apex, name))
		}
	}
	hold(before)
	replaceZone(t, filepath.Join(dir, "zone"), []byte(lines(after)))
	update(after)
	hold(after)
	if log := p.log(); !strings.Contains(log, "kind=ixfr ") {
		t.Errorf("no change was transferred as such:\n%s", log)
	}
}
