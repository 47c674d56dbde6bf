package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/workertest"
)

// serveTLS serves TLS with a certificate of the issuer for ns1.example, and fake answers.
func serveTLS(t testing.TB, a *workertest.TestIssuer, edit func(*Options)) *running {
	t.Helper()
	return serve(t, func(o *Options) {
		o.ListenTLS = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		o.TLS = &Identity{Certificate: a.Named("ns1.example")}
		if edit != nil {
			edit(o)
		}
	})
}

// Queries are answered in their order and counted apart, the deferred lane's among them,
// however they are cut into records of TLS.
func TestTLSPipelining(t *testing.T) {
	a := workertest.NewTestIssuer(t)
	r := serveTLS(t, a, func(o *Options) {
		o.HandleAll = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) {
			if q.Transport != answer.TLS || q.WithoutALPN {
				t.Errorf("transport %v, %v", q.Transport, q.WithoutALPN)
			}
			_ = q.Reply(q.Message)
		})
	})
	c := workertest.MustDialTLS(t, r.TLSAddrs()[0], a.Client())
	const n = 500
	var all []byte
	for i := range n {
		all = append(all, workertest.Framed(workertest.FakeQuery(uint16(i), "a.example"))...)
	}
	go func() {
		for k := 1; len(all) > 0; k = k*3%1009 + 1 {
			k = min(k, len(all))
			if _, err := c.Write(all[:k]); err != nil {
				t.Error(err)
				return
			}
			all = all[k:]
		}
	}()
	for i := range n {
		m, err := c.Next()
		if err != nil || binary.BigEndian.Uint16(m) != uint16(i) {
			t.Fatalf("answer %d: %x, %v", i, m, err)
		}
	}
	if _, err := c.Exchange(workertest.FakeQuery(1, "slow.example")); err != nil {
		t.Fatal(err)
	}
	await.That(t, "rest", func() bool { return r.Totals().Deferred.Done == 1 && r.Totals().Transports[answer.TLS].Received > n })
	total := r.Totals()
	if total.Transports[answer.TLS].Received != n+1 || total.Transports[answer.TLS].Answered != n || total.Transports[answer.TCP].Received != 0 || total.Open != 1 {
		t.Errorf("%+v", total)
	}
	c.Close()
	await.That(t, "the end", func() bool { return r.Totals().Closed[answer.CloseByClient] == 1 })
}

// Who may open a connection.
func TestTLSHandshake(t *testing.T) {
	a, other := workertest.NewTestIssuer(t), workertest.NewTestIssuer(t)
	clients := func(c *tls.Certificate) func(*tls.Config) {
		return func(config *tls.Config) { config.Certificates = []tls.Certificate{*c} }
	}
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, c := range []struct {
		name    string
		mutual  bool
		edit    func(*tls.Config)
		want    string // the client's error
		refused bool
	}{
		{"good", false, func(*tls.Config) {}, "", false},
		{"another protocol first", false, func(c *tls.Config) { c.NextProtos = []string{"h2", "dot"} }, "", false},
		{"no ALPN", false, func(c *tls.Config) { c.NextProtos = nil }, "", false},
		{"another protocol", false, func(c *tls.Config) { c.NextProtos = []string{"h2"} }, "no application protocol", true},
		{"HTTP", false, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }, "no application protocol", true},
		{"TLS 1.2", false, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "protocol version", true},
		{"another name", false, func(c *tls.Config) { c.ServerName = "ns2.example" }, "not ns2.example", true},
		{"another authority", false, func(c *tls.Config) { c.RootCAs = other.Pool() }, "unknown authority", true},
		{"mutual", true, clients(a.Issue(&x509.Certificate{ExtKeyUsage: usage})), "", false},
		{"no certificate", true, func(*tls.Config) {}, "certificate required", true},
		{"a certificate of another authority", true, func(c *tls.Config) {
			// Go's client would not offer what the server does not ask for.
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return other.Issue(&x509.Certificate{ExtKeyUsage: usage}), nil
			}
		}, "unknown certificate authority", true},
		{"an expired certificate", true, clients(a.Issue(&x509.Certificate{
			ExtKeyUsage: usage, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		})), "expired certificate", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serveTLS(t, a, func(o *Options) {
				if c.mutual {
					o.TLS.Clients = a.Pool()
				}
			})
			config := a.Client()
			c.edit(config)
			conn, err := workertest.DialTLS(t, r.TLSAddrs()[0], config)
			if err == nil {
				_, err = conn.Exchange(workertest.FakeQuery(1, "a.example"))
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.refused {
				await.That(t, "the reason", func() bool { return r.Totals().Closed[answer.CloseHandshake] == 1 })
			}
		})
	}
}

