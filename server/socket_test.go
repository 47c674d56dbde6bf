package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/freeport"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/udp"
	"github.com/ptrd/ptrd/server/workertest"
)

// running is a server on loopback.
type running struct {
	*Server
	t      testing.TB
	cancel context.CancelFunc
	result chan error
	once   sync.Once
}

// serve starts a server with fake answers on the given addresses, on port 0 each.
func serve(t testing.TB, edit func(*Options), addrs ...string) *running {
	t.Helper()
	r := &running{t: t, result: make(chan error, 1)}
	r.Server = newTestServer(t, func(o *Options) {
		for _, a := range addrs {
			o.Listen = o.Listen.And(Addrs{DNS: {netip.AddrPortFrom(netip.MustParseAddr(a), 0)}})
		}
		if edit != nil {
			edit(o)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.result <- r.Serve(ctx) }()
	t.Cleanup(r.end)
	return r
}

// ownPort returns a port that is free on all addresses and stays so. A port that systems choose for
// clients may be in use at another address, and in the way of a wildcard or of a second address.
func ownPort(t testing.TB) uint16 {
	t.Helper()
	for {
		port := freeport.Must(t).Port()
		at := fmt.Sprintf("0.0.0.0:%d", port)
		ln, err := net.Listen("tcp4", at)
		if err != nil {
			continue
		}
		ln.Close()
		c, err := net.ListenPacket("udp4", at)
		if err != nil {
			continue
		}
		c.Close()
		return port
	}
}

// serveAt is serve at one address with a port of ownPort.
func serveAt(t testing.TB, edit func(*Options), addr string) *running {
	t.Helper()
	at := netip.AddrPortFrom(netip.MustParseAddr(addr), ownPort(t))
	return serve(t, func(o *Options) {
		o.Listen = Addrs{DNS: {at}}
		if edit != nil {
			edit(o)
		}
	})
}

// end stops the server and checks what it counted.
func (r *running) end() {
	r.once.Do(func() {
		r.cancel()
		if err := <-r.result; err != nil {
			r.t.Errorf("served until %v", err)
		}
		checkLaws(r.t, r.Server)
	})
}

// addr returns the only address.
func (r *running) addr() netip.AddrPort { return r.Addrs()[DNS][0] }

// eachWay runs the test over both ways with sockets.
func eachWay(t *testing.T, test func(t *testing.T, way func(*Options))) {
	for _, portable := range []bool{false, true} {
		name := "system"
		if portable {
			name = "portable"
		}
		t.Run(name, func(t *testing.T) { test(t, func(o *Options) { o.Portable = portable }) })
	}
}

// ask sends a query over c and returns the answer and where it came from.
func ask(t testing.TB, c *net.UDPConn, to netip.AddrPort, query []byte) ([]byte, netip.AddrPort) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort(query, to); err != nil {
		t.Fatal(err)
	}
	return workertest.Hear(t, c)
}

func TestUDPWildcardAnswersFromTheAddressAsked(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		for _, c := range []struct{ listen, asked string }{
			{"0.0.0.0", "127.0.0.1"}, {"0.0.0.0", "127.0.0.2"}, {"0.0.0.0", "127.9.8.7"}, {"::", "::1"}, {"127.0.0.3", "127.0.0.3"},
		} {
			if net.ParseIP(c.asked).To4() == nil && !workertest.HasIPv6() {
				t.Log("this host has no IPv6 on loopback: skipping ", c.asked)
				continue
			}
			var asked atomic.Value
			r := serve(t, func(o *Options) {
				way(o)
				o.handleAll = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) {
					asked.Store(q.Local)
					q.Reply(q.Message)
				})
			}, c.listen)
			to := netip.AddrPortFrom(netip.MustParseAddr(c.asked), r.addr().Port())
			client := workertest.UDPClient(t, to.Addr())
			for _, name := range []string{"fast.example", "slow.example"} {
				if _, from := ask(t, client, to, workertest.FakeQuery(1, name)); from != to {
					t.Errorf("%s listening at %s: asked %v, answered from %v", name, c.listen, to, from)
				}
			}
			if got := asked.Load(); got != to {
				t.Errorf("asked %v, Request.Local was %v", to, got)
			}
			r.end()
		}
	})
}

