//go:build unix

package interop

import (
	"syscall"
	"testing"
)

// reloadByHangup makes a server reload its configuration.
func reloadByHangup(t *testing.T, _ string, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}
