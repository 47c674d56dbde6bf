package transfer

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// gatedHistory counts the times that more than smallHistory is read, and holds them up.
type gatedHistory struct {
	History
	gate chan struct{}
	n    atomic.Int32
}

func (g *gatedHistory) Chain(apex dname.Name, from, to zone.Serial, most int) ([]*zone.Changeset, bool, error) {
	if most > smallHistory {
		g.n.Add(1)
		<-g.gate
	}
	return g.History.Chain(apex, from, to, most)
}

// TestSharedHistory: clients that ask at the same time for the same large part of the history share what is read
// of it, and nothing remains of it.
func TestSharedHistory(t *testing.T) {
	history := &gatedHistory{gate: make(chan struct{})}
	first, last := history.fill(t, 1700, 60, 120, 180, 120)
	g := newRigWith(t, first, func(o *Options) { o.History = history })
	open := sync.OnceFunc(func() { close(history.gate) })
	t.Cleanup(open) // the server waits for its transfers
	g.serve(last)

	const clients = 3
	var conns [clients]net.Conn
	for i := range conns {
		conns[i], _ = g.dial(ixfr(first.Serial()), nil)
	}
	key := span{last.Key(), first.Serial(), last.Serial()}
	large := &g.handler.large
	await.That(t, "all clients wait for the history", func() bool {
		large.mu.Lock()
		defer large.mu.Unlock()
		c := large.spans[key]
		return c != nil && c.clients == clients
	})
	m := ixfr(first.Serial()) // of which a datagram never reads so much
	if r, _, err := g.udp.Exchange(m, g.addr); err != nil || len(r.Answer) != 1 {
		t.Errorf("%v: %v", err, r)
	}
	open()
	for i, c := range conns {
		var all []dns.RR
		for soas := 0; soas < 4; {
			m, _ := g.receive(c, nil)
			for _, r := range m.Answer {
				if r.Header().Rrtype == dns.TypeSOA {
					soas++
				}
			}
			all = append(all, m.Answer...)
		}
		sameZone(t, fmt.Sprintf("client %d", i), apply(t, first, all), last)
	}
	await.That(t, "nothing remains", func() bool {
		large.mu.Lock()
		defer large.mu.Unlock()
		return len(large.spans) == 0
	})
	if n := history.n.Load(); n != 1 {
		t.Errorf("the history was read %d times", n)
	}
}

// fill makes a zone of 6000 hosts, and a history in which some of them get one TTL after the other.
func (g *gatedHistory) fill(t *testing.T, some int, ttls ...uint32) (first, last *zone.Zone) {
	const hosts = 6000
	host := func(i int, ttl uint32) zone.Record {
		return zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%d.%s", i%250, i/250, apex)), Type: rr.TypePTR, TTL: ttl, Data: dname.MustParse("host.example.com.")}
	}
	b := zone.NewBuilder(dname.MustParse(apex))
	b.Add(record(t, soa(1)))
	b.Add(record(t, apex+" 3600 IN NS ns1.example.net."))
	for i := range hosts {
		b.Add(host(i, ttls[0]))
	}
	first, findings := b.Build()
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	steps := new(fakeHistory)
	last = first
	for step := range ttls[1:] {
		c := &zone.Changeset{Apex: last.Apex(), From: last.Serial(), To: last.Serial() + 1}
		c.Removed = append(c.Removed, record(t, soa(c.From)))
		c.Added = append(c.Added, record(t, soa(c.To)))
		for i := range some {
			c.Removed, c.Added = append(c.Removed, host(i, ttls[step])), append(c.Added, host(i, ttls[step+1]))
		}
		next, err := last.Apply(c)
		if err != nil {
			t.Fatal(step, err)
		}
		last = next
		steps.steps = append(steps.steps, c)
	}
	g.History = steps
	return first, last
}

// TestUnusedHistory: a history that is longer than the zone does not remain in memory while the zone is sent.
func TestUnusedHistory(t *testing.T) {
	history := &gatedHistory{gate: make(chan struct{})}
	close(history.gate)
	first, last := history.fill(t, 5500, 60, 120)
	g := newRigWith(t, first, func(o *Options) { o.History = history })
	g.serve(last)
	key := span{last.Key(), first.Serial(), last.Serial()}
	shared := g.handler.large.join(key)
	defer g.handler.large.leave(key)
	if all, _ := g.transfer(ixfr(first.Serial()), nil); len(all) != last.Stats().Records+1 {
		t.Errorf("%d records, not the whole zone", len(all))
	}
	shared.once.Do(func() { t.Error("the history was not read") })
	if shared.chain != nil {
		t.Errorf("%d changesets remain", len(shared.chain))
	}
}
