//go:build !unix

package interop

import (
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
)

func reloadByHangup(t *testing.T, _ string, _ *process) {
	peertest.Missing(t, "there is no SIGHUP here, by which the servers reload their configuration")
}
