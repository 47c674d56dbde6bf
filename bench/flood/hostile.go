package flood

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// occupation is a way to occupy a server's TCP connections. A connection that the server
// ends is made again at once, within openRate a second.
type occupation struct {
	name, what string

	// annoy does with a connection what it is for. It returns to reset it, or waits
	// for the server to end it.
	annoy func(ctx context.Context, c *net.TCPConn, query []byte)
}

// A hostile connection is quick to make; more a second than this are another attack,
// which `churn` is.
const openRate = 5000

// hostilePrefix is a /24 that hostile connections come from.
const hostilePrefix = "127.64.1.0"

// hostileSources is how many addresses they come from, each in another /24 than those
// before and behind it.
const hostileSources = 2000

func hostileSource(k int) netip.Addr {
	k %= hostileSources
	return netip.AddrFrom4([4]byte{127, 64, byte(k), byte(1 + k>>8)})
}

func occupations() []occupation {
	endless := []byte{0xff, 0xff} // the length of a message that never comes
	return []occupation{
		{"idle", "connects and says nothing", func(_ context.Context, c *net.TCPConn, _ []byte) {
			awaitEnd(c)
		}},
		{"length", "sends the length of a message, and nothing more", func(_ context.Context, c *net.TCPConn, _ []byte) {
			c.Write(endless)
			awaitEnd(c)
		}},
		{"slowloris", "sends an octet of an endless message a second", func(ctx context.Context, c *net.TCPConn, _ []byte) {
			c.Write(endless)
			go func() {
				for pause(ctx, time.Second) {
					if _, err := c.Write([]byte{0}); err != nil {
						return
					}
				}
			}()
			awaitEnd(c)
		}},
		{"octets", "asks again and again, each octet in a segment of its own", func(_ context.Context, c *net.TCPConn, query []byte) {
			for {
				for i := range query {
					if _, err := c.Write(query[i : i+1]); err != nil {
						return
					}
				}
				if readMessage(c) != nil {
					return
				}
			}
		}},
		{"asked", "asks once, takes the answer, and stays", func(_ context.Context, c *net.TCPConn, query []byte) {
			c.Write(query)
			if readMessage(c) == nil {
				awaitEnd(c)
			}
		}},
		{"unread", "asks as much as it can and never reads", func(_ context.Context, c *net.TCPConn, query []byte) {
			// What the client holds is not the server's trouble, but this host's.
			c.SetReadBuffer(2048)
			c.SetWriteBuffer(4096)
			var many []byte
			for range 64 {
				many = append(many, query...)
			}
			for {
				if _, err := c.Write(many); err != nil {
					return
				}
			}
		}},
		{"churn", "connects and resets", func(context.Context, *net.TCPConn, []byte) {}},
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// awaitEnd waits until the server ends the connection.
func awaitEnd(c *net.TCPConn) {
	var one [1]byte
	c.Read(one[:])
}

// readMessage reads one message.
func readMessage(c *net.TCPConn) error {
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint16(head[:])))
	return err
}

// crowd are the hostile connections.
type crowd struct {
	to       netip.AddrPort
	how      occupation
	query    []byte // with its length in front
	permits  chan struct{}
	standing atomic.Int64
	made     atomic.Uint64
}

// occupy keeps n connections up until ctx ends.
func occupy(ctx context.Context, to netip.AddrPort, how occupation, n int) (flow, error) {
	m := new(dns.Msg).SetQuestion(reverseName(rand.New(rand.NewPCG(3, 0)), true), dns.TypePTR)
	query, err := m.Pack()
	if err != nil {
		return flow{}, err
	}
	c := &crowd{to: to, how: how, query: binary.BigEndian.AppendUint16(nil, uint16(len(query))), permits: make(chan struct{}, openRate/100)}
	c.query = append(c.query, query...)
	var all sync.WaitGroup
	all.Go(func() { c.permit(ctx) })
	for k := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				c.one(ctx, hostileSource(k))
			}
		})
	}
	<-ctx.Done()
	f := flow{Standing: uint64(c.standing.Load()), Sent: c.made.Load()}
	all.Wait()
	return f, nil
}

// permit lets connections be made, in steps of ten milliseconds.
func (c *crowd) permit(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, given := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * openRate); given < due; given++ {
			select {
			case c.permits <- struct{}{}:
			default:
			}
		}
	}
}

// one makes a connection and holds it until the server ends it.
func (c *crowd) one(ctx context.Context, from netip.Addr) {
	select {
	case <-c.permits:
	case <-ctx.Done():
		return
	}
	conn, err := dial(ctx, from, c.to, 5*time.Second)
	if err != nil {
		return
	}
	c.made.Add(1)
	c.standing.Add(1)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	conn.SetLinger(0) // no TIME_WAIT: the attacker is the one who runs out of ports
	c.how.annoy(ctx, conn, c.query)
	stop()
	if ctx.Err() == nil { // else it stood at the end
		c.standing.Add(-1)
	}
	conn.Close()
}

// dial connects from an address. The kernel looks for a port when it knows the
// destination, so that each address has all of them.
func dial(ctx context.Context, from netip.Addr, to netip.AddrPort, timeout time.Duration) (*net.TCPConn, error) {
	d := net.Dialer{
		Timeout:   timeout,
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)),
		KeepAlive: -1,
		Control: func(_, _ string, raw syscall.RawConn) error {
			var optionErr error
			err := raw.Control(func(fd uintptr) { optionErr = bindLate(fd) })
			if err == nil {
				err = optionErr
			}
			return err
		},
	}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
