package daemon

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/freeport"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

var bindUpdates = flag.Int("bind-updates", 40, "updates of TestDerivedFromBIND")

const derivedForward, derivedReverse = "example.net.", "2.0.192.in-addr.arpa."

// startBIND starts a BIND with the zone, which accepts updates and notifies another server.
func startBIND(t *testing.T, program string, at netip.AddrPort, notify string) {
	t.Helper()
	dir := t.TempDir()
	replace(t, filepath.Join(dir, "zone"), "$TTL 60\n@ SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60\n@ NS ns.example.com.\n")
	to := netip.MustParseAddrPort(notify)
	conf := filepath.Join(dir, "named.conf")
	replace(t, conf, fmt.Sprintf(`options { directory %[1]q; pid-file none; session-keyfile none; lock-file none; listen-on port %[2]d { 127.0.0.1; };
listen-on-v6 { none; }; recursion no; allow-transfer { any; }; dnssec-validation no; empty-zones-enable no; check-names primary ignore; check-integrity no;
notify explicit; notify-delay 0; notify-rate 1000; startup-notify-rate 1000; max-ixfr-ratio unlimited; also-notify { %[3]v port %[4]d; }; };
controls { };
zone %[5]q { type primary; file "zone"; allow-update { any; }; };
`, dir, at.Port(), to.Addr(), to.Port(), derivedForward))
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "-g", "-n", "1", "-c", conf)
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill() //nolint:errcheck // it may have ended
		c.Wait()         //nolint:errcheck // it was killed
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

// expectedNames returns what an address should have by the forward zone: the name with the fewest labels,
// or the first in canonical order, that is not delegated.
func expectedNames(z *zone.Zone) map[netip.Addr]string {
	type name struct {
		dname.Name
		ttl uint32
	}
	all := map[netip.Addr][]name{}
	cuts := map[string]bool{}
	var records []zone.Record
	for r := range z.All() {
		if r.Type == rr.TypeNS && !r.Owner.Equal(z.Apex()) {
			cuts[r.Owner.Key()] = true
		}
		r.Owner, r.Data = r.Owner.Clone(), bytes.Clone(r.Data)
		records = append(records, r)
	}
	for _, r := range records {
		isDelegated := false
		for n := r.Owner; !n.IsRoot(); n = n.Parent() {
			isDelegated = isDelegated || cuts[n.Key()]
		}
		if a, ok := netip.AddrFromSlice(r.Data); ok && r.Type == rr.TypeA && !isDelegated {
			all[a] = append(all[a], name{r.Owner, r.TTL})
		}
	}
	out := map[netip.Addr]string{}
	for a, list := range all {
		slices.SortFunc(list, func(x, y name) int {
			return cmp.Or(cmp.Compare(x.Labels(), y.Labels()), dname.Compare(x.Name, y.Name))
		})
		out[a] = fmt.Sprint(list[0].Name, " ", list[0].ttl)
	}
	return out
}

// reverseNames returns what a reverse zone has.
func reverseNames(z *zone.Zone) map[netip.Addr]string {
	out := map[netip.Addr]string{}
	for r := range z.All() {
		if a, ok := dname.ToAddr(r.Owner); ok && r.Type == rr.TypePTR {
			out[a] += fmt.Sprint(dname.Name(r.Data), " ", r.TTL)
		}
	}
	return out
}