// TestUDPWildcardAnswersFromLinkLocal asks at a link-local address, from a global
// one: only the interface says where the answer can leave.
func TestUDPWildcardAnswersFromLinkLocal(t *testing.T) {
	asked, client, ok := linkLocal()
	if !ok {
		t.Skip("this host has no interface with a link-local and a global IPv6 address")
	}
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "::")
		c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(client, 0)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		to := netip.AddrPortFrom(asked, r.addr().Port())
		for _, name := range []string{"fast.example", "slow.example"} {
			if _, from := ask(t, c, to, workertest.FakeQuery(1, name)); from != to {
				t.Errorf("asked %v, answered from %v", to, from)
			}
		}
	})
}

// linkLocal returns a link-local address, with its zone, and a global one of the
// same interface.
func linkLocal() (local, global netip.Addr, ok bool) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return local, global, false
	}
	for _, i := range interfaces {
		local, global = netip.Addr{}, netip.Addr{}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			switch {
			case err != nil || !p.Addr().Is6():
			case p.Addr().IsLinkLocalUnicast():
				local = p.Addr().WithZone(i.Name)
			case p.Addr().IsGlobalUnicast():
				global = p.Addr()
			}
		}
		if local.IsValid() && global.IsValid() {
			return local, global, true
		}
	}
	return local, global, false
}

func TestUDPDropsWhatIsTooLong(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		c := workertest.UDPClient(t, r.addr().Addr())
		long := append(workertest.FakeQuery(1, "long.example"), make([]byte, udp.BufferSize)...)
		if _, err := c.WriteToUDPAddrPort(long, r.addr()); err != nil {
			t.Fatal(err)
		}
		longest := append(workertest.FakeQuery(2, "fits.example"), make([]byte, udp.BufferSize)...)[:udp.BufferSize]
		if answer, _ := ask(t, c, r.addr(), longest); len(answer) != udp.BufferSize || answer[1] != 2 {
			t.Errorf("answer of %d octets to id %d", len(answer), answer[1])
		}
		await.That(t, "the drop", func() bool { return r.Totals().Transports[answer.UDP].Dropped[answer.DropTooLong] == 1 })
	})
}

func TestUDPDropsBroadcast(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "0.0.0.0")
		c := workertest.UDPClient(t, r.addr().Addr())
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := allowBroadcast(raw); err != nil {
			t.Fatal(err)
		}
		to := netip.AddrPortFrom(netip.MustParseAddr("127.255.255.255"), r.addr().Port())
		if _, err := c.WriteToUDPAddrPort(workertest.FakeQuery(1, "a.example"), to); err != nil {
			t.Skip("this host does not send to the broadcast address of loopback: ", err)
		}
		// Each socket of the address gets one of its own.
		await.That(t, "the drop", func() bool { return r.Totals().Transports[answer.UDP].Dropped[answer.DropNotUnicast] > 0 })
	})
}

func TestManyClientsGetTheirOwnAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serve(t, way, "127.0.0.1")
		var clients sync.WaitGroup
		for k := range 8 {
			c := workertest.UDPClient(t, r.addr().Addr())
			clients.Go(func() {
				for i := range 100 {
					query := workertest.FakeQuery(uint16(i), fmt.Sprintf("c%d-%d.example", k, i))
					answer, _ := ask(t, c, r.addr(), query)
					query[2] |= 0x80
					if !bytes.Equal(answer, query) {
						t.Errorf("client %d asked %x, got %x", k, query, answer)
						return
					}
				}
			})
		}
		clients.Wait()
		r.end()
		if total := r.Totals(); total.Transports[answer.UDP].Answered != 800 || workertest.SumOf(total.Transports[answer.UDP].Unsent[:]) != 0 {
			t.Errorf("%+v", total.Transports[answer.UDP])
		}
	})
}

func TestServeLeavesNoGoroutine(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		before := runtime.NumGoroutine()
		r := serve(t, way, "127.0.0.1", "127.0.0.2")
		ask(t, workertest.UDPClient(t, r.addr().Addr()), r.addr(), workertest.FakeQuery(1, "a.example"))
		idle := workertest.Dial(t, r.addr()) // the server closes it
		idle.Ask(1, "a.example")
		r.end()
		await.That(t, "the end of the goroutine that called Serve", func() bool { return runtime.NumGoroutine() <= before })
		if err := r.SetListeners(nil); err == nil {
			t.Error("a stopped server takes listeners")
		}
		if err := r.Serve(context.Background()); err == nil {
			t.Error("a server serves twice")
		}
	})
}

