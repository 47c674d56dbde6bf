package secondary

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Primary is a server that a zone is taken from.
type Primary struct {
	Address netip.AddrPort
	Source  netip.Addr // that we ask from; zero: the system's choice
	Key     *tsig.Key  // that requests are signed with, and answers must be; nil: none
	TLS     *TLS       // of zone transfer over TLS (RFC 9103); nil: UDP and TCP
}

// String returns the address, as logs and errors show it.
func (p *Primary) String() string { return p.Address.String() }

// Times that a primary has. They are much above what honest ones need.
const (
	udpFirst    = 1500 * time.Millisecond // for an answer over UDP
	udpSecond   = 3 * time.Second         // for the answer to another query
	dialTime    = 5 * time.Second         // for a connection, TLS included
	messageTime = 15 * time.Second        // for one message, or for us to send one

	// loneTime is how long an IXFR may go on with nothing after a first message that is a
	// newer SOA alone. Most servers fill their messages, so that this is all that comes
	// from one without differences; the zone is asked for by AXFR then.
	loneTime = 2 * time.Second

	// A transfer may take this long in all, not counting the time that we compute.
	// Someone who drips octets would hold its place for ever otherwise.
	transferTime  = 2 * time.Hour
	transferGrace = time.Minute
	transferRate  = 4 << 10 // octets a second that it must come with after the grace
)

// Dialer opens connections, as net.Dialer does.
type Dialer func(ctx context.Context, network string, source netip.Addr, address netip.AddrPort) (net.Conn, error)

// dial is the Dialer of the system. The kernel chooses a port at random.
func dial(ctx context.Context, network string, source netip.Addr, address netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	if source.IsValid() {
		if from := netip.AddrPortFrom(source, 0); network == "udp" {
			d.LocalAddr = net.UDPAddrFromAddrPort(from)
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
	}
	return d.DialContext(ctx, network, address.String())
}

// client asks primaries.
type client struct {
	dial Dialer
	now  func() time.Time
	lone time.Duration // 0: loneTime
}

// transportError is that the primary was not reached, was too slow or went away. Another
// way to ask the same would not help, unless it closed a connection that was open: some
// servers answer so what they do not know.
type transportError struct {
	err    error
	closed bool
}

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// trustError is that an answer was not the primary's, or not proved to be.
type trustError struct{ err error }

func (e *trustError) Error() string { return e.err.Error() }
func (e *trustError) Unwrap() error { return e.err }

// checked is what a primary answered to the SOA query of a check, and what is
// useful for the transfer that may follow.
type checked struct {
	soaAnswer
	noEDNS bool    // the primary does not take EDNS
	conn   *stream // open, over TLS; nil: none. To be closed
}

func (c *checked) close() {
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
}

// soa asks a primary for the SOA of the zone: over TLS where it has that, else over
// UDP, and over TCP if nothing comes or what comes is not whole or not trusted.
func (c *client) soa(ctx context.Context, p *Primary, apex dname.Name) (*checked, error) {
	q := &query{apex: apex, typ: rr.TypeSOA, edns: true}
	a, err := c.soaOnce(ctx, p, q)
	var refused *RefusedError
	if errors.As(err, &refused) && (refused.RCode == wire.RCodeFormErr || refused.RCode == wire.RCodeNotImp) {
		q.edns = false // RFC 6891 §7
		if a, err = c.soaOnce(ctx, p, q); err == nil {
			a.noEDNS = true
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ask %v for the SOA: %w", p, err)
	}
	return a, nil
}

func (c *client) soaOnce(ctx context.Context, p *Primary, q *query) (*checked, error) {
	if p.TLS == nil {
		a, err := c.soaUDP(ctx, p, q, udpFirst)
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			a, err = c.soaUDP(ctx, p, q, udpSecond)
		}
		var refused *RefusedError
		var untrusted *trustError
		switch {
		case err == nil:
			return &checked{soaAnswer: a}, nil
		case ctx.Err() != nil, errors.As(err, &refused) && refused.RCode != wire.RCodeRefused && !errors.As(err, &untrusted):
			return nil, err // over TCP, Knot answers for catalog zones as well
		}
	}
	s, err := c.connect(ctx, p)
	if err != nil {
		return nil, err
	}
	a, err := c.soaStream(p, q, s)
	if err != nil || p.TLS == nil {
		s.close()
		s = nil
	}
	if err != nil {
		return nil, err
	}
	return &checked{soaAnswer: a, conn: s}, nil
}

// soaUDP sends one datagram, with an ID and from a port of its own, and waits for
// the answer to it. Others that come are not heeded: they may be forged.
func (c *client) soaUDP(ctx context.Context, p *Primary, q *query, wait time.Duration) (a soaAnswer, err error) {
	conn, err := c.dial(ctx, "udp", p.Source, p.Address)
	if err != nil {
		return a, &transportError{err: err}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(c.now().Add(wait))
	q.id = randomID()
	msg, verifier := q.pack(p.Key, c.now().Unix())
	if _, err := conn.Write(msg); err != nil {
		return a, &transportError{err: err}
	}
	buf := make([]byte, udpSize+1)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return a, &transportError{err: err}
		}
		if !isAnswer(buf[:n], q) {
			continue
		}
		msg, err := c.verify(verifier, buf[:n])
		if err != nil {
			return a, err
		}
		if verifier != nil {
			if err := verifier.End(); err != nil {
				return a, &trustError{err}
			}
		}
		return readSOA(msg, q)
	}
}

