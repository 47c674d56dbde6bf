package loadgen

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestStall: a server that stalls cannot hide it from an open loop, however small the window
// is. Queries are due each millisecond; those of the stall, from 200 to 500 ms, are
// answered at its end.
func TestStall(t *testing.T) {
	const start, end = int64(200 * time.Millisecond), int64(500 * time.Millisecond)
	for _, window := range []int{1, 10, 1000} {
		r, _ := simulate(t, Options{Rate: 1000, Duration: time.Second, Sockets: 1, Window: window, Timeout: time.Minute},
			func(t *simTransport, n int, query []byte) {
				d := int64(0)
				if t.now >= start && t.now < end {
					d = end - t.now
				}
				t.after(time.Duration(d), response(query, 0), nil)
			})
		if r.Sent != 1000 || r.Answered != 1000 || r.Unsent != 0 {
			t.Errorf("window %d: %d sent, %d answered, %d unsent, want 1000, 1000 and 0", window, r.Sent, r.Answered, r.Unsent)
		}
		if r.Latency.Max != 300e6 || r.Latency.P50 != 0 || r.Latency.P90 < 200e6 || r.Latency.P90 > 202e6 {
			t.Errorf("window %d: latency p50 %v, p90 %v, max %v, want 0, 200 and 300 ms", window, r.Latency.P50, r.Latency.P90, r.Latency.Max)
		}
		if late := r.SendLag.Max > 0; late != (window < 300) {
			t.Errorf("window %d: sent late by %d ns", window, r.SendLag.Max)
		}
		if r.EndedBy != "duration" || r.Seconds != 1 {
			t.Errorf("window %d: ended by %s after %v s", window, r.EndedBy, r.Seconds)
		}
	}
}

// TestUnsent: what was due and found no room until the end is reported.
func TestUnsent(t *testing.T) {
	r, _ := simulate(t, Options{Rate: 1000, Duration: time.Second, Sockets: 2, Window: 10, Timeout: 10 * time.Second},
		func(*simTransport, int, []byte) {})
	if r.Sent != 10 || r.Unsent != 990 || r.Timeouts != 10 || r.Answered != 0 || !r.IsWrong() {
		t.Errorf("%d sent, %d unsent, %d timed out, %d answered", r.Sent, r.Unsent, r.Timeouts, r.Answered)
	}
}

// TestClosedLoop: each answer lets the next query go, and nothing else does.
func TestClosedLoop(t *testing.T) {
	r, _ := simulate(t, Options{Duration: time.Second, Sockets: 4, Window: 10},
		func(t *simTransport, _ int, query []byte) { t.after(10*time.Millisecond, response(query, 0), nil) })
	if r.Sent != 1000 || r.Answered != 1000 || r.Latency.Min != 10e6 || r.Latency.Max != 10e6 {
		t.Errorf("%d sent, %d answered in %d to %d ns, want 1000 in 10 ms each", r.Sent, r.Answered, r.Latency.Min, r.Latency.Max)
	}
	r, _ = simulate(t, Options{Duration: time.Second, Count: 37, Sockets: 4, Window: 10},
		func(t *simTransport, _ int, query []byte) { t.after(10*time.Millisecond, response(query, 0), nil) })
	if r.Sent != 37 || r.EndedBy != "count" || r.Seconds != 0.04 {
		t.Errorf("%d sent, ended by %s after %v s, want 37 by count after 0.04", r.Sent, r.EndedBy, r.Seconds)
	}
}

