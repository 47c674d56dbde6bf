package main

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Each flood sends what it says, from 127.0.0.0/8, never from the address of an honest
// client, and some of it from the prefix where honest clients are its neighbours.
func TestFloods(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	types := map[string]uint16{"subdomains": dns.TypePTR, "any": dns.TypeANY, "dnskey": dns.TypeDNSKEY, "names": dns.TypePTR}
	for _, f := range floods() {
		prefix := netip.PrefixFrom(netip.MustParseAddr(f.neighbour), 24)
		beside := 0
		for range 10_000 {
			from := f.source(rng)
			if !from.IsLoopback() || from.As4() == [4]byte{127, 0, 0, 1} {
				t.Fatalf("%s comes from %v", f.name, from)
			}
			if prefix.Contains(from) {
				beside++
				if last := from.As4()[3]; f.name != "garbage" && f.name != "subdomains" && last >= honestHost {
					t.Fatalf("%s comes from %v, where an honest client is", f.name, from)
				}
			}
			m := new(dns.Msg)
			if err := m.Unpack(f.query(rng)); f.name != "garbage" && (err != nil || len(m.Question) != 1 || m.Question[0].Qtype != types[f.name] || !m.IsEdns0().Do()) {
				t.Fatalf("%s sends %v: %v", f.name, m, err)
			}
		}
		if beside == 0 && f.name != "garbage" {
			t.Errorf("%s never comes from %v", f.name, prefix)
		}
	}
}

func TestAmplification(t *testing.T) {
	for _, c := range []struct {
		flow flow
		want float64
	}{
		{flow{}, 0},
		{flow{Sent: 10, SentOctets: 500, Received: 10, ReceivedOctets: 1000}, 2},
		{flow{Sent: 10, SentOctets: 500, Received: 5, ReceivedOctets: 500, Lost: 5}, 2},
	} {
		if got := c.flow.amplification(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.flow, got, c.want)
		}
	}
}

func TestChosen(t *testing.T) {
	name := func(d defence) string { return d.name }
	if got, err := chosen(defences(), "", name); err != nil || len(got) != len(defences()) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := chosen(defences(), "limits,none", name); err != nil || len(got) != 2 || got[0].name != "limits" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := chosen(defences(), "walls", name); err == nil || !strings.Contains(err.Error(), `"walls" is not one of none, cookies`) {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	text := describe([]result{{
		flood: "any", defence: "none", kept: []float64{1, 0.999, 0.5, 1, 1, 0}, before: 1 << 20, after: 3 << 19,
		flow: flow{Sent: 100, SentOctets: 100, Received: 100, ReceivedOctets: 250},
	}}, 1000, 10, time.Second)
	for _, want := range []string{"1000 queries a second", "**any**", "| none | 100 | 99 | 50 | 100 | 100 | 0 | 2.50 | 1.0 | 1.5 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "garbage") {
		t.Errorf("a flood that was not made:\n%s", text)
	}
}
