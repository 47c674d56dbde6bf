package udp

import (
	"testing"

	"github.com/ptrd/ptrd/server/answer"
)

// A fault of the lookup ahead costs nobody an answer.
func TestLookAheadContained(t *testing.T) {
	r := newMemRun(t, nil)
	for _, n := range []string{"a.example", "trip.example", "b.example"} {
		r.put(n)
	}
	r.start()
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if got := checkLaws(t, r.server).Transports[answer.UDP]; got.Received != 3 || got.Answered != 3 {
		t.Errorf("%d of %d answered, want 3 of 3", got.Answered, got.Received)
	}
}
