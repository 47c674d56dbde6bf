package netlab

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// faultyServer answers at the addresses of a host, each with its behaviour. What it answers
// comes from the server "ns1".
type faultyServer struct {
	m       *machine
	backend string
	closers []io.Closer
	running sync.WaitGroup
}

// startFaulty opens the sockets of a host.
func startFaulty(s *Scenario, m *machine) (*faultyServer, error) {
	f := &faultyServer{m: m}
	h, err := s.host("ns1")
	if err != nil {
		return f, fmt.Errorf("host %s: %w, whose data the software faulty has", m.Name, err)
	}
	f.backend = netip.AddrPortFrom(h.Addrs()[0], 53).String()
	for _, n := range m.Names {
		b, ok := behaviours[n.Fault]
		if !ok {
			return f, fmt.Errorf("name %s: no fault %q; there are %v", n.Name, n.Fault, slices.Sorted(maps.Keys(behaviours)))
		}
		for _, a := range n.Addrs {
			if err := f.listen(a, b); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

func (f *faultyServer) listen(a netip.Addr, b behaviour) error {
	at := netip.AddrPortFrom(a, 53)
	var u, other *net.UDPConn
	var t *net.TCPListener
	err := f.m.do(func() (err error) {
		if u, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)); err != nil {
			return err
		}
		// A port of its own is as foreign to a client as another address.
		if other, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 5353))); err != nil {
			return err
		}
		t, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return err
	}
	f.closers = append(f.closers, u, other, t)
	f.running.Go(func() { f.serveUDP(u, other, b) })
	f.running.Go(func() { f.serveTCP(t, b) })
	return nil
}

func (f *faultyServer) serveUDP(u, other *net.UDPConn, b behaviour) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, client, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil {
			continue
		}
		f.running.Go(func() {
			b(&exchange{
				query:   q,
				backend: func(q *dns.Msg) (*dns.Msg, error) { return f.ask(q, "udp") },
				send:    func(r []byte) { u.WriteToUDPAddrPort(r, client) },
				from:    func(r []byte) { other.WriteToUDPAddrPort(r, client) },
			})
		})
	}
}

func (f *faultyServer) serveTCP(t *net.TCPListener, b behaviour) {
	for {
		c, err := t.Accept()
		if err != nil {
			return
		}
		f.running.Go(func() {
			defer c.Close()
			// Longer than any client waits, and short enough for the end of the lab.
			c.SetDeadline(time.Now().Add(time.Minute))
			f.serveConn(c, b)
		})
	}
}

func (f *faultyServer) serveConn(c net.Conn, b behaviour) {
	conn := &dns.Conn{Conn: c}
	for {
		q, err := conn.ReadMsg()
		if err != nil {
			return
		}
		framed := func(r []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...) }
		send := func(r []byte) { c.Write(framed(r)) }
		b(&exchange{
			query: q, tcp: true, send: send, from: send,
			backend: func(q *dns.Msg) (*dns.Msg, error) { return f.ask(q, "tcp") },
			slowly: func(r []byte) {
				for _, octet := range framed(r) {
					if _, err := c.Write([]byte{octet}); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			},
		})
	}
}

// ask passes a query to the server with the data.
func (f *faultyServer) ask(q *dns.Msg, network string) (*dns.Msg, error) {
	var c net.Conn
	err := f.m.do(func() (err error) {
		c, err = net.DialTimeout(network, f.backend, 5*time.Second)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	conn := &dns.Conn{Conn: c, UDPSize: dns.MaxMsgSize}
	if err := conn.WriteMsg(q); err != nil {
		return nil, err
	}
	return conn.ReadMsg()
}

func (f *faultyServer) close() {
	for _, c := range f.closers {
		c.Close()
	}
}
