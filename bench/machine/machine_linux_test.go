//go:build bench

package machine

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/await"
)

// TestProcess: a shell that works, with a child, is seen with its time and memory, and both
// are gone after Stop.
func TestProcess(t *testing.T) {
	p, err := Start(exec.Command("sh", "-c", "(while :; do :; done) & wait"), filepath.Join(t.TempDir(), "log"), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	before := p.Usage()
	await.That(t, "an endless loop uses the processor", func() bool {
		all, _ := p.Usage().Since(before)
		return all >= 50*time.Millisecond
	})
	if m := p.Memory(); m.PSS == 0 || m.Peak < m.PSS {
		t.Errorf("%+v", m)
	}
	pids := tree(p.PID())
	if len(pids) < 2 {
		t.Errorf("processes %v, want the shell and its child", pids)
	}
	if p.Ended() {
		t.Error("it has ended by itself")
	}
	p.Stop()
	if !p.Ended() || anyAlive(pids) {
		t.Errorf("%v are there after Stop", pids)
	}
}

func TestStartError(t *testing.T) {
	if _, err := Start(exec.Command(filepath.Join(t.TempDir(), "none")), filepath.Join(t.TempDir(), "log"), 0); err == nil {
		t.Error("a program that is not there was started")
	}
	if _, err := Start(exec.Command("true"), filepath.Join(t.TempDir(), "log"), 1000); err == nil || !strings.Contains(err.Error(), "1000") {
		t.Errorf("processor 1000: %v", err)
	}
}

// TestSince: where a thread has gone, whose time schedstat forgets, ticks count.
func TestSince(t *testing.T) {
	const ms = time.Millisecond
	before := Usage{onCPU: 100 * ms, user: 60 * ms, system: 40 * ms, threads: map[int]bool{1: true, 2: true}}
	for _, tt := range []struct {
		after Usage
		want  time.Duration
	}{
		{Usage{onCPU: 1103 * ms, user: 560 * ms, system: 540 * ms, threads: map[int]bool{1: true, 2: true, 3: true}}, 1003 * ms},
		{Usage{onCPU: 500 * ms, user: 560 * ms, system: 540 * ms, threads: map[int]bool{1: true}}, 1000 * ms},
		{Usage{onCPU: 500 * ms, user: 560 * ms, system: 540 * ms, threads: map[int]bool{1: true, 2: true}}, 1000 * ms},
	} {
		if got, user := tt.after.Since(before); got != tt.want || user != 500*ms {
			t.Errorf("%+v: %v and %v, want %v and 500ms", tt.after, got, user, tt.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	if d := Describe(); !strings.Contains(d, "processors") || strings.Contains(d, "\n") {
		t.Errorf("%q", d)
	}
}
