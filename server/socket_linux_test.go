package server

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/servertest"
	"golang.org/x/sys/unix"
)

func allowBroadcast(raw syscall.RawConn) (err error) {
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	})
	if err == nil {
		err = controlErr
	}
	return err
}

// TestMmsgAllocatesNothing takes batches through real sockets: into the kernel,
// recvmmsg, answers, sendmmsg, and out again.
func TestMmsgAllocatesNothing(t *testing.T) {
	servertest.SkipAllocs(t)
	for _, listen := range []string{"127.0.0.1", "0.0.0.0", "::"} {
		if listen == "::" && !hasIPv6() {
			t.Log("this host has no IPv6 on loopback: skipping ", listen)
			continue
		}
		s := newTestServer(t, func(o *Options) {
			o.Workers = 1
			o.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(listen), 0)}
		})
		var l *listener
		for _, l = range s.listeners {
		}
		defer l.discard()
		own := s.lanes.get()
		socket := l.udp.ports[0].socket(own)
		w := newUDPWorker(s, socket, own, &l.udp.pending)
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.addr.Port())
		if listen == "::" {
			to = netip.AddrPortFrom(netip.IPv6Loopback(), l.addr.Port())
		}
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		query, answer := fakeQuery(1, "25.113.0.203.in-addr.arpa"), make([]byte, 512)
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
	var l *listener
	for _, l = range s.listeners {
	}
	defer l.discard()
	port := l.udp.ports[0].(*mmsgPort)
	if err := unix.SetsockoptInt(port.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	own := s.lanes.get()
	socket := port.socket(own)
	c := udpClient(t, l.addr.Addr())
	const sent = 200
	received := 0
	for round := range 2 {
		for range sent / 2 {
			if _, err := c.WriteToUDPAddrPort(fakeQuery(uint16(round), "a.example"), l.addr); err != nil {
				t.Fatal(err)
			}
		}
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
	}
	socket.rest()
	if drops := own.kernelDropped.Load(); drops == 0 || drops != uint64(sent-received) {
		t.Errorf("%d sent, %d received, %d counted as dropped", sent, received, drops)
	}
}

// TestMmsgSendSkipsWhatCannotBeSent has one response in the middle of a batch
// that the kernel refuses.
func TestMmsgSendSkipsWhatCannotBeSent(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Workers = 1
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	})
	var l *listener
	for _, l = range s.listeners {
	}
	defer l.discard()
	socket := l.udp.ports[0].socket(s.lanes.get()).(*mmsgSocket)
	c := udpClient(t, l.addr.Addr())
	for i := range 5 {
		if _, err := c.WriteToUDPAddrPort(fakeQuery(uint16(i), "a.example"), l.addr); err != nil {
			t.Fatal(err)
		}
	}
	var msgs []answer.Message
	var err error
	await(t, "five datagrams in one batch", func() bool {
		msgs, err = socket.recv(false)
		return err != nil || len(msgs) == 5
	})
	if err != nil {
		t.Fatal(err)
	}
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
		if answer, _ := hear(t, c); answer[1] != want {
			t.Errorf("answer %d, want %d", answer[1], want)
		}
	}
}

func TestUDPSocketOptions(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")}
		if hasIPv6() {
			o.Listen = append(o.Listen, netip.MustParseAddrPort("[::]:0"))
		}
	})
	for _, l := range s.listeners {
		defer l.discard()
		if len(l.udp.ports) != s.workers {
			t.Errorf("%v: %d sockets of %d workers", l.addr, len(l.udp.ports), s.workers)
		}
		wants := []option{
			{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, false},
			{unix.SOL_SOCKET, unix.SO_BROADCAST, 0, false},
			{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT, false},
		}
		if l.addr.Addr().Is4() {
			wants = append(wants, option{unix.IPPROTO_IP, unix.IP_PKTINFO, 1, false})
		} else {
			wants = append(wants,
				option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, false},
				option{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, false},
				option{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT, false})
		}
		for _, p := range l.udp.ports {
			for _, o := range wants {
				if got, err := unix.GetsockoptInt(p.(*mmsgPort).fd, o.level, o.name); err != nil || got != o.value {
					t.Errorf("%v: option %d of level %d is %d, want %d", l.addr, o.name, o.level, got, o.value)
				}
			}
		}
	}
}

// TestAcceptWithoutDescriptors takes all descriptors away from the process:
// accepting rests, closes idle connections, and goes on when there are some.
func TestAcceptWithoutDescriptors(t *testing.T) {
	r := serve(t, nil, "127.0.0.1")
	idle := dial(t, r.addr())
	idle.ask(1, "a.example")
	await(t, "idleness", func() bool { return r.idle() == 1 })
	var clients [2]int // made before there are no descriptors
	for i := range clients {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		clients[i] = fd
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := was
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	to := &unix.SockaddrInet4{Port: int(r.addr().Port()), Addr: r.addr().Addr().As4()}
	for _, fd := range clients {
		if err := unix.Connect(fd, to); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "errors", func() bool { return r.Totals().AcceptErrors >= 3 })
	if !idle.isClosed() {
		t.Error("an idle connection keeps its descriptor")
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	await(t, "the waiting connections", func() bool { return r.Totals().Open == len(clients) })
	// Pauses of 5, 10, 20 … ms: a spinning loop would have failed thousands of times.
	if n := r.Totals().AcceptErrors; n > 100 {
		t.Errorf("%d failed accepts", n)
	}
}
