package emit

import (
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
)

// TestPtrd: ptrd itself reads its text, and has all zones from all servers.
func TestPtrd(t *testing.T) {
	for name, o := range samples() {
		text, err := ptrd.Text(o)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse("config.yaml", []byte(strings.ReplaceAll(string(text), "…", sampleSecret)))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if len(cfg.Zones) != len(o.Zones) {
			t.Errorf("%s: %d zones, want %d", name, len(cfg.Zones), len(o.Zones))
		}
		for i := range cfg.Zones {
			z, want := &cfg.Zones[i], o.Zones[i]
			if !z.Name.Equal(want.Apex) || len(z.Secondary.Primaries) != len(o.Servers) {
				t.Errorf("%s: zone %v has %d primaries", name, z.Name, len(z.Secondary.Primaries))
				continue
			}
			for _, p := range z.Secondary.Primaries {
				if !slices.Contains(o.Servers, p.Address) || (want.Key == nil) != (p.Key == nil) || want.Key != nil && !p.Key.Equal(want.Key.Name) {
					t.Errorf("%s: zone %v has the primary %v, key %v", name, z.Name, p.Address, p.Key)
				}
			}
		}
	}
}

// A secondary gets the keys of the names of ranges in its zones, and no others.
func TestPtrdRangeKeys(t *testing.T) {
	cfg, err := config.Parse("config.yaml", []byte(`
listen: {dns: ["192.0.2.1:53"]}
state_dir: state
keys: [{name: transfer, secret: c2VjcmV0}, {name: pool, secret: c2VjcmV0IG9mIHRoZSBwb29sLCBtYWtlIG9uZSE=}, {name: other, secret: c2VjcmV0IG9mIHRoZSBwb29sLCBtYWtlIG9uZSE=}]
defaults: {nameservers: ns1.example.com, transfer: {allow: [{key: transfer}]}}
zones:
  - {prefix: 203.0.113.0/24, synth: [{range: 203.0.113.0/25, name: "{permuted}.a.example.net", key: pool}]}
  - {prefix: 192.0.2.0/24, synth_transfer: omit, synth: [{range: 192.0.2.0/25, name: "{permuted}.b.example.com", key: other}]}
  - {name: example.net}
  - {name: example.com, synth_transfer: omit}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ zone, want string }{
		{"203.0.113.0/24", "transfer pool"}, {"example.net", "transfer pool"}, {"192.0.2.0/24", "transfer"}, {"example.com", "transfer"},
	} {
		o := Options{Role: Secondary}
		if _, err := o.Resolve(Request{Config: cfg, Zones: []string{c.zone}}); err != nil {
			t.Fatal(err)
		}
		text, err := ptrd.Text(o)
		if err != nil {
			t.Fatal(err)
		}
		_, keys, _ := strings.Cut(string(text), "keys:")
		keys, _, _ = strings.Cut(keys, "zones:")
		var got []string
		for part := range strings.SplitSeq(keys, `name: "`) {
			if name, _, ok := strings.Cut(part, `"`); ok && !strings.Contains(name, "{") {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: keys %q, want %q\n%s", c.zone, got, c.want, text)
		}
	}
}
