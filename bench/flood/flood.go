package flood

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// flood is what an attacker sends, and in whose names.
type flood struct {
	name, what string
	neighbour  string // a /24 that the flood comes from, where honest clients are as well
	source     func(rng *rand.Rand) netip.Addr
	query      func(rng *rand.Rand) []byte
}

// victim is the /24 that most floods are in the name of.
const victim = "127.66.6.0"

func floods() []flood {
	inVictim := func(rng *rand.Rand) netip.Addr {
		return netip.AddrFrom4([4]byte{127, 66, 6, byte(1 + rng.IntN(honestHost-1))})
	}
	question := func(name func(*rand.Rand) string, qtype uint16) func(*rand.Rand) []byte {
		return func(rng *rand.Rand) []byte {
			m := new(dns.Msg).SetQuestion(name(rng), qtype)
			m.Id, m.RecursionDesired = uint16(rng.Uint32()), false
			m.SetEdns0(4096, true)
			b, err := m.Pack()
			if err != nil {
				panic(err) // of names made here
			}
			return b
		}
	}
	return []flood{
		{
			"garbage", "random octets, 1 to 512, from random addresses of 127.128.0.0/9", "127.200.1.0",
			func(rng *rand.Rand) netip.Addr {
				n := rng.Uint32()
				return netip.AddrFrom4([4]byte{127, byte(n>>16) | 128, byte(n >> 8), byte(n)})
			},
			func(rng *rand.Rand) []byte {
				b := make([]byte, 1+rng.IntN(512))
				for i := range b {
					b[i] = byte(rng.Uint32())
				}
				return b
			},
		},
		{
			"subdomains", "random names of a zone, with DO, from 16 prefixes", "127.77.7.0",
			func(rng *rand.Rand) netip.Addr {
				n := rng.Uint32()
				return netip.AddrFrom4([4]byte{127, 77, byte(n>>8) & 15, byte(n)})
			},
			question(func(rng *rand.Rand) string { return fmt.Sprintf("%010x.%s", rng.Uint64()&0xff_ffff_ffff, reverseZone) }, dns.TypePTR),
		},
		{
			"any", "ANY for a signed apex, with DO, in the name of one /24", victim, inVictim,
			question(func(*rand.Rand) string { return signedZone }, dns.TypeANY),
		},
		{
			"dnskey", "DNSKEY likewise", victim, inVictim,
			question(func(*rand.Rand) string { return signedZone }, dns.TypeDNSKEY),
		},
		{
			"names", "existing PTRs, each time another one, in the name of one /24", victim, inVictim,
			question(func(rng *rand.Rand) string { return reverseName(rng, true) }, dns.TypePTR),
		},
	}
}

// flow is what an attack did: what went to the server and came to those in whose names
// it was sent; or how many connections it made, and how many of them stood at its end.
type flow struct {
	Sent, SentOctets         uint64
	Standing                 uint64
	Received, ReceivedOctets uint64
	Lost                     uint64 // answers that this host had no room for
}

// amplification returns the octets that came for each that was sent; answers lost here
// count as the others do on average.
func (f *flow) amplification() float64 {
	if f.SentOctets == 0 || f.Received == 0 {
		return 0
	}
	return float64(f.ReceivedOctets) * (1 + float64(f.Lost)/float64(f.Received)) / float64(f.SentOctets)
}

// attack is a flood on its way. It has a process of its own, which gives way to the
// honest clients: they share a processor.
type attack struct {
	sockets []*spoofSocket
	senders sync.WaitGroup
	readers sync.WaitGroup

	mu   sync.Mutex
	flow flow
	err  error
}

// attackers is how many sockets send: more would only want more processors.
const attackers = 2

// maxBurst is how many queries go out at once at most: less than a receive buffer holds.
const maxBurst = 500

// pool is how many queries a socket makes beforehand: to make them costs more than
// to send them.
const pool = 20_000

