package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/miekg/dns"
)

// way is how a question is put: the transport, the EDNS payload size and DO.
type way struct {
	tcp  bool
	size uint16 // octets; 0: no EDNS
	do   bool
}

// ways are all that a question can be put in, the first two being those that show
// everything of an answer.
var ways = []way{
	{tcp: true},
	{tcp: true, size: 4096, do: true},
	{},
	{size: 512},
	{size: 512, do: true},
	{size: 1232},
	{size: 1232, do: true},
	{size: 4096},
	{size: 4096, do: true},
}

// wholeWays are the ways in which answers are never truncated.
const wholeWays = 2

func (w way) String() string {
	s := "udp"
	if w.tcp {
		s = "tcp"
	}
	switch {
	case w.size == 0:
		return s + " without EDNS"
	case w.do:
		return fmt.Sprintf("%s %d DO", s, w.size)
	}
	return fmt.Sprintf("%s %d", s, w.size)
}

// question is QNAME and QTYPE.
type question struct {
	name  string
	qtype uint16
}

func (q question) String() string { return q.name + " " + typeString(q.qtype) }

func typeString(t uint16) string { return dns.Type(t).String() }

// pack returns the query message.
func (q question) pack(id uint16, w way) ([]byte, error) {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.qtype)
	m.Id = id
	m.RecursionDesired = false
	if w.size > 0 {
		m.SetEdns0(w.size, w.do)
	}
	return m.Pack()
}

// responder answers a query message. The answer is valid until the next call.
type responder interface {
	respond(query []byte, tcp bool) ([]byte, error)
}

// client asks a server over loopback, one query at a time.
type client struct {
	addr netip.AddrPort
	udp  *net.UDPConn
	tcp  net.Conn
	buf  []byte
}

func newClient(addr netip.AddrPort) *client { return &client{addr: addr, buf: make([]byte, 65535+2)} }

func (c *client) close() {
	if c.udp != nil {
		c.udp.Close()
	}
	if c.tcp != nil {
		c.tcp.Close()
	}
}

const (
	askWait  = 10 * time.Second // for one answer on a loaded machine
	askTries = 3
)

func (c *client) respond(query []byte, tcp bool) (_ []byte, err error) {
	for range askTries {
		var r []byte
		if tcp {
			r, err = c.overTCP(query)
		} else {
			r, err = c.overUDP(query)
		}
		if err == nil {
			return r, nil
		}
		c.close()
		c.udp, c.tcp = nil, nil
	}
	return nil, err
}

func (c *client) overUDP(query []byte) ([]byte, error) {
	if c.udp == nil {
		u, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(c.addr))
		if err != nil {
			return nil, err
		}
		c.udp = u
	}
	c.udp.SetDeadline(time.Now().Add(askWait))
	if _, err := c.udp.Write(query); err != nil {
		return nil, err
	}
	for {
		n, err := c.udp.Read(c.buf)
		if err != nil {
			return nil, err
		}
		if n >= 2 && c.buf[0] == query[0] && c.buf[1] == query[1] {
			return c.buf[:n], nil
		}
	}
}

func (c *client) overTCP(query []byte) ([]byte, error) {
	if c.tcp == nil {
		t, err := net.DialTimeout("tcp", c.addr.String(), askWait)
		if err != nil {
			return nil, err
		}
		c.tcp = t
	}
	c.tcp.SetDeadline(time.Now().Add(askWait))
	m := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(query)), uint16(len(query)))
	if _, err := c.tcp.Write(append(m, query...)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c.tcp, c.buf[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(c.buf))
	if _, err := io.ReadFull(c.tcp, c.buf[:n]); err != nil {
		return nil, err
	}
	return c.buf[:n], nil
}

// exchange asks a server over UDP, again where no response comes: NSD loses questions when it replaces
// its processes. Where no server is, it fails at once.
func exchange(addr netip.AddrPort, m *dns.Msg) (r *dns.Msg, err error) {
	c := dns.Client{Timeout: time.Second}
	for deadline := time.Now().Add(startWait); ; {
		r, _, err = c.Exchange(m, addr.String())
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Now().After(deadline) {
			return r, err
		}
	}
}

// ask puts one question and reads the answer. A missing answer is a reply too: no
// question may stay without one.
func ask(r responder, q question, id uint16, w way) (*reply, error) {
	query, err := q.pack(id, w)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", q, err)
	}
	b, err := r.respond(query, w.tcp)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
			return &reply{silent: true}, nil
		}
		return nil, fmt.Errorf("%v: %w", q, err)
	}
	return readReply(query, b)
}
