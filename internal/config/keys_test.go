package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/tsig"
)

const keySecret = "c2VjcmV0"

func TestKeys(t *testing.T) {
	const zone = "zones: [{prefix: 192.0.2.0/24, nameservers: [ns.example.com], transfer: {allow: [192.0.2.53, {key: B}, {key: a, from: 2001:db8::/32}]}}]\n"
	dir := write(t, map[string]string{
		"ptrd.yaml": "state_dir: s\nkeys: [{name: A, secret: " + keySecret + "}, {name: b., algorithm: hmac-sha1, min_mac: 10, secret_file: b}, {name: c, algorithm: hmac-sha512, secret_file: c}]\n" + zone,
		"b":         "c2Vj\n cmV0\n",
		"c":         "# made by hand\nkey \"c\" {\n\talgorithm HMAC-SHA512;\n\tsecret \"" + keySecret + "\";\n};\n",
	})
	path := filepath.Join(dir, "ptrd.yaml")
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Keys) != 3 {
		t.Fatalf("%d keys", len(cfg.Keys))
	}
	for i, want := range []struct {
		name string
		a    tsig.Algorithm
	}{{"a.", tsig.HMACSHA256}, {"b.", tsig.HMACSHA1}, {"c.", tsig.HMACSHA512}} {
		k := cfg.Keys[i].TSIG
		if k == nil || k.Name().String() != want.name || k.Algorithm() != want.a {
			t.Errorf("key %d: %v, want %s of %v", i, k, want.name, want.a)
		}
	}
	// Each has the same secret, and so the same MAC.
	if m := macs(cfg, "ab"); m[0] == m[1] {
		t.Error("keys of two algorithms sign alike")
	}
	allow := cfg.Zones[0].Transfer.Allow
	if len(allow) != 3 || allow[0].Prefix.String() != "192.0.2.53/32" || allow[0].Key != nil ||
		allow[1].Prefix.IsValid() || allow[1].Key.String() != "b." || allow[2].Prefix.String() != "2001:db8::/32" || allow[2].Key.String() != "a." {
		t.Errorf("allow %+v", allow)
	}
	if s := fmt.Sprintf("%v %+v %#v", cfg.Keys, cfg.Keys, *cfg.Keys[0].TSIG); strings.Contains(s, "secret") || strings.Contains(s, keySecret) {
		t.Errorf("printed with a secret: %s", s)
	}

	for _, c := range []struct{ content, want string }{
		{"key \"d\" { algorithm hmac-sha512; secret \"" + keySecret + "\"; };", `the key in the file is named "d", here c.`},
		{"key \"c\" { algorithm hmac-sha256; secret \"" + keySecret + "\"; };", `the algorithm of the key in the file is "hmac-sha256", here hmac-sha512`},
		{"key c { algorithm hmac-sha512; };", "is not `key NAME"},
		{"key c { algorithm hmac-sha512; secret x; }; key d {};", "is not `key NAME"},
		{"!!", "the secret has 2 characters and is not base64"},
		{"", "the secret has 0 characters and is not base64"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "c"), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "ptrd.yaml:2:") || strings.Contains(err.Error(), keySecret) {
			t.Errorf("%q: %v, want %q", c.content, err, c.want)
		}
	}
	os.Remove(filepath.Join(dir, "c"))
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "keys[2].secret_file: ") {
		t.Errorf("without the file: %v", err)
	}
}

// macs returns the MACs of one message by the keys with these one-letter names.
func macs(cfg *Config, names string) (out []string) {
	for _, name := range names {
		for _, k := range cfg.Keys {
			if k.Name.Label()[0] == byte(name) {
				m, _ := k.TSIG.Request(make([]byte, 12, 200), 1)
				out = append(out, string(m))
			}
		}
	}
	return out
}

// What a zone says of transfers goes before what all of them have.
func TestTransferDefaults(t *testing.T) {
	cfg, err := Parse("x.yaml", []byte(`
defaults: {nameservers: [ns.example.com], transfer: {allow: 192.0.2.1}}
zones: [{prefix: 192.0.2.0/24}, {prefix: 198.51.100.0/24, transfer: {allow: []}}, {prefix: 203.0.113.0/24, transfer: {allow: 192.0.2.2}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"192.0.2.1/32", "", "192.0.2.2/32"} {
		got := ""
		for _, p := range cfg.Zones[i].Transfer.Allow {
			got += p.Prefix.String()
		}
		if got != want {
			t.Errorf("zone %d: %q, want %q", i, got, want)
		}
	}
}

// TestCredentials: a name leads to the directory that the service manager gives.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ptrd.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "state_dir: s\nkeys: [{name: a, secret_file: 'credential:a.key'}]\nzones: []\n")
	for _, tt := range []struct{ directory, want string }{
		{dir, dir + "/a.key: the file cannot be read: no such file or directory; write `LoadCredential=a.key:PATH` below [Service] of the unit, as by `systemctl edit ptrd`"},
		{"", "/run/credentials/ptrd.service/a.key: the file cannot be read: no such file or directory; write `LoadCredential=a.key:PATH` below [Service] of the unit, as by `systemctl edit ptrd`, and start it: credentials exist while it runs"},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", tt.directory)
		want := path + ":2:31: keys[0].secret_file: " + tt.want
		if _, err := Load(path); err == nil || err.Error() != want {
			t.Errorf("%v\nwant\n%s", err, want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	write(filepath.Join(dir, "a.key"), keySecret)
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
}
