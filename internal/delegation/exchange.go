package delegation

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// udpSize is the EDNS payload size that no path fragments (RFC 9715 §3.2).
	udpSize = 1232

	// maxAttempts over UDP: with EDNS, with EDNS again, without EDNS.
	maxAttempts = 3

	// maxDatagrams is how many responses of one attempt are looked at. A server that sends
	// more is flooding.
	maxDatagrams = 64
	keptIgnored  = 8

	headerSize = 12
)

// attempts sends messages until one is answered, and sets the outcome of f.
//
// The first socket is connected, so that the system reports a host or port that does not
// exist. The second one is not: it shows a server that answers from another address. The last
// attempt has no EDNS, because some old servers and firewalls drop what they do not know.
func (c *Client) attempts(ctx context.Context, f *Fact) {
	edns, mixed := true, true
	last := maxAttempts
	if f.Transport == TCP || f.Question.Version > 0 {
		last = 2
	}
	for i := 0; i < last && ctx.Err() == nil; i++ {
		if !c.maySend() {
			f.Reason = fmt.Sprintf("the limit of %d messages is reached", c.o.Limits.Messages)
			break
		}
		if i == maxAttempts-1 {
			edns = false
		}
		t := Try{At: time.Now(), EDNS: edns, Case: mixed && !f.Question.Exact}
		if i == 0 {
			f.At = t.At
		}
		r := c.attempt(ctx, f, &t, i > 0)
		t.Took = time.Since(t.At)
		f.Tries = append(f.Tries, t)
		f.Outcome, f.Reason, f.Took = t.Outcome, t.Why, t.Took
		switch {
		case r != nil && edns && f.Question.Version == 0 && r.IsEdns0() == nil && (t.Rcode == dns.RcodeFormatError || t.Rcode == dns.RcodeNotImplemented) && i+1 < last:
			edns = false // RFC 6891 §7
			continue
		case r != nil:
			f.Msg = r
			return
		case t.Outcome == NotAsked, t.Outcome == Unreachable && f.Transport == UDP:
			return
		case t.Outcome == NoAnswer && f.Transport == TCP && len(t.Ignored) == 0:
			return // the kernel already sent again
		}
		for _, x := range t.Ignored {
			mixed = mixed && x.Why != WrongCase
			edns = edns && !(x.Why == NoQuestion && f.Question.Version == 0)
		}
	}
	if ctx.Err() != nil && f.Outcome != Answered {
		f.Reason = timeIsUp(ctx)
	}
}

