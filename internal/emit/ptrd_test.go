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
