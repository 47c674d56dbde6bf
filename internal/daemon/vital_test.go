package daemon

import (
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone/infile"
)

// TestVitals: a part that does nothing is found out once its time is over, not before, and
// not while it moves; it is well again once it answers.
func TestVitals(t *testing.T) {
	log := new(syncBuffer)
	now := time.Unix(1_763_750_000, 0)
	hold := make(chan struct{})
	var moved int64
	v := &vitals{log: slog.New(slog.NewTextHandler(log, nil)), now: func() time.Time { return now }, stuck: new(atomic.Pointer[[]string]), pulses: []*pulse{
		{part: "prompt", limit: promptly, probe: func() {}},
		{part: "held", limit: eventually, probe: func() { <-hold }, moves: func() int64 { return moved }},
	}}
	settle := func() {
		for v.pulses[0].running.Load() {
			runtime.Gosched()
		}
	}
	for range 3 {
		if !v.look() {
			t.Fatal("a part that moves is taken for stuck")
		}
		settle()
		now, moved = now.Add(eventually), moved+1
	}
	if !v.look() {
		t.Fatal("a part that moves is taken for stuck")
	}
	settle()
	now = now.Add(eventually)
	for range 2 {
		if v.look() {
			t.Fatal("a part that is held is taken for alive")
		}
		settle()
	}
	if n := strings.Count(log.String(), "makes no progress"); n != 1 || fmt.Sprint(*v.stuck.Load()) != "[held]" {
		t.Errorf("%d lines, %v stuck\n%s", n, *v.stuck.Load(), log)
	}
	close(hold)
	for v.pulses[1].running.Load() {
		runtime.Gosched()
	}
	if !v.look() || !strings.Contains(log.String(), "works again") {
		t.Errorf("not well again\n%s", log)
	}
}

// TestVitalsOfServer: all parts of a running server are alive, and one that is held is not.
func TestVitalsOfServer(t *testing.T) {
	l := start(t, shortDir(t), generation(1))
	v := l.newVitals()
	answered := func() bool {
		v.look()
		for deadline := time.Now().Add(patience); ; runtime.Gosched() {
			busy := false
			for _, p := range v.pulses {
				busy = busy || p.running.Load()
			}
			if !busy || time.Now().After(deadline) {
				return !busy
			}
		}
	}
	if !answered() {
		t.Fatal("a part does not answer")
	}
	release := l.zones.Hold()
	v.look()
	now := time.Now().Add(2 * eventually)
	v.now = func() time.Time { return now }
	for v.pulses[0].running.Load() || v.pulses[1].running.Load() || v.pulses[3].running.Load() {
		runtime.Gosched()
	}
	if v.look() {
		t.Error("updates are held for good, and the server is taken for alive")
	}
	release()
}

// explosive is a file system that panics.
type explosive struct {
	infile.OS
	armed atomic.Bool
	over  string // the end of paths that it panics over
}

func (e *explosive) Stat(path string) (infile.Info, error) {
	e.explode(path)
	return e.OS.Stat(path)
}

func (e *explosive) Lstat(path string) (fs.FileInfo, error) { return e.OS.Lstat(path) }

func (e *explosive) Open(path string) (infile.Handle, infile.Info, error) {
	e.explode(path)
	return e.OS.Open(path)
}

func (e *explosive) explode(path string) {
	if e.armed.Load() && strings.HasSuffix(path, e.over) {
		panic("in the file system")
	}
}

// TestPanicInReload: a reload that panics is reported to who asked for it, and the next one
// is carried out.
func TestPanicInReload(t *testing.T) {
	e := &explosive{}
	l := startWith(t, shortDir(t), generation(1), Options{Files: &infile.Files{System: e}})
	e.armed.Store(true)
	if o := l.reload(t); o.InForce || !strings.Contains(o.Error, "internal error") {
		t.Errorf("%+v", o)
	}
	e.armed.Store(false)
	replace(t, l.dir+"/config.yaml", generation(2))
	if o := l.reload(t); !o.InForce {
		t.Errorf("%+v", o)
	}
	if n := l.contain.Counts()["reloads"]; n == 0 {
		t.Error("no panic was counted")
	}
}
