package server

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/server/workertest"
)

// Addresses for TLS come and go like others.
func TestTLSListeners(t *testing.T) {
	a := workertest.NewTestIssuer(t)
	r := serve(t, nil, "127.0.0.1")
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	plain := []netip.AddrPort{r.asked(r.addr())}
	if err := r.SetListeners(Addrs{DNS: plain, TLS: at}); err != nil {
		t.Fatal(err)
	}
	to := r.Addrs()[TLS][0]
	if _, err := workertest.DialTLS(t, to, a.Client()); err == nil {
		t.Error("a handshake without a certificate")
	}
	r.SetTLS(TLSIdentity{Certificate: a.Named("ns1.example")})
	c := workertest.MustDialTLS(t, to, a.Client())
	c.Ask(1, "a.example")
	if err := r.SetListeners(Addrs{DNS: plain}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection of a removed address: %v", err)
	}
	if _, err := net.Dial("tcp", to.String()); err == nil {
		t.Error("the address is still there")
	}
	workertest.Dial(t, r.addr()).Ask(1, "a.example")
}
