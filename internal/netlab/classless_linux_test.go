package netlab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/handover"
)

// parts are how the provider delegates parts of 11.4.8.0/24 to the customer, one in each
// style; the zone is that of the child, and the address one that has a name.
var parts = []struct{ part, config, zone, addr string }{
	{"11.4.8.0/28", "", "0-15.8.4.11.in-addr.arpa.", "11.4.8.15"},
	{"11.4.8.64/29 style=slash", "style: slash", "64/29.8.4.11.in-addr.arpa.", "11.4.8.65"},
	{"11.4.8.128/30 style=rfc4183", "style: rfc4183", "128-30.8.4.11.in-addr.arpa.", "11.4.8.129"},
	{"11.4.8.192/30 label=customer-7", "label: customer-7", "customer-7.8.4.11.in-addr.arpa.", "11.4.8.193"},
	{"11.4.8.200/32", "", "200.8.4.11.in-addr.arpa.", "11.4.8.200"},
}

// TestClassless puts the lines that `ptrd plan` prints into the zone of a provider with each
// software, and follows the delegations.
func TestClassless(t *testing.T) {
	ptrd, err := buildPtrd()
	if err != nil {
		t.Fatal(err)
	}
	var split, config strings.Builder
	for _, p := range parts {
		prefix, _, _ := strings.Cut(p.part, " ")
		fmt.Fprintf(&split, "%s ns1.customer.example ns2.customer.example\n", p.part)
		fmt.Fprintf(&config, "  - prefix: %s\n    ptr: {%s: mail.customer.example}\n", prefix, p.addr)
		if p.config != "" {
			fmt.Fprintf(&config, "    %s\n", p.config)
		}
	}
	file := filepath.Join(t.TempDir(), "split")
	if err := os.WriteFile(file, []byte(split.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for provider, options := range map[string][]string{"bind": {"--generate"}, "nsd": nil, "knot": nil} {
		t.Run(provider, func(t *testing.T) {
			lines, err := exec.Command(ptrd, append([]string{"plan", "11.4.8.0/24", "--split", file, "--print", "parent"}, options...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("ptrd plan: %v\n%s", err, lines)
			}
			s := Base(provider)
			s.enclosing("8.4.11.in-addr.arpa.", false).Records = string(lines)
			for _, p := range parts {
				s.Zones = append(s.Zones, Zone{Apex: p.zone, Hosts: []string{"ns1"}, Secondaries: []string{"ns2"}, Parent: "; among the lines"})
			}
			h, err := s.host("ns1")
			if err != nil {
				t.Fatal(err)
			}
			h.Config += config.String() // its last key is that of the zones
			l := startLab(t, s)
			for _, p := range parts {
				l.resolves(t, "mail.customer.example", "getent", "hosts", p.addr)
				var r handover.Result
				prefix, _, _ := strings.Cut(p.part, " ")
				out := l.mustRun(t, "ptrd", "handover", prefix, "--json", "--config", filepath.Join(l.options.Dir, "ns1", "config.yaml"), "--for", "isp")
				if err := json.Unmarshal([]byte(out), &r); err != nil {
					t.Fatal(err)
				}
				if d := r.Zones[0].Delegated; !*r.Ready || d == nil || !d.Done {
					t.Errorf("ptrd handover %s: ready %v, delegated %+v", p.zone, *r.Ready, d)
				}
			}
		})
	}
}