// TestMessages: a server that does everything wrong at random. It keeps the books
// itself, and the result must agree with them.
func TestMessages(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for k := range uint64(20) {
		seed := seed + k
		random := rand.New(rand.NewPCG(seed, 0))
		const timeout = 100 * time.Millisecond
		var want Result
		o := Options{Duration: time.Second, Sockets: 1 + random.IntN(5), Window: 5 + random.IntN(100), Timeout: timeout, UDPSize: 1232}
		if random.IntN(2) == 0 {
			o.Rate = 1 + uint64(random.IntN(20000))
		}
		r, _ := simulate(t, o, func(t *simTransport, n int, query []byte) {
			d := time.Duration(random.IntN(int(timeout / 2)))
			good := response(query, 0)
			switch random.IntN(12) {
			case 0: // lost
				want.Timeouts++
				return
			case 1: // late, when its ID has not been used again
				want.Timeouts++
				want.Late++
				t.after(timeout+1, good, nil)
				return
			case 2:
				want.Duplicates++
				t.after(d, good, nil)
				t.after(d+1, good, nil)
			case 3:
				// The other half of the IDs is not in use yet.
				bad := bytes.Clone(good)
				binary.BigEndian.PutUint16(bad, binary.BigEndian.Uint16(bad)+1<<15)
				want.WrongID++
				t.after(d, bad, nil)
				t.after(d+1, good, nil)
			case 4:
				bad := bytes.Clone(good)
				bad[wire.HeaderLen+1] ^= 1
				want.WrongQuestion++
				t.after(d, bad, nil)
				t.after(d+1, good, nil)
			case 5:
				bad := good[:random.IntN(wire.HeaderLen)]
				want.Malformed++
				t.after(d, bad, nil)
				t.after(d+1, good, nil)
			case 6: // more octets than the counts say
				want.Malformed++
				t.after(d, append(bytes.Clone(good), 0), nil)
				t.after(d+1, good, nil)
			case 7: // a query is no answer
				want.Malformed++
				t.after(d, query, nil)
				t.after(d+1, good, nil)
			case 8:
				want.Truncated++
				t.after(d, response(query, wire.TC), nil)
			case 9: // FORMERR without a question
				h, _ := wire.ReadHeader(query)
				bad := make([]byte, wire.HeaderLen)
				wire.Header{ID: h.ID, Flags: wire.QR | wire.Flags(wire.RCodeFormErr)}.Put(bad)
				t.after(d, bad, nil)
			case 10: // no error and no question
				h, _ := wire.ReadHeader(query)
				bad := make([]byte, wire.HeaderLen)
				wire.Header{ID: h.ID, Flags: wire.QR}.Put(bad)
				want.WrongQuestion++
				t.after(d, bad, nil)
				t.after(d+1, good, nil)
			default:
				t.after(d, response(query, wire.Flags(wire.RCodeNXDomain)), nil)
			}
		})
		// The run ends with its last query; what comes behind it is not seen.
		fuzzy := func(what string, got, want uint64) {
			if got > want || want-got > uint64(o.Window)+1 {
				t.Errorf("seed %d: %d %s, %d were sent", seed, got, what, want)
			}
		}
		if r.Sent > 1<<15 {
			t.Fatalf("seed %d: %d queries, so IDs were used twice", seed, r.Sent)
		}
		if r.Timeouts != want.Timeouts || r.WrongQuestion != want.WrongQuestion || r.WrongID != want.WrongID ||
			r.Malformed != want.Malformed || r.Truncated != want.Truncated {
			t.Errorf("seed %d: %+v, want %+v", seed, r, want)
		}
		fuzzy("late", r.Late, want.Late)
		fuzzy("duplicates", r.Duplicates, want.Duplicates)
	}
}

// TestIDs: more queries than there are IDs, some of which are in flight for long.
func TestIDs(t *testing.T) {
	seen := map[uint16]bool{}
	r, _ := simulate(t, Options{Duration: 10 * time.Second, Sockets: 1, Window: 64, Count: 300_000, Timeout: 5 * time.Second},
		func(t *simTransport, n int, query []byte) {
			seen[binary.BigEndian.Uint16(query)] = true
			d := time.Millisecond
			if n%10_000 == 0 {
				d = 4900 * time.Millisecond
			}
			t.after(d, response(query, 0), nil)
		})
	if r.Answered == 0 || r.Answered != r.Sent || r.WrongID+r.WrongQuestion+r.Duplicates > 0 || len(seen) != 1<<16 {
		t.Errorf("%d IDs: %+v", len(seen), r)
	}
}

// TestConnections: connections that end are opened again, and what was in flight
// on them is counted.
func TestConnections(t *testing.T) {
	r, s := simulate(t, Options{TCP: true, Duration: time.Second, Sockets: 2, Window: 20},
		func(t *simTransport, n int, query []byte) {
			t.after(2*time.Millisecond, response(query, 0), nil)
			if n%100 == 99 {
				t.after(time.Millisecond, nil, errClosed)
			}
		})
	if r.Disconnected == 0 || r.Reconnects == 0 || int(r.Reconnects)+2 != s.opened || r.Answered < r.Disconnected || r.LastError != errClosed.Error() {
		t.Errorf("%d opened: %+v", s.opened, r)
	}

	// A server that is gone for good.
	r, _ = simulate(t, Options{TCP: true, Duration: time.Second, Sockets: 2, Window: 20},
		func(t *simTransport, n int, query []byte) {
			t.refuse = true
			t.after(time.Millisecond, nil, errClosed)
		})
	if r.Sent != 20 || r.Disconnected != 20 || r.EndedBy != "duration" {
		t.Errorf("gone: %+v", r)
	}
}

// TestInterrupt: when the context ends, the run does, with what there is.
func TestInterrupt(t *testing.T) {
	for _, rate := range []uint64{0, 1000} {
		ctx, cancel := context.WithCancel(t.Context())
		r, s := simulateUntil(t, ctx, Options{Rate: rate, Duration: time.Hour, Timeout: time.Hour, Sockets: 3, Window: 300},
			func(t *simTransport, n int, query []byte) {
				if n < 100 {
					t.after(time.Millisecond, response(query, 0), nil)
				}
				if n == 350 {
					cancel()
				}
			})
		if r.EndedBy != "interrupt" || r.Answered != 100 || r.Abandoned != r.Sent-100 || r.Loss != 0 || s.now > int64(time.Minute) {
			t.Errorf("rate %d: after %v: %+v", rate, time.Duration(s.now), r)
		}
	}
}