// isAnswer reports whether a datagram has the ID and, if any, the question of q.
func isAnswer(msg []byte, q *query) bool {
	h, ok := wire.ReadHeader(msg)
	if !ok || h.ID != q.id || h.Flags&wire.QR == 0 {
		return false
	}
	if h.Questions == 0 {
		return h.Flags.RCode() != wire.RCodeNoError
	}
	question, next := wire.ReadQuestion(msg, wire.HeaderLen)
	return next > 0 && question.Type == q.typ && question.Name.Equal(q.apex)
}

// verify returns the message without its signature. A nil verifier takes any.
func (c *client) verify(v *tsig.Verifier, msg []byte) ([]byte, error) {
	if v == nil {
		return msg, nil
	}
	out, err := v.Verify(msg, c.now().Unix())
	if err == nil {
		return out, nil
	}
	if h, ok := wire.ReadHeader(msg); ok && errors.Is(err, tsig.ErrUnsigned) && h.Flags.RCode() != wire.RCodeNoError {
		err = fmt.Errorf("%w; %w", &RefusedError{h.Flags.RCode()}, err)
	}
	return nil, &trustError{err}
}

func (c *client) soaStream(p *Primary, q *query, s *stream) (a soaAnswer, err error) {
	q.id = randomID()
	if p.TLS != nil {
		q.pad = padTo
	}
	msg, verifier := q.pack(p.Key, c.now().Unix())
	if err := s.send(msg); err != nil {
		return a, err
	}
	if msg, err = s.read(messageTime); err != nil {
		return a, err
	}
	if msg, err = c.verify(verifier, msg); err != nil {
		return a, err
	}
	if verifier != nil {
		if err := verifier.End(); err != nil {
			return a, &trustError{err}
		}
	}
	return readSOA(msg, q)
}

