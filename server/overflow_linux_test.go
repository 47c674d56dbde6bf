package server

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
)

// dropsInProc returns what /proc tells of the drops of all UDP sockets that are
// bound to the IPv4 address and port.
func dropsInProc(t *testing.T, bound netip.AddrPort) (sockets int, drops uint64) {
	t.Helper()
	data, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	ip := bound.Addr().As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), bound.Port())
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) < 13 || f[1] != local {
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
			for _, drops := dropsInProc(t, addr); drops < 1000; _, drops = dropsInProc(t, addr) {
				if send(1000); sent > 1_000_000 {
					t.Fatal("nothing overflows")
				}
			}
			close(released)
			settled := func() bool {
				_, drops := dropsInProc(t, addr)
				return r.Totals().Transports[answer.UDP].Received+drops == sent
			}
			await.That(t, "all is received that was not dropped", settled)
			// The kernel tells of drops with the next datagram that it queues.
			send(len(clients))
			await.That(t, "the last ones are received", settled)
			if inherited {
				if err := r.SetListeners(nil); err != nil {
					t.Fatal(err)
				}
				if err := r.SetListeners(Addrs{DNS: {addr}}); err != nil {
					t.Fatal(err)
				}
				send(len(clients))
				await.That(t, "those after the address came back are received", settled)
			}
			sockets, drops := dropsInProc(t, addr)
			want := 2
			if inherited {
				want = 1
			}
			if sockets != want {
				t.Errorf("%d sockets, want %d", sockets, want)
			}
			await.Equal(t, "drops counted", drops, func() uint64 { return r.Totals().KernelDropped })
			checkLaws(t, r.Server)
		})
	}
}
