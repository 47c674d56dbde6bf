package audit

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/dname"
)

// layouts are configurations from which PTR, A and AAAA records are missing, in each way to write
// them. All have the same addresses in the end.
var layouts = map[string]string{
	"block": `
-- config.yaml --
defaults: {nameservers: [ns1.example.com, ns2.example.com]}
zones:
  - prefix: 192.0.2.0/24
    # Names.
    ptr:
      # the mail server
      192.0.2.5: mail.example.com # its name
      192.0.2.9: [other.example.com]
      192.0.2.30: {names: new.example.com}

  - prefix: 2001:db8::/32
  # The next zone.
  - name: example.com
    ttl: 1h
    records:
      ns1:
        A: 192.0.2.1
        AAAA: 2001:db8::1
      ns2: {A: [192.0.2.2]}
      mail:
        A: 192.0.2.6
      other: {AAAA: "2001:db8::9"}
      www.example.com.:
        A:
          - 192.0.2.80
      web:
        A: {ttl: 5m, data: 192.0.2.81}
`,
	"flow": `
-- config.yaml --
defaults: {nameservers: [ns1.example.com, ns2.example.com]}
zones: [{prefix: 192.0.2.0/24, ptr: {192.0.2.5: mail.example.com, 192.0.2.9: other.example.com, 192.0.2.81: web.example.com}},
  {prefix: "2001:db8::/32"}, {name: example.com, records: {
   ns1: {A: 192.0.2.1, AAAA: "2001:db8::1"}, ns2: {A: 192.0.2.2}, mail: {A: '192.0.2.6'}, other: {AAAA: "2001:db8::9"}}}]
`,
	"files": `
-- config.yaml --
defaults: {nameservers: [ns1.example.com, ns2.example.com]}
zones:
  - {prefix: 192.0.2.0/24, file: [zones/a.zone, zones/b.zone]}
  - {prefix: 2001:db8::/32, hosts: hosts}
  - {name: example.com, file: zones/example.com.zone}
-- zones/a.zone --
$TTL 1h
5 PTR mail.example.com.
9 PTR other.example.com.
-- zones/b.zone --
$ORIGIN 2.0.192.in-addr.arpa.
7 PTR mail.example.com.
-- hosts --
2001:db8::2 mail.example.com
-- zones/example.com.zone --
$TTL 1h
@ SOA ns1 h 1 1h 10m 1d 5m
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
ns2 A 192.0.2.2
mail 60 A 192.0.2.6
other AAAA 2001:db8::9
$ORIGIN sub.example.com.
a A 192.0.2.5
`,
	"both": `
-- config.yaml --
defaults: {nameservers: [ns1.example.com, ns2.example.com]}
zones:
  - prefix: 192.0.2.0/24
    file: rev.zone
    ptr:
      192.0.2.5:
        - ns1.example.com
  - name: example.com
    records:
      ns1: {A: [192.0.2.5]}
      ns2: {A: 192.0.2.6}
-- rev.zone --
$TTL 1h
7 PTR ns2.example.com.`,
	"classless": `
-- config.yaml --
defaults: {nameservers: [ns1.example.com, ns2.example.com]}
zones:
  - {prefix: 192.0.2.0/25, label: lab}
  - prefix: 192.0.2.0/24
    file: rev.zone
  - name: example.com
    records:
      ns1: {A: 192.0.2.1}
      ns2: {A: 192.0.2.129}
-- rev.zone --
130 3600 PTR ns2.example.com.`,
}

