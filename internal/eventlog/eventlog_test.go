package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// newTestLog returns a logger that merges, and what it has written.
func newTestLog() (*slog.Logger, *Handler, func() []string) {
	var mu sync.Mutex
	var b bytes.Buffer
	write := writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	})
	h := New(slog.NewTextHandler(write, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	return slog.New(h), h, func() []string {
		mu.Lock()
		defer mu.Unlock()
		defer b.Reset()
		return strings.FieldsFunc(b.String(), func(r rune) bool { return r == '\n' })
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A condition is a line at once, one each interval while it lasts, and none after.
func TestOneLineAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, lines := newTestLog()
		defer h.Close()
		full := func() { log.Error("not kept", "updates", 3, "err", errors.New("disk full")) }
		full()
		want(t, lines(), `level=ERROR msg="not kept" updates=3 err="disk full"`)
		for range 3 {
			for range 1000 {
				full()
			}
			time.Sleep(Interval)
			synctest.Wait()
			want(t, lines(), `level=ERROR msg="not kept" err="disk full" suppressed=1000 within=10s`)
		}
		time.Sleep(Interval)
		synctest.Wait()
		want(t, lines())
		full()
		want(t, lines(), `level=ERROR msg="not kept" updates=3 err="disk full"`)
		if got := h.Totals()["error"]; got != (Totals{2, 3000}) {
			t.Errorf("totals %+v", got)
		}
	})
}

// The line of many records names some of the zones and peers; one record that had to
// wait is written as it is.
func TestExamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, lines := newTestLog()
		lost := func(z, p int) {
			log.Warn("no answer", "zone", fmt.Sprintf("z%d.", z), "peer", fmt.Sprintf("192.0.2.%d:53", p), "serial", z)
		}
		for z := range 10 {
			for p := range 3 {
				lost(z, p)
			}
		}
		log.Warn("another condition")
		log.Error("no answer") // another level
		want(t, lines(), `level=WARN msg="no answer" zone=z0. peer=192.0.2.0:53 serial=0`, `level=WARN msg="another condition"`, `level=ERROR msg="no answer"`)
		time.Sleep(Interval)
		synctest.Wait()
		want(t, lines(), `level=WARN msg="no answer" zone="z0., z1., z2., z3. and more" peer="192.0.2.1:53, 192.0.2.2:53, 192.0.2.0:53" suppressed=29 within=10s`)
		lost(7, 1)
		want(t, lines())
		h.Close()
		want(t, lines(), `level=WARN msg="no answer" zone=z7. peer=192.0.2.1:53 serial=7`)
		lost(8, 1)
		lost(9, 1)
		want(t, lines(), `level=WARN msg="no answer" zone=z8. peer=192.0.2.1:53 serial=8`, `level=WARN msg="no answer" zone=z9. peer=192.0.2.1:53 serial=9`)
		h.Close()
		want(t, lines())
	})
}

// Events are written one by one while they are few.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, lines := newTestLog()
		defer h.Close()
		for i := range Events + 5 {
			log.Info("transferred", "zone", "z", "serial", i)
		}
		if n := len(lines()); n != Events {
			t.Errorf("%d lines, want %d", n, Events)
		}
		time.Sleep(Interval)
		synctest.Wait()
		want(t, lines(), `level=INFO msg=transferred zone=z suppressed=5 within=10s`)
	})
}

// What is asked for is written each time, and attributes of the logger stay.
func TestEvery(t *testing.T) {
	log, h, lines := newTestLog()
	defer h.Close()
	for range 3 {
		Every(log.With("a", 1)).Error("not reloaded")
	}
	one := `level=ERROR msg="not reloaded" a=1`
	want(t, lines(), one, one, one)
	other := slog.New(slog.DiscardHandler)
	if Every(other) != other {
		t.Error("a logger that merges nothing is replaced")
	}
}

// Messages that are not constant, and long values, do not grow the memory.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, lines := newTestLog()
		for i := range 10_000 {
			log.Warn("message "+strconv.Itoa(i), "text", strings.Repeat("x", 1<<16))
			log.Warn("same", "text", strings.Repeat(strconv.Itoa(i%10), 1<<16))
		}
		log.Error("another level")
		log.Error("another message of it")
		h.merger.mu.Lock()
		n := len(h.merger.conditions)
		h.merger.mu.Unlock()
		if n > maxConditions+numLevels {
			t.Errorf("%d conditions are known, want at most %d", n, maxConditions+numLevels)
		}
		lived := lines()
		written := len(lived)
		if last := lived[written-1]; last != `level=ERROR msg="another message of it"` {
			t.Errorf("the last line is %.300s", last)
		}
		h.Close()
		rest := lines()
		if written > maxConditions+numLevels || len(rest) != 2 || !strings.Contains(rest[0], beyond) {
			t.Errorf("%d lines, then %d: %.300q", written, len(rest), rest)
		}
		for _, line := range rest {
			if len(line) > 2*maxValues*maxValueLen {
				t.Errorf("a line of %d octets", len(line))
			}
		}
	})
}

// Whatever many goroutines log while intervals end and the log closes, each record is
// written or in the number of a line.
func TestNothingIsLost(t *testing.T) {
	log, h, lines := newTestLog()
	const goroutines, each = 8, 2000
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				log.LogAttrs(t.Context(), []slog.Level{slog.LevelInfo, slog.LevelWarn, slog.LevelError}[i%3], "m"+strconv.Itoa(i%5), slog.Int("g", g))
				if g == 0 && i == each/2 {
					h.merger.mu.Lock()
					for _, c := range h.merger.conditions {
						c.timer.Reset(0)
					}
					h.merger.mu.Unlock()
				}
				if g == 0 && i == each-10 {
					h.Close()
				}
			}
		})
	}
	wg.Wait()
	sum, suppressed := 0, regexp.MustCompile(`suppressed=(\d+)`)
	for _, line := range lines() {
		n := 1
		if m := suppressed.FindStringSubmatch(line); m != nil {
			n, _ = strconv.Atoi(m[1])
		}
		sum += n
	}
	if sum != goroutines*each {
		t.Errorf("%d records are in the log, want %d", sum, goroutines*each)
	}
	var counted uint64
	for _, n := range h.Totals() {
		counted += n.Written + n.Suppressed
	}
	if counted != goroutines*each {
		t.Errorf("%d records are counted, want %d", counted, goroutines*each)
	}
}

// BenchmarkSuppressed is a record that is only counted.
func BenchmarkSuppressed(b *testing.B) {
	h := New(slog.NewTextHandler(io.Discard, nil))
	defer h.Close()
	log := slog.New(h)
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelWarn, "refused", slog.String("client", "192.0.2.1:53"), slog.String("why", "no such key"))
	}
}
