package daemon

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/systemd"
)

// lineWriter hands on what is logged, a line at a time.
type lineWriter struct {
	mu    sync.Mutex
	lines chan string
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines <- string(b)
	return len(b), nil
}

// While a load takes long the log tells once in a while how far it is, and status
// and metrics do when asked; before and afterwards there is nothing to tell.
func TestProgress(t *testing.T) {
	manager, err := systemd.NewNotifier(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	w := &lineWriter{lines: make(chan string)}
	d := &Daemon{logs: logs{log: slog.New(slog.NewTextHandler(w, nil))}, components: components{manager: manager}}
	if d.loadingNow() != nil || d.loadMetrics().UnderWay {
		t.Error("a load is under way before there is one")
	}
	for range 2 { // the second one begins at zero again
		tick := make(chan time.Time)
		end := d.reportProgress(tick)
		for range 2 {
			tick <- time.Time{}
			if line := <-w.lines; !strings.Contains(line, "msg=\"loading zones\" zones=0 of=0 records=0 octets=0") {
				t.Errorf("logged %q", line)
			}
		}
		if d.loadingNow() == nil || !d.loadMetrics().UnderWay {
			t.Error("no load is under way while there is one")
		}
		end()
		if d.loadingNow() != nil || d.loadMetrics().UnderWay {
			t.Error("a load is under way after its end")
		}
	}
}