// TestQuery: what the options make of a query, as an independent reader sees it.
func TestQuery(t *testing.T) {
	for _, tt := range []struct {
		o     Options
		flags wire.Flags
		opt   bool
		do    uint16
	}{
		{Options{}, 0, false, 0},
		{Options{UDPSize: 1232}, 0, true, 0},
		{Options{UDPSize: 4096, DO: true, RecursionDesired: true}, wire.RD, true, wire.DO},
		{Options{UDPSize: 512, Cookie: true}, 0, true, 0},
	} {
		tt.o.Count, tt.o.Sockets, tt.o.Window = 2, 1, 1
		var cookies [][]byte
		simulate(t, tt.o, func(s *simTransport, n int, query []byte) {
			h, _ := wire.ReadHeader(query)
			q, off := wire.ReadQuestion(query, wire.HeaderLen)
			if h.Flags != tt.flags || h.Questions != 1 || q.Type != rr.TypePTR || q.Class != rr.ClassIN {
				t.Errorf("%+v: header %+v, question %+v", tt.o, h, q)
			}
			resp := response(query, 0)
			if (h.Additionals == 1) != tt.opt {
				t.Errorf("%+v: %d additional records", tt.o, h.Additionals)
			} else if tt.opt {
				r, end := wire.ReadRecord(query, off)
				e := wire.EDNSOf(r)
				if r.Type != rr.TypeOPT || end != len(query) || e.UDPSize != tt.o.UDPSize || e.Flags != tt.do || e.Version != 0 {
					t.Errorf("%+v: OPT %+v", tt.o, e)
				}
				it := wire.IterOptions(e.Options)
				for it.Next() {
					cookies = append(cookies, bytes.Clone(it.Data))
					if it.Code != wire.OptionCookie {
						t.Errorf("option %d", it.Code)
					}
				}
				// The server's cookie, with BADCOOKIE (23 = 1<<4 | 7).
				resp = append(resp, 0, 0, 41, 4, 0xd0, 1, 0, 0, 0, 0, 20, 0, 10, 0, 16)
				resp = append(append(resp, e.Options[min(4, len(e.Options)):][:min(8, len(e.Options))]...), "abcdefgh"...)
				if !tt.o.Cookie {
					resp = resp[:off+11]
					resp[off+9], resp[off+10] = 0, 0
				}
				resp[3] |= 7
				resp[11] = 1
			}
			s.after(0, resp, nil)
		})
		if !tt.o.Cookie {
			if len(cookies) > 0 {
				t.Errorf("%+v: cookies %x", tt.o, cookies)
			}
			continue
		}
		if len(cookies) != 2 || len(cookies[0]) != 8 || !bytes.Equal(cookies[1], append(cookies[0], "abcdefgh"...)) {
			t.Errorf("cookies %x: the second query must carry what the server gave", cookies)
		}
	}
}

// TestExtendedRCode: the RCODE has twelve bits where there is an OPT record.
func TestExtendedRCode(t *testing.T) {
	r, _ := simulate(t, Options{Count: 1, UDPSize: 1232}, func(s *simTransport, _ int, query []byte) {
		resp := append(response(query, 7), 0, 0, 41, 4, 0xd0, 1, 0, 0, 0, 0, 0)
		resp[11] = 1
		s.after(0, resp, nil)
	})
	if r.RCodes["BADCOOKIE"] != 1 {
		t.Errorf("%v", r.RCodes)
	}
}

func TestSchedule(t *testing.T) {
	// Two workers share 3 queries a second: 0, 2, 4 and 1, 3, 5.
	for w, want := range [][]int64{{0, 666666666, 1333333333}, {333333333, 1000000000, 1666666666}} {
		s := schedule{rate: 3, worker: uint64(w), workers: 2, count: 5}
		for _, at := range want {
			if got := s.due(); got != at {
				t.Errorf("worker %d, query %d: due at %d, want %d", w, s.taken, got, at)
			}
			if s.more() {
				s.taken++
			}
		}
		if got := s.taken; got != uint64(3-w) {
			t.Errorf("worker %d took %d of 5", w, got)
		}
	}
	for _, tt := range []struct {
		s    schedule
		end  int64
		want uint64
	}{
		{schedule{rate: 1000, workers: 1}, second, 1000},
		{schedule{rate: 1000, workers: 1, taken: 400}, second, 600},
		{schedule{rate: 1000, workers: 3, worker: 2}, second, 333},
		{schedule{rate: 1000, workers: 3}, second, 334},
		{schedule{rate: 1000, workers: 1, count: 7}, second, 7},
		{schedule{rate: 1000, workers: 1}, 1, 1}, // the one at 0
		{schedule{rate: 1000, workers: 1}, 0, 0},
		{schedule{rate: maxRate, workers: 1}, 1 << 62, 1 << 62},
		{schedule{workers: 1}, second, 0},
	} {
		if got := tt.s.missed(tt.end); got != tt.want {
			t.Errorf("%+v: %d due before %d, want %d", tt.s, got, tt.end, tt.want)
		}
	}
	far := schedule{rate: 1, workers: 1, taken: 1 << 62}
	if got := far.due(); got != 1<<63-1 {
		t.Errorf("a query in 10^11 years is due at %d", got)
	}
}
