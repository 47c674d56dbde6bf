package privilege

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDrop runs a small program as root, because what it gives up is gone.
func TestDrop(t *testing.T) {
	if !IsRoot() {
		t.Skip("only root has privileges to drop")
	}
	a, err := Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "ptrd") // where user nobody may go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, cgo := range []string{"0", "1"} {
		t.Run("CGO_ENABLED="+cgo, func(t *testing.T) {
			bin := filepath.Join(dir, "drop"+cgo)
			build := exec.Command("go", "build", "-o", bin, "./testdata/drop")
			build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, err := exec.Command(bin, "nobody").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			caps, gained := fmt.Sprintf("%016x", 1<<10), 1 // CAP_NET_BIND_SERVICE
			if lines[0] == "kept false" {
				if cgo == "0" {
					t.Error("the capability was lost in a binary without C code")
				}
				caps, gained = fmt.Sprintf("%016x", 0), 0
			}
			groups := ""
			for _, g := range a.Groups {
				groups += fmt.Sprintf(" %d", g)
			}
			want := fmt.Sprintf("Uid: %d %[1]d %[1]d %[1]d Gid: %d %[2]d %[2]d %[2]d Groups:%s CapPrm: %s CapEff: %[4]s NoNewPrivs: %d", a.UID, a.GID, groups, caps, gained)
			if len(lines) < 9 {
				t.Errorf("%d threads, want at least 8:\n%s", len(lines)-1, out)
			}
			for _, l := range lines[1:] {
				if l != want {
					t.Errorf("a thread has\n%s, want\n%s", l, want)
				}
			}
		})
	}
}

func TestLookup(t *testing.T) {
	if _, err := Lookup("no-such-user-here"); err == nil || !strings.Contains(err.Error(), "useradd --system no-such-user-here") {
		t.Errorf("error %v does not tell the remedy", err)
	}
}

func TestMakeDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // the second time it is there
		if err := MakeDir(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o027 != 0 {
		t.Errorf("mode %v lets others in", info.Mode())
	}
}
