package control

import (
	"net"
	"os"
	"testing"
)

// TestPrivateFromTheBeginning: the socket has its mode as soon as it has a name.
func TestPrivateFromTheBeginning(t *testing.T) {
	path := socketPath(t)
	lc := net.ListenConfig{Control: private}
	ln, err := lc.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Mode().Perm(); m&^0o600 != 0 {
		t.Errorf("mode %v", m)
	}
}
