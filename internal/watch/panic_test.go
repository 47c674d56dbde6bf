package watch

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/supervise"
)

// TestWatcherStartsAgain: after a panic it is started again, and sees what changes.
func TestWatcherStartsAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "a")
	var made atomic.Int32
	guard := supervise.New(slog.New(slog.DiscardHandler))
	w := New(Options{Guard: guard, Quiet: time.Millisecond, Poll: 10 * time.Millisecond, NewNotifier: func() (Notifier, error) {
		if made.Add(1) == 1 {
			panic("in NewNotifier")
		}
		return newSystemNotifier()
	}})
	w.Set([]string{path}, nil, nil, time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- guard.Run(ctx, part, func(ctx context.Context) error { w.Run(ctx); return nil })
	}()
	defer func() { cancel(); <-ended }()
	await.That(t, "it is started again", func() bool { return made.Load() >= 2 })
	write(t, path, "another")
	mustSignal(t, w)
}
