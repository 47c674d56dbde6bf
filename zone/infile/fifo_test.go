//go:build unix

package infile_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ptrd/ptrd/zone/infile"
)

// TestFIFO: nobody writes to it, and reading it does not wait for a writer.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var task *infile.Task
	if _, err := task.ReadFile(path, 100); !errors.Is(err, infile.ErrNotRegular) {
		t.Errorf("got %v", err)
	}
	if _, _, err := task.OpenIn(dir, path, 100); !errors.Is(err, infile.ErrNotRegular) {
		t.Errorf("in a directory: %v", err)
	}
}
