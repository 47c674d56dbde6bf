package clock

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// fake is a clock that is set, and one that is not.
type fake struct {
	wall    time.Time
	elapsed time.Duration
}

func (f *fake) pass(d time.Duration) {
	f.wall = f.wall.Add(d)
	f.elapsed += d
}

var (
	right = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	wrong = time.Unix(60, 0)
)

func TestSteps(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, c := range []struct {
		what       string
		start, set time.Time
		newest     time.Time
		atStart    string // in the log; "" for nothing
		forward    bool   // what was written down before moves as well
	}{
		{"late", wrong, right, time.Time{}, "before this version", false},
		{"late, by what is on disk", right.Add(-3 * 24 * time.Hour), right, right, "the last change on disk", false},
		{"a little late", right.Add(-time.Hour), right, right, "", true},
		{"set ahead", right, right.Add(14 * year), right.Add(-time.Hour), "", true},
		{"years ahead, and set back", right.Add(14 * year), right, right.Add(-time.Hour), "may be wrong", false},
		{"set back", right, wrong, right, "", false},
	} {
		f := &fake{c.start, time.Hour}
		var log bytes.Buffer
		k := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Wall: func() time.Time { return f.wall }, Elapsed: func() time.Duration { return f.elapsed }})
		k.Start(c.newest)
		if got := log.String(); (got == "") != (c.atStart == "") || !strings.Contains(got, c.atStart) {
			t.Errorf("%s: at the start %q, want %q", c.what, got, c.atStart)
		}
		log.Reset()
		for range 100 {
			f.pass(time.Hour)
			f.wall = f.wall.Add(time.Millisecond) // it is slewed
			if s := k.Steps(); s != (Steps{}) {
				t.Fatalf("%s: %+v although nobody set the clock", c.what, s)
			}
		}
		by := c.set.Sub(c.start)
		f.wall = f.wall.Add(by)
		want := Steps{All: by}
		if c.forward {
			want.Forward = by
		}
		for range 3 {
			got := k.Steps()
			if (got.All-want.All).Abs() > time.Second || (got.Forward-want.Forward).Abs() > time.Second {
				t.Errorf("%s: %+v, want %+v", c.what, got, want)
			}
			f.pass(time.Minute)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%s: %d lines for one step:\n%s", c.what, n, log.String())
		}
	}
}

func TestSystem(t *testing.T) {
	c := New(Options{})
	if s := c.Steps(); s != (Steps{}) {
		t.Errorf("%+v", s)
	}
	if a, b := elapsed(), elapsed(); b < a {
		t.Errorf("%v after %v", b, a)
	}
}
