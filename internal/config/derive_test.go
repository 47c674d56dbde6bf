package config

import "testing"

// Zones that have nothing but the options of defaults share them, but not `derive` where one has no prefix.
func TestDeriveOfDefaults(t *testing.T) {
	for _, zones := range []string{"[{prefix: 10.0.0.0/16}, {name: example.net}]", "[{name: example.net}, {prefix: 10.0.0.0/16}]"} {
		cfg, err := Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.], derive: [10.0.0.0/8]}\nzones: "+zones))
		if err != nil {
			t.Fatal(err)
		}
		for i := range cfg.Zones {
			if z := &cfg.Zones[i]; (z.Derive != nil) != z.Prefix.IsValid() {
				t.Errorf("%s: zone %v derives: %v", zones, z.Apexes, z.Derive != nil)
			}
		}
	}
}
