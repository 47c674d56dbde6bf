package transfer

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
)

const apex = "2.0.192.in-addr.arpa."

func TestAXFR(t *testing.T) {
	single := build(t, soa(1), apex+" 3600 IN NS ns1.example.net.")
	var many []string
	many = append(many, soa(2), apex+" 3600 IN NS ns1.example.net.")
	for i := range 5000 {
		many = append(many, fmt.Sprintf("%d.%d.%s 3600 IN PTR host%d.dept%d.example.com.", i%250, i/250, apex, i, i%7))
	}
	large := []string{soa(3), apex + " 3600 IN NS ns1.example.net.",
		"5." + apex + " 60 IN TXT" + strings.Repeat(" \""+strings.Repeat("y", 255)+"\"", 200)} // 51,200 octets, more than messageSize
	for _, c := range []struct {
		what string
		zone *zone.Zone
	}{
		{"two records", single}, {"awkward data", awkward(t, 7)}, {"5000 names", build(t, many...)},
		{"a serial behind the wrap", awkward(t, 0)}, {"a large record", build(t, large...)},
	} {
		g := newRig(t, c.zone)
		for _, key := range []*tsig.Key{nil, g.key} {
			for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
				if c.what == "a large record" && qtype == dns.TypeIXFR {
					continue
				}
				m := axfr()
				if qtype == dns.TypeIXFR { // there is no history
					m = ixfr(c.zone.Serial() - 1)
				}
				if key != nil {
					m.SetEdns0(1232, true)
				}
				if c.what == "a large record" {
					largeTransfer(t, g, m, key, c.zone)
					continue
				}
				all, messages := g.transfer(m, key)
				sameZone(t, c.what, zoneOf(t, all), c.zone)
				if len(all) > 5000 && (messages < 5 || messages > 20) {
					t.Errorf("%s: %d messages", c.what, messages)
				}
			}
		}
		got := await.Value(t, "the count of all answers", g.handler.Totals, func(t [NumKinds]Totals) bool {
			return t[Full].Answers+t[FullByIXFR].Answers+t[Broken].Answers == g.asked
		})
		if want := uint64(c.zone.Stats().Records + 1); got[Full].Records != 2*want || got[Full].Answers != 2 || got[Broken].Answers != 0 {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

// largeTransfer has a message larger than the others.
func largeTransfer(t *testing.T, g *rig, m *dns.Msg, key *tsig.Key, want *zone.Zone) {
	c, v := g.dial(m, key)
	var all []dns.RR
	largest := 0
	for len(all) < 2 || all[len(all)-1].Header().Rrtype != dns.TypeSOA {
		got, size := g.receive(c, v)
		all, largest = append(all, got.Answer...), max(largest, size)
	}
	sameZone(t, "a large record", zoneOf(t, all), want)
	if largest < 51200 {
		t.Errorf("the largest message has %d octets", largest)
	}
}

// TestFailed: a client that goes before it has all of the zone is reported, others are not.
func TestFailed(t *testing.T) {
	lines := []string{soa(1), apex + " 3600 IN NS ns1.example.net."}
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("%d.%d.%s 3600 IN TXT %s", i%250, i/250, apex, strings.Repeat(" "+strings.Repeat("x", 250), 20)))
	}
	var failed, sent atomic.Int32
	gone := make(chan struct{}) // the client is
	g := newRigWith(t, build(t, lines...), func(o *Options) {
		records := 0
		o.Pause = func() func() {
			return func() {
				if records++; records == len(lines)/2 { // more than the client needs to go
					<-gone
				}
			}
		}
		o.Sent = func(*zone.Zone, netip.Addr, Kind) { sent.Add(1) }
		o.Failed = func(z *zone.Zone, client netip.Addr) {
			if failed.Add(1); z.Serial() != 1 || !client.IsLoopback() {
				t.Errorf("serial %d was not sent to %v", z.Serial(), client)
			}
		}
	})
	c, v := g.dial(axfr(), nil)
	g.receive(c, v)
	c.Close()
	close(gone)
	await.That(t, "the report", func() bool { return failed.Load() == 1 })
	g.transfer(axfr(), nil)
	await.That(t, "the report of a transfer", func() bool { return sent.Load() == 1 })
	if failed.Load() != 1 {
		t.Errorf("%d reports of failures", failed.Load())
	}
}

// TestSnapshot: what is sent is the zone of one moment, however often another is put
// in force while it is sent.
func TestSnapshot(t *testing.T) {
	var lines []string
	for i := range 30000 {
		lines = append(lines, fmt.Sprintf("%d.%d.%s 3600 IN PTR a-long-name-of-a-host-%d.department-%d.example.com.", i%250, i/250, apex, i, i%1000))
	}
	ns := apex + " 3600 IN NS ns1.example.net."
	first := build(t, append([]string{soa(1), ns}, lines...)...)
	second := build(t, append([]string{soa(2), ns}, lines[:15000]...)...)
	g := newRig(t, first)
	c, v := g.dial(axfr(), g.key)
	got, _ := g.receive(c, v)
	g.serve(second)
	all := got.Answer
	for all[len(all)-1].Header().Rrtype != dns.TypeSOA {
		got, _ = g.receive(c, v)
		all = append(all, got.Answer...)
	}
	if err := v.End(); err != nil {
		t.Error(err)
	}
	sameZone(t, "the first", zoneOf(t, all), first)
	all, _ = g.transfer(axfr(), nil)
	sameZone(t, "the second", zoneOf(t, all), second)
}

// A transfer that panics gives back all that it has, and its client learns that no more
// comes: however many did, the next one is made.
func TestPanicsKeepNoTransferFromBeingMade(t *testing.T) {
	z := build(t, soa(3), apex+" 60 IN NS ns.example.", "1."+apex+" 60 IN PTR host.example.")
	var faulty atomic.Bool // the next pause panics
	g := newRigWith(t, z, func(o *Options) {
		o.Pause = func() func() {
			return func() {
				if faulty.CompareAndSwap(true, false) {
					panic("asked to")
				}
			}
		}
	})
	for _, ask := range []func() *dns.Msg{axfr, func() *dns.Msg { return ixfr(1) }} {
		const many = 40 // more than there are places, and turns to compute
		for range many {
			faulty.Store(true)
			c, _ := g.dial(ask(), nil)
			if n, err := io.Copy(io.Discard, c); n > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("%d octets of an answer, %v", n, err)
			}
		}
		if all, _ := g.transfer(ask(), nil); len(all) < 3 {
			t.Errorf("%d records", len(all))
		}
	}
	await.Value(t, "rest, and 80 connections closed because of a fault", g.server.Totals, func(t server.Totals) bool {
		return t.Deferred.Working+t.Deferred.Transfers+t.Deferred.TransfersWaiting == 0 && t.Closed[answer.CloseFault] == 80
	})
}
