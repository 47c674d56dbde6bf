package lookup

import (
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/server/freeport"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestAsk: a resolver that truncates its answer over UDP is asked over TCP.
func TestAsk(t *testing.T) {
	at := freeport.Must(t)
	pc, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if m.Truncated = w.RemoteAddr().Network() == "udp"; !m.Truncated {
			r, _ := dns.NewRR("mail.example. A 192.0.2.25")
			m.Answer = append(m.Answer, r)
		}
		w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		done := make(chan error, 1)
		go func() { done <- s.ActivateAndServe() }()
		<-started
		defer func() {
			s.Shutdown()
			<-done
		}()
	}
	records, err := Resolve(t.Context(), Ask, []netip.AddrPort{at}, dname.MustParse("mail.example"), rr.TypeA)
	if err != nil || len(records) != 1 || delegation.AddressOf(records[0]) != netip.MustParseAddr("192.0.2.25") {
		t.Errorf("%v, %v", records, err)
	}
}
