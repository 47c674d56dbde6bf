package config

import (
	"net/netip"
	"testing"
)

// TestSecondary reads a zone that others are primary for.
func TestSecondary(t *testing.T) {
	cfg, err := Parse("dir/ptrd.yaml", []byte(`
keys:
  - {name: K, secret: c2VjcmV0}
  - {name: other, secret: c2VjcmV0}
defaults: {nameservers: ns1.example.com}
zones:
  - prefix: 192.0.0.0/23
    access: {allow: [192.0.2.0/24]}
    secondary:
      primaries:
        - 192.0.2.1:53
        - {address: "[2001:db8::1]:853", key: other, source: "2001:db8::2", tls: {server_name: ns1.example.com, ca_file: ca.pem, cert_file: c.pem, key_file: k.pem}}
        - {address: "192.0.2.3:853", tls: {}}
      key: k
      source: 192.0.2.9
      allow_notify: [198.51.100.0/24, {key: other}]
      max_size: 1048576
  - {name: example.org, history: {max_size: 65536}, secondary: {primaries: "192.0.2.1:53"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	z := cfg.Zones[0]
	if h := z.History; h != cfg.Defaults.History || h.MaxSize == 0 {
		t.Errorf("history %+v, of the defaults %+v", h, cfg.Defaults.History)
	}
	if h := cfg.Zones[1].History; h.MaxSize != 65536 || h.MaxAge != cfg.Defaults.History.MaxAge {
		t.Errorf("history %+v", h)
	}
	s := z.Secondary
	if s == nil || len(z.Apexes) != 2 || z.Access == nil || len(z.NameServers) != 0 || len(s.Primaries) != 3 || len(s.Notify) != 2 || s.MaxSize != 1<<20 {
		t.Fatalf("%+v, %+v", z, s)
	}
	for i, want := range []struct {
		addr, source, key, server string
	}{
		{"192.0.2.1:53", "192.0.2.9", "k.", ""},
		{"[2001:db8::1]:853", "2001:db8::2", "other.", "ns1.example.com"},
		{"192.0.2.3:853", "192.0.2.9", "k.", "192.0.2.3"},
	} {
		p := s.Primaries[i]
		server := ""
		if p.TLS != nil {
			server = p.TLS.ServerName
		}
		if p.Address != netip.MustParseAddrPort(want.addr) || p.Source != netip.MustParseAddr(want.source) || p.Key.String() != want.key || server != want.server {
			t.Errorf("primary %d: %+v, server %q, want %v", i, p, server, want)
		}
	}
	if tls := s.Primaries[1].TLS; tls.CA.Path != "dir/ca.pem" || tls.Cert.Path != "dir/c.pem" || tls.Key.Path != "dir/k.pem" {
		t.Errorf("%+v", tls)
	}
	if s := cfg.Zones[1].Secondary; s.MaxSize != defaultMaxSize || s.Primaries[0].Key != nil || s.Primaries[0].Source.IsValid() {
		t.Errorf("%+v", s)
	}
}
