// Package workertest has fakes for the tests of transports.
package workertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/zone/dname"
)

// FakeAnswerer answers by the first label of QNAME, so that the transports are
// tested without zones:
//
//	drop   no answer        panic  a fault
//	slow   the deferred lane    big    an answer of 60,000 octets, where there is room
//	mid    1,000 octets  trip   a fault of lookAhead, then the request back
//
// Any other name gets the request back as its response.
type FakeAnswerer struct {
	Stats    *answer.Stats
	requests atomic.Uint64
	Faults   *atomic.Int32 // how often Publish is still to panic; nil: never
}

func (f *FakeAnswerer) LookAhead(_ *answer.View, batch []answer.Message) {
	for i := range batch {
		if fakeLabel(batch[i].Buf[:batch[i].Len]) == "trip" {
			panic("asked to")
		}
	}
}

func (f *FakeAnswerer) Respond(_ *answer.View, q *answer.Request, buf []byte, n int) (int, answer.Verdict) {
	if q != nil && q.Deferred != nil {
		buf[2] |= 0x80
		buf[3] = 4 // NOTIMP, to be told from a fast answer
		return n, answer.Answered
	}
	f.requests.Add(1)
	if n < wire.HeaderLen || buf[2]&0x80 != 0 {
		return 0, answer.Drop
	}
	size := n
	switch fakeLabel(buf[:n]) {
	case "drop":
		return 0, answer.Drop
	case "slow":
		return 0, answer.Defer
	case "panic":
		panic("asked to")
	case "big":
		size = min(len(buf), 60000)
	case "mid":
		size = 1000
	}
	if size > n {
		clear(buf[n:size])
	}
	buf[2] |= 0x80
	return size, answer.Answered
}

func (f *FakeAnswerer) Publish() {
	if f.Faults != nil && f.Faults.Add(-1) >= 0 {
		panic("asked to")
	}
}

func (f *FakeAnswerer) LimitNote() answer.LimitNote { return answer.LimitNote{} }

func fakeLabel(request []byte) string {
	if len(request) > wire.HeaderLen && wire.HeaderLen+1+int(request[wire.HeaderLen]) <= len(request) {
		return string(request[wire.HeaderLen+1:][:request[wire.HeaderLen]])
	}
	return ""
}

// FakeQuery returns a query for the name.
func FakeQuery(id uint16, name string) []byte {
	q := make([]byte, wire.HeaderLen, 64)
	binary.BigEndian.PutUint16(q, id)
	q[5] = 1
	q = append(q, dname.MustParse(name)...)
	return append(q, 0, 12, 0, 1)
}

var TestLimits = worker.Limits{
	TCPClients: 100, TCPClientsPer: 50, TCPIdle: time.Minute, TCPWrite: time.Minute, TCPPipeline: 16, Transfers: 4, TransfersPer: 2, TransferStall: time.Minute,
}

func SumOf(counts []uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// TestLog is a log that a test reads.
type TestLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *TestLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *TestLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *TestLog) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

type HandlerFunc func(context.Context, *deferred.Request)

func (f HandlerFunc) Handle(ctx context.Context, r *deferred.Request) { f(ctx, r) }

// StreamClient is a client with one connection.
type StreamClient struct {
	T testing.TB
	*net.TCPConn
}

func Dial(t testing.TB, to netip.AddrPort) *StreamClient {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(await.Patience))
	return &StreamClient{t, c.(*net.TCPConn)}
}

func Framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func (c *StreamClient) Send(b []byte) {
	c.T.Helper()
	if _, err := c.Write(b); err != nil {
		c.T.Fatal(err)
	}
}

func (c *StreamClient) Receive() []byte {
	c.T.Helper()
	m, err := c.Next()
	if err != nil {
		c.T.Fatal(err)
	}
	return m
}

