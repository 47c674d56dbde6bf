package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNeighbours: the configuration in docs/neighbours.md is right, and its commands
// print what it shows; -update writes that.
func TestNeighbours(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "neighbours.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(data)
	if config == nil {
		t.Fatal("no configuration in the document")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	writeText(t, file, string(config[1]))
	for _, name := range []string{"transfer-key", "dhcp-lab"} {
		writeText(t, filepath.Join(dir, name), base64.StdEncoding.EncodeToString([]byte("a secret of this test")))
	}
	n := 0
	want := regexp.MustCompile("(?s)```\n\\$ ptrd ([^\n]*)\n.*?```\n").ReplaceAllFunc(data, func(block []byte) []byte {
		n++
		command, _, _ := strings.Cut(string(block), "\n```")
		command = strings.Split(command, "\n")[1]
		var out, errs bytes.Buffer
		args := append(strings.Fields(strings.TrimPrefix(command, "$ ptrd ")), "--config", file)
		if code := run(t.Context(), args, &out, &errs); code != 0 || errs.Len() > 0 {
			t.Errorf("%s: exit %d\n%s", command, code, &errs)
		}
		return []byte("```\n" + command + "\n" + out.String() + "```\n")
	})
	if n == 0 {
		t.Fatal("no command in the document")
	}
	if bytes.Equal(want, data) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the commands print; go test ./cmd/ptrd -run %s -update writes it", path, t.Name())
	}
	writeText(t, path, string(want))
}
