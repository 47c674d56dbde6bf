package supervise

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func lab() (*Supervisor, *bytes.Buffer, *time.Time) {
	var log bytes.Buffer
	now := time.Unix(1_763_750_000, 0)
	s := New(slog.New(slog.NewTextHandler(&log, nil)))
	s.now = func() time.Time { return now }
	s.wait = func(_ context.Context, d time.Duration) { now = now.Add(d) }
	return s, &log, &now
}

func TestDoContains(t *testing.T) {
	s, log, _ := lab()
	if !s.Do("updates", func() {}) {
		t.Error("work without a panic is reported as failed")
	}
	if s.Do("updates", func() { panic("broken item") }) {
		t.Error("a panic is not reported")
	}
	if s.Counts()["updates"] != 1 || !strings.Contains(log.String(), "broken item") || !strings.Contains(log.String(), "TestDoContains") {
		t.Errorf("counts %v, log %s", s.Counts(), log)
	}
	var none *Supervisor
	defer func() {
		if recover() == nil {
			t.Error("a nil Supervisor contains a panic")
		}
	}()
	none.Do("updates", func() { panic("broken item") })
}

func TestRunStartsAgain(t *testing.T) {
	s, _, _ := lab()
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	err := s.Run(ctx, "keeper", func(context.Context) error {
		switch runs++; runs {
		case 1:
			panic("first")
		case 2:
			return nil // too soon
		}
		cancel()
		return nil
	})
	if err != nil || runs != 3 || s.Counts()["keeper"] != 2 {
		t.Errorf("%v after %d runs, counts %v", err, runs, s.Counts())
	}
}

func TestRunGivesUp(t *testing.T) {
	s, _, now := lab()
	begin, runs := *now, 0
	err := s.Run(t.Context(), "keeper", func(context.Context) error { runs++; panic("always") })
	if !errors.Is(err, ErrFailing) || runs != maxFailures {
		t.Errorf("%v after %d runs", err, runs)
	}
	if took := now.Sub(begin); took < time.Minute || took > 5*time.Minute {
		t.Errorf("gave up after %v", took)
	}
	// One that fails now and then goes on.
	runs = 0
	ended := errors.New("enough")
	err = s.Run(t.Context(), "keeper", func(context.Context) error {
		if runs++; runs > 3*maxFailures {
			return ended
		}
		*now = now.Add(steady)
		panic("rarely")
	})
	if !errors.Is(err, ended) {
		t.Errorf("%v after %d runs", err, runs)
	}
}
