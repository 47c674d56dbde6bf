package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/certtest"
)

// A Loader reads certificates again only when the files change.
func TestListenTLS(t *testing.T) {
	dir := write(t, map[string]string{
		"ptrd.yaml": "zones: []\nlisten: {tls: {addresses: \"127.0.0.1:853\", cert_file: ns1.pem, key_file: ns1.key, client_ca_file: ca.pem}}\n",
	})
	ca := certtest.New(t, dir, "ca")
	ca.Issue("ns1", "ns1.example", time.Hour)
	l := Loader{Path: filepath.Join(dir, "ptrd.yaml")}
	load := func() *ListenTLS {
		t.Helper()
		cfg, err := l.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Listen.TLS
	}
	first := load()
	if len(first.Addresses) != 1 || first.Addresses[0].String() != "127.0.0.1:853" || first.Certificate.Leaf.DNSNames[0] != "ns1.example" || first.Clients == nil {
		t.Errorf("%+v", first)
	}
	if again := load(); again.Certificate != first.Certificate || again.Clients != first.Clients {
		t.Error("the same files give another certificate")
	}
	ca.Issue("ns1", "ns1.example", time.Hour)
	next := load()
	if next.Certificate == first.Certificate {
		t.Error("a new certificate is not read")
	}

	good := map[string][]byte{}
	for _, name := range []string{"ns1.pem", "ns1.key", "ca.pem"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		good[name] = data
	}
	ca.Issue("ns2", "ns2.example", time.Hour)
	foreign, err := os.ReadFile(filepath.Join(dir, "ns2.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		data []byte
		want string
	}{
		{"ns1.pem", nil, "listen.tls.cert_file: DIR/ns1.pem: there is no certificate in the file; give a file in PEM format"},
		{"ns1.pem", good["ns1.key"], "DIR/ns1.pem: there is no certificate in the file"},
		{"ns1.pem", good["ns1.pem"][:200], "DIR/ns1.pem: there is no certificate in the file"},
		{"ns1.key", good["ns1.pem"], "DIR/ns1.key: there is no private key in the file"},
		{"ns1.key", foreign, "DIR/ns1.pem, DIR/ns1.key: tls: private key does not match public key; give"},
		{"ca.pem", good["ns1.key"], "listen.tls.client_ca_file: DIR/ca.pem: there is no certificate in the file"},
		{"ca.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "DIR/ca.pem: certificate 1: x509"},
		{"ca.pem", make([]byte, maxPEM+1), "DIR/ca.pem: it is too large: at most 1048576 octets"},
	} {
		path := filepath.Join(dir, c.file)
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(c.want, "DIR", dir)
		if _, err := l.Load(t.Context()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ptrd.yaml:2:") {
			t.Errorf("%v, want %s", err, want)
		}
		if err := os.WriteFile(path, good[c.file], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "ns1.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "ns1.key: the file cannot be read") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ns1.key"), good["ns1.key"], 0o600); err != nil {
		t.Fatal(err)
	}
	if load().Certificate != next.Certificate {
		t.Error("the good files of before give another certificate")
	}
}
