package architecture

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// top lists the files and directories at the top of the repository.
var top = []string{
	".ci", ".editorconfig", ".gitattributes", ".gitignore", ".golangci.yml", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
	"Makefile", "README.md", "SECURITY.md", "bench", "cmd", "config.example.yaml", "deploy", "docs", "examples", "go.mod", "go.sum",
	"internal", "server", "zone",
}

func TestTop(t *testing.T) {
	out, err := exec.Command("git", "-C", repository(t), "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("not a git work tree: %v", err)
	}
	for _, name := range notInTop(strings.Fields(string(out))) {
		t.Errorf("%s is at the top of the repository and not in the list top of internal/architecture", name)
	}
}

// notInTop returns the first elements of paths that are not in top, each once.
func notInTop(paths []string) []string {
	var out []string
	for _, p := range paths {
		first, _, _ := strings.Cut(p, "/")
		if !slices.Contains(top, first) && !slices.Contains(out, first) {
			out = append(out, first)
		}
	}
	return out
}

func TestNotInTop(t *testing.T) {
	if got := notInTop([]string{"zone/zone.go", "new/a.go", "new/b.go", "notes.txt", "README.md"}); !slices.Equal(got, []string{"new", "notes.txt"}) {
		t.Errorf("%q", got)
	}
}

// TestServerPackagesStaySmall: server was one package of 49 files in which nothing could be
// found.
func TestServerPackagesStaySmall(t *testing.T) {
	const most = 25
	count := map[string]int{}
	err := filepath.WalkDir(filepath.Join(repository(t), "server"), func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			count[filepath.Dir(path)]++
		}
		return err
	})
	if err != nil || len(count) < 3 {
		t.Fatalf("%d packages, %v", len(count), err)
	}
	for dir, n := range count {
		if n > most {
			t.Errorf("%s has %d files, must have at most %d; split the package", dir, n, most)
		}
	}
}
