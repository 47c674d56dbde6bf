package rooms

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// top is what may lie at the top of the repository. Something new needs a reason that
// the README gives.
var top = []string{
	".ci", ".gitattributes", ".gitignore", "Makefile", "README.md", "bench", "cmd", "config.example.yaml", "deploy", "docs", "examples",
	"go.mod", "go.sum", "internal", "server", "zone",
}

func TestTop(t *testing.T) {
	out, err := exec.Command("git", "-C", repository(t), "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("not a git work tree: %v", err)
	}
	for _, extra := range strangers(strings.Fields(string(out))) {
		t.Errorf("%s lies at the top of the repository; the rooms are %s", extra, strings.Join(top, ", "))
	}
}

// strangers returns the first parts of paths that are not in top, each once.
func strangers(paths []string) []string {
	var out []string
	for _, p := range paths {
		first, _, _ := strings.Cut(p, "/")
		if !slices.Contains(top, first) && !slices.Contains(out, first) {
			out = append(out, first)
		}
	}
	return out
}

func TestStrangers(t *testing.T) {
	if got := strangers([]string{"zone/zone.go", "attic/a.go", "attic/b.go", "notes.txt", "README.md"}); !slices.Equal(got, []string{"attic", "notes.txt"}) {
		t.Errorf("%q", got)
	}
}
