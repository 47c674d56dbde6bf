package hosted

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
)

// countingWriter counts what is committed.
type countingWriter struct {
	*commit.Writer
	commits int
}

func (w *countingWriter) Commit(r commit.Request) (commit.Report, error) {
	w.commits++
	return w.Writer.Commit(r)
}

// TestGather checks that batches that arrive one by one while the first waits share a commit.
func TestGather(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &countingWriter{Writer: commit.New(commit.Options{})}
	left := 5
	var s *Store
	add := func(j *job) {
		if err := s.queue.Add("Z", j, 1, 0); err != nil {
			t.Error(err)
		}
	}
	s = New(Options{Writer: w, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Yield: func() {
		if left--; left >= 0 {
			add(&job{entry: &entry{id: "Z"}, done: make(chan struct{})})
		}
	}})
	first := &job{entry: &entry{id: "Z"}, done: make(chan struct{})}
	add(first)
	go func() {
		<-first.done
		cancel() // Run ends after this round
	}()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if left >= 0 || w.commits != 1 || s.queue.Len() > 0 {
		t.Errorf("%d batches did not arrive and %d are left, in %d commits; want all in one", left+1, s.queue.Len(), w.commits)
	}
}