// A forward zone of BIND is updated at random, and is a secondary zone here, by NOTIFY and IXFR. In
// each snapshot that is served, the PTRs are those of the forward zone in the same snapshot, so that
// none is wrong for longer than a transfer takes; and each transfer makes one step of the reverse zone,
// which its own secondaries get.
func TestDerivedFromBIND(t *testing.T) {
	program := peertest.Require(t, "named")
	bind := freeport.Must(t)
	l := start(t, shortDir(t), fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
defaults: {nameservers: ns.example.com}
zones:
  - {prefix: 192.0.2.0/24, derive: [example.net]}
  - {name: example.net, secondary: {primaries: "%v"}}
`, bind))
	startBIND(t, program, bind, l.dns)

	// check compares both zones of one snapshot.
	forward, reverse := dname.MustParse(derivedForward), dname.MustParse(derivedReverse)
	check := func(set *zone.Set) bool {
		z := set.Get(forward)
		if !z.IsAvailable() {
			return true
		}
		want, got := expectedNames(z), reverseNames(set.Get(reverse))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("serial %d: PTRs are %v, want %v", z.Serial(), got, want)
			return false
		}
		return true
	}
	done, samples := make(chan struct{}), 0
	var sampler sync.WaitGroup
	sampler.Go(func() {
		var last *zone.Set
		for {
			if set := l.zones.Set(); set != last {
				last, samples = set, samples+1
				if !check(set) {
					return
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	serial := func(server string) uint32 {
		m := new(dns.Msg)
		m.SetQuestion(derivedForward, dns.TypeSOA)
		r, err := exchange(m, server)
		if err != nil || len(r.Answer) != 1 {
			return 0
		}
		return r.Answer[0].(*dns.SOA).Serial
	}
	// NOTIFY has the zone checked once a second at most; a request of the operator, at once.
	refreshTo := func(now uint32) {
		t.Helper()
		await(t, func() bool {
			if serial(l.dns) >= now {
				return true
			}
			_, err := l.follower.Refresh(t.Context(), forward, false)
			return err == nil && serial(l.dns) >= now
		})
	}
	await(t, func() bool { return serial(bind.String()) == 1 })
	refreshTo(1)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	record := func() dns.RR {
		name := fmt.Sprintf("h%d.", rng.IntN(12))
		if rng.IntN(3) == 0 {
			name += []string{"sub.", "b.sub.", "a."}[rng.IntN(3)] // h5.a comes before h6 in canonical order, and has more labels
		}
		text := fmt.Sprintf("%sexample.net. %d A 192.0.2.%d", name, 60*(1+rng.IntN(3)), rng.IntN(20))
		if rng.IntN(8) == 0 {
			text = fmt.Sprintf("%sexample.net. 60 NS ns.example.com.", []string{"sub.", "b.sub.", "h1."}[rng.IntN(3)])
		}
		r, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for range *bindUpdates {
		m := new(dns.Msg)
		m.SetUpdate(derivedForward)
		for range 1 + rng.IntN(4) {
			switch r := record(); rng.IntN(5) {
			case 0:
				m.RemoveName([]dns.RR{r})
			case 1:
				m.RemoveRRset([]dns.RR{r})
			default:
				m.Insert([]dns.RR{r})
			}
		}
		r, err := exchange(m, bind.String())
		if err != nil || r.Rcode != dns.RcodeSuccess {
			t.Fatal(r, err)
		}
		now := serial(bind.String())
		refreshTo(now)
		if t.Failed() {
			break
		}
	}
	close(done)
	sampler.Wait()
	set := l.zones.Set()
	check(set)
	for a, name := range expectedNames(set.Get(forward)) {
		if got, want := lookup(t, l.dns, dname.FromAddr(a).String(), dns.TypePTR), "NOERROR "+strings.Fields(name)[0]; got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
	}
	if axfr, ixfr := l.follower.Totals().AXFR.Load(), l.follower.Totals().IXFR.Load(); axfr > 2 || ixfr < uint64(*bindUpdates)/2 {
		t.Errorf("%d AXFR, %d IXFR", axfr, ixfr)
	}
	soa := commit.ReadRRset(set.Get(reverse), reverse, rr.TypeSOA)
	t.Logf("%d snapshots, %d IXFR; SOA of the reverse zone %s", samples, l.follower.Totals().IXFR.Load(), rr.Text(rr.TypeSOA, soa.Data[0]))
}
