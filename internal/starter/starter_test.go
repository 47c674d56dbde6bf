package starter

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestStart: for prefixes of all lengths, with and without a mail server, the configuration is one
// without findings, and what the steps ask for is in its zones.
func TestStart(t *testing.T) {
	var inputs [][]string
	for bits := 8; bits <= 32; bits++ {
		inputs = append(inputs, []string{fmt.Sprintf("203.0.113.25/%d", bits)}, []string{netip.MustParsePrefix(fmt.Sprintf("203.0.113.25/%d", bits)).Masked().String()})
	}
	for _, bits := range []int{16, 29, 32, 46, 48, 56, 64, 125, 127, 128} {
		inputs = append(inputs, []string{fmt.Sprintf("2001:db8:77::25/%d", bits)}, []string{netip.MustParsePrefix(fmt.Sprintf("2001:db8:77::25/%d", bits)).Masked().String()})
	}
	inputs = append(inputs, []string{"203.0.113.25"}, []string{"2001:db8::"}, []string{"203.0.113.0/24", "2001:db8:77::/48", "203.0.113.64/26", "203.0.113.70"})
	for _, in := range inputs {
		for _, mail := range []string{"", "mail.example.com"} {
			for _, servers := range []string{"ns1.example.com", "ns1.example.com=203.0.113.25 ns2.example.net=2001:db8:77::25 ns3.example.org"} {
				q := &Request{}
				for _, s := range in {
					p, err := ParsePrefix(s)
					if err != nil {
						t.Fatal(err)
					}
					q.Prefixes = append(q.Prefixes, p)
				}
				if mail != "" {
					q.Mail = dname.MustParse(mail)
				}
				for s := range strings.FieldsSeq(servers) {
					name, addr, ok := strings.Cut(s, "=")
					ns := config.NameServer{Name: dname.MustParse(name)}
					if ok {
						ns.Addresses = []netip.Addr{netip.MustParseAddr(addr)}
					}
					q.Servers = append(q.Servers, ns)
				}
				s, err := Make(t.Context(), q, "config.yaml")
				if err != nil {
					t.Fatalf("%v %s %s: %v", in, mail, servers, err)
				}
				expectNames(t, s)
			}
		}
	}
}

var question1 = regexp.MustCompile(`dig @127.0.0.1 (?:-x (\S+)|(\S+) PTR) \+short`)

// expectNames checks that each question of the steps has an answer.
func expectNames(t *testing.T, s *Start) {
	t.Helper()
	cfg, err := config.Parse("config.yaml", []byte(s.Text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := assemble.New(assemble.Options{}).Assemble(t.Context(), cfg, zone.NewSet(), assemble.Round{})
	if err != nil {
		t.Fatal(err)
	}
	var zones []*zone.Zone
	for _, c := range plan.Batch.Changes {
		zones = append(zones, c.Zone)
	}
	set := zone.NewSet().With(zones, nil)
	var out bytes.Buffer
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	list := question1.FindAllStringSubmatch(out.String(), -1)
	if len(list) != len(cfg.Zones) {
		t.Errorf("%d questions for %d items:\n%s", len(list), len(cfg.Zones), &out)
	}
	for _, m := range list {
		name := m[2]
		if m[1] != "" {
			name = dname.FromAddr(netip.MustParseAddr(m[1])).String()
		}
		z := set.Find(dname.MustParse(name))
		if z == nil {
			t.Errorf("%s is in no zone of\n%s", name, s.Text)
		} else if _, ok := z.Get(dname.MustParse(name), rr.TypePTR); !ok && strings.Count(s.Text, "\n    ptr:") == len(cfg.Zones) {
			// In a classless parent the name is a CNAME to the zone below.
			if _, alias := z.Get(dname.MustParse(name), rr.TypeCNAME); !alias {
				t.Errorf("%s has no PTR:\n%s", name, s.Text)
			}
		}
	}
}