// TestFix: after `patch` applied the diff, `ptrd check` has no warning, and the audit finds nothing.
func TestFix(t *testing.T) {
	patch := peertest.Require(t, "patch")
	for name, text := range layouts {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range txtar.Parse([]byte(text)).Files {
				path := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				data := f.Data
				if f.Name == "rev.zone" {
					data = data[:len(data)-1] // without the end of its last line
				}
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cfg, r := auditFiles(t, dir)
			if !r.IsWrong() || r.IsNotKnown() {
				t.Fatalf("%v", r.States)
			}
			fix, err := Propose(cfg, r)
			if err != nil {
				t.Fatal(err)
			}
			if len(fix.Scripts) > 0 || fix.Dir != dir {
				t.Fatalf("in %s: %+v", fix.Dir, fix.Scripts)
			}
			var out strings.Builder
			if err := fix.Print(&out); err != nil {
				t.Fatal(err)
			}
			if name == "both" && strings.Contains(fix.Diff, "rev.zone") {
				t.Errorf("a PTR is added to the file, and not to ptr:\n%s", fix.Diff)
			}
			cmd := exec.Command(patch, "-p0", "-d", fix.Dir)
			cmd.Stdin = strings.NewReader(out.String())
			if text, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(text), "fuzz") {
				t.Fatalf("patch: %v\n%s\n%s", err, text, out.String())
			}
			cfg, r = auditFiles(t, dir)
			if len(r.Findings) > 0 {
				t.Errorf("%+v\n%s", r.Findings, out.String())
			}
			list, err := assemble.Check(t.Context(), cfg)
			if list = append(cfg.Warnings, list...); err != nil || len(list) > 0 {
				t.Errorf("check: %v %v\n%s", err, list, out.String())
			}
		})
	}
}

// auditFiles examines the zones of the configuration in a directory.
func auditFiles(t *testing.T, dir string) (*config.Config, *Report) {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	writer := commit.New(commit.Options{})
	plan, err := assemble.New(assemble.Options{}).Assemble(t.Context(), cfg, writer.Set(), assemble.Round{})
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Publish(plan.Batch); err != nil {
		t.Fatal(err)
	}
	s := &Settings{Item: func(apex dname.Name) *config.Zone {
		return (&fixer{cfg: cfg}).item(apex.String())
	}}
	r, err := Examine(t.Context(), writer.Set(), s, Scope{}, func(dname.Name) Source { return Source{Kind: Files} }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, r
}

// TestScripts: what has no file is printed as commands, or as what to ask for, in lines that patch
// ignores.
func TestScripts(t *testing.T) {
	cfg, err := config.Parse("config.yaml", []byte("listen: {dns: ['[::]:5300']}\nzones: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	missing := func(kind Kind) *Missing {
		return &Missing{Zone: "example.", Owner: "a.example.", Type: 1, Data: "192.0.2.1", Others: []string{"192.0.2.2"}, TTL: 60, Source: Source{Kind: kind, ID: "Z1", Primaries: []string{"192.0.2.53:53"}}}
	}
	r := &Report{}
	for _, kind := range []Kind{Dynamic, Hosted, Secondary, Signed} {
		r.Findings = append(r.Findings, Finding{State: Mismatch, Missing: missing(kind)})
	}
	r.Findings = append(r.Findings, Finding{Zone: "2.0.192.in-addr.arpa.", State: Mismatch, Address: netip.MustParseAddr("192.0.2.7"), Names: []string{"mail.test."}}, Finding{State: NotKnown})
	fix, err := Propose(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, s := range fix.Scripts {
		fmt.Fprintf(&got, "%s, %s:\n%s", s.Zone, s.What, s.Text)
	}
	const want = `example., by nsupdate, with the key that may update the zone:
server 127.0.0.1 5300
zone example.
update add a.example. 60 A 192.0.2.1
send
example., by the API of Route 53:
aws route53 change-resource-record-sets --hosted-zone-id Z1 --change-batch '{"Changes":[{"Action":"UPSERT","ResourceRecordSet":{"Name":"a.example.","Type":"A","TTL":60,"ResourceRecords":[{"Value":"192.0.2.1"},{"Value":"192.0.2.2"}]}}]}'
example., a secondary zone: ask the operator of its primary (192.0.2.53:53) for:
a.example. A 192.0.2.1
example., a signed zone: add to its source, and sign it again:
a.example. A 192.0.2.1
2.0.192.in-addr.arpa., these names are in zones of other servers: correct the PTRs, or ask the operators of the zones for:
mail.test. A 192.0.2.7
`
	if got.String() != want {
		t.Errorf("%s\nwant\n%s", got.String(), want)
	}
}
