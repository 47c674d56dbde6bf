package daemon

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/faulttest"
)

// TestHungConfig: a reload ends, and what is served stays, while the configuration
// cannot be read; when it can be again it is loaded without being asked for.
func TestHungConfig(t *testing.T) {
	dir := shortDir(t)
	h := faulttest.NewHang()
	l := startWith(t, dir, generation(1), Options{Files: h.Files()})
	path := filepath.Join(dir, "config.yaml")
	h.Read(path)
	replace(t, path, generation(2))
	for range 2 {
		if o := l.reload(t); o.InForce || len(o.Findings) != 1 || !strings.Contains(o.Findings[0].String(), "its file system does not answer") {
			t.Errorf("reloaded to %+v", o)
		}
	}
	if n := l.files.Count(); n != 1 {
		t.Errorf("%d calls hang", n)
	}
	await(t, func() bool { return strings.Contains(l.log.String(), "its file system does not respond") })
	h.Release()
	await(t, func() bool { return l.state.Load().outcome.OK() })
	if n := l.files.Count(); n != 0 {
		t.Errorf("%d calls hang", n)
	}
}

// TestStopWhileReadsHang: the server ends in the middle of a reload whose read hangs, which is no fault
// of the configuration.
func TestStopWhileReadsHang(t *testing.T) {
	dir := shortDir(t)
	h := faulttest.NewHang()
	files := h.Files()
	files.Late = func(string, time.Duration) bool { return false }
	l := startWith(t, dir, generation(1), Options{Files: files})
	defer h.Release()
	path := filepath.Join(dir, "config.yaml")
	h.Read(path)
	replace(t, path, generation(2))
	<-h.Entered
	if err := l.stop(); err != nil || strings.Contains(l.log.String(), "msg=finding") {
		t.Errorf("%v\n%s", err, l.log)
	}
}

// TestStopWhileStartHangs is the same before anything is served.
func TestStopWhileStartHangs(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "config.yaml")
	replace(t, path, generation(1))
	h := faulttest.NewHang()
	defer h.Release()
	h.Call(path)
	files := h.Files()
	files.Late = func(string, time.Duration) bool { return false }
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-h.Entered
		cancel()
	}()
	if err := Run(ctx, Options{Config: path, Log: new(syncBuffer), Files: files}, nil); err != nil {
		t.Error(err)
	}
}
