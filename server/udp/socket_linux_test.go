package udp

import (
	"net"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/workertest"
	"golang.org/x/sys/unix"
)

// TestMmsgAllocatesNothing takes batches through real sockets: into the kernel,
// recvmmsg, answers, sendmmsg, and out again.
func TestMmsgAllocatesNothing(t *testing.T) {
	servertest.SkipAllocs(t)
	for _, listen := range []string{"127.0.0.1", "0.0.0.0", "::"} {
		if listen == "::" && !workertest.HasIPv6() {
			t.Log("this host has no IPv6 on loopback: skipping ", listen)
			continue
		}
		s := newTestServer(t, func(o *Options) {
			o.Workers = 1
			o.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(listen), 0)}
		})
		l := s.listeners[0]
		defer l.Close()
		own := s.Lanes.Get()
		socket := l.ports[0].socket(own)
		w := newUDPWorker(s.Group, s.lane, func(int) {}, socket, own, &l.pending)
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.addr.Port())
		if listen == "::" {
			to = netip.AddrPortFrom(netip.IPv6Loopback(), l.addr.Port())
		}
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		query, answer := workertest.FakeQuery(1, "25.113.0.203.in-addr.arpa"), make([]byte, 512)
		const each = 8
		round := func() {
			for range each {
				if _, err := c.Write(query); err != nil {
					t.Fatal(err)
				}
			}
			for n := 0; n < each; {
				msgs, err := socket.recv(true)
				if err != nil {
					t.Fatal(err)
				}
				w.answer(msgs)
				n += len(msgs)
			}
			for range each {
				if _, err := c.Read(answer); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("listening at %s: %v allocations a round of %d", listen, n, each)
		}
	}
}

func TestMmsgCountsWhatTheKernelDropped(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Workers = 1
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	})
	l := s.listeners[0]
	defer l.Close()
	port := l.ports[0].(*mmsgPort)
	if err := unix.SetsockoptInt(port.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	own := s.Lanes.Get()
	socket := port.socket(own)
	c := workertest.UDPClient(t, l.addr.Addr())
	const sent = 200
	received := 0
	for round := range 2 {
		for range sent / 2 {
			if _, err := c.WriteToUDPAddrPort(workertest.FakeQuery(uint16(round), "a.example"), l.addr); err != nil {
				t.Fatal(err)
			}
		}
		await.Equal(t, "datagrams received, and counted as dropped", (round+1)*sent/2, func() int {
			for {
				msgs, err := socket.recv(false)
				if err != nil {
					t.Fatal(err)
				}
				if len(msgs) == 0 {
					break
				}
				received += len(msgs)
			}
			socket.rest()
			return received + int(own.KernelDropped.Load())
		})
	}
	if drops := own.KernelDropped.Load(); drops == 0 {
		t.Errorf("%d sent, %d received, none dropped", sent, received)
	}
}

// TestMmsgSendSkipsWhatCannotBeSent has one response in the middle of a batch
// that the kernel refuses.
func TestMmsgSendSkipsWhatCannotBeSent(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Workers = 1
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	})
	l := s.listeners[0]
	defer l.Close()
	socket := l.ports[0].socket(s.Lanes.Get()).(*mmsgSocket)
	c := workertest.UDPClient(t, l.addr.Addr())
	recv := func() []answer.Message {
		msgs, err := socket.recv(false)
		if err != nil {
			t.Fatal(err)
		}
		return msgs
	}
	msgs := await.Value(t, "five datagrams in one batch", func() []answer.Message {
		for len(recv()) > 0 { // some of the last ones, which came late
		}
		for i := range 5 {
			if _, err := c.WriteToUDPAddrPort(workertest.FakeQuery(uint16(i), "a.example"), l.addr); err != nil {
				t.Fatal(err)
			}
		}
		return recv()
	}, func(msgs []answer.Message) bool { return len(msgs) == 5 && msgs[0].Buf[1] == 0 })
	for i := range msgs {
		msgs[i].Out = msgs[i].Len
	}
	socket.names[2].Family = unix.AF_UNIX // refused by the kernel
	var failed []error
	socket.send(msgs, func(err error) { failed = append(failed, err) })
	if len(failed) != 1 {
		t.Errorf("failed: %v, want one", failed)
	}
	for _, want := range []byte{0, 1, 3, 4} {
		if answer, _ := workertest.Hear(t, c); answer[1] != want {
			t.Errorf("answer %d, want %d", answer[1], want)
		}
	}
}

func TestUDPSocketOptions(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")}
		if workertest.HasIPv6() {
			o.Listen = append(o.Listen, netip.MustParseAddrPort("[::]:0"))
		}
	})
	for _, l := range s.listeners {
		defer l.Close()
		if len(l.ports) != s.Workers {
			t.Errorf("%v: %d sockets of %d workers", l.addr, len(l.ports), s.Workers)
		}
		wants := []sock.Option{
			{Level: unix.SOL_SOCKET, Name: unix.SO_REUSEPORT, Value: 1},
			{Level: unix.SOL_SOCKET, Name: unix.SO_BROADCAST, Value: 0},
			{Level: unix.IPPROTO_IP, Name: unix.IP_MTU_DISCOVER, Value: unix.IP_PMTUDISC_OMIT},
		}
		if l.addr.Addr().Is4() {
			wants = append(wants, sock.Option{Level: unix.IPPROTO_IP, Name: unix.IP_PKTINFO, Value: 1})
		} else {
			wants = append(wants,
				sock.Option{Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1},
				sock.Option{Level: unix.IPPROTO_IPV6, Name: unix.IPV6_RECVPKTINFO, Value: 1},
				sock.Option{Level: unix.IPPROTO_IPV6, Name: unix.IPV6_MTU_DISCOVER, Value: unix.IPV6_PMTUDISC_OMIT})
		}
		for _, p := range l.ports {
			for _, o := range wants {
				if got, err := unix.GetsockoptInt(p.(*mmsgPort).fd, o.Level, o.Name); err != nil || got != o.Value {
					t.Errorf("%v: option %d of level %d is %d, want %d", l.addr, o.Name, o.Level, got, o.Value)
				}
			}
		}
	}
}