// transfer asks for the zone by AXFR or IXFR, and returns when all of it has come
// and is verified. conn is one that is open to the primary; nil: a new one is made.
// The connection is closed afterwards.
func (c *client) transfer(ctx context.Context, p *Primary, a Asked, edns bool, s *stream) (*Received, error) {
	out, err := c.transferOver(ctx, p, a, edns, s)
	var gone *transportError
	if s != nil && errors.As(err, &gone) && ctx.Err() == nil {
		// A server may close a connection that it has answered on (RFC 7766 §6.2.3).
		out, err = c.transferOver(ctx, p, a, edns, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%v from %v: %w", a.Type, p, err)
	}
	return out, nil
}

func (c *client) transferOver(ctx context.Context, p *Primary, a Asked, edns bool, s *stream) (*Received, error) {
	if s == nil {
		var err error
		if s, err = c.connect(ctx, p); err != nil {
			return nil, err
		}
	}
	defer s.close()
	q := &query{id: randomID(), apex: a.Apex, typ: a.Type, base: a.Base, edns: edns}
	if p.TLS != nil {
		q.pad = padTo
	}
	msg, verifier := q.pack(p.Key, c.now().Unix())
	if err := s.send(msg); err != nil {
		return nil, err
	}
	a.ID = q.id
	r := NewReceiver(a)
	var octets int64
	var waited time.Duration
	for {
		left := min(transferGrace+time.Duration(octets/transferRate)*time.Second, transferTime) - waited
		if left <= 0 {
			return nil, &transportError{err: fmt.Errorf("%d octets came in %v, which is too slow", octets, waited.Round(time.Second))}
		}
		began := c.now()
		lone := r.isLone()
		within := messageTime
		if lone {
			within = cmp.Or(c.lone, loneTime)
		}
		msg, err := s.read(min(left, within))
		switch {
		case err != nil && lone && ctx.Err() == nil:
			return nil, fmt.Errorf("an SOA of serial %d and nothing else: the primary has no differences from %d", r.out.Serial, a.Base.Serial())
		case err != nil:
			return nil, err
		}
		waited += c.now().Sub(began)
		octets += int64(len(msg))
		if msg, err = c.verify(verifier, msg); err != nil {
			return nil, err
		}
		done, err := r.Message(msg)
		if err != nil {
			return nil, err
		}
		if done {
			break
		}
	}
	if verifier != nil {
		if err := verifier.End(); err != nil {
			return nil, &trustError{err}
		}
	}
	return r.Received(), nil
}

// stream is a connection that messages come over, each with its length in front.
type stream struct {
	conn net.Conn
	now  func() time.Time
	buf  []byte // what was read; messages lie in it
	n    int    // octets in buf
	at   int    // of them used
	stop func() bool
}

// connect opens a connection, over TLS where the primary has that. It ends with ctx.
func (c *client) connect(ctx context.Context, p *Primary) (*stream, error) {
	within, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var config *tls.Config
	if p.TLS != nil {
		var err error
		if config, err = p.TLS.config(within); err != nil {
			return nil, &trustError{fmt.Errorf("TLS: %w", err)}
		}
	}
	conn, err := c.dial(within, "tcp", p.Source, p.Address)
	if err != nil {
		return nil, &transportError{err: err}
	}
	if config != nil {
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(within); err != nil {
			conn.Close()
			if within.Err() != nil {
				return nil, &transportError{err: fmt.Errorf("TLS: %w", err)}
			}
			return nil, &trustError{fmt.Errorf("TLS: %w", err)}
		}
		if got := t.ConnectionState().NegotiatedProtocol; got != alpn {
			conn.Close()
			return nil, &trustError{fmt.Errorf("TLS: the server speaks %q, not DNS (ALPN %q, RFC 9103 §7.1)", got, alpn)}
		}
		conn = t
	}
	return &stream{
		conn: conn, now: c.now, buf: make([]byte, 2*wire.MaxMessage+4),
		stop: context.AfterFunc(ctx, func() { conn.Close() }),
	}, nil
}

func (s *stream) close() {
	s.stop()
	s.conn.Close()
}

func (s *stream) send(msg []byte) error {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(msg)), uint16(len(msg)))
	s.conn.SetWriteDeadline(s.now().Add(messageTime))
	if _, err := s.conn.Write(append(b, msg...)); err != nil {
		return &transportError{err, !errors.Is(err, os.ErrDeadlineExceeded)}
	}
	return nil
}

// read returns the next message, which must come within the span. It is valid until
// the next read.
func (s *stream) read(within time.Duration) ([]byte, error) {
	s.conn.SetReadDeadline(s.now().Add(within))
	if err := s.fill(2); err != nil {
		return nil, err
	}
	n := 2 + int(binary.BigEndian.Uint16(s.buf[s.at:]))
	if err := s.fill(n); err != nil {
		return nil, err
	}
	msg := s.buf[s.at+2 : s.at+n]
	s.at += n
	return msg, nil
}

// fill reads until so many octets are there.
func (s *stream) fill(octets int) error {
	if s.n-s.at >= octets {
		return nil
	}
	if s.at+octets > len(s.buf) || s.at == s.n {
		s.n = copy(s.buf, s.buf[s.at:s.n])
		s.at = 0
	}
	n, err := io.ReadAtLeast(s.conn, s.buf[s.n:], octets-(s.n-s.at))
	s.n += n
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &transportError{errors.New("the connection was closed before the end of the answer"), true}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &transportError{fmt.Errorf("the answer stopped: %w", err), false}
	}
	return &transportError{err, true}
}

// randomID returns an ID that nobody can guess (RFC 5452 §9.2).
func randomID() uint16 {
	var b [2]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint16(b[:])
}
