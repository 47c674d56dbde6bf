package assemble

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/faulttest"
)

// TestHungSource: a file that does not answer costs its own zone alone, whichever call
// hangs, and the zone is loaded when it answers again.
func TestHungSource(t *testing.T) {
	for _, name := range []string{"a.zone", "part.inc"} {
		for _, whole := range []bool{true, false} {
			l := newLab(t, twoZones)
			l.write("-- a.zone --\n" + withSOA(7, "$INCLUDE part.inc\n") + "-- part.inc --\n1 PTR a.example.com.\n")
			h := faulttest.NewHang()
			if whole {
				h.Call(l.dir + "/" + name)
			} else {
				h.Read(l.dir + "/" + name)
			}
			files := h.Files()
			answered := make(chan string, 10)
			files.Answered = func(path string) { answered <- path }
			l.a.o.Files = files
			for range 2 {
				p := l.reload()
				want := "error: ptrd.yaml:6:11: zones[0].file: a.zone cannot be read: its file system does not answer; make it available again"
				if name != "a.zone" {
					want = "error: a.zone:4:10: cannot read part.inc: its file system does not answer; make it available again"
				}
				l.expect(p.Findings, want)
				if len(p.Broken) != 1 || l.zone("2.0.192.in-addr.arpa") == nil {
					t.Errorf("%s: broken are %v", name, p.Broken)
				}
			}
			if n := len(h.Entered); n != 1 {
				t.Errorf("%s: %d calls hung", name, n)
			}
			h.Release()
			<-answered
			l.expect(l.reload().Findings, "")
			l.stop()
		}
	}
}

// TestStopOfHungLoad: Assemble returns when its context ends, though reads hang.
func TestStopOfHungLoad(t *testing.T) {
	l := newLab(t, twoZones)
	h := faulttest.NewHang()
	h.Read(l.dir + "/a.zone")
	h.Call(l.dir + "/b.zone")
	defer h.Release()
	files := h.Files()
	never := func(string, time.Duration) bool { return false }
	files.Late = never
	l.a.o.Files = files
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-h.Entered
		cancel()
	}()
	if _, err := l.a.Assemble(ctx, l.config(), l.store.Set(), Round{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	l.stop()
}
