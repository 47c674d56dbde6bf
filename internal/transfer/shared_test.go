package transfer

import (
	"fmt"
	"net"
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
	const hosts = 6000
	host := func(i int, ttl uint32) zone.Record {
		return zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%d.%s", i%250, i/250, apex)), Type: rr.TypePTR, TTL: ttl, Data: dname.MustParse("host.example.com.")}
	}
	b := zone.NewBuilder(dname.MustParse(apex))
	b.Add(record(t, soa(1)))
	b.Add(record(t, apex+" 3600 IN NS ns1.example.net."))
	for i := range hosts {
		b.Add(host(i, 60))
	}
	first, findings := b.Build()
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	history := &gatedHistory{History: new(fakeHistory), gate: make(chan struct{})}
	g := newRigWith(t, first, func(o *Options) { o.History = history })
	last := first
	for serial, ttls := range [][2]uint32{{60, 120}, {120, 180}, {180, 120}} {
		c := &zone.Changeset{Apex: last.Apex(), From: last.Serial(), To: last.Serial() + 1}
		c.Removed = append(c.Removed, record(t, soa(c.From)))
		c.Added = append(c.Added, record(t, soa(c.To)))
		for i := range 1700 {
			c.Removed, c.Added = append(c.Removed, host(i, ttls[0])), append(c.Added, host(i, ttls[1]))
		}
		next, err := last.Apply(c)
		if err != nil {
			t.Fatal(serial, err)
		}
		last = next
		f := history.History.(*fakeHistory)
		f.steps = append(f.steps, c)
	}
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
	close(history.gate)
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
