package daemon

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExampleLogsNoWarning starts the server as `make run` does, but for the addresses:
// whoever tries it has no warning to read that is not about what they did.
func TestExampleLogsNoWarning(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(top, "config.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(top, "examples"))); err != nil {
		t.Fatal(err)
	}
	config := regexp.MustCompile(`(127\.0\.0\.1|\[::1\]):(5300|8530|9153)`).ReplaceAllString(string(text), "127.0.0.1:0")
	config = strings.ReplaceAll(config, `["127.0.0.1:0", "127.0.0.1:0"]`, `["127.0.0.1:0"]`)
	l := start(t, dir, config)
	if err := l.stop(); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(l.log.String()) {
		if !strings.Contains(line, "level=INFO") {
			t.Error(line)
		}
	}
}