// launch starts a process that attacks the server with so many queries a second, or
// connections; wait returns what it saw when it has
// ended.
func launch(ctx context.Context, s *scene, attack string, size int, length time.Duration) (wait func() (flow, error), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "nice", "-n", "19", self, "floods", "attack", attack, s.address.String(), strconv.Itoa(size), length.String())
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (w flow, err error) {
		if err := cmd.Wait(); err != nil {
			return w, fmt.Errorf("the flood: %w", err)
		}
		return w, json.Unmarshal(out.Bytes(), &w)
	}, nil
}

// runAttack is what the process does.
func runAttack(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("attack takes its name, an address, a size and a duration")
	}
	to, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	if !to.Addr().Is4() || !to.Addr().IsLoopback() {
		return fmt.Errorf("%v is no IPv4 loopback address; floods go nowhere else", to)
	}
	size, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	duration, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, min(duration, maxDuration))
	defer cancel()
	var w flow
	if how, err := chosen(occupations(), args[0], func(o occupation) string { return o.name }); err == nil {
		if w, err = occupy(ctx, to, how[0], min(size, maxSize)); err != nil {
			return err
		}
	} else if f, err := chosen(floods(), args[0], func(f flood) string { return f.name }); err != nil {
		return err
	} else if w, err = flooding(ctx, to, f[0], min(size, maxRate)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(w)
}

// flooding floods the server until ctx ends.
func flooding(ctx context.Context, to netip.AddrPort, f flood, rate int) (flow, error) {
	a, err := attackFrom(ctx, to, f, rate)
	if err != nil {
		return flow{}, err
	}
	return a.wait()
}

// attackFrom begins the flood.
func attackFrom(ctx context.Context, to netip.AddrPort, f flood, rate int) (*attack, error) {
	a := &attack{}
	for i := range attackers {
		socket, err := newSpoofSocket(to)
		if err != nil {
			a.close()
			return nil, err
		}
		a.sockets = append(a.sockets, socket)
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		queries := make([]forged, pool)
		for k := range queries {
			queries[k] = forge(f.query(rng), f.source(rng))
		}
		a.senders.Go(func() { a.send(ctx, socket, queries, float64(rate)/attackers) })
		a.readers.Go(func() { a.read(socket) })
	}
	return a, nil
}

// send sends the queries, over and over, at the rate.
func (a *attack) send(ctx context.Context, socket *spoofSocket, queries []forged, rate float64) {
	const step = time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	start, sent, octets := time.Now(), 0, uint64(0)
	var err error
	for err == nil && ctx.Err() == nil {
		// What could not be sent in time is not made up for in one burst.
		if late := int(time.Since(start).Seconds()*rate) - sent - maxBurst; late > 0 {
			start = start.Add(time.Duration(float64(late) / rate * float64(time.Second)))
		}
		for due := int(time.Since(start).Seconds() * rate); sent < due && err == nil && ctx.Err() == nil; {
			next := queries[sent%len(queries):]
			var n int
			n, err = socket.send(next[:min(len(next), due-sent)])
			for i := range n {
				octets += uint64(len(next[i].query))
			}
			sent += n
		}
		<-tick.C
	}
	a.mu.Lock()
	a.flow.Sent += uint64(sent)
	a.flow.SentOctets += octets
	if a.err == nil {
		a.err = err
	}
	a.mu.Unlock()
}

// read counts the answers until the socket is closed.
func (a *attack) read(socket *spoofSocket) {
	var n, octets uint64
	for {
		more, size, err := socket.recv()
		if err != nil {
			break // closed
		}
		n, octets = n+more, octets+size
	}
	a.mu.Lock()
	a.flow.Received += n
	a.flow.ReceivedOctets += octets
	a.mu.Unlock()
}

// wait waits until the flood has ended and the last answers are there.
func (a *attack) wait() (flow, error) {
	a.senders.Wait()
	time.Sleep(100 * time.Millisecond) // answers that are under way
	for _, s := range a.sockets {
		n, err := s.lost()
		if err != nil && a.err == nil {
			a.err = err
		}
		a.flow.Lost += n
	}
	a.close()
	a.readers.Wait()
	return a.flow, a.err
}

func (a *attack) close() {
	for _, s := range a.sockets {
		s.conn.Close()
	}
}