// TestListenersComeAndGoUnderTraffic keeps asking one address while others, a
// wildcard with its port among them, are added and removed.
func TestListenersComeAndGoUnderTraffic(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		r := serveAt(t, way, "127.0.0.1")
		stays := r.addr()
		other := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), stays.Port())
		done := make(chan struct{})
		var clients sync.WaitGroup
		var asked atomic.Int64
		for range 3 {
			c := workertest.UDPClient(t, stays.Addr())
			clients.Go(func() {
				for i := uint16(0); ; i++ {
					select {
					case <-done:
						return
					default:
					}
					if answer, _ := ask(t, c, stays, workertest.FakeQuery(i, "a.example")); answer[0] != byte(i>>8) || answer[1] != byte(i) {
						t.Errorf("asked %d, answered %x", i, answer[:2])
						return
					}
					asked.Add(1)
				}
			})
		}
		tcp := workertest.Dial(t, stays)
		for i := range 20 {
			if err := r.SetListeners(Addrs{DNS: {r.asked(stays), other}}); err != nil {
				t.Fatal(err)
			}
			ask(t, workertest.UDPClient(t, other.Addr()), other, workertest.FakeQuery(1, "a.example"))
			workertest.Dial(t, other).Ask(1, "a.example")
			if err := r.SetListeners(Addrs{DNS: {r.asked(stays)}}); err != nil {
				t.Fatal(err)
			}
			if c, err := net.Dial("tcp", other.String()); err == nil {
				c.Close()
				t.Error("a removed address accepts connections")
			}
			tcp.Ask(uint16(i), "a.example")
		}
		close(done)
		clients.Wait()
		if asked.Load() == 0 {
			t.Error("no traffic")
		}
		// 2 workers of the address that stayed, as many of the other, the deferred lane, the TCP workers.
		if n := len(r.group.Lanes.All); n > 2+2+deferred.Workers+2 {
			t.Errorf("%d lanes: they are not used again", n)
		}
	})
}

// asked returns the address that SetListeners knows the bound address by.
func (s *Server) asked(bound netip.AddrPort) netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	for asked, l := range s.listeners {
		if l.addr == bound {
			return asked.addr
		}
	}
	panic("not bound")
}

func TestWildcardGivesWayToSingleAddressAndBack(t *testing.T) {
	r := serveAt(t, nil, "127.0.0.1")
	single := r.addr()
	wildcard := netip.AddrPortFrom(netip.IPv4Unspecified(), single.Port())
	for _, step := range [][]netip.AddrPort{{wildcard}, {single}, {single, wildcard}, {single}, {wildcard}} {
		if err := r.SetListeners(Addrs{DNS: step}); err != nil {
			t.Fatalf("%v: %v", step, err)
		}
		ask(t, workertest.UDPClient(t, single.Addr()), single, workertest.FakeQuery(1, "a.example"))
		workertest.Dial(t, single).Ask(1, "a.example")
	}
}

func TestAddressThatCannotBeBoundChangesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := serveAt(t, nil, "127.0.0.1")
	stays, added := r.asked(r.addr()), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), r.addr().Port())
	busy := sock.AddrPort(taken.Addr())
	foreign := netip.MustParseAddrPort("192.0.2.254:5300")
	err = r.SetListeners(Addrs{DNS: {added, busy, foreign}})
	if err == nil {
		t.Fatal("bound an address that is taken")
	}
	// An address that no interface has is waited for, and no error.
	want := "listen " + busy.String() + " tcp: address already in use; another server has it"
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), foreign.String()) {
		t.Errorf("%q, want %q alone", err, want)
	}
	if got := r.Addrs()[DNS]; len(got) != 1 {
		t.Errorf("listening on %v", got)
	}
	ask(t, workertest.UDPClient(t, stays.Addr()), r.addr(), workertest.FakeQuery(1, "a.example"))
	if err := r.SetListeners(Addrs{DNS: {stays, added}}); err != nil {
		t.Errorf("the failed step left something behind: %v", err)
	}
}

func TestWorkerThatCannotGoOnEndsServe(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Listen = Addrs{DNS: {netip.MustParseAddrPort("127.0.0.1:0")}}
		o.handleAll = workertest.HandlerFunc(func(ctx context.Context, q *deferred.Request) { <-ctx.Done() })
	})
	result := make(chan error, 1)
	go func() { result <- s.Serve(context.Background()) }()
	workertest.Dial(t, s.Addrs()[DNS][0]).Send(workertest.Framed(workertest.FakeQuery(1, "slow.example")))
	await.That(t, "a handler that waits for the end", func() bool { return s.Totals().Deferred.Working == 1 })
	s.mu.Lock()
	for _, l := range s.listeners {
		l.transports[1].Close() // UDP
	}
	s.mu.Unlock()
	if err := <-result; !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "udp: receive") {
		t.Errorf("ended with %v", err)
	}
}

