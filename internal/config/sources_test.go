package config

import (
	"path/filepath"
	"testing"
)

// TestSources: files that names of addresses are derived from are among those that a reload reads, each once.
func TestSources(t *testing.T) {
	cfg, err := Parse("config.yaml", []byte(`
defaults: {nameservers: [ns1.example.com], derive: [example.net, {hosts: lan.hosts}]}
zones:
  - {prefix: 192.0.2.0/24}
  - {prefix: 198.51.100.0/24}
  - {prefix: 203.0.113.0/24, derive: {from: {kea: kea-leases4.csv}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range cfg.Sources(nil) {
		got = append(got, filepath.Base(f.Path))
	}
	if len(got) != 2 || got[0] != "lan.hosts" || got[1] != "kea-leases4.csv" {
		t.Errorf("%q", got)
	}
}
