package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme: the configuration in the README is right, and its commands print
// what it shows.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("no configuration in the README")
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	for _, b := range blocks {
		writeText(t, path, b[1])
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"check", "--config", path}, &out, &errs); code != 0 || !strings.HasPrefix(out.String(), "ok, ") {
			t.Errorf("exit %d\n%s%s", code, &out, &errs)
		}
	}

	// `    $ ptrd …` and the indented lines behind it, up to `…` or the next text.
	shown := regexp.MustCompile(`(?m)^    \$ ptrd (.*)\n((?:(?:    .*)?\n)+)`).FindAllStringSubmatch(text, -1)
	if len(shown) == 0 {
		t.Fatal("no command in the README")
	}
	for _, s := range shown {
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(s[1]), &out, &errs); code != 0 {
			t.Errorf("ptrd %s: exit %d\n%s", s[1], code, &errs)
		}
		want := strings.TrimRight(regexp.MustCompile(`(?m)^    `).ReplaceAllString(s[2], ""), "\n") + "\n"
		part, cut := strings.CutSuffix(want, "…\n")
		if cut && !strings.HasPrefix(out.String(), part) || !cut && out.String() != want {
			t.Errorf("ptrd %s prints\n%swhere the README shows\n%s", s[1], &out, want)
		}
	}

	// Links lead to files that are there.
	for _, m := range regexp.MustCompile(`\]\(([a-z][^):]*)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
			t.Errorf("link to %s: %v", m[1], err)
		}
	}
	for _, m := range regexp.MustCompile("`make ([a-z]+)`|(?m)^    make ([a-z]+)$").FindAllStringSubmatch(text, -1) {
		makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
		if err != nil {
			t.Fatal(err)
		}
		if target := m[1] + m[2]; !regexp.MustCompile(`(?m)^` + target + `:`).Match(makefile) {
			t.Errorf("the Makefile has no target %s", target)
		}
	}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
