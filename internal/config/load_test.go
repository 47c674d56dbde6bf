package config

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/finding"
)

const (
	secretA = "e5e973e5a6b2a43f48e7dc849e37bfcf"
	secretB = "445536bcd2513298075a5d379663c962"
)

// write puts files into a new directory and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestLoad: relative paths start at the directory of the file, and secrets from
// files follow those in the configuration.
func TestLoad(t *testing.T) {
	dir := write(t, map[string]string{
		"ptrd.yaml": `
state_dir: state
cookies: {secrets: [` + secretA + `], secret_files: cookie}
zones:
  - {prefix: 192.0.2.0/24, file: [zones/a.zone, /etc/b.zone], hosts: ../hosts}
`,
		"cookie": "# a comment\n\n  " + strings.ToUpper(secretB) + "  \n",
	})
	cfg, err := Load(filepath.Join(dir, "ptrd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := hex.DecodeString(secretA)
	b, _ := hex.DecodeString(secretB)
	if s := cfg.Cookies.Secrets; len(s) != 2 || !bytes.Equal(s[0], a) || !bytes.Equal(s[1], b) {
		t.Errorf("secrets are %x", s)
	}
	for _, c := range []struct{ got, want string }{
		{cfg.File, filepath.Join(dir, "ptrd.yaml")},
		{cfg.Dir, dir},
		{cfg.StateDir, filepath.Join(dir, "state")},
		{cfg.Zones[0].Files[0].Path, filepath.Join(dir, "zones/a.zone")},
		{cfg.Zones[0].Files[1].Path, "/etc/b.zone"},
		{cfg.Zones[0].Hosts[0].Path, filepath.Join(filepath.Dir(dir), "hosts")},
		{cfg.Cookies.Files[0].Path, filepath.Join(dir, "cookie")},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// many returns that many empty files.
func many(extension string, n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("%04d.%s", i, extension)] = ""
	}
	return files
}

// TestLoadErrors shows what only files can have wrong.
func TestLoadErrors(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		files  map[string]string
		want   string
	}{
		"too large": {
			config: "zones: []\n" + strings.Repeat("#", maxFile),
			want:   "DIR/ptrd.yaml: the file is larger than 16 MiB; move records to master files and name them with `file`",
		},
		"too large together": {
			config: "include: more.yaml\nzones: []\n" + strings.Repeat("#", maxFile/2),
			files:  map[string]string{"more.yaml": strings.Repeat("#", maxFile/2)},
			want:   "DIR/more.yaml: the file and those read before it have more than 16 MiB or 2000000 values; move records to master files and name them with `file`",
		},
		"many included": {
			config: "include: \"*.part\"\nzones: []\n",
			files:  many("part", maxIncluded+1),
			want:   "DIR/ptrd.yaml:1:10: include: more than 1000 files are included; merge them, or name master files by `zones_from`",
		},
		"include without a directory": {
			config: "include: gone/*.yaml\nzones: []\n",
			want:   "DIR/ptrd.yaml:1:10: include: the directory DIR/gone cannot be read: no such file or directory; correct the path, or make it readable for the user that ptrd runs as",
		},
		"empty": {want: "DIR/ptrd.yaml: the file is empty; it needs at least `zones`"},
		"secret files": {
			config: "zones: []\ncookies: {secret_files: [gone, none, bad]}",
			files:  map[string]string{"none": "\n# " + secretA + "\n", "bad": secretA + "\n" + secretB + "0"},
			want: "DIR/bad:2: the secret has 33 characters, must be 32 hexadecimal digits; make one with `openssl rand -hex 16`\n" +
				"DIR/ptrd.yaml:2:26: cookies.secret_files: DIR/gone: the file cannot be read: no such file or directory; correct the path or create the file\n" +
				"DIR/ptrd.yaml:2:32: cookies.secret_files: DIR/none has no secret; make one with `openssl rand -hex 16`",
		},
		"many secrets": {
			config: "zones: []\ncookies: {secret_files: many}",
			files:  map[string]string{"many": strings.Repeat(secretA+"\n", 9)},
			want:   "DIR/ptrd.yaml:2:25: cookies.secret_files: 9 secrets in total, must be at most 8; remove the oldest",
		},
	} {
		dir := write(t, c.files)
		path := filepath.Join(dir, "ptrd.yaml")
		if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path)
		var errs Errors
		if cfg != nil || !errors.As(err, &errs) {
			t.Errorf("%s: %v, %T", name, cfg, err)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// TestLoadUnreadable: a missing configuration is distinguished from one that
// is wrong.
func TestLoadUnreadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ptrd.yaml")
	_, err := Load(path)
	if want := path + ": the file cannot be read: no such file or directory; correct the path or create the file"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	var errs Errors
	if errors.As(err, &errs) {
		t.Error("a missing file is no problem in the file")
	}
}

// TestManyErrors: past a hundred they are counted.
func TestManyErrors(t *testing.T) {
	_, err := Parse("ptrd.yaml", []byte("zones: []\nuser: a\n"+strings.Repeat("user: b\n", 130)))
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	if n, _ := finding.Count(errs); n != 130 {
		t.Errorf("%d errors, want 130", n)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 101 || !strings.HasPrefix(lines[100], "ptrd.yaml:103:1: 30 more errors of this kind from here on") {
		t.Errorf("%d lines, the last: %s", len(lines), lines[len(lines)-1])
	}
}
