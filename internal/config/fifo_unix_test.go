//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFIFO: a FIFO is an error wherever a file is read, and nothing waits for a writer.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"",
		"keys: [{name: k, secret_file: fifo}]\nzones: []\n",
		"cookies: {secret_files: fifo}\nzones: []\n",
		"listen: {tls: {addresses: \"127.0.0.1:853\", cert_file: fifo, key_file: fifo}}\nzones: []\n",
	} {
		path := fifo
		if text != "" {
			path = filepath.Join(dir, "ptrd.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l := Loader{Path: path}
		if _, err := l.Load(t.Context()); err == nil || !strings.Contains(err.Error(), fifo+": the file cannot be read: it is not a regular file") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
