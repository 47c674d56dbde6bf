package secondary

import (
	"bufio"
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
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Primary is a server that a zone is transferred from.
type Primary struct {
	Address netip.AddrPort
	Source  netip.Addr // local address of requests; zero: the system's choice
	Key     *tsig.Key  // that requests are signed with, and answers must be; nil: none
	TLS     *TLS       // of zone transfer over TLS (RFC 9103); nil: UDP and TCP
}

// String returns the address, as logs and errors show it.
func (p *Primary) String() string { return p.Address.String() }

// Time limits of a primary. They are far above what a working one needs.
const (
	udpFirst    = 1500 * time.Millisecond // for an answer over UDP
	udpSecond   = 3 * time.Second         // for the answer to the second query
	dialTime    = 5 * time.Second         // for a connection, including TLS
	messageTime = 15 * time.Second        // for receiving or sending one message

	// loneTime limits the wait for more after the first message of an IXFR that only has a newer
	// SOA. Most servers fill their messages, so that a server that sends such a message has no
	// differences. Then the zone is requested by AXFR.
	loneTime = 2 * time.Second

	// transferTime limits a whole transfer, without the time of processing it. Without it, a
	// primary that sends single octets would occupy one of the transfers for ever.
	transferTime  = 2 * time.Hour
	transferGrace = time.Minute
	transferRate  = 4 << 10 // octets a second, the minimum after transferGrace
)

// Dialer opens connections, as net.Dialer does.
type Dialer func(ctx context.Context, network string, source netip.Addr, address netip.AddrPort) (net.Conn, error)

// dial is the Dialer of the system. The kernel chooses a random port.
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

// Serial asks a server for the serial of its copy of a zone. The error does not name the server.
func Serial(ctx context.Context, from Primary, apex dname.Name) (zone.Serial, error) {
	c := client{dial: dial, now: time.Now}
	a, err := c.soa(ctx, &from, apex)
	if err != nil {
		return 0, errors.Unwrap(err)
	}
	a.close()
	return a.serial, nil
}

// client sends requests to primaries.
type client struct {
	dial Dialer
	now  func() time.Time
	lone time.Duration // 0: loneTime
}

// transportError means that the primary was not reached, was too slow or closed the connection.
// Another request would not help, unless the primary closed an established connection: some servers
// do so when they do not support a request.
type transportError struct {
	err    error
	closed bool
}

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// trustError means that an answer does not come from the primary, or does not prove it.
type trustError struct{ err error }

func (e *trustError) Error() string { return e.err.Error() }
func (e *trustError) Unwrap() error { return e.err }

// checked is the answer of a primary to an SOA query, and what a transfer after it can use.
type checked struct {
	soaAnswer
	noEDNS bool    // the primary does not support EDNS
	conn   *stream // open, over TLS; nil: none. To be closed
}

func (c *checked) close() {
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
}

// soa asks a primary for the SOA of the zone: over TLS where that is configured, else over UDP, and
// over TCP if there is no answer or the answer is truncated or not trusted.
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
			return nil, err // REFUSED is asked again: Knot DNS answers for catalog zones over TCP only
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

// soaUDP sends one datagram, with a random ID and from a new port, and waits for its answer. It
// ignores other datagrams, which may be forged.
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
		if isAnswer(buf[:n], q) {
			return c.readSOA(verifier, buf[:n], q)
		}
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

// readSOA verifies and reads the answer to an SOA query.
func (c *client) readSOA(v *tsig.Verifier, msg []byte, q *query) (a soaAnswer, err error) {
	if msg, err = c.verify(v, msg); err == nil {
		err = verifyEnd(v)
	}
	if err != nil {
		return a, err
	}
	return readSOA(msg, q)
}

// verify returns the message without its signature. A nil verifier accepts every message.
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

// verifyEnd checks that the last message of an answer was signed.
func verifyEnd(v *tsig.Verifier) error {
	if v != nil {
		if err := v.End(); err != nil {
			return &trustError{err}
		}
	}
	return nil
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
	return c.readSOA(verifier, msg, q)
}

// transfer requests the zone by AXFR or IXFR, and returns it when it is complete and verified. s is
// an open connection to the primary; nil: a new one is opened. The connection is closed afterwards.
func (c *client) transfer(ctx context.Context, p *Primary, a request, edns bool, s *stream) (*received, error) {
	out, err := c.transferOver(ctx, p, a, edns, s)
	var gone *transportError
	if s != nil && errors.As(err, &gone) && ctx.Err() == nil {
		// A server may close a connection after an answer (RFC 7766 §6.2.3).
		out, err = c.transferOver(ctx, p, a, edns, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%v from %v: %w", a.typ, p, err)
	}
	return out, nil
}

func (c *client) transferOver(ctx context.Context, p *Primary, a request, edns bool, s *stream) (*received, error) {
	if s == nil {
		var err error
		if s, err = c.connect(ctx, p); err != nil {
			return nil, err
		}
	}
	defer s.close()
	q := &query{id: randomID(), apex: a.apex, typ: a.typ, base: a.base, edns: edns}
	if p.TLS != nil {
		q.pad = padTo
	}
	msg, verifier := q.pack(p.Key, c.now().Unix())
	if err := s.send(msg); err != nil {
		return nil, err
	}
	a.id = q.id
	r := newReceiver(a)
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
			return nil, fmt.Errorf("an SOA of serial %d and nothing else: the primary has no differences from %d", r.out.serial, a.base.Serial())
		case err != nil:
			return nil, err
		}
		waited += c.now().Sub(began)
		octets += int64(len(msg))
		if msg, err = c.verify(verifier, msg); err != nil {
			return nil, err
		}
		done, err := r.addMessage(msg)
		if err != nil {
			return nil, err
		}
		if done {
			break
		}
	}
	if err := verifyEnd(verifier); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// stream is a connection for messages with a length prefix.
type stream struct {
	conn net.Conn
	in   *bufio.Reader // with room for a message of any length
	now  func() time.Time
	stop func() bool
}

// connect opens a connection, over TLS if the primary is configured so. It is closed when ctx ends.
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
		conn: conn, in: bufio.NewReaderSize(conn, 2*(2+wire.MaxMessage)), now: c.now,
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

// read returns the next message, which must be received within the duration. It is valid until the
// next read.
func (s *stream) read(within time.Duration) ([]byte, error) {
	s.conn.SetReadDeadline(s.now().Add(within))
	head, err := s.in.Peek(2)
	if err != nil {
		return nil, readError(err)
	}
	n := 2 + int(binary.BigEndian.Uint16(head))
	msg, err := s.in.Peek(n)
	if err != nil {
		return nil, readError(err)
	}
	s.in.Discard(n) // they are there
	return msg[2:], nil
}

func readError(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return &transportError{errors.New("the connection was closed before the end of the answer"), true}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &transportError{fmt.Errorf("the answer stopped: %w", err), false}
	}
	return &transportError{err, true}
}

// randomID returns an unpredictable ID (RFC 5452 §9.2).
func randomID() uint16 {
	var b [2]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint16(b[:])
}
