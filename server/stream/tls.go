package stream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/worker"
)

// alpn is the protocol that the two sides of a TLS connection agree on (RFC 7858 §3.1
// as registered for ALPN, RFC 9103 §7.1).
const alpn = "dot"

// Identity is how the server proves who it is on TLS connections, and who may open
// one.
type Identity struct {
	Certificate *tls.Certificate // with its chain and its key
	Clients     *x509.CertPool   // authorities, of one of which each client needs a certificate; nil: none is asked for
}

// tlsIdentity is a TLSIdentity in force.
type tlsIdentity struct {
	Identity
	config *tls.Config
}

// SetTLS makes an identity apply to the connections that are opened from now on. The
// same one again changes nothing; after another one, nobody resumes a session that
// began before (RFC 8446 §2.2), so that whoever is no longer trusted stays out.
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

// secure makes the connection one of TLS, or notes why it ends.
func (c *netConn) secure() {
	id := c.conns.identity.Load()
	if id == nil {
		c.end(answer.CloseHandshake)
		worker.Warn(c.conns.Log, "TLS connection without a certificate of ours", slog.String("client", c.client.String()))
		return
	}
	under := c.conn.(*clientConn)
	under.handshake = true
	t := tls.Server(under, id.config)
	c.conn = t
	// The time is that for the first query, whatever drips in.
	err := c.raw.SetDeadline(c.began.Add(tcpFresh.limit(c.conns.Limits.Load(), int(c.conns.open.Load()))))
	if err == nil && c.stopping.Load() { // leave may have come before the line above
		err = os.ErrDeadlineExceeded
	}
	if err == nil {
		err = c.handshake(t)
	}
	under.handshake = false
	switch {
	case err == nil:
		c.began = time.Now()
		c.withoutALPN = t.ConnectionState().NegotiatedProtocol != alpn
	case c.stopping.Load():
		c.end(answer.CloseStop)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.end(answer.CloseSlowQuery)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		c.end(answer.CloseByClient)
	default:
		c.end(answer.CloseHandshake)
		worker.Warn(c.conns.Log, "TLS handshake", slog.String("client", c.client.String()), slog.Any("error", err))
	}
}

// handshake takes a turn for the handshake.
func (c *netConn) handshake(t *tls.Conn) error {
	c.engine.turns <- struct{}{}
	defer func() { <-c.engine.turns }() // also after a panic
	return t.Handshake()
}

// close closes the connection. That of TLS tells the client first (RFC 8446 §6.1),
// for which crypto/tls would wait longer than we do.
func (c *netConn) close() {
	if c.engine.transport == answer.TLS {
		timer := time.AfterFunc(stopGrace, c.reset)
		defer timer.Stop()
	}
	c.conn.Close()
}