// attempt sends one message and returns the response, or nil with the outcome in t.
func (c *Client) attempt(ctx context.Context, f *Fact, t *Try, again bool) *dns.Msg {
	request, err := c.request(f.Question, t.EDNS, t.Case)
	if err != nil {
		t.Outcome, t.Why = NotAsked, err.Error()
		return nil
	}
	limit := c.o.Limits.Timeout
	exchange := c.overUDP
	if f.Transport == TCP {
		limit *= 2
		exchange = c.overTCP
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	response, err := exchange(ctx, f.Server.Addr, request, t, again)
	if err != nil {
		t.Outcome, t.Why = outcomeOf(err, f.Server.Addr.Addr())
		return nil
	}
	m := &dns.Msg{}
	if n := records(response); n > maxRecords {
		t.Outcome, t.Why = Malformed, fmt.Sprintf("%d records, more than %d", n, maxRecords)
		return nil
	}
	if err := m.Unpack(response); err != nil {
		t.Outcome, t.Why = Malformed, err.Error()
		return nil
	}
	if !c.mayKeep(m.Len()) {
		t.Outcome, t.Why = Malformed, "all responses together are too large"
		return nil
	}
	f.Size = len(response)
	t.Outcome, t.Rcode = Answered, m.Rcode
	return m
}

// request returns a message with a random ID. With mixed, the case of the letters of the
// name is random.
func (c *Client) request(q Question, edns, mixed bool) ([]byte, error) {
	r := c.random()
	m := &dns.Msg{}
	m.Id = uint16(r)
	m.RecursionDesired = q.Recurse
	name := q.Name.Clone()
	if mixed {
		c.mixCase(name)
	}
	m.Question = []dns.Question{{Name: name.String(), Qtype: uint16(q.Type), Qclass: dns.ClassINET}}
	if edns {
		m.SetEdns0(udpSize, q.DNSSEC)
		m.IsEdns0().SetVersion(q.Version)
	}
	return m.Pack()
}

// mixCase sets the letters of n to random case, in place.
func (c *Client) mixCase(n dname.Name) {
	var bits uint64
	left := 0
	for i, b := range n {
		if l := dname.Lower(b); l < 'a' || l > 'z' { // length octets are below
			continue
		}
		if left == 0 {
			bits, left = c.random(), 64
		}
		n[i] ^= byte(bits&1) << 5
		bits, left = bits>>1, left-1
	}
}

// accept returns empty if response answers request, otherwise the reason to ignore it.
func accept(request, response []byte) Fault {
	const qr = 0x80
	question := request[headerSize : headerSize+questionLen(request)]
	if len(response) < headerSize {
		return NoMessage
	}
	got := response[headerSize:]
	switch {
	case !bytes.Equal(response[:2], request[:2]):
		return WrongID
	case response[2]&qr == 0 || response[2]&0x78 != request[2]&0x78:
		return NoResponse
	case len(got) == 0 || binary.BigEndian.Uint16(response[4:]) == 0:
		return NoQuestion
	case binary.BigEndian.Uint16(response[4:]) != 1 || len(got) < len(question):
		return WrongQuestion
	case !bytes.Equal(got[:len(question)], question):
		if n := len(question) - 4; bytes.Equal(got[n:len(question)], question[n:]) && bytes.EqualFold(got[:n], question[:n]) {
			return WrongCase
		}
		return WrongQuestion
	}
	return ""
}

// records returns how many records a message says it has.
func records(message []byte) (n int) {
	for at := 6; at < headerSize; at += 2 {
		n += int(binary.BigEndian.Uint16(message[at:]))
	}
	return n
}

// questionLen returns the length of the question of a request.
func questionLen(request []byte) int { return len(dname.FromWire(request[headerSize:])) + 4 }

// ignore records a response that was not accepted.
func (t *Try) ignore(from netip.AddrPort, why Fault) {
	if len(t.Ignored) < keptIgnored {
		t.Ignored = append(t.Ignored, Ignored{from, why})
	}
}

// interrupt makes operations of a socket fail at the deadline of ctx, and when it ends.
func interrupt(ctx context.Context, s interface{ SetDeadline(time.Time) error }) (stop func() bool) {
	if d, ok := ctx.Deadline(); ok {
		s.SetDeadline(d)
	}
	return context.AfterFunc(ctx, func() { s.SetDeadline(time.Unix(1, 0)) })
}

func (c *Client) overUDP(ctx context.Context, server netip.AddrPort, request []byte, t *Try, again bool) ([]byte, error) {
	network := [...]string{"udp4", "udp6"}[family(server.Addr())]
	var receive func([]byte) (int, netip.AddrPort, error)
	if again {
		s, err := c.o.Network.Listen(ctx, network)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		defer interrupt(ctx, s)()
		if _, err := s.WriteTo(request, net.UDPAddrFromAddrPort(server)); err != nil {
			return nil, err
		}
		receive = func(b []byte) (int, netip.AddrPort, error) {
			n, from, err := s.ReadFrom(b)
			if err != nil {
				return 0, server, err
			}
			u, ok := from.(*net.UDPAddr)
			if !ok {
				return 0, netip.AddrPort{}, nil
			}
			a := u.AddrPort()
			return n, netip.AddrPortFrom(a.Addr().Unmap().WithZone(server.Addr().Zone()), a.Port()), nil
		}
	} else {
		s, err := c.o.Network.Dial(ctx, network, server)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		defer interrupt(ctx, s)()
		if _, err := s.Write(request); err != nil {
			return nil, err
		}
		receive = func(b []byte) (int, netip.AddrPort, error) {
			n, err := s.Read(b)
			return n, server, err
		}
	}
	buf := make([]byte, dns.MaxMsgSize)
	for range maxDatagrams {
		n, from, err := receive(buf)
		if err != nil {
			return nil, err
		}
		why := accept(request, buf[:n])
		if from != server {
			why = WrongAddress
		}
		if why == "" {
			return buf[:n], nil
		}
		t.ignore(from, why)
		if why == NoQuestion { // what old servers send to EDNS: the next attempt has none
			return nil, fmt.Errorf("a response %s, %s", why, rcodeText(int(buf[3]&0xf)))
		}
	}
	return nil, fmt.Errorf("more than %d responses, none to the question", maxDatagrams)
}

func (c *Client) overTCP(ctx context.Context, server netip.AddrPort, request []byte, t *Try, _ bool) ([]byte, error) {
	s, err := c.o.Network.Dial(ctx, [...]string{"tcp4", "tcp6"}[family(server.Addr())], server)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	defer interrupt(ctx, s)()
	if _, err := s.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(request))), request...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(s, length[:]); err != nil {
		return nil, err
	}
	response := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(s, response); err != nil {
		return nil, err
	}
	if why := accept(request, response); why != "" {
		t.ignore(server, why)
		return nil, fmt.Errorf("a response %s", why)
	}
	return response, nil
}

// outcomeOf returns what an error of a socket means.
func outcomeOf(err error, server netip.Addr) (Outcome, string) {
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return NoAnswer, "no response in time"
	case errors.As(err, &op) && op.Op == "read":
		return Unreachable, op.Err.Error() // what routers and hosts report
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return NotAsked, "this host does not allow it: " + err.Error()
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EADDRNOTAVAIL):
		return NotAsked, "this host has no route to " + familyName(family(server)) + " addresses"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return Unreachable, "the connection was closed before a whole response"
	case errors.As(err, &op):
		return Unreachable, op.Err.Error()
	}
	return NoAnswer, err.Error()
}
