//go:build unix

package lease

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFIFO: a FIFO in the place of the file does not block, and the names stay.
func TestFIFO(t *testing.T) {
	f := follow(t, "dnsmasq", "0 52:54:00:00:00:02 10.0.0.1 a *\n")
	f.remove(f.path)
	if err := syscall.Mkfifo(f.path, 0o666); err != nil {
		t.Fatal(err)
	}
	f.step("at first", 0, "", "10.0.0.1 a")
	f.step("later", time.Second, "", "10.0.0.1 a")
	if p := f.Status().Problem; !strings.Contains(p, "not a regular file") {
		t.Errorf("the problem is %q", p)
	}
}
