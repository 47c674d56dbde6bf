package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/finding"
)

// TestStateDirFull: a state directory that is nearly full is a warning. When it is full, what cannot be
// written is refused, queries are answered, and status and readiness have the reason; when there is
// room again, all is as before.
func TestStateDirFull(t *testing.T) {
	peertest.RequireRoot(t, "to mount a small file system")
	dir := shortDir(t)
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=2m"); err != nil {
		peertest.Missing(t, "no tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(state, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	replace(t, filepath.Join(dir, "file.zone"), "generation 60 TXT 1\n")
	l := start(t, dir, updating)
	condition := func(name string) (out Condition) {
		for _, c := range l.Status().Conditions {
			if c.Name == name {
				out = c
			}
		}
		return out
	}
	if c := condition("space"); c.Severity != finding.Warning || c.Unready || !strings.Contains(c.Text, state) {
		t.Errorf("%+v", c)
	}
	if s := l.Status(); s.Broken {
		t.Errorf("broken: %+v", s.Conditions)
	}

	filler := filepath.Join(state, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	f.Close()
	n := 0
	for l.update(t, "dynamic.example.", fmt.Sprintf("h%d", n)) == dns.RcodeSuccess {
		if n++; n > 2000 {
			t.Fatal("all updates are accepted on a full disk")
		}
	}
	if c := condition("journal"); c.Severity != finding.Error || !c.Unready || !strings.Contains(c.Text, "no space left") {
		t.Errorf("%+v", c)
	}
	if ready, why := l.isReady(); ready || !l.Status().Broken {
		t.Errorf("ready: %v %q", ready, why)
	}
	if z := l.dumped(t, "dynamic.example."); n > 0 && !strings.Contains(z, fmt.Sprintf("h%d.dynamic.example.", n-1)) {
		t.Errorf("served: %s", z)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { ready, _ := l.isReady(); return ready })
	if l.update(t, "dynamic.example.", "later") != dns.RcodeSuccess || l.Status().Broken {
		t.Errorf("still broken: %+v", l.Status().Conditions)
	}
}
