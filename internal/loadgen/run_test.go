package loadgen

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/freeport"
	"github.com/ptrd/ptrd/server/wire"
)

// patience is longer than any answer of a server in this process takes.
const patience = time.Minute

// bothWays runs a test with the sockets of this system and with portable ones.
func bothWays(t *testing.T, f func(t *testing.T, o Options)) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			f(t, Options{Portable: portable, Timeout: patience, Duration: patience, Source: prefixSource(t, "10.0.0.0/8"), UDPSize: 1232})
		})
	}
}

// serveUDP answers each datagram with those that answer returns; nil ends nothing
// and says nothing. It returns the server's address.
func serveUDP(t *testing.T, network string, answer func(n int, query []byte) [][]byte) netip.AddrPort {
	t.Helper()
	addr := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	if network == "udp6" {
		addr.IP = net.IPv6loopback
	}
	conn, err := net.ListenUDP(network, addr)
	if err != nil {
		t.Skipf("no socket on %v: %v", addr, err)
	}
	_ = conn.SetReadBuffer(4 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for n := 0; ; n++ {
			size, client, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, m := range answer(n, buf[:size]) {
				_, _ = conn.WriteToUDPAddrPort(m, client) // a client that has gone is none of our business
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// serveTCP is serveUDP for connections; it closes one after answers answers, if
// that is not 0.
func serveTCP(t *testing.T, answers int, answer func(query []byte) [][]byte) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for n := 0; answers == 0 || n < answers; n++ {
					var size [2]byte
					if _, err := io.ReadFull(conn, size[:]); err != nil {
						return
					}
					query := make([]byte, binary.BigEndian.Uint16(size[:]))
					if _, err := io.ReadFull(conn, query); err != nil {
						return
					}
					if _, err := conn.Write(appendFrames(nil, answer(query))); err != nil {
						return
					}
				}
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

func mustRun(t *testing.T, ctx context.Context, o Options) *Result {
	t.Helper()
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	checkLaw(t, r)
	return r
}

func TestUDP(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		bothWays(t, func(t *testing.T, o Options) {
			o.Count, o.Sockets, o.Window, o.Workers = 5000, 5, 50, 2
			o.Server = serveUDP(t, network, func(n int, query []byte) [][]byte {
				good := response(query, 0)
				switch n % 10 {
				case 0:
					return [][]byte{good, good}
				case 1:
					return [][]byte{{1, 2, 3}, good}
				case 2:
					return [][]byte{response(query, wire.TC)}
				case 3:
					return [][]byte{response(query, 3)}
				case 4: // longer than what a query is, and than one batch's worth is on average
					return [][]byte{response(query, 0, slices.Repeat([]string{strings.Repeat("a.", 60)}, 9)...)}
				}
				return [][]byte{good}
			})
			r := mustRun(t, t.Context(), o)
			// What comes behind the last answer is not seen.
			if r.Sent != 5000 || r.Answered != 5000 || r.Truncated != 500 || r.RCodes["NXDOMAIN"] != 500 || r.RCodes["NOERROR"] != 4500 ||
				r.Duplicates > 500 || r.Duplicates < 450 || r.Malformed != 500 || r.EndedBy != "count" || r.Octets < 2 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestLate: an answer that comes after its time is late, not an answer.
func TestLate(t *testing.T) {
	bothWays(t, func(t *testing.T, o Options) {
		o.Count, o.Sockets, o.Window, o.Timeout = 2, 1, 1, 50*time.Millisecond
		await.Value(t, "a late answer, and one in time", func() *Result { // neither, if the second one took too long
			var held []byte
			o.Server = serveUDP(t, "udp4", func(n int, query []byte) [][]byte {
				if n == 0 {
					held = response(query, 0)
					return nil
				}
				return [][]byte{held, response(query, 0)}
			})
			r := mustRun(t, t.Context(), o)
			if r.Sent != 2 || r.Late > 1 || r.Timeouts == 0 {
				t.Fatalf("%+v", r)
			}
			return r
		}, func(r *Result) bool { return r.Late == 1 && r.Answered == 1 })
	})
}

func TestTCP(t *testing.T) {
	bothWays(t, func(t *testing.T, o Options) {
		o.TCP, o.Count, o.Sockets, o.Window, o.Workers = true, 5000, 5, 500, 2
		long := strings.Repeat("a.", 60)
		o.Server = serveTCP(t, 0, func(query []byte) [][]byte {
			if query[1]%16 == 0 { // a long one, which comes in pieces
				return [][]byte{response(query, 0, slices.Repeat([]string{long}, 400)...)}
			}
			return [][]byte{response(query, 0)}
		})
		r := mustRun(t, t.Context(), o)
		if r.Sent != 5000 || r.Answered != 5000 || r.Reconnects != 0 || r.Transport != "tcp" {
			t.Errorf("%+v", r)
		}
	})
}

// TestReconnect: a server that closes its connections after 100 answers.
func TestReconnect(t *testing.T) {
	bothWays(t, func(t *testing.T, o Options) {
		o.TCP, o.Count, o.Sockets, o.Window = true, 2000, 2, 20
		var answered atomic.Uint64
		o.Server = serveTCP(t, 100, func(query []byte) [][]byte {
			answered.Add(1)
			return [][]byte{response(query, 0)}
		})
		r := mustRun(t, t.Context(), o)
		if r.Sent != 2000 || r.Reconnects < 10 || r.Answered == 0 || r.Answered > answered.Load() || r.Timeouts > 0 {
			t.Errorf("%d answered by the server: %+v", answered.Load(), r)
		}
	})
}

// TestCancel: the end of the context is the end of the run, over both transports.
func TestCancel(t *testing.T) {
	bothWays(t, func(t *testing.T, o Options) {
		ctx, cancel := context.WithCancel(t.Context())
		o.Sockets, o.Window = 2, 20
		o.Server = serveUDP(t, "udp4", func(n int, query []byte) [][]byte {
			if n < 10 {
				return [][]byte{response(query, 0)}
			}
			// With the window full, the 21st query shows that an answer was counted.
			if n >= o.Window {
				cancel()
			}
			return nil
		})
		r := mustRun(t, ctx, o)
		if r.EndedBy != "interrupt" || r.Answered == 0 || r.Abandoned == 0 || r.Timeouts > 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestNobody: nothing listens at the port.
func TestNobody(t *testing.T) {
	bothWays(t, func(t *testing.T, o Options) {
		o.Server = freeport.Must(t)
		o.TCP = true
		if _, err := Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "server "+o.Server.String()+": ") {
			t.Errorf("TCP: %v", err)
		}
	})
}

func TestProgress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var seen Progress
	mustRun(t, ctx, Options{
		Source: prefixSource(t, "10.0.0.0/8"), Duration: patience, Rate: 100,
		Server: serveUDP(t, "udp4", func(_ int, query []byte) [][]byte { return [][]byte{response(query, 0)} }),
		Progress: func(p Progress) {
			seen = p
			cancel()
		},
	})
	if seen.Sent == 0 || seen.Sent < seen.Answered || seen.Elapsed <= 0 || !strings.Contains(seen.String(), " sent ") {
		t.Errorf("%v", seen)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Server: local, Source: &Questions{}}
	for _, tt := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) {}, ""},
		{func(o *Options) { o.Server = netip.MustParseAddrPort("[::ffff:127.0.0.9]:53") }, ""},
		{func(o *Options) { o.Server, o.AllowRemote = netip.MustParseAddrPort("192.0.2.1:53"), true }, ""},
		{func(o *Options) { o.Server = netip.MustParseAddrPort("192.0.2.1:53") }, "server 192.0.2.1 is not a loopback address: a load generator that is pointed at the wrong host is an attack on it"},
		{func(o *Options) { o.Server = netip.MustParseAddrPort("0.0.0.0:53") }, "server 0.0.0.0 is not a loopback address: a load generator that is pointed at the wrong host is an attack on it"},
		{func(o *Options) { o.Server = netip.AddrPort{} }, "server invalid AddrPort is not an address with a port"},
		{func(o *Options) { o.Sockets = -1 }, "-1 sockets, 1 to 1024 are allowed"},
		{func(o *Options) { o.Sockets = 1025; o.Window = 2000 }, "1025 sockets, 1 to 1024 are allowed"},
		{func(o *Options) { o.Sockets = 200 }, ""},
		{func(o *Options) { o.Window = 7 }, "a window of 7, 8 (one for each socket) to 262144 are allowed"},
		{func(o *Options) { o.Window = 1 << 20 }, "a window of 1048576, 8 (one for each socket) to 262144 are allowed"},
		{func(o *Options) { o.Window, o.Sockets = 70000, 2 }, "a window of 70000 over 2 sockets, a socket takes at most 32768; use more sockets"},
		{func(o *Options) { o.Workers = -1 }, "-1 workers, at least 1 is needed"},
		{func(o *Options) { o.Rate = 1 << 40 }, "a rate of 1099511627776, at most 1000000000 queries a second are allowed"},
		{func(o *Options) { o.Timeout = -1 }, "a duration of 10s and a timeout of -1ns, both have to be positive"},
		{func(o *Options) { o.DO = true }, "DO and cookies are part of EDNS, which is off; set the UDP size"},
	} {
		o := good
		tt.change(&o)
		err := o.Check()
		if got := fmt.Sprint(err); err == nil && tt.want != "" || err != nil && got != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
		if err != nil {
			if _, err := Run(t.Context(), o); err == nil || err.Error() != tt.want {
				t.Errorf("Run: %v, want %s", err, tt.want)
			}
		}
	}
	if _, err := Run(t.Context(), good); err == nil || err.Error() != "there are no questions" {
		t.Errorf("no questions: %v", err)
	}
}

// TestAllocations: a worker allocates nothing for a query and its answer.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	w := takeWorker(t)
	f := w.flows[0]
	answer := response(f.msgs[:f.slots[0].len], 0, "a.example")
	answer = append(answer, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0)
	answer[11] = 1
	f.t = quiet{}
	id := binary.BigEndian.Uint16(answer)
	if n := testing.AllocsPerRun(1000, func() {
		binary.BigEndian.PutUint16(answer, id)
		f.matchAnswer(answer, 1, w.o.Expect)
		f.prepare(w.cursor, 1)
		id = f.slots[f.batch[0]].id
		if _, err := f.flush(1); err != nil || f.inFlight != 1 {
			t.Fatalf("%d in flight, %v", f.inFlight, err)
		}
		f.expire(0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if w.counts.answered != 1001 || w.counts.different > 0 {
		t.Errorf("%d answered, %d of %d different", w.counts.answered, w.counts.different, w.counts.compared)
	}
}

// quiet takes everything and says nothing.
type quiet struct{}

func (quiet) send(m [][]byte) (int, error) { return len(m), nil }
func (quiet) recv() ([][]byte, error)      { return nil, nil }
func (quiet) drops() uint64                { return 0 }
func (quiet) close()                       {}

func BenchmarkQuery(b *testing.B) {
	w := takeWorker(b)
	f := w.flows[0]
	answer := response(f.msgs[:f.slots[0].len], 0, "a.example")
	f.t = quiet{}
	b.ReportAllocs()
	for b.Loop() {
		binary.BigEndian.PutUint16(answer, f.slots[0].id)
		f.matchAnswer(answer, 1, nil)
		f.prepare(w.cursor, 1)
		if _, err := f.flush(1); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFrames: a stream in pieces of any size gives the same messages.
func TestFrames(t *testing.T) {
	var msgs [][]byte
	for _, n := range []int{0, 1, 12, 300, wire.MaxMessage, 5, 0, wire.MaxMessage, 40000, 40000} {
		msgs = append(msgs, make([]byte, n))
		for i := range msgs[len(msgs)-1] {
			msgs[len(msgs)-1][i] = byte(i * len(msgs))
		}
	}
	stream := appendFrames(nil, msgs)
	for _, piece := range []int{1, 7, 1000, 65536, 1 << 20} {
		f := newFrames()
		k := 0
		for at := 0; at < len(stream); {
			n := copy(f.room(), stream[at:min(at+piece, len(stream))])
			if n == 0 {
				t.Fatalf("pieces of %d: no room at %d", piece, at)
			}
			f.came(n)
			at += n
			for m := f.next(); m != nil; m = f.next() {
				if string(m) != string(msgs[k]) {
					t.Fatalf("pieces of %d: message %d has %d octets, want %d", piece, k, len(m), len(msgs[k]))
				}
				k++
			}
		}
		if k != len(msgs) {
			t.Errorf("pieces of %d: %d messages of %d", piece, k, len(msgs))
		}
	}
}

func TestPrint(t *testing.T) {
	r := &Result{
		Server: "127.0.0.1:53", Transport: "udp", Sockets: 8, Window: 128, Rate: 1000, Seed: 1, Seconds: 2.5, EndedBy: "interrupt",
		Sent: 2500, Answered: 2400, Timeouts: 90, Disconnected: 0, Abandoned: 10, SentRate: 1000, AnsweredRate: 960, Loss: 0.036,
		Unsent: 3, RCodes: map[string]uint64{"NXDOMAIN": 400, "NOERROR": 2000}, Truncated: 5, Duplicates: 1, Late: 2,
		QueryOctets: 100000, AnswerOctets: 240000, Octets: 2.5, Dropped: 12,
		Latency:  Times{Count: 2400, Error: HistogramError, Mean: 150_123, Min: 9, P50: 140_000, P90: 200_000, P99: 1_500_000, P999: 20_000_000, Max: 1_234_567_890, Counts: []Bin{{262144, 2100}, {524288, 300}}},
		Expected: &Comparison{Compared: 1000, Different: 1, Examples: []Difference{{"a.", "NODATA", "NXDOMAIN"}}},
	}
	const want = `server     127.0.0.1:53 over UDP, 8 sockets, at most 128 in flight, open loop at 1,000/s, seed 1
ran        2.500 s, ended by interrupt
sent       2,500 (1,000/s)
answered   2,400 (960/s)
lost       3.6 %: 90 timed out
abandoned  10: in flight at the interrupt
unsent     3: due, but the window was full or the generator too slow
rcodes     NOERROR 2,000 (83.33 %), NXDOMAIN 400 (16.67 %)
truncated  5
ignored    1 duplicates, 2 late
dropped    12: answers that this host had no room for (raise the sysctl net.core.rmem_max, or lower the load)
octets     40.0 a query, 100.0 an answer: 2.50 for one
latency    p50 140µs, p90 200µs, p99 1.5ms, p99.9 20ms, max 1.23s, mean 150.12µs (quantiles at most 0.8 % too high)
sent late  p50 0s, p90 0s, p99 0s, p99.9 0s, max 0s, mean 0s (part of the latency)
   < 262.14µs  87.5000 %  ############################################
   < 524.29µs  12.5000 %  ######
expected   1,000 compared, 1 different
           a.: NXDOMAIN, expected NODATA
`
	var b strings.Builder
	if err := r.Print(&b); err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 12345678: "12,345,678"} {
		if got := digits(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
