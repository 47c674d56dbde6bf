package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPlanDoc runs the commands of docs/plan.md on the files that it shows, and compares what they
// print with what it shows.
func TestPlanDoc(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "plan.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	block := func(first string) string {
		at := strings.Index(text, "\n    "+first)
		if at < 0 {
			t.Fatalf("no block begins with %q", first)
		}
		lines, _, _ := strings.Cut(text[at+1:], "\n\n")
		return regexp.MustCompile(`(?m)^    `).ReplaceAllString(lines, "") + "\n"
	}
	t.Chdir(t.TempDir())
	writeText(t, "customers.txt", block("# customers.txt"))
	writeText(t, "113.0.203.zone", block("$TTL 3600"))
	for _, c := range []struct {
		code int
		args string
	}{{0, "plan 203.0.113.0/24 --split customers.txt --out plan"}, {1, "plan --check 203.0.113.0/24 --from 113.0.203.zone"}} {
		if !strings.Contains(text, "`ptrd "+c.args+"`") {
			t.Fatalf("the document does not have %s", c.args)
		}
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(c.args), &out, &errs); code != c.code {
			t.Errorf("%s: exit %d\n%s%s", c.args, code, &out, &errs)
		}
		if c.code == 1 {
			if want := strings.Join(strings.Fields(block("113.0.203.zone:5:1")), " "); strings.Join(strings.Fields(out.String()), " ") != want {
				t.Errorf("%s prints\n%swhere the document has\n%s", c.args, &out, want)
			}
		}
	}
	for _, dir := range []string{"plan/parent", "plan/child"} {
		if list, err := os.ReadDir(dir); err != nil || len(list) < 2 {
			t.Errorf("%s: %v, %v", dir, list, err)
		}
	}
}
