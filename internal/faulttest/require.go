package faulttest

import (
	"os"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
)

// RequireVolume mounts a [Volume] for a test. Where that is not possible (it takes root and
// /dev/fuse) the test is skipped with the reason, or fails where peers are required.
func RequireVolume(t testing.TB, seed uint64) *Volume {
	t.Helper()
	dir, err := os.MkdirTemp("", "ptrd-volume-")
	if err != nil {
		t.Fatal(err)
	}
	v, err := Mount(dir, seed)
	if err != nil {
		os.Remove(dir)
		peertest.Missing(t, "no FUSE file system: "+err.Error())
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
		os.Remove(dir)
	})
	return v
}
