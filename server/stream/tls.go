package stream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/worker"
)

// alpn is the protocol that the two sides of a TLS connection agree on (RFC 7858 §3.1
// as registered for ALPN, RFC 9103 §7.1).
const alpn = "dot"

// Identity is how the server proves its identity on TLS connections, and which clients may
// open one.
type Identity struct {
	Certificate *tls.Certificate // with its chain and its key
	Clients     *x509.CertPool   // each client needs a certificate of one of these authorities; nil: no certificate is requested
}

// tlsIdentity is an Identity and the configuration made from it.
type tlsIdentity struct {
	Identity
	config *tls.Config
}

// SetTLS sets the identity for connections opened from now on. If it has changed, no client
// can resume an earlier session (RFC 8446 §2.2): one that is no longer trusted stays out.
func (t *Set) SetTLS(id Identity) {
	if old := t.identity.Load(); old != nil && old.Identity == id {
		return
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{*id.Certificate},
		NextProtos:   []string{alpn}, // clients that offer others only are refused (RFC 7301 §3.2)
		MinVersion:   tls.VersionTLS13,
	}
	if id.Clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, id.Clients
	}
	t.identity.Store(&tlsIdentity{id, c})
}

// secure begins TLS on the connection, or notes why it ends.
func (c *netConn) secure() {
	id := c.conns.identity.Load()
	if id == nil {
		c.end(answer.CloseHandshake)
		worker.Warn(c.conns.Log, "a TLS connection was closed, because no certificate is loaded", slog.String("client", c.client.String()))
		return
	}
	under := &handshakeConn{TCPConn: c.raw, turns: c.engine.turns}
	t := tls.Server(under, id.config)
	c.conn = t
	err := under.handshake(t)
	switch {
	case err == nil:
		c.moved = true // there is time for the first query again
		c.withoutALPN = t.ConnectionState().NegotiatedProtocol != alpn
	case c.stopping.Load():
		c.end(answer.CloseStop)
	case c.late.Load():
		c.end(answer.CloseSlowQuery)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		c.end(answer.CloseByClient)
	default:
		c.end(answer.CloseHandshake)
		worker.Warn(c.conns.Log, "the TLS handshake with a client failed", slog.String("client", c.client.String()), slog.Any("err", err))
	}
}

// handshakeConn is a TCP connection under TLS. A handshake takes some hundred times as long
// to compute as an answer. However many clients shake hands at a time, no more of them
// compute than there are workers: each has a turn, except while it waits for octets.
type handshakeConn struct {
	*net.TCPConn
	turns chan *connAnswerer
	turn  *connAnswerer
	busy  bool // the handshake is under way
}

func (c *handshakeConn) handshake(t *tls.Conn) error {
	c.begin()
	defer c.end() // also after a panic
	return t.Handshake()
}

func (c *handshakeConn) begin() { c.turn, c.busy = <-c.turns, true }

func (c *handshakeConn) end() {
	c.turns <- c.turn
	c.busy = false
}

func (c *handshakeConn) Read(b []byte) (int, error) {
	if c.busy {
		c.end()
		defer c.begin()
	}
	return c.TCPConn.Read(b)
}
