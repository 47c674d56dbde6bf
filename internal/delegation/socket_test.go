package delegation_test

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/server/freeport"
	"github.com/ptrd/ptrd/zone/dname"
)

// listen starts servers on addresses of this host, all at the same port, which it returns. No other
// test has that port, at ::1 either.
func listen(t *testing.T, servers map[string]*delegationtest.Server) uint16 {
	t.Helper()
	port := freeport.Must(t).Port()
	start := func(s *dns.Server) {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go s.ActivateAndServe()
		<-ready
		t.Cleanup(func() { s.Shutdown() })
	}
	for addr, server := range servers {
		at := net.JoinHostPort(addr, strconv.Itoa(int(port)))
		udp, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Skipf("no loopback addresses: %v", err)
		}
		tcp, err := net.Listen("tcp", at)
		if err != nil {
			udp.Close()
			t.Skipf("no loopback addresses: %v", err)
		}
		handler := func(t delegation.Transport) dns.HandlerFunc {
			return func(w dns.ResponseWriter, request *dns.Msg) { w.WriteMsg(server.Answer(request, t)) }
		}
		start(&dns.Server{PacketConn: udp, Handler: handler(delegation.UDP)})
		start(&dns.Server{Listener: tcp, Handler: handler(delegation.TCP)})
	}
	return port
}

// TestSockets walks over sockets of the system.
func TestSockets(t *testing.T) {
	t.Parallel()
	port := listen(t, map[string]*delegationtest.Server{
		"127.0.0.1": delegationtest.NewServer("." + soa + ". NS a.root.\na.root. A 127.0.0.1\nexample. NS ns.example.\nns.example. A 127.0.0.2\nns.example. AAAA ::1\n"),
		"127.0.0.2": delegationtest.NewServer("example." + soa + "example. NS ns.example.\nns.example. A 127.0.0.2\nns.example. AAAA ::1\n"),
	})
	c := delegation.New(delegation.Options{
		Port:   port,
		Hints:  []delegation.Server{{Name: dname.MustParse("a.root"), Addr: netip.MustParseAddrPort("127.0.0.1:0")}},
		Limits: delegation.Limits{Timeout: time.Minute, Time: 10 * time.Minute}, // no attempt depends on time here
	})
	w := c.Walk(t.Context(), dname.MustParse("example"))
	if w.Kind != delegation.Answer || len(w.End.Hosts()) != 2 {
		t.Fatal(summary(w))
	}
	for _, h := range w.End.Hosts() {
		for _, transport := range []delegation.Transport{delegation.UDP, delegation.TCP} {
			f := h.Over(transport).SOA
			if h.Server.Addr.Addr().Is4() {
				if f.SOA() == nil || !f.Authoritative() || f.OPT() == nil || f.Took <= 0 || f.Size == 0 {
					t.Error(f)
				}
			} else if f.Outcome != delegation.Unreachable && f.Outcome != delegation.NotAsked { // nothing listens on ::1
				t.Error(f)
			}
		}
	}

	// The second attempt is from a socket that is not connected.
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := silent.ReadFrom(buf)
			if err != nil {
				return
			}
			buf[2] |= 0x80
			other.WriteTo(buf[:n], from)
		}
	}()
	c = delegation.New(delegation.Options{Limits: delegation.Limits{Timeout: time.Second, Time: time.Minute}})
	f := c.Ask(t.Context(), delegation.Server{Addr: silent.LocalAddr().(*net.UDPAddr).AddrPort()}, delegation.Question{Name: dname.MustParse("example"), Type: 6}, delegation.UDP)
	if f.Outcome != delegation.NoAnswer || len(f.Tries) != 3 || !slices.ContainsFunc(f.Tries[1:], func(t delegation.Try) bool { return len(t.Ignored) > 0 && t.Ignored[0].Why == delegation.WrongAddress }) {
		t.Errorf("%v: %+v", f, f.Tries)
	}
}