func (c *StreamClient) Next() ([]byte, error) {
	var prefix [2]byte
	if _, err := io.ReadFull(c, prefix[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(prefix[:]))
	_, err := io.ReadFull(c, m)
	return m, err
}

// Ask sends a query and checks that what comes back is the answer to it.
func (c *StreamClient) Ask(id uint16, name string) []byte {
	c.T.Helper()
	c.Send(Framed(FakeQuery(id, name)))
	m := c.Receive()
	if got := binary.BigEndian.Uint16(m); got != id || m[2]&0x80 == 0 {
		c.T.Fatalf("asked %d, got %x", id, m)
	}
	return m
}

// IsClosed waits for the end of the connection.
func (c *StreamClient) IsClosed() bool {
	_, err := io.Copy(io.Discard, c)
	return err == nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

// TestIssuer issues certificates.
type TestIssuer struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func NewTestIssuer(t testing.TB) *TestIssuer {
	t.Helper()
	a := &TestIssuer{t: t}
	c := a.Issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *TestIssuer) Issue(c *x509.Certificate) *tls.Certificate {
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

// Named returns a certificate for a name.
func (a *TestIssuer) Named(name string) *tls.Certificate {
	return a.Issue(&x509.Certificate{DNSNames: []string{name}})
}

func (a *TestIssuer) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Client returns what a client needs that trusts the issuer.
func (a *TestIssuer) Client() *tls.Config {
	return &tls.Config{RootCAs: a.Pool(), ServerName: "ns1.example", NextProtos: []string{"dot"}}
}

// TLSConn is a client with one TLS connection.
type TLSConn struct {
	t testing.TB
	*tls.Conn
}

// DialTLS returns the connection, or the error of its handshake. In TLS 1.3 a server
// refuses a client after the client's last word, so that it is asked for one octet.
func DialTLS(t testing.TB, to netip.AddrPort, c *tls.Config) (*TLSConn, error) {
	t.Helper()
	raw := Dial(t, to)
	conn := tls.Client(raw.TCPConn, c)
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	return &TLSConn{t, conn}, nil
}

// MustHandshake makes a TLS connection of one of TCP.
func MustHandshake(t testing.TB, raw *StreamClient, c *tls.Config) *TLSConn {
	t.Helper()
	conn := tls.Client(raw.TCPConn, c)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &TLSConn{t, conn}
}

func MustDialTLS(t testing.TB, to netip.AddrPort, c *tls.Config) *TLSConn {
	t.Helper()
	conn, err := DialTLS(t, to, c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (c *TLSConn) Exchange(message []byte) ([]byte, error) {
	if _, err := c.Write(Framed(message)); err != nil {
		return nil, err
	}
	return c.Next()
}

func (c *TLSConn) Next() ([]byte, error) {
	var prefix [2]byte
	if _, err := io.ReadFull(c, prefix[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(prefix[:]))
	_, err := io.ReadFull(c, m)
	return m, err
}

func (c *TLSConn) Ask(id uint16, name string) {
	c.t.Helper()
	m, err := c.Exchange(FakeQuery(id, name))
	if err != nil {
		c.t.Fatal(err)
	}
	if got := binary.BigEndian.Uint16(m); got != id || m[2]&0x80 == 0 {
		c.t.Fatalf("asked %d, got %x", id, m)
	}
}

var (
	MemClient = netip.MustParseAddrPort("198.51.100.7:4242")
	MemLocal  = netip.MustParseAddrPort("203.0.113.1:53")
)

// Wait waits for the release, or for the end of a test that failed before it.
func Wait(ctx context.Context, release <-chan struct{}) {
	select {
	case <-release:
	case <-ctx.Done():
	}
}

// CheckTotals waits until the totals that read returns add up as package answer says; nothing may be
// asked meanwhile. They are counted one after the other, and by several goroutines: a worker counts a
// batch when it has handled it, and the lane may be faster. The number is of connections accepted that
// are neither open nor closed.
func CheckTotals(t testing.TB, read func() (worker.Totals, deferred.Totals, int)) {
	t.Helper()
	await.Equal(t, "totals that add up", "", func() string {
		total, slow, conns := read()
		deferred := uint64(0)
		for i := range total.Transports {
			c, name := &total.Transports[i], answer.Transport(i)
			deferred += c.Deferred
			if sum := c.Answered + c.Deferred + SumOf(c.Dropped[:]); c.Received != sum {
				return fmt.Sprintf("%s: received %d, answered + deferred + dropped %d: %+v", name, c.Received, sum, c)
			}
			if unsent := SumOf(c.Unsent[:]); unsent > c.Answered {
				return fmt.Sprintf("%s: unsent %d of %d answered", name, unsent, c.Answered)
			}
			if n := c.Latency.Count(); n != c.Received {
				return fmt.Sprintf("%s: received %d, latencies %d", name, c.Received, n)
			}
		}
		if n := uint64(slow.Waiting+slow.Working) + slow.Done; deferred != n {
			return fmt.Sprintf("the transports deferred %d, the lane has or had %d", deferred, n)
		}
		if conns != 0 {
			return fmt.Sprintf("%d connections more accepted than open and closed", conns)
		}
		return ""
	})
}

// Options are what a test changes of a group of workers and a deferred lane.
type Options struct {
	Views                    *answer.Views
	Limits                   worker.Limits
	Logger                   *slog.Logger
	Now                      func() time.Time
	Workers                  int
	Portable                 bool
	NewAnswerer              func(*answer.Stats) worker.Answerer // nil: a Responder
	HandleAll                deferred.Handler                    // answers all deferred requests
	Transfer, Update, Notify deferred.Handler
}

// New returns a group of two workers with fake answers, and a deferred lane.
func New(t testing.TB, edit func(*Options)) (*worker.Group, *deferred.Lane) {
	t.Helper()
	o := Options{Views: new(answer.Views), Limits: TestLimits, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Workers: 2}
	o.NewAnswerer = func(stats *answer.Stats) worker.Answerer { return &FakeAnswerer{Stats: stats} }
	o.Views.Swap(&answer.View{Policy: new(answer.Policy)})
	if edit != nil {
		edit(&o)
	}
	if o.NewAnswerer == nil {
		o.NewAnswerer = func(stats *answer.Stats) worker.Answerer {
			return answer.NewResponder(answer.ResponderOptions{Stats: stats})
		}
	}
	g := worker.New(worker.Options{
		Views: o.Views, Log: o.Logger, QueryLog: o.Logger, Now: o.Now, Workers: o.Workers, Portable: o.Portable, Answerer: o.NewAnswerer,
	})
	if err := g.SetLimits(o.Limits); err != nil {
		t.Fatal(err)
	}
	return g, deferred.New(g, [answer.NumKinds]deferred.Handler{
		answer.KindNotify: o.Notify, answer.KindUpdate: o.Update, answer.KindTransfer: o.Transfer,
	}, o.HandleAll)
}

// UDPClient returns an unconnected socket, which sees where answers come from.
func UDPClient(t testing.TB, like netip.Addr) *net.UDPConn {
	t.Helper()
	local := "127.0.0.1:0"
	if like.Is6() {
		local = "[::1]:0"
	}
	c, err := net.ListenPacket("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn)
}

func Hear(t testing.TB, c *net.UDPConn) ([]byte, netip.AddrPort) {
	t.Helper()
	buf := make([]byte, 1<<16)
	c.SetReadDeadline(time.Now().Add(await.Patience))
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

func HasIPv6() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err == nil {
		c.Close()
	}
	return err == nil
}
