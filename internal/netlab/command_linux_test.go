package netlab

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ptrd/ptrd/internal/peertest"
)

// TestCommand runs the command of `make lab`, ends it in each way, and checks that no process
// and no file remains.
func TestCommand(t *testing.T) {
	requirePrograms(t, Base("nsd"))
	peertest.Require(t, "nsenter")
	ptrd, err := buildPtrd()
	if err != nil {
		t.Fatal(err)
	}
	netlab, err := buildCommand()
	if err != nil {
		t.Fatal(err)
	}
	parent, err := os.MkdirTemp("", "ptrd-lab-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(parent)
	os.Chmod(parent, 0o755)
	dir := filepath.Join(parent, "lab")
	down := func() {
		t.Helper()
		if out, err := exec.Command(netlab, "-dir", dir, "down").CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	}
	for _, c := range []struct {
		name string
		end  func(*exec.Cmd)
	}{
		{"ctrl-C", func(c *exec.Cmd) { c.Process.Signal(unix.SIGINT) }},
		{"down", func(*exec.Cmd) { down() }},
		{"crash", func(c *exec.Cmd) { c.Process.Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*startWait)
			defer cancel()
			cmd := exec.CommandContext(ctx, netlab, "-dir", dir, "-ptrd", ptrd, "-provider", "nsd")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var printed strings.Builder
			for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C"); {
				printed.WriteString(lines.Text() + "\n")
			}
			in := filepath.Join(dir, "in")
			if got, err := exec.Command(in, Client, "dig", "+short", "-x", "11.4.7.25").CombinedOutput(); err != nil || string(got) != "mail.customer.example.\n" {
				t.Errorf("in client dig: %v, %q\n%s", err, got, printed.String())
			}
			c.end(cmd)
			cmd.Wait()
			awaitNoProcess(t, ctx, dir)
			if c.name == "crash" {
				down()
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s remains: %v", dir, err)
			}
		})
	}
}

// awaitNoProcess waits until no process works in the directory: the kernel ends those of a lab
// a moment after the first.
func awaitNoProcess(t *testing.T, ctx context.Context, dir string) {
	t.Helper()
	for {
		links, _ := filepath.Glob("/proc/[0-9]*/cwd")
		var left []string
		for _, link := range links {
			if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
				left = append(left, link+" "+cwd)
			}
		}
		if left == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("processes remain: %v", left)
		case <-time.After(10 * time.Millisecond): // between two looks
		}
	}
}
