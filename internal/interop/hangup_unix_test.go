//go:build unix

package interop

import (
	"syscall"
	"testing"
)

// reloadByHangup has a server read its configuration anew.
func reloadByHangup(t *testing.T, _ string, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}