// A transfer needs ALPN (RFC 9103 §7.1), a query does not (RFC 7858).
func TestTLSTransferNeedsALPN(t *testing.T) {
	a := workertest.NewTestIssuer(t)
	r := frontServer(t, func(o *Options) {
		o.ListenTLS = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		o.TLS = &Identity{Certificate: a.Named("ns1.example")}
		o.Transfer = workertest.HandlerFunc(func(_ context.Context, q *deferred.Request) { _ = q.Fail(wire.RCodeNoError, 0, "") })
	})
	for _, c := range []struct {
		alpn  []string
		qtype uint16
		want  int
	}{
		{[]string{"dot"}, dns.TypeAXFR, dns.RcodeSuccess},
		{nil, dns.TypeAXFR, dns.RcodeRefused},
		{nil, dns.TypeIXFR, dns.RcodeRefused},
		{nil, dns.TypeSOA, dns.RcodeSuccess},
	} {
		config := a.Client()
		config.NextProtos = c.alpn
		b, err := servertest.Query("2.0.192.in-addr.arpa.", c.qtype, servertest.EDNS()).Pack()
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if b, err = workertest.MustDialTLS(t, r.TLSAddrs()[0], config).Exchange(b); err == nil {
			err = m.Unpack(b)
		}
		if err != nil || m.Rcode != c.want || m.Truncated || (servertest.EDE(m) == wire.EDEProhibited) != (c.want == dns.RcodeRefused) {
			t.Errorf("%v %s: %v, %v", c.alpn, dns.TypeToString[c.qtype], m, err)
		}
	}
}

// Clients that say nothing, or drip, lose their connection and hold up nobody.
func TestTLSSlowHandshake(t *testing.T) {
	const silent, drips = 20, 1000 // more silent clients than there are turns
	clock := newHandClock()
	a := workertest.NewTestIssuer(t)
	r := serveTLS(t, a, func(o *Options) { o.Now, o.Limits.TCPWrite = clock.now, drips*time.Millisecond })
	for range silent {
		workertest.Dial(t, r.TLSAddrs()[0])
	}
	drip := workertest.Dial(t, r.TLSAddrs()[0])
	await.Equal(t, "slow clients", silent+1, func() int { return r.Totals().Open })
	good := workertest.MustDialTLS(t, r.TLSAddrs()[0], a.Client())
	good.Ask(1, "a.example")
	await.Equal(t, "idle connections", 1, func() int { return r.inPhase(tcpIdle) })
	// The record says that it has more octets than ever come.
	endless := append([]byte{22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb, 3, 3}, make([]byte, drips)...)
	for i := range drips {
		_, _ = drip.Write(endless[i : i+1]) // the connection may be closed by now
		clock.advance(time.Millisecond)
		r.look()
	}
	await.Equal(t, "slow clients that were closed", silent+1, func() uint64 { return r.Totals().Closed[answer.CloseSlowQuery] })
	good.Ask(2, "a.example")
}

// Another certificate, and other authorities, hold for the next connection; nobody comes
// in by a session of before.
func TestTLSIdentityIsExchanged(t *testing.T) {
	a, b := workertest.NewTestIssuer(t), workertest.NewTestIssuer(t)
	old, next := a.Named("ns1.example"), a.Named("ns1.example")
	r := serveTLS(t, a, func(o *Options) { o.TLS = &Identity{Certificate: old, Clients: a.Pool()} })
	config := a.Client()
	config.Certificates = []tls.Certificate{*a.Issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	same := Identity{Certificate: old, Clients: r.conns.identity.Load().Clients}
	connect := func() (resumed bool, shown *x509.Certificate) {
		c := workertest.MustDialTLS(t, r.TLSAddrs()[0], config)
		c.Ask(1, "a.example")
		s := c.ConnectionState()
		return s.DidResume, s.PeerCertificates[0]
	}
	stays := workertest.MustDialTLS(t, r.TLSAddrs()[0], config)
	connect()
	r.SetTLS(same)
	if resumed, _ := connect(); !resumed {
		t.Error("the same identity again ends sessions")
	}
	r.SetTLS(Identity{Certificate: next, Clients: same.Clients})
	if resumed, shown := connect(); resumed || !shown.Equal(next.Leaf) {
		t.Errorf("resumed %v, shown %v", resumed, shown.Equal(next.Leaf))
	}
	stays.Ask(2, "a.example")
	connect()
	r.SetTLS(Identity{Certificate: next, Clients: b.Pool()})
	c, err := workertest.DialTLS(t, r.TLSAddrs()[0], config)
	if err == nil {
		_, err = c.Exchange(workertest.FakeQuery(1, "a.example"))
	}
	if err == nil {
		t.Error("somebody whose authority is gone came in by an old session")
	}
}

// Stopping ends handshakes, idle connections, and those that do not read.
func TestTLSStop(t *testing.T) {
	a := workertest.NewTestIssuer(t)
	r := serveTLS(t, a, nil) // whose clients have a minute
	to := r.TLSAddrs()[0]
	workertest.Dial(t, to)
	idle := workertest.MustDialTLS(t, to, a.Client())
	idle.Ask(1, "a.example")
	deaf := workertest.MustDialTLS(t, to, a.Client())
	query := workertest.Framed(workertest.FakeQuery(1, "big.example"))
	for range 400 {
		if _, err := deaf.Write(query); err != nil {
			t.Fatal(err)
		}
	}
	await.Equal(t, "open connections", 3, func() int { return r.Totals().Open })
	r.awaitDeaf(1)
	begin := time.Now()
	r.end()
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("stopping took %v", d)
	}
	if total := r.Totals(); total.Closed[answer.CloseStop] != 2 || total.Closed[answer.CloseSlowReader] != 1 {
		t.Errorf("%v", total.Closed)
	}
	// The client that waits is told, not cut off.
	if _, err := idle.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle client reads %v", err)
	}
}
