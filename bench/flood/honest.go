package flood

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// honestKind is how an honest client asks.
type honestKind int

const (
	plainClient  honestKind = iota // over UDP, and over TCP after a truncated answer
	cookieClient                   // likewise, with cookies; every tenth query is a client's first
	tcpClient                      // over TCP, a connection each
	keptClient                     // over TCP, on one connection, and a new one where the server closed it (RFC 7766 §6.2.4)
	honestKinds
)

// A resolver asks again after some hundred milliseconds, and its own client waits for
// a second or two.
const (
	honestTimeout = 400 * time.Millisecond
	honestTries   = 3
	firstEvery    = 10
)

// honestHost is the last octet of the first honest client's address; no flood that is in
// the name of one prefix takes that or a later one.
const honestHost = 200

// honestClient asks for names that exist, at a rate, and counts what it gets.
type honestClient struct {
	kind   honestKind
	to     netip.AddrPort
	from   netip.Addr
	active sync.WaitGroup

	asked, answered atomic.Uint64
	server          atomic.Pointer[string] // the server's cookie, in hexadecimal; nil: none yet
	kept            *dns.Conn              // of a keptClient

	mu    sync.Mutex
	times []time.Duration // to the answer
}

// ask lets a client of a /24 ask until ctx ends.
func ask(ctx context.Context, s *scene, kind honestKind, prefix string, rate int) *honestClient {
	from := netip.MustParseAddr(prefix).As4()
	from[3] = honestHost + byte(kind)
	c := &honestClient{kind: kind, to: s.address, from: netip.AddrFrom4(from)}
	c.active.Go(func() {
		rng := rand.New(rand.NewPCG(2, uint64(kind)))
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		defer c.hangUp()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if n%firstEvery == 0 {
				c.server.Store(nil)
			}
			name := reverseName(rng, true)
			if c.kind == keptClient { // one after the other
				c.query(name)
				continue
			}
			c.active.Go(func() { c.query(name) })
		}
	})
	return c
}

// wait waits for the last answer and returns which part of the queries was answered.
func (c *honestClient) wait() float64 {
	c.active.Wait()
	return float64(c.answered.Load()) / float64(max(c.asked.Load(), 1))
}

// percentile returns the p-th of the times to the answers, in milliseconds.
func (c *honestClient) percentile(p float64) float64 {
	if len(c.times) == 0 {
		return 0
	}
	slices.Sort(c.times)
	return c.times[int(p*float64(len(c.times)-1))].Seconds() * 1e3
}

func (c *honestClient) query(name string) {
	c.asked.Add(1)
	began := time.Now()
	m := new(dns.Msg).SetQuestion(name, dns.TypePTR)
	m.SetEdns0(1232, false)
	network := "udp"
	if c.kind >= tcpClient {
		network = "tcp"
	}
	for range honestTries {
		for range 2 { // once more at once, with the cookie that a BADCOOKIE brought
			r := c.exchange(network, m)
			if r != nil && r.Truncated {
				r = c.exchange("tcp", m)
			}
			if r != nil && len(r.Answer) == 1 && r.Rcode == dns.RcodeSuccess {
				c.answered.Add(1)
				c.mu.Lock()
				c.times = append(c.times, time.Since(began))
				c.mu.Unlock()
				return
			}
			if r == nil || r.Rcode != dns.RcodeBadCookie {
				break
			}
		}
	}
}

// exchange sends the query from the client's address; nil without an answer.
func (c *honestClient) exchange(network string, m *dns.Msg) *dns.Msg {
	m.Id = dns.Id()
	own := hex.EncodeToString(c.from.AsSlice()) + "00000000" // a client cookie of its own
	if c.kind == cookieClient {
		cookie := own
		if s := c.server.Load(); s != nil {
			cookie += *s
		}
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
	}
	local := net.Addr(&net.UDPAddr{IP: c.from.AsSlice()})
	if network == "tcp" {
		local = &net.TCPAddr{IP: c.from.AsSlice()}
	}
	if c.kind == keptClient {
		return c.askKept(m)
	}
	client := dns.Client{Net: network, Timeout: honestTimeout, Dialer: &net.Dialer{LocalAddr: local, Timeout: honestTimeout}}
	r, _, err := client.Exchange(m, c.to.String())
	if err != nil {
		return nil
	}
	if o := r.IsEdns0(); o != nil {
		for _, option := range o.Option {
			if k, ok := option.(*dns.EDNS0_COOKIE); ok && len(k.Cookie) > len(own) && k.Cookie[:len(own)] == own {
				server := k.Cookie[len(own):]
				c.server.Store(&server)
			}
		}
	}
	return r
}

// askKept asks on the connection of a keptClient.
func (c *honestClient) askKept(m *dns.Msg) *dns.Msg {
	end := time.Now().Add(honestTimeout)
	if c.kept == nil {
		conn, err := dial(context.Background(), c.from, c.to, honestTimeout)
		if err != nil {
			return nil
		}
		c.kept = &dns.Conn{Conn: conn}
	}
	c.kept.SetDeadline(end)
	if c.kept.WriteMsg(m) == nil {
		if r, err := c.kept.ReadMsg(); err == nil && r.Id == m.Id {
			return r
		}
	}
	c.hangUp()
	return nil
}

func (c *honestClient) hangUp() {
	if c.kept != nil {
		c.kept.Close()
		c.kept = nil
	}
}
