package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/infile"
)

// TestLoader: an unchanged file is not parsed again, its secret files are read
// each time, and a file with an error leaves nothing behind.
func TestLoader(t *testing.T) {
	const text = "state_dir: state\ncookies: {secrets: [" + secretA + "], secret_files: cookie}\nzones: [{prefix: 192.0.2.0/24, nameservers: [ns.example.com]}]\n"
	dir := write(t, map[string]string{"ptrd.yaml": text, "cookie": secretB + "\n"})
	path := filepath.Join(dir, "ptrd.yaml")
	l := Loader{Path: path}
	load := func() *Config {
		t.Helper()
		cfg, err := l.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := load(), load()
	if &first.Zones[0] != &second.Zones[0] {
		t.Error("an unchanged file was parsed again")
	}
	put(filepath.Join(dir, "cookie"), secretA+"\n"+secretB+"\n")
	if n, m := len(load().Cookies.Secrets), len(second.Cookies.Secrets); n != 3 || m != 2 {
		t.Errorf("after a change of the secret file %d secrets, and %d in the configuration before; want 3 and 2", n, m)
	}
	put(path, "zones: 5\n")
	if _, err := l.Load(t.Context()); err == nil {
		t.Error("a file with an error loads")
	}
	put(path, text+"user: nobody\n")
	if cfg := load(); cfg.User != "nobody" || len(cfg.Zones) != 1 {
		t.Errorf("the changed file has user %q and %d zones", cfg.User, len(cfg.Zones))
	}
	put(path, text)
	if cfg := load(); cfg.User != "" {
		t.Errorf("the file as it was has user %q", cfg.User)
	}
}

// TestLoaderUnfinished: of a file that is being written the content of before counts.
func TestLoaderUnfinished(t *testing.T) {
	const text = "state_dir: state\nkeys: [{name: k, secret_file: key}]\ncookies: {secret_files: cookie}\nzones: [{prefix: 192.0.2.0/24, nameservers: [ns.example.com]}]\n"
	files := map[string]string{"ptrd.yaml": text, "cookie": secretB + "\n", "key": "c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE=\n"}
	dir := write(t, files)
	unfinished := map[string]bool{}
	l := Loader{Path: filepath.Join(dir, "ptrd.yaml"), IsComplete: func(_ *infile.Task, path string) bool { return !unfinished[filepath.Base(path)] }}
	first, err := l.Load(t.Context())
	if err != nil || l.Unfinished != nil || len(l.Files) != 3 {
		t.Fatalf("%v; files are %q, unfinished %q", err, l.Files, l.Unfinished)
	}
	for name := range files {
		unfinished[name] = true
		if err := os.WriteFile(filepath.Join(dir, name), []byte(files[name][:3]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second, err := l.Load(t.Context())
	switch {
	case err != nil:
		t.Fatal(err)
	case len(l.Unfinished) != 3:
		t.Errorf("unfinished are %q", l.Unfinished)
	case &first.Zones[0] != &second.Zones[0], len(second.Cookies.Secrets) != 1, second.Keys[0].TSIG == nil:
		t.Error("the configuration is another one")
	}
	l.IsComplete = nil
	if _, err := l.Load(t.Context()); err == nil {
		t.Error("who asks for a reload does not get what is there")
	}
}

// TestLoaderInclude: a change of an included file, one that appears and one that vanishes are
// seen; one that is replaced by an editor, or that is being written, counts as it was before.
func TestLoaderInclude(t *testing.T) {
	zone := func(prefix string) string {
		return "zones: [{prefix: " + prefix + ", nameservers: [ns.example.com]}]\n"
	}
	dir := write(t, map[string]string{"ptrd.yaml": "include: [one.conf, \"*.part\"]\nzones: []\n", "one.conf": zone("10.0.0.0/8"), "a.part": zone("10.1.0.0/16"), "a.part~": "x"})
	at := func(name string) string { return filepath.Join(dir, name) }
	unfinished := map[string]bool{}
	l := Loader{Path: at("ptrd.yaml"), IsComplete: func(_ *infile.Task, path string) bool { return !unfinished[filepath.Base(path)] }}
	var last *Config
	expect := func(what string, names ...string) {
		t.Helper()
		cfg, err := l.Load(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var got []string
		for i := range cfg.Zones {
			got = append(got, cfg.Zones[i].Prefix.String())
		}
		if !slices.Equal(got, names) {
			t.Errorf("%s: %q, want %q", what, got, names)
		}
		last = cfg
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect("at first", "10.0.0.0/8", "10.1.0.0/16")
	if want := []Directory{{dir, "*.part"}}; !slices.Equal(l.Directories, want) || !slices.Contains(l.Files, at("one.conf")) || !slices.Contains(l.Files, at("a.part")) {
		t.Errorf("watched are %q and %q", l.Files, l.Directories)
	}
	before := last
	expect("again", "10.0.0.0/8", "10.1.0.0/16")
	if &before.Zones[0] != &last.Zones[0] {
		t.Error("unchanged files were parsed again")
	}
	put("a.part", zone("10.2.0.0/16"))
	expect("changed", "10.0.0.0/8", "10.2.0.0/16")
	unfinished["b.part"] = true
	put("b.part", "zon")
	expect("a new one is being written", "10.0.0.0/8", "10.2.0.0/16")
	if !slices.Contains(l.Unfinished, at("b.part")) || !slices.Contains(l.Files, at("b.part")) {
		t.Errorf("unfinished are %q, watched %q", l.Unfinished, l.Files)
	}
	put("b.part", zone("10.3.0.0/16"))
	delete(unfinished, "b.part")
	expect("it is complete", "10.0.0.0/8", "10.2.0.0/16", "10.3.0.0/16")
	unfinished["a.part"] = true
	if err := os.Remove(at("a.part")); err != nil {
		t.Fatal(err)
	}
	expect("one is gone for a moment", "10.0.0.0/8", "10.2.0.0/16", "10.3.0.0/16")
	delete(unfinished, "a.part")
	expect("one is gone", "10.0.0.0/8", "10.3.0.0/16")
	put("c.part", "zones: [{prefix: 10.4.0.0/33}]\n")
	for range 2 {
		if _, err := l.Load(t.Context()); err == nil || !strings.Contains(err.Error(), at("c.part")+":1:18: ") {
			t.Errorf("a file with an error: %v", err)
		}
	}
	put("c.part", zone("10.4.0.0/16"))
	expect("it was corrected", "10.0.0.0/8", "10.3.0.0/16", "10.4.0.0/16")
}

// TestUpdateWarnings: rules that are open to the world, and short secrets.
func TestUpdateWarnings(t *testing.T) {
	dir := write(t, map[string]string{"ptrd.yaml": `
acls: {world: [0.0.0.0/0, "::/0"]}
keys:
  - {name: long, secret: "c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE="}
  - {name: short, algorithm: hmac-sha512, secret_file: key}
  - {name: tiny, secret: c2VjcmV0}
defaults: {nameservers: ns1.example.com}
zones:
  - name: a.example
    update: [192.0.2.0/24, world, {from: "::/0"}, {key: long, from: world}, {self: address, from: world}]
`, "key": "c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE=\n"})
	cfg, err := Load(filepath.Join(dir, "ptrd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	compareLines(t, "warnings", lines(cfg, dir)[1:], `
warning ptrd.yaml:5:56: key short.: the secret has 32 octets, should have 64 as the MACs of hmac-sha512, because a shorter one is easier to guess (RFC 8945 §8); make one with `+"`ptrd key generate --algorithm hmac-sha512 short.`"+` for both sides
warning ptrd.yaml:6:5: key tiny.: the secret has 6 octets, should have 32 as the MACs of hmac-sha256, because a shorter one is easier to guess (RFC 8945 §8); make one with `+"`ptrd key generate --algorithm hmac-sha256 tiny.`"+` for both sides
warning ptrd.yaml:10:28: zones[0].update[1]: every client in 0.0.0.0/0 may change the zone without a key, and the address of a UDP packet is easily forged; give `+"`key`, or the prefixes of the clients as `from`"+`
warning ptrd.yaml:10:35: zones[0].update[2]: every client in ::/0 may change the zone without a key, and the address of a UDP packet is easily forged; give `+"`key`, or the prefixes of the clients as `from`"+``)
}
