//go:build bench

package flood

import (
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/bench/report"
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

// Hostile connections come from 127.0.0.0/8, many of them beside honest clients, none
// from the address of one.
func TestHostileSources(t *testing.T) {
	prefix, beside, seen := netip.MustParsePrefix(hostilePrefix+"/24"), 0, map[netip.Addr]bool{}
	for k := range hostileSources {
		from := hostileSource(k)
		seen[from] = true
		if !from.IsLoopback() || from.As4()[3] == 0 || from.As4()[3] >= honestHost {
			t.Errorf("connection %d comes from %v", k, from)
		}
		if prefix.Contains(from) {
			beside++
		}
	}
	if beside == 0 || len(seen) != hostileSources || hostileSource(hostileSources) != hostileSource(0) {
		t.Errorf("%d beside the honest clients, %d addresses", beside, len(seen))
	}
}

func TestPlan(t *testing.T) {
	all, err := plan("any", "slowloris,churn", "1000,18000", 7)
	if err != nil || len(all) != 5 || all[0].size != 7 || all[0].isTCP || all[2].size != 18000 || !all[4].isTCP || all[4].name != "churn" {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := plan("-", "-", "1", 7); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := plan("-", "", "1000,many", 7); err == nil || !strings.Contains(err.Error(), `"many" connections`) {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	one := result{
		Attack: "any", Defence: "none", Seconds: 1, Kept: []float64{1, 0.999, 0.5, 1, 1, 0, 1, 1}, Before: 1 << 20, After: 3 << 19,
		P50: []float64{0, 0, 0, 0, 1, 0, 2, 0}, P99: []float64{0, 0, 0, 0, 3, 0, 4, 0},
		Flow: flow{Sent: 1000, SentOctets: 100, Received: 100, ReceivedOctets: 250},
	}
	other := one
	other.Kept = []float64{1, 0.989, 0.5, 1, 1, 0.019, 1, 1}
	text := describe([]result{one, other, {Attack: "idle", Size: 5, Seconds: 1, Kept: one.Kept, P50: one.P50, P99: one.P99, Flow: flow{Sent: 4002}}}, 10, time.Second)
	for _, want := range []string{
		"**any**", "2 runs, 1.00 thousand a second", "| none | 100 | 99 (98–99) | 50 | 100 | 100 | 0 (0–1) | 100 | 100 | 1.0, 3.0 | 2.0, 4.0 | 2.50 | 1.0 | 1.5 |",
		"**idle**", "| 5 | 100 | 99 | 50 | 100 | 100 | 0 | 100 | 100 | 1.0, 3.0 | 2.0, 4.0 | 2000 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "garbage") {
		t.Errorf("a flood that was not made:\n%s", text)
	}
}

// Results of an earlier call are there in a later one.
func TestResultsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results")
	for n := range 3 {
		r, err := report.OpenResults[result](path, false)
		if err != nil || len(r.All) != n {
			t.Fatalf("call %d finds %d results: %v", n, len(r.All), err)
		}
		if err := r.Add(result{Attack: "any", Kept: []float64{1}}); err != nil {
			t.Fatal(err)
		}
	}
}
