package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
)

// testIssuer issues certificates.
type testIssuer struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestIssuer(t testing.TB) *testIssuer {
	t.Helper()
	a := &testIssuer{t: t}
	c := a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *testIssuer) issue(c *x509.Certificate) *tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(1)
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// named returns a certificate for a name.
func (a *testIssuer) named(name string) *tls.Certificate {
	return a.issue(&x509.Certificate{DNSNames: []string{name}})
}

func (a *testIssuer) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// client returns what a client needs that trusts the issuer.
func (a *testIssuer) client() *tls.Config {
	return &tls.Config{RootCAs: a.pool(), ServerName: "ns1.example", NextProtos: []string{"dot"}}
}

// serveTLS serves TLS with a certificate of the issuer for ns1.example, and fake answers.
func serveTLS(t testing.TB, a *testIssuer, edit func(*Options)) *running {
	t.Helper()
	return serve(t, func(o *Options) {
		o.ListenTLS = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		o.TLS = &TLSIdentity{Certificate: a.named("ns1.example")}
		if edit != nil {
			edit(o)
		}
	})
}

// tlsClient is a client with one TLS connection.
type tlsClient struct {
	t testing.TB
	*tls.Conn
}

// dialTLS returns the connection, or the error of its handshake. In TLS 1.3 a server
// refuses a client after the client's last word, so that it is asked for one octet.
func dialTLS(t testing.TB, to netip.AddrPort, c *tls.Config) (*tlsClient, error) {
	t.Helper()
	raw := dial(t, to)
	conn := tls.Client(raw.TCPConn, c)
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	return &tlsClient{t, conn}, nil
}

// mustHandshake makes a TLS connection of one of TCP.
func mustHandshake(t testing.TB, raw *tcpClient, c *tls.Config) *tlsClient {
	t.Helper()
	conn := tls.Client(raw.TCPConn, c)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &tlsClient{t, conn}
}

