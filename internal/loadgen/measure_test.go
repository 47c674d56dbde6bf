package loadgen

import (
	"math"
	"testing"
	"time"
)

// TestSamples: one for each query that ended, as far as there is room.
func TestSamples(t *testing.T) {
	o := Options{Rate: 100, Count: 10, Sockets: 1, Timeout: 50 * time.Millisecond, Samples: 100}
	answer := func(t *simTransport, n int, query []byte) {
		if n%2 == 0 {
			t.after(5*time.Millisecond, response(query, 0), nil)
		}
	}
	r, _ := simulate(t, o, answer)
	seen := map[time.Duration]time.Duration{}
	for _, s := range r.Samples {
		seen[s.Due] = s.Latency
	}
	for n := range 10 {
		want := Lost
		if n%2 == 0 {
			want = 5 * time.Millisecond
		}
		if got, ok := seen[time.Duration(n)*10*time.Millisecond]; !ok || got != want {
			t.Errorf("query %d: %v %v, want %v", n, got, ok, want)
		}
	}
	o.Samples = 3
	if r, _ = simulate(t, o, answer); len(r.Samples) != 3 {
		t.Errorf("%d samples where there is room for 3", len(r.Samples))
	}
}

// TestBusy: waiting is not being busy. In simulated time nothing else takes any.
func TestBusy(t *testing.T) {
	r, _ := simulate(t, Options{Rate: 100, Count: 10, Sockets: 1}, func(t *simTransport, n int, query []byte) {
		t.after(time.Millisecond, response(query, 0), nil)
	})
	if math.Abs(r.Busy) > 1e-9 {
		t.Errorf("busy for %v of the time", r.Busy)
	}
}

// TestShare: a closed loop sends again when a quarter of the window is there to be
// used; over TCP, with each answer.
func TestShare(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		var answers []int // that had come when each query was sent
		simulate(t, Options{TCP: tcp, Sockets: 1, Window: 16, Count: 64}, func(t *simTransport, n int, query []byte) {
			// Query n is answered n+1 ms after the start: one by one.
			t.after(time.Duration(n+1)*time.Millisecond-time.Duration(t.now), response(query, 0), nil)
			answers = append(answers, int(t.now/int64(time.Millisecond)))
		})
		if len(answers) != 64 {
			t.Fatalf("TCP %v: %d of 64 queries sent", tcp, len(answers))
		}
		for n := 16; n < 64; n++ {
			want := n - 15
			if !tcp {
				want = (n-16)/4*4 + 4
			}
			if answers[n] != want {
				t.Errorf("TCP %v: query %d was sent after %d answers, want %d", tcp, n, answers[n], want)
			}
		}
	}
}

// TestSpin: a worker that never sleeps sees the same.
func TestSpin(t *testing.T) {
	bothWays(t, func(t *testing.T, o Options) {
		o.Spin, o.Sockets, o.Window, o.Count = true, 3, 30, 2000
		echo := func(query []byte) [][]byte { return [][]byte{response(query, 0)} }
		o.Server = serveUDP(t, "udp4", func(_ int, query []byte) [][]byte { return echo(query) })
		if r := mustRun(t, t.Context(), o); r.Answered != 2000 || r.Busy <= 0 || r.Busy > 1 {
			t.Errorf("UDP: %+v", r)
		}
		o.TCP = true
		o.Server = serveTCP(t, 0, echo)
		if r := mustRun(t, t.Context(), o); r.Answered != 2000 {
			t.Errorf("TCP: %+v", r)
		}
	})
}
