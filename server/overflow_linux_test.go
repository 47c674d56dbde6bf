package server

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
)

// dropsInProc returns what /proc tells of the drops of all UDP sockets that are
// bound to the port.
func dropsInProc(t *testing.T, port uint16) (sockets int, drops uint64) {
	t.Helper()
	data, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) < 13 || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			continue
		}
		var n uint64
		if _, err := fmt.Sscan(f[12], &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		sockets++
		drops += n
	}
	return sockets, drops
}

// stalledAnswerer answers nothing before it is released.
type stalledAnswerer struct {
	workertest.FakeAnswerer
	released chan struct{}
}

func (a *stalledAnswerer) Respond(v *answer.View, q *answer.Request, buf []byte, n int) (int, answer.Verdict) {
	<-a.released
	return a.FakeAnswerer.Respond(v, q, buf, n)
}

// While workers stand still, a flood overflows their sockets. When they go on, all
// that the kernel took is answered, and all that it dropped is counted, once: with
// a socket a worker, and with an inherited one that they share, which an address
// that comes back finds as it was.
func TestFloodOfStalledWorkersIsCounted(t *testing.T) {
	for _, inherited := range []bool{false, true} {
		t.Run(fmt.Sprintf("inherited=%v", inherited), func(t *testing.T) {
			released := make(chan struct{})
			r := serve(t, func(o *Options) {
				o.Workers = 2
				o.newAnswerer = func(stats *answer.Stats) worker.Answerer {
					return &stalledAnswerer{workertest.FakeAnswerer{Stats: stats}, released}
				}
				if inherited {
					udp, tcp, addr := inherit(t, "4", "127.0.0.1:0")
					o.Inherited, o.Listen = []*os.File{udp, tcp}, Addrs{DNS: {addr}}
				}
			}, "127.0.0.1")
			addr := r.Addrs()[DNS][0]
			port := addr.Port()
			clients := make([]*net.UDPConn, 16) // so that each socket gets its part
			for i := range clients {
				clients[i] = workertest.UDPClient(t, addr.Addr())
			}
			sent := uint64(0)
			send := func(n int) {
				t.Helper()
				for i := range n {
					if _, err := clients[i%len(clients)].WriteToUDPAddrPort(workertest.FakeQuery(uint16(i), "drop"), addr); err != nil {
						t.Fatal(err)
					}
					sent++
				}
			}
			for _, drops := dropsInProc(t, port); drops < 1000; _, drops = dropsInProc(t, port) {
				if send(1000); sent > 1_000_000 {
					t.Fatal("nothing overflows")
				}
			}
			close(released)
			settled := func() bool {
				_, drops := dropsInProc(t, port)
				total := r.Totals()
				return total.Transports[answer.UDP].Received+drops == sent
			}
			workertest.Await(t, "all is received that was not dropped", settled)
			// The kernel tells of drops with the next datagram that it queues.
			send(len(clients))
			workertest.Await(t, "the last ones are received", settled)
			if inherited {
				if err := r.SetListeners(nil); err != nil {
					t.Fatal(err)
				}
				if err := r.SetListeners(Addrs{DNS: {addr}}); err != nil {
					t.Fatal(err)
				}
				send(len(clients))
				workertest.Await(t, "those after the address came back are received", settled)
			}
			sockets, drops := dropsInProc(t, port)
			want := 2
			if inherited {
				want = 1
			}
			if total := checkLaws(t, r.Server); total.KernelDropped != drops || sockets != want {
				t.Errorf("counted %d drops, the kernel has %d of %d sockets; %d sent, %d received", total.KernelDropped, drops, sockets, sent, total.Transports[answer.UDP].Received)
			}
		})
	}
}
