package udp

import (
	"net"
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/worker"
)

// connPort is a bound socket of package net.
type connPort struct{ conn *net.UDPConn }

func (p connPort) socket(*worker.Worker) packetSocket {
	return newConnSocket(p.conn, sock.BoundTo(p.conn))
}

func (p connPort) interrupt() {
	// An error means that the socket is already closed, which ends its workers as well.
	_ = p.conn.SetReadDeadline(time.Unix(1, 0))
}

func (p connPort) Close() { p.conn.Close() }

// connSocket receives and sends one datagram at a time, with package net: for systems without
// recvmmsg. It behaves as mmsgSocket does, but is slower and does not count datagrams that the
// kernel dropped. Workers share the kernel socket.
type connSocket struct {
	conn     *net.UDPConn
	local    netip.AddrPort
	wildcard bool
	msgs     []answer.Message // one
	client   netip.AddrPort   // of the datagram, with its IPv6 zone
	control  [128]byte
	source   []byte // control message that sets the source address of the response
}

func newConnSocket(conn *net.UDPConn, local netip.AddrPort) *connSocket {
	return &connSocket{conn: conn, local: local, wildcard: local.Addr().IsUnspecified(), msgs: newBuffers(1)}
}

func (c *connSocket) recv(wait bool) ([]answer.Message, error) {
	if !wait {
		if err := c.conn.SetReadDeadline(time.Now().Add(sock.DrainTime)); err != nil {
			return nil, err
		}
	}
	d := &c.msgs[0]
	n, controlLen, _, client, err := c.conn.ReadMsgUDPAddrPort(d.Buf[:BufferSize+1], c.control[:])
	if err != nil {
		return nil, err
	}
	c.client = client
	d.Len, d.Out, d.Unfit = n, 0, answer.DropByRespond
	d.Client = netip.AddrPortFrom(client.Addr().Unmap().WithZone(""), client.Port())
	d.Local = c.local
	if n > BufferSize {
		d.Unfit = answer.DropTooLong
	}
	if c.wildcard {
		c.readSource(d, c.control[:controlLen])
	}
	return c.msgs, nil
}

// readSource reads the destination address from the control messages.
func (c *connSocket) readSource(d *answer.Message, control []byte) {
	info, ok := sock.ParsePacketInfo(control)
	if !ok {
		return
	}
	d.Local = netip.AddrPortFrom(info.Addr.Unmap(), c.local.Port())
	if !info.Unicast || !isUnicast(d.Local.Addr()) {
		d.Unfit = answer.DropNotUnicast
		return
	}
	if !info.Addr.Is6() || info.Addr.Is4In6() || !info.Addr.IsLinkLocalUnicast() {
		info.Index = 0 // routing decides, see mmsgSocket.readControl
	}
	c.source = sock.AppendPacketInfo(c.source[:0], info)
}

func isUnicast(a netip.Addr) bool {
	return !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func (c *connSocket) rest() { answer.Release(c.msgs) }

func (c *connSocket) send(msgs []answer.Message, failed func(error)) {
	for i := range msgs {
		if d := &msgs[i]; d.Out > 0 {
			if _, _, err := c.conn.WriteMsgUDPAddrPort(d.Buf[:d.Out], c.responseSource(), c.client); err != nil {
				failed(err)
			}
		}
	}
}

func (c *connSocket) responseSource() []byte {
	if c.wildcard {
		return c.source
	}
	return nil
}

func (c *connSocket) replier(int) func([]byte) error {
	conn, client, source := c.conn, c.client, append([]byte(nil), c.responseSource()...)
	return func(msg []byte) error {
		_, _, err := conn.WriteMsgUDPAddrPort(msg, source, client)
		return err
	}
}