func mustDialTLS(t testing.TB, to netip.AddrPort, c *tls.Config) *tlsClient {
	t.Helper()
	conn, err := dialTLS(t, to, c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (c *tlsClient) exchange(message []byte) ([]byte, error) {
	if _, err := c.Write(framed(message)); err != nil {
		return nil, err
	}
	return c.next()
}

func (c *tlsClient) next() ([]byte, error) {
	var prefix [2]byte
	if _, err := io.ReadFull(c, prefix[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(prefix[:]))
	_, err := io.ReadFull(c, m)
	return m, err
}

func (c *tlsClient) ask(id uint16, name string) {
	c.t.Helper()
	m, err := c.exchange(fakeQuery(id, name))
	if err != nil {
		c.t.Fatal(err)
	}
	if got := binary.BigEndian.Uint16(m); got != id || m[2]&0x80 == 0 {
		c.t.Fatalf("asked %d, got %x", id, m)
	}
}

// Queries are answered in their order and counted apart, the slow lane's among them,
// however they are cut into records of TLS.
func TestTLSPipelining(t *testing.T) {
	a := newTestIssuer(t)
	r := serveTLS(t, a, func(o *Options) {
		o.slow = handlerFunc(func(_ context.Context, q *SlowRequest) {
			if q.Transport != answer.TLS || q.WithoutALPN {
				t.Errorf("transport %v, %v", q.Transport, q.WithoutALPN)
			}
			_ = q.Reply(q.Message)
		})
	})
	c := mustDialTLS(t, r.TLSAddrs()[0], a.client())
	const n = 500
	var all []byte
	for i := range n {
		all = append(all, framed(fakeQuery(uint16(i), "a.example"))...)
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
		m, err := c.next()
		if err != nil || binary.BigEndian.Uint16(m) != uint16(i) {
			t.Fatalf("answer %d: %x, %v", i, m, err)
		}
	}
	if _, err := c.exchange(fakeQuery(1, "slow.example")); err != nil {
		t.Fatal(err)
	}
	await(t, "rest", func() bool { return r.Totals().Slow.Done == 1 && r.Totals().Transports[answer.TLS].Received > n })
	total := r.Totals()
	if total.Transports[answer.TLS].Received != n+1 || total.Transports[answer.TLS].Answered != n || total.Transports[answer.TCP].Received != 0 || total.Open != 1 {
		t.Errorf("%+v", total)
	}
	c.Close()
	await(t, "the end", func() bool { return r.Totals().Closed[CloseByClient] == 1 })
}

// Who may open a connection.
func TestTLSHandshake(t *testing.T) {
	a, other := newTestIssuer(t), newTestIssuer(t)
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
		{"another authority", false, func(c *tls.Config) { c.RootCAs = other.pool() }, "unknown authority", true},
		{"mutual", true, clients(a.issue(&x509.Certificate{ExtKeyUsage: usage})), "", false},
		{"no certificate", true, func(*tls.Config) {}, "certificate required", true},
		{"a certificate of another authority", true, func(c *tls.Config) {
			// Go's client would not offer what the server does not ask for.
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return other.issue(&x509.Certificate{ExtKeyUsage: usage}), nil
			}
		}, "unknown certificate authority", true},
		{"an expired certificate", true, clients(a.issue(&x509.Certificate{
			ExtKeyUsage: usage, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		})), "expired certificate", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serveTLS(t, a, func(o *Options) {
				if c.mutual {
					o.TLS.Clients = a.pool()
				}
			})
			config := a.client()
			c.edit(config)
			conn, err := dialTLS(t, r.TLSAddrs()[0], config)
			if err == nil {
				_, err = conn.exchange(fakeQuery(1, "a.example"))
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.refused {
				await(t, "the reason", func() bool { return r.Totals().Closed[CloseHandshake] == 1 })
			}
		})
	}
}

// A transfer needs ALPN (RFC 9103 §7.1), a query does not (RFC 7858).
func TestTLSTransferNeedsALPN(t *testing.T) {
	a := newTestIssuer(t)
	r := frontServer(t, func(o *Options) {
		o.ListenTLS = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		o.TLS = &TLSIdentity{Certificate: a.named("ns1.example")}
		o.Transfer = handlerFunc(func(_ context.Context, q *SlowRequest) { _ = q.Fail(wire.RCodeNoError, 0, "") })
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
		config := a.client()
		config.NextProtos = c.alpn
		b, err := servertest.Query("2.0.192.in-addr.arpa.", c.qtype, servertest.EDNS()).Pack()
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if b, err = mustDialTLS(t, r.TLSAddrs()[0], config).exchange(b); err == nil {
			err = m.Unpack(b)
		}
		if err != nil || m.Rcode != c.want || m.Truncated || (servertest.EDE(m) == wire.EDEProhibited) != (c.want == dns.RcodeRefused) {
			t.Errorf("%v %s: %v, %v", c.alpn, dns.TypeToString[c.qtype], m, err)
		}
	}
}

// Clients that say nothing, or drip, lose their connection and hold up nobody.
func TestTLSSlowHandshake(t *testing.T) {
	a := newTestIssuer(t)
	r := serveTLS(t, a, func(o *Options) { o.Limits.TCPWrite = 200 * time.Millisecond })
	const silent = 20 // more than there are turns
	for range silent {
		dial(t, r.TLSAddrs()[0])
	}
	drip := dial(t, r.TLSAddrs()[0])
	await(t, "the slow ones", func() bool { return r.Totals().Open > 0 })
	mustDialTLS(t, r.TLSAddrs()[0], a.client()).ask(1, "a.example")
	// The record says that it has more octets than ever come.
	endless := append([]byte{22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb, 3, 3}, make([]byte, 1<<13)...)
	for i := 0; ; i++ {
		if _, err := drip.Write(endless[i : i+1]); err != nil {
			break
		}
		if i == len(endless)-1 {
			t.Fatal("nobody ended it")
		}
		time.Sleep(time.Millisecond)
	}
	await(t, "their end", func() bool { return r.Totals().Closed[CloseSlowQuery] == silent+1 })
}

// Another certificate, and other authorities, hold for the next connection; nobody comes
// in by a session of before.
func TestTLSIdentityIsExchanged(t *testing.T) {
	a, b := newTestIssuer(t), newTestIssuer(t)
	old, next := a.named("ns1.example"), a.named("ns1.example")
	r := serveTLS(t, a, func(o *Options) { o.TLS = &TLSIdentity{Certificate: old, Clients: a.pool()} })
	config := a.client()
	config.Certificates = []tls.Certificate{*a.issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	same := TLSIdentity{Certificate: old, Clients: r.tls.Load().Clients}
	connect := func() (resumed bool, shown *x509.Certificate) {
		c := mustDialTLS(t, r.TLSAddrs()[0], config)
		c.ask(1, "a.example")
		s := c.ConnectionState()
		return s.DidResume, s.PeerCertificates[0]
	}
	stays := mustDialTLS(t, r.TLSAddrs()[0], config)
	connect()
	r.SetTLS(same)
	if resumed, _ := connect(); !resumed {
		t.Error("the same identity again ends sessions")
	}
	r.SetTLS(TLSIdentity{Certificate: next, Clients: same.Clients})
	if resumed, shown := connect(); resumed || !shown.Equal(next.Leaf) {
		t.Errorf("resumed %v, shown %v", resumed, shown.Equal(next.Leaf))
	}
	stays.ask(2, "a.example")
	connect()
	r.SetTLS(TLSIdentity{Certificate: next, Clients: b.pool()})
	c, err := dialTLS(t, r.TLSAddrs()[0], config)
	if err == nil {
		_, err = c.exchange(fakeQuery(1, "a.example"))
	}
	if err == nil {
		t.Error("somebody whose authority is gone came in by an old session")
	}
}

// Stopping ends handshakes, idle connections, and those that do not read.
func TestTLSStop(t *testing.T) {
	a := newTestIssuer(t)
	r := serveTLS(t, a, nil) // whose clients have a minute
	to := r.TLSAddrs()[0]
	dial(t, to)
	idle := mustDialTLS(t, to, a.client())
	idle.ask(1, "a.example")
	deaf := mustDialTLS(t, to, a.client())
	query := framed(fakeQuery(1, "big.example"))
	for range 400 {
		if _, err := deaf.Write(query); err != nil {
			t.Fatal(err)
		}
	}
	before, same := uint64(0), 0
	await(t, "a blocked write", func() bool {
		now := r.Totals().Transports[answer.TLS].Received
		if same++; now != before || now < 2 {
			before, same = now, 0
		}
		return same >= 100 && r.Totals().Open == 3
	})
	begin := time.Now()
	r.end()
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("stopping took %v", d)
	}
	if total := r.Totals(); total.Closed[CloseStop] != 2 || total.Closed[CloseSlowReader] != 1 {
		t.Errorf("%v", total.Closed)
	}
	// The client that waits is told, not cut off.
	if _, err := idle.next(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle client reads %v", err)
	}
}

// Addresses for TLS come and go like others.
func TestTLSListeners(t *testing.T) {
	a := newTestIssuer(t)
	r := serve(t, nil, "127.0.0.1")
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	plain := []netip.AddrPort{r.asked(r.addr())}
	if err := r.SetListeners(plain, at); err != nil {
		t.Fatal(err)
	}
	to := r.TLSAddrs()[0]
	if _, err := dialTLS(t, to, a.client()); err == nil {
		t.Error("a handshake without a certificate")
	}
	r.SetTLS(TLSIdentity{Certificate: a.named("ns1.example")})
	c := mustDialTLS(t, to, a.client())
	c.ask(1, "a.example")
	if err := r.SetListeners(plain, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.next(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection of a removed address: %v", err)
	}
	if _, err := net.Dial("tcp", to.String()); err == nil {
		t.Error("the address is still there")
	}
	dial(t, r.addr()).ask(1, "a.example")
}
