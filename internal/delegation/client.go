package delegation

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// port is that of DNS.
const port = 53

// Options are what a Client needs. The zero value asks the DNS of the Internet.
type Options struct {
	// Hints are the root servers, as of LoadHints. Nil: those that are built in.
	Hints []Server

	// From are servers of any zone above the names in question, such as those of a parent
	// zone, to start from. Names outside this zone are looked up from the root. Nil: all
	// start from the root.
	From []Server

	// Resolver is asked instead of the servers themselves, where these cannot be reached;
	// not valid: none. Then a Walk has what the resolver says about each level.
	Resolver netip.AddrPort

	// Brief makes Walk ask only the servers of the levels that are Surveyed, and only the first
	// three questions of Answers, and those of the zones above about these levels.
	Brief bool

	No4, No6 bool   // do not use IPv4, IPv6
	Port     uint16 // of servers without port; 0: 53

	Limits  Limits        // zero fields: the defaults
	Network Network       // nil: that of the system
	Rand    func() uint64 // random numbers, not called concurrently; nil: the system's
}

// Limits bound the work of a Client. The package documentation has what follows from them.
type Limits struct {
	Timeout   time.Duration // of one attempt over UDP; TCP has twice that
	Time      time.Duration // of one call of a method
	Messages  int           // sent by all calls of a Client
	Parallel  int           // questions under way at once
	Servers   int           // server names of one zone
	Addresses int           // addresses of one zone, and of one server name
}

// DefaultLimits returns the limits for the Internet.
//
// Two seconds are more than a round trip to any place takes, including one lookup that a
// server does itself. No zone above a reverse zone has more than 13 server names; 20 is what
// large operators list for their own.
func DefaultLimits() Limits {
	return Limits{
		Timeout:   2 * time.Second,
		Time:      time.Minute,
		Messages:  2000,
		Parallel:  64,
		Servers:   20,
		Addresses: 40,
	}
}

// Bounds of the way to a zone, which no valid delegation comes near.
const (
	maxAliases  = 10                     // followed for one name
	maxDepth    = 6                      // lookups of server names that need lookups of server names
	maxNames    = 5                      // server names of one zone looked up to find the way
	maxNested   = 100                    // lookups of server names for other lookups of server names, in one Client
	maxSteps    = 1000                   // zones asked on the way to names, in one Client
	maxRecords  = 1000                   // of one response; a zone with 20 signed names in a referral has 200
	maxOctets   = 32 << 20               // of all responses without compression, that one Client keeps
	maxFailures = 3                      // questions to an address without answer, after which it is asked no more
	hedge       = 400 * time.Millisecond // after which another server is asked too
)

// Network opens sockets. The networks are "udp4", "udp6", "tcp4" and "tcp6".
type Network interface {
	// Dial returns a connected socket with a random local port.
	Dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error)

	// Listen returns a UDP socket that receives from all addresses, with a random local port.
	Listen(ctx context.Context, network string) (net.PacketConn, error)
}

// system is the network of the system. The kernel chooses random ports.
type system struct{}

func (system) Dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, server.String())
}

func (system) Listen(ctx context.Context, network string) (net.PacketConn, error) {
	var l net.ListenConfig
	return l.ListenPacket(ctx, network, ":0")
}

// Client asks name servers. It keeps each answer: the same question to the same address over
// the same transport is asked once. So a Client is for one run of a command; a new one asks
// anew. Its methods may be called concurrently.
type Client struct {
	o     Options
	slots chan struct{} // one for each question under way

	mu       sync.Mutex
	facts    map[factKey]*pending
	contacts map[contactKey]*contact
	origin   *cut               // the zone of Options.From; nil: not known yet
	cuts     map[string]*cut    // zones whose servers are known, by the key of their names
	lookups  map[string]*Lookup // results of Resolve
	messages int                // sent so far
	octets   int                // of messages kept so far
	steps    int                // taken so far, see maxSteps
	nested   int                // lookups so far, see maxNested
	family   [2]struct{ answered, silent int }
}

// New returns a Client.
func New(o Options) *Client {
	l := &o.Limits
	defaults := DefaultLimits()
	setDefault(&l.Timeout, defaults.Timeout)
	setDefault(&l.Time, defaults.Time)
	setDefault(&l.Messages, defaults.Messages)
	setDefault(&l.Parallel, defaults.Parallel)
	setDefault(&l.Servers, defaults.Servers)
	setDefault(&l.Addresses, defaults.Addresses)
	setDefault(&o.Port, port)
	if o.Network == nil {
		o.Network = system{}
	}
	if o.Rand == nil {
		o.Rand = func() uint64 {
			var b [8]byte
			rand.Read(b[:]) // never fails
			return binary.LittleEndian.Uint64(b[:])
		}
	}
	c := &Client{
		o:        o,
		slots:    make(chan struct{}, l.Parallel),
		facts:    map[factKey]*pending{},
		contacts: map[contactKey]*contact{},
		cuts:     map[string]*cut{},
		lookups:  map[string]*Lookup{},
	}
	if r := c.o.Resolver; r.IsValid() {
		c.o.Resolver = c.withPort(Server{Addr: r}).Addr
	}
	if o.Hints == nil {
		o.Hints = RootServers()
	}
	c.o.Hints, c.o.From = c.withPorts(o.Hints), c.withPorts(o.From)
	return c
}

// withPort returns s with a port.
func (c *Client) withPort(s Server) Server {
	if s.Addr.Port() == 0 {
		s.Addr = netip.AddrPortFrom(s.Addr.Addr(), c.o.Port)
	}
	return s
}