func TestServeNeedsAView(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.Views = new(answer.Views) })
	if err := s.Serve(context.Background()); err == nil {
		t.Error("served nothing")
	}
}

func TestLimitsAreChecked(t *testing.T) {
	for _, edit := range []func(*Limits){
		func(l *Limits) { l.TCPClients = 0 }, func(l *Limits) { l.TCPClientsPer = -1 }, func(l *Limits) { l.TCPIdle = 0 },
		func(l *Limits) { l.TCPWrite = 0 }, func(l *Limits) { l.TCPPipeline = 0 }, func(l *Limits) { l.LogQueries = -1 },
	} {
		l := workertest.TestLimits
		edit(&l)
		if newTestServer(t, nil).SetLimits(l) == nil {
			t.Errorf("took %+v", l)
		}
	}
}

// inherit returns bound sockets as a service manager passes them.
func inherit(t *testing.T, network, addr string) (udp, tcp *os.File, bound netip.AddrPort) {
	t.Helper()
	for range portTries {
		ln, err := net.Listen("tcp"+network, addr)
		if err != nil {
			t.Fatal(err)
		}
		bound = sock.AddrPort(ln.Addr())
		conn, err := net.ListenPacket("udp"+network, ln.Addr().String())
		if err != nil {
			ln.Close()
			continue
		}
		tcp, err = ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		udp, err = conn.(*net.UDPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		conn.Close()
		return udp, tcp, bound
	}
	t.Fatal("no port is free on both UDP and TCP")
	return nil, nil, bound
}

func TestInheritedSocketsAreSharedByAllWorkers(t *testing.T) {
	eachWay(t, func(t *testing.T, way func(*Options)) {
		udp, tcp, bound := inherit(t, "4", "127.0.0.1:0")
		r := serve(t, func(o *Options) {
			way(o)
			o.Workers = 3
			o.Inherited = []*os.File{udp, tcp}
			o.Listen = Addrs{DNS: {bound}}
		})
		var clients sync.WaitGroup
		for range 4 {
			c := workertest.UDPClient(t, bound.Addr())
			clients.Go(func() {
				for i := range 50 {
					ask(t, c, bound, workertest.FakeQuery(uint16(i), "a.example"))
				}
			})
		}
		clients.Wait()
		workertest.Dial(t, bound).Ask(1, "a.example")
		// Removed and back again, though somebody else keeps the port bound.
		if err := r.SetListeners(nil); err != nil {
			t.Fatal(err)
		}
		if err := r.SetListeners(Addrs{DNS: {bound}}); err != nil {
			t.Fatal(err)
		}
		ask(t, workertest.UDPClient(t, bound.Addr()), bound, workertest.FakeQuery(1, "a.example"))
		workertest.Dial(t, bound).Ask(1, "a.example")
	})
}

func TestInheritedDualStackSocketServesBothWildcards(t *testing.T) {
	if !workertest.HasIPv6() {
		t.Skip("this host has no IPv6 on loopback")
	}
	eachWay(t, func(t *testing.T, way func(*Options)) {
		for _, c := range []struct{ listen, asked []string }{
			{[]string{"::"}, []string{"127.0.0.5", "::1"}},
			{[]string{"0.0.0.0"}, []string{"127.0.0.5"}},
			{[]string{"::", "0.0.0.0"}, []string{"127.0.0.5", "::1"}},
		} {
			udp, tcp, bound := inherit(t, "", "[::]:0")
			r := serve(t, func(o *Options) {
				way(o)
				o.Inherited = []*os.File{udp, tcp}
				for _, a := range c.listen {
					o.Listen = o.Listen.And(Addrs{DNS: {netip.AddrPortFrom(netip.MustParseAddr(a), bound.Port())}})
				}
			})
			for _, asked := range c.asked {
				to := netip.AddrPortFrom(netip.MustParseAddr(asked), bound.Port())
				for range 5 {
					if _, from := ask(t, workertest.UDPClient(t, to.Addr()), to, workertest.FakeQuery(1, "a.example")); from != to {
						t.Errorf("listening at %v: asked %v, answered from %v", c.listen, to, from)
					}
					workertest.Dial(t, to).Ask(1, "a.example")
				}
			}
			r.end()
		}
	})
}

func TestInheritedSocketThatIsNoneIsRefused(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := Options{Views: new(answer.Views), Limits: workertest.TestLimits, Inherited: []*os.File{f}}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "inherited socket 0") {
		t.Errorf("%v", err)
	}
}
