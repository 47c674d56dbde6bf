package watch

import (
	"context"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/faulttest"
)

// TestHungPath: a path that does not answer does not keep the changes of others from
// being seen, nor the Watcher from ending; when it answers again, that is a change.
func TestHungPath(t *testing.T) {
	dir := tempDir(t)
	write(t, dir+"/gone/file", "1")
	write(t, dir+"/there/file", "1")
	h := faulttest.NewHang()
	h.Call(dir + "/gone")
	files := h.Files()
	w := start(t, Options{Files: files, Poll: time.Millisecond, Quiet: time.Millisecond})
	w.Set([]string{dir + "/gone/file", dir + "/there/file"}, nil, nil, time.Unix(1, 0))
	mustSignal(t, w) // they were looked at
	write(t, dir+"/there/file", "22")
	mustSignal(t, w)
	if n := files.Count(); n != 1 {
		t.Errorf("%d calls hang", n)
	}
	h.Release()
	mustSignal(t, w)
}

// TestStopOfHungWatcher: Run ends while a call hangs.
func TestStopOfHungWatcher(t *testing.T) {
	dir := tempDir(t)
	h := faulttest.NewHang()
	h.Call(dir)
	defer h.Release()
	files := h.Files()
	files.Late = func(string, time.Duration) bool { return false }
	w := New(Options{Files: files})
	w.Set([]string{dir + "/file"}, nil, nil, time.Time{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-h.Entered
		cancel()
	}()
	w.Run(ctx)
}
