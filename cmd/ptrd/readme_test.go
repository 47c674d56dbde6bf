package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme: the configurations in the README and the documents it refers to are valid,
// their commands print what is shown, and their links lead to files that exist.
func TestReadme(t *testing.T) {
	top := filepath.Join("..", "..")
	paths, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	tops, err := filepath.Glob(filepath.Join(top, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(top, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var configs, commands int
	for _, path := range append(tops, paths...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		switch filepath.Base(path) {
		case "README.md", "delegation.md", "updates.md": // complete configurations
			configs += checkConfigs(t, path, text)
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Chdir(t.TempDir()) // init writes config.yaml, which the commands after it read
			commands += checkCommands(t, path, text)
		})
		for _, m := range regexp.MustCompile(`\]\(([.a-zA-Z][^):#]*)\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
			}
		}
		for _, m := range regexp.MustCompile("`make ([a-z0-9-]+)|(?m)^    make ([a-z0-9-]+)").FindAllStringSubmatch(text, -1) {
			if target := m[1] + m[2]; !regexp.MustCompile(`(?m)^([a-z0-9 -]+ )?` + target + `[ :]`).Match(makefile) {
				t.Errorf("%s: the Makefile has no target %s", path, target)
			}
		}
	}
	if configs < 4 || commands < 3 {
		t.Errorf("%d configurations and %d commands were found", configs, commands)
	}
}

func checkConfigs(t *testing.T, doc, text string) (n int) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	for _, b := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
		writeText(t, path, b[1])
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"check", "--config", path}, &out, &errs); code != 0 || !strings.HasPrefix(out.String(), "ok, ") {
			t.Errorf("%s: exit %d\n%s%s", doc, code, &out, &errs)
		}
		n++
	}
	return n
}

// checkCommands runs each `    $ ptrd …` and compares its output with the indented lines
// after it, up to `…`, the next command or the next paragraph that is not indented.
func checkCommands(t *testing.T, doc, text string) (n int) {
	for _, s := range regexp.MustCompile(`(?m)^    \$ ptrd ((?:init|check|explain|name|plan|handover)\b.*)\n((?:(?:    (?:[^$\n]|\$[^ \n]).*)?\n)+)`).FindAllStringSubmatch(text, -1) {
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(s[1]), &out, &errs); code != 0 {
			t.Errorf("%s: ptrd %s: exit %d\n%s", doc, s[1], code, &errs)
		}
		want := strings.TrimRight(regexp.MustCompile(`(?m)^    `).ReplaceAllString(s[2], ""), "\n") + "\n"
		part, cut := strings.CutSuffix(want, "…\n")
		if cut && !strings.HasPrefix(out.String(), part) || !cut && out.String() != want {
			t.Errorf("%s: ptrd %s prints\n%swhere the document has\n%s", doc, s[1], &out, want)
		}
		n++
	}
	return n
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
