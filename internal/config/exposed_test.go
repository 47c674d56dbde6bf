package config

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestExposed: a file with a secret that every user can read is warned of, unless a
// directory above it keeps them out.
func TestExposed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file modes on Windows")
	}
	top, err := os.MkdirTemp("", "ptrd")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	const secret = "secret: c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE="
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(top, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	load := func(text string, mode os.FileMode) (files string) {
		t.Helper()
		cfg, err := Load(write("config.yaml", "zones: []\n"+text, mode))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range cfg.Warnings {
			path, _, _ := strings.Cut(p.Text, " has a secret,")
			files += " " + filepath.Base(path)
		}
		return strings.TrimSpace(files)
	}
	write("key", "c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE=\n", 0o644)
	write("closed", "c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE=\n", 0o640)
	for _, c := range []struct {
		text string
		mode os.FileMode
		dir  os.FileMode
		want string
	}{
		{"keys: [{name: a, " + secret + "}]", 0o644, 0o755, "config.yaml"},
		{"keys: [{name: a, " + secret + "}]", 0o640, 0o755, ""},
		{"keys: [{name: a, " + secret + "}]", 0o644, 0o750, ""},
		{"keys: [{name: a, secret_file: key}, {name: b, secret_file: key}, {name: c, secret_file: closed}]", 0o644, 0o755, "key"},
		{"cookies: {secrets: [00112233445566778899aabbccddeeff]}", 0o644, 0o755, "config.yaml"},
		{"", 0o644, 0o755, ""},
	} {
		if err := os.Chmod(top, c.dir); err != nil {
			t.Fatal(err)
		}
		if got := load(c.text, c.mode); got != c.want {
			t.Errorf("%s, mode %v in %v: exposed %q, want %q", c.text, c.mode, c.dir, got, c.want)
		}
	}
}

// TestSecretAmongCertificates: a file that is a certificate of one primary and the key of
// another one is a secret, in either order.
func TestSecretAmongCertificates(t *testing.T) {
	both, cert, key := File{Path: "both.pem"}, File{Path: "cert.pem"}, File{Path: "key.pem"}
	first, second := Primary{TLS: &TLS{Cert: both, Key: key}}, Primary{TLS: &TLS{Cert: cert, Key: both}}
	for _, primaries := range [][]Primary{{first, second}, {second, first}} {
		secrets := map[string]bool{}
		cfg := Config{Zones: []Zone{{ZoneOptions: &ZoneOptions{Secondary: &Secondary{Primaries: primaries}}}}}
		for _, f := range cfg.credentials() {
			if _, twice := secrets[f.Path]; twice {
				t.Errorf("%s is listed twice", f.Path)
			}
			secrets[f.Path] = f.isSecret
		}
		if want := map[string]bool{"both.pem": true, "cert.pem": false, "key.pem": true}; !maps.Equal(secrets, want) {
			t.Errorf("secrets are %v, want %v", secrets, want)
		}
	}
}
