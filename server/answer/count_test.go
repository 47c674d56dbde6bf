package answer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

func TestCountersHaveNames(t *testing.T) {
	seen := map[string]Counter{}
	for c := range NumCounters {
		group, name := c.Name()
		if group == "" || name == "" {
			t.Errorf("counter %d: group %q, name %q", c, group, name)
		}
		if d, ok := seen[group+" "+name]; ok {
			t.Errorf("counters %d and %d are both %s %s", c, d, group, name)
		}
		seen[group+" "+name] = c
	}
	for c, want := range map[Counter]string{
		CountRequests + Counter(TCP): "requests tcp", CountTypePTR: "qtype PTR", CountTypeNone: "qtype none", CountAnswered: "outcome answered",
		CountDeferOther: "outcome deferred_other", CountRCodeNoError: "rcode NOERROR", CountRCodeOther: "rcode other",
		CountCookieMalformed: "cookie malformed", CountCookieValid: "cookie valid", CountTruncated: "features truncated", CountDO: "features do",
		CountDeferredFormErr: "slow formerr", CountDeferredBadKey: "slow badkey",
	} {
		if group, name := c.Name(); group+" "+name != want {
			t.Errorf("counter %d is %s %s, want %s", c, group, name, want)
		}
	}
}

// The sums that the doc of Counter promises, over the requests of every other
// test table and over noise.
func TestCountersAddUp(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	l := closedLab(t)
	k, err := NewCookies([][]byte{make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	l.view.Policy.Cookies = k
	total, verdicts := uint64(0), map[Verdict]uint64{}
	send := func(b []byte) {
		_, v := l.raw(b)
		verdicts[v]++
		total++
	}
	for _, c := range respondCases(t) {
		b := c.request
		for range 3 {
			send(b)
		}
		for range 50 {
			noise := append([]byte(nil), b...)
			noise[rng.IntN(len(noise))] ^= 1 << rng.IntN(8)
			l.request.Transport = Transport(rng.IntN(2))
			send(noise[:len(noise)-rng.IntN(2)*rng.IntN(len(noise))])
		}
	}
	l.Publish()
	sums := map[string]uint64{}
	for c := range NumCounters {
		group, name := c.Name()
		n := l.Stats().Load(c)
		sums[group] += n
		if group == "outcome" {
			first, _, _ := strings.Cut(name, "_")
			sums[first] += n
		}
	}
	if sums["requests"] != total || sums["qtype"] != total || sums["outcome"] != total {
		t.Errorf("%d requests: %v", total, sums)
	}
	if sums["drop"] != verdicts[Drop] || sums["deferred"] != verdicts[Defer] || sums["rcode"] != verdicts[Answered] {
		t.Errorf("verdicts %v: %v", verdicts, sums)
	}
	if sums["slow"] != 0 || sums["cookie"] == 0 {
		t.Errorf("%v", sums)
	}
}

func TestRCodesAndTypesHaveCounters(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	l.must(servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR))
	l.must(servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypeHINFO))
	l.must(servertest.Query("example.", dns.TypeNAPTR))
	for c := range NumCounters {
		if l.Stats().Load(c) != 0 {
			t.Fatal("counts are visible before Publish")
		}
	}
	l.Publish()
	for c, want := range map[Counter]uint64{CountRequests + Counter(UDP): 3, CountTypePTR: 1, CountTypeOther: 1, countOfType(rr.TypeNAPTR): 1, CountAnswered: 1, CountNoData: 1, CountNotOurs: 1, CountRCodeNoError: 2, countOfRCode(wire.RCodeRefused): 1} {
		if got := l.Stats().Load(c); got != want {
			_, name := c.Name()
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