func (c *Client) withPorts(list []Server) []Server {
	out := slices.Clone(list)
	for i, s := range out {
		out[i] = c.withPort(s)
	}
	return out
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// factKey identifies a question to an address.
type factKey struct {
	addr      netip.AddrPort
	transport Transport
	name      string // key of the name
	q         questionKind
}

// questionKind is a Question without its name.
type questionKind struct {
	typ             uint16
	recurse, dnssec bool
	version         uint8
}

// pending is a fact that is known once done is closed.
type pending struct {
	done chan struct{}
	fact *Fact
}

// contactKey identifies an address and a transport.
type contactKey struct {
	addr      netip.AddrPort
	transport Transport
}

// contact is what became of the questions to an address.
type contact struct {
	answered int
	failed   int
	first    *Fact // that failed; nil: none
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// Ask asks one server one question. If the response over UDP is truncated, it asks over TCP
// too.
func (c *Client) Ask(ctx context.Context, s Server, q Question, t Transport) *Fact {
	ctx, cancel := context.WithTimeout(ctx, c.o.Limits.Time)
	defer cancel()
	return c.ask(ctx, s, q, t)
}

func (c *Client) ask(ctx context.Context, s Server, q Question, t Transport) *Fact {
	s = c.withPort(s)
	name := q.Name.Key()
	if q.Exact {
		name = string(q.Name)
	}
	k := factKey{s.Addr, t, name, questionKind{uint16(q.Type), q.Recurse, q.DNSSEC, q.Version}}
	for {
		c.mu.Lock()
		p, known := c.facts[k]
		if !known {
			p = &pending{done: make(chan struct{})}
			c.facts[k] = p
		}
		c.mu.Unlock()
		if known {
			select {
			case <-p.done:
			case <-ctx.Done():
				return &Fact{Server: s, Transport: t, Question: q, Reason: timeIsUp(ctx)}
			}
			if p.fact == nil { // the caller that asked was canceled
				continue
			}
			f := *p.fact
			f.Server = s // the name may be another one
			return &f
		}
		f := c.exchange(ctx, s, q, t)
		c.mu.Lock()
		if ctx.Err() != nil && f.Outcome != Answered {
			delete(c.facts, k) // not the fault of the server
		} else {
			p.fact = f
		}
		c.mu.Unlock()
		close(p.done)
		return f
	}
}

// exchange asks if the limits allow it, and counts the outcome.
func (c *Client) exchange(ctx context.Context, s Server, q Question, t Transport) *Fact {
	f := &Fact{Server: s, Transport: t, Question: q}
	k := contactKey{s.Addr, t}
	if f.Reason, f.Earlier = c.refuse(k); f.Reason != "" {
		return f
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		f.Reason = timeIsUp(ctx)
		return f
	}
	c.attempts(ctx, f)
	<-c.slots
	if ctx.Err() == nil {
		c.count(k, f)
	}
	if t == UDP && f.Outcome == Answered && f.Msg.Truncated {
		f.OverTCP = c.ask(ctx, s, q, TCP)
	}
	return f
}

func timeIsUp(ctx context.Context) string {
	if ctx.Err() == context.DeadlineExceeded {
		return "the time for all questions is up"
	}
	return "canceled"
}

// refuse returns why an address is not asked over a transport, and because of which fact;
// empty: it may be asked.
func (c *Client) refuse(k contactKey) (string, *Fact) {
	c.mu.Lock()
	defer c.mu.Unlock()
	addr := k.addr.Addr()
	fam := family(addr)
	switch own, other := c.family[fam], c.family[1-fam]; {
	case fam == 0 && c.o.No4 || fam == 1 && c.o.No6:
		return familyName(fam) + " is not used here", nil
	case addr.IsUnspecified(), addr.IsMulticast(), addr.Is4In6(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "it is not the address of a host", nil
	case c.o.Resolver.IsValid() && k.addr != c.o.Resolver:
		return "the resolver is asked instead", nil
	case own.answered == 0 && own.silent >= 4 && other.answered > 0:
		return fmt.Sprintf("no answer from %d other %s addresses; this host seems to have no %[2]s connection", own.silent, familyName(fam)), nil
	}
	if s := c.contacts[k]; s != nil && s.failed > 0 && (s.answered == 0 || s.failed >= maxFailures) {
		return fmt.Sprintf("%v to %v before", s.first.Outcome, s.first.Question), s.first
	}
	return "", nil
}

func familyName(fam int) string { return [...]string{"IPv4", "IPv6"}[fam] }

// count records what became of a question.
func (c *Client) count(k contactKey, f *Fact) {
	if f.Outcome == NotAsked {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.contacts[k]
	if s == nil {
		s = &contact{}
		c.contacts[k] = s
	}
	fam := &c.family[family(k.addr.Addr())]
	if f.Outcome == Answered {
		s.answered++
		fam.answered++
		return
	}
	if s.failed == 0 {
		s.first = f
		if f.Outcome == NoAnswer && len(f.Tries[len(f.Tries)-1].Ignored) == 0 {
			fam.silent++
		}
	}
	s.failed++
}

// maySend counts a message, and reports whether it may be sent.
func (c *Client) maySend() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages++
	return c.messages <= c.o.Limits.Messages
}

// mayKeep counts the octets of a response, and reports whether it may be kept.
func (c *Client) mayKeep(octets int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.octets += octets
	return c.octets <= maxOctets
}

// random returns a random number.
func (c *Client) random() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.o.Rand()
}
