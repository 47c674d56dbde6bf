package delegation_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

var reverse = dname.MustParse("2.0.192.in-addr.arpa")

// outcomes returns the outcomes of a walk's facts about servers of a family, each once.
func outcomes(w *delegation.Walk, is4 bool) string {
	seen := map[string]bool{}
	var out []string
	for _, l := range w.Levels {
		facts := append(l.Referrals[:len(l.Referrals):len(l.Referrals)], l.DS...)
		for _, h := range l.Hosts() {
			for _, t := range []delegation.Transport{delegation.UDP, delegation.TCP} {
				if a := h.Over(t); a.SOA != nil {
					facts = append(facts, a.SOA, a.NS, a.DNSKEY, a.AAAA, a.Version, a.Recursion)
				}
			}
		}
		for _, f := range facts {
			if f != nil && f.Server.Addr.Addr().Is4() == is4 && !seen[f.Outcome.String()] {
				seen[f.Outcome.String()] = true
				out = append(out, f.Outcome.String())
			}
		}
	}
	return strings.Join(out, ", ")
}

func TestOneFamily(t *testing.T) {
	for _, tt := range []struct {
		name           string
		no4, no6       bool // no route
		silent6        bool // packets are lost
		option6        bool // the user does not want it
		four, six, end string
		most           time.Duration
	}{
		{"both", false, false, false, false, "answered", "answered", "answer", 0},
		{"IPv4", false, true, false, false, "answered", "not asked", "answer", 0},
		{"IPv6 packets are lost", false, false, true, false, "answered", "no answer, not asked", "answer", 14 * time.Second},
		{"without IPv6 by option", false, false, true, true, "answered", "not asked", "answer", 0},
		{"no family", true, true, false, false, "not asked", "not asked", "no response", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := tree()
				defer n.Wait()
				n.No4, n.No6 = tt.no4, tt.no6
				if tt.silent6 {
					for _, a := range []string{"2a00::1", "2a00::2", "2a00::3"} {
						n.Add(a, nil)
					}
				}
				o := options(n)
				o.No6 = tt.option6
				w := delegation.New(o).Walk(t.Context(), reverse)
				if four, six := outcomes(w, true), outcomes(w, false); four != tt.four || six != tt.six {
					t.Errorf("IPv4 %s, IPv6 %s, want %s and %s", four, six, tt.four, tt.six)
				}
				if w.Kind.String() != tt.end || w.Took > tt.most {
					t.Errorf("%v %s after %v, want %s after at most %v", w.Kind, w.Reason, w.Took, tt.end, tt.most)
				}
				if w.Port53.Intercepted || w.Port53.Closed != (tt.no4 && tt.no6) {
					t.Errorf("%+v", w.Port53)
				}
			})
		})
	}
}

// TestSilentFamily asks addresses of a family whose packets are lost: after some, no more.
func TestSilentFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, good := small()
		n.Add(hostile, good.Host())
		c := delegation.New(options(n))
		q := delegation.Question{Name: dname.MustParse("example"), Type: rr.TypeSOA}
		ask := func(addr string) *delegation.Fact {
			return c.Ask(t.Context(), delegation.Server{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 53)}, q, delegation.UDP)
		}
		for i := range 5 {
			if f := ask(fmt.Sprintf("2a00::9:%d", i)); f.Outcome != delegation.NoAnswer {
				t.Errorf("before any answer: %v", f)
			}
		}
		if f := ask(hostile); !f.OK() {
			t.Error(f)
		}
		f := ask("2a00::9:9")
		if f.Outcome != delegation.NotAsked || f.Reason != "no answer from 5 other IPv6 addresses; this host seems to have no IPv6 connection" {
			t.Error(f)
		}
		if f := ask("100.0.9.9"); f.Outcome != delegation.NoAnswer {
			t.Errorf("the family that works: %v", f)
		}
		if f := ask("::ffff:100.0.3.1"); f.Outcome != delegation.NotAsked || f.Reason != "it is not the address of a host" {
			t.Error(f)
		}
		if f := ask("100.0.9.9"); f.Outcome != delegation.NoAnswer {
			t.Error(f)
		}
		q.Type = rr.TypeNS
		if f := ask("100.0.9.9"); f.Outcome != delegation.NotAsked || f.Reason != "no answer to example. SOA before" || !f.IsSilent() || f.Earlier == nil {
			t.Error(f)
		}
	})
}

// interceptor answers for every address as a resolver that does not recurse without RD, or with
// offers false, as one that offers no recursion at all.
func interceptor(offers bool) *delegationtest.Host {
	return &delegationtest.Host{Answer: func(request *dns.Msg, _ delegation.Transport) *dns.Msg {
		m := rcode(request, dns.RcodeRefused)
		m.RecursionAvailable = offers
		return m
	}}
}

func TestInterceptedAndClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			offers             bool
			roots              []delegation.Server
			evidence, messages int
		}{{true, delegation.RootServers(), 6, 6}, {false, delegation.RootServers()[:2], 1, 12}} {
			n := &delegationtest.Network{Any: interceptor(c.offers)}
			defer n.Wait()
			o := options(n)
			o.Hints = c.roots
			w := delegation.New(o).Walk(t.Context(), reverse)
			if p := w.Port53; !p.Intercepted || p.Closed || len(p.Evidence) != c.evidence {
				t.Errorf("intercepted: %+v", p)
			}
			if _, all := n.Sent(""); all > c.messages {
				t.Errorf("%d messages to find that they are intercepted", all)
			}
		}
		w := delegation.New(options(&delegationtest.Network{})).Walk(t.Context(), reverse)
		if p := w.Port53; p.Intercepted || !p.Closed || w.Took > 12*time.Second {
			t.Errorf("closed: %+v after %v", p, w.Took)
		}
	})
}

func TestThroughResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tree()
		defer n.Wait()
		o := options(n)
		n.Add("100.0.9.1", delegationtest.Resolver(delegation.New(o)))
		o.Resolver = netip.MustParseAddrPort("100.0.9.1:53")
		w := delegation.New(o).Walk(t.Context(), dname.MustParse("26.2.0.192.in-addr.arpa"))
		got := summary(w)
		for _, want := range []string{"zone arpa.", "zone in-addr.arpa.", "zone 192.in-addr.arpa.", "zone 2.0.192.in-addr.arpa.", "zone 0/25.2.0.192.in-addr.arpa.",
			"\nend 26.0/25.2.0.192.in-addr.arpa. NODATA "} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		for _, l := range w.Levels {
			if l.Zone.Equal(reverse) {
				if l.Resolver.SOA.SOA() == nil || len(l.DS) != 1 || len(l.DS[0].Records()) != 1 || len(l.Servers) != 2 || len(l.Servers[0].A.Addresses())+len(l.Servers[1].A.Addresses()) != 2 {
					t.Errorf("%v %v %v", l.Resolver, l.DS, l.Servers)
				}
				for _, h := range l.Hosts() {
					if f := h.UDP.SOA; f.Outcome != delegation.NotAsked || f.Reason != "the resolver is asked instead" {
						t.Error(f)
					}
				}
			}
		}
	})
}

// TestFrom starts from servers of a zone on the way.
func TestFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tree()
		defer n.Wait()
		o := options(n)
		o.From = []delegation.Server{{Addr: netip.MustParseAddrPort("100.0.2.1:53")}}
		c := delegation.New(o)
		w := c.Walk(t.Context(), reverse)
		if len(w.Levels) != 2 || w.Levels[0].Zone.String() != "192.in-addr.arpa." || w.Kind != delegation.Answer {
			t.Error(summary(w))
		}
		if w = c.Walk(t.Context(), dname.MustParse("b.example")); w.Levels != nil || w.Reason != "the given servers answer for no zone above it" {
			t.Error(summary(w))
		}
		if l := c.Resolve(t.Context(), dname.MustParse("b.example"), rr.TypeA); l.Kind != delegation.Answer {
			t.Errorf("a name outside of the zone: %v %s", l.Kind, l.Reason)
		}
	})
}

// TestSurvey asks the servers of a zone that is not delegated, one of them without it.
func TestSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tree()
		defer n.Wait()
		n.Add("100.0.7.1", delegationtest.NewServer("new.example."+soa+"new.example. NS ns.new.example.\nnew.example. NS b.example.\nns.new.example. A 100.0.7.1").Host())
		l := delegation.New(options(n)).Survey(t.Context(), dname.MustParse("new.example"), []delegation.NameServer{
			{Name: dname.MustParse("ns.new.example"), Glue: []netip.Addr{netip.MustParseAddr("100.0.7.1")}},
			{Name: dname.MustParse("b.example")},
		})
		if len(l.Servers) != 2 || len(l.Hosts()) != 2 {
			t.Fatalf("%v", l.Servers)
		}
		if soa := l.Servers[0].Hosts[0].TCP.SOA.SOA(); soa == nil || soa.Serial != 1 {
			t.Error(l.Servers[0].Hosts[0].TCP.SOA)
		}
		if f := l.Servers[1].Hosts[0].UDP.SOA; f.Rcode() != dns.RcodeRefused || l.Servers[1].Hosts[0].Server.Addr.String() != "100.0.3.2:53" {
			t.Error(f)
		}
		if !l.Servers[1].InParent || !l.Servers[1].InZone {
			t.Errorf("%+v", l.Servers[1])
		}
	})
}

// TestRequests checks that IDs and the case of names are random, and that the same question
// is asked once.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		names, ids := map[string]bool{}, map[uint16]bool{}
		n := &delegationtest.Network{}
		n.Add(hostile, &delegationtest.Host{Answer: func(request *dns.Msg, _ delegation.Transport) *dns.Msg {
			mu.Lock()
			defer mu.Unlock()
			names[request.Question[0].Name] = true
			ids[request.Id] = true
			return rcode(request, 0)
		}})
		c := delegation.New(options(n))
		s := delegation.Server{Addr: netip.MustParseAddrPort(hostile + ":53")}
		name := dname.MustParse("long-name-of-a-server.example")
		var all sync.WaitGroup
		for range 10 {
			for i := range uint16(100) {
				all.Go(func() { c.Ask(t.Context(), s, delegation.Question{Name: name, Type: rr.Type(i + 1)}, delegation.UDP) })
			}
		}
		all.Wait()
		if to, _ := n.Sent(hostile); to != 100 {
			t.Errorf("%d messages for 100 questions", to)
		}
		if len(names) < 95 || len(ids) < 95 {
			t.Errorf("%d spellings and %d IDs of 100 messages", len(names), len(ids))
		}
	})
}

func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, good := small()
		n.Add(hostile, good.Host())
		f := delegation.New(options(n)).Ask(t.Context(), delegation.Server{Addr: netip.MustParseAddrPort(hostile + ":53")},
			delegation.Question{Name: dname.MustParse("example"), Type: rr.TypeNS}, delegation.UDP)
		got, err := json.Marshal(f)
		want := `{"server":{"address":"100.0.3.1:53"},"transport":"UDP","question":{"name":"example.","type":"NS"},"outcome":"answered",` +
			`"at":"2000-01-01T00:00:00Z","tries":[{"at":"2000-01-01T00:00:00Z","took":0,"edns":true,"case":true,"rcode":0,"outcome":"answered"}],"size":67,` +
			`"rcode":"NOERROR","flags":["AA"],"answer":["example. 3600 IN NS ns.example."],"additional":[";; OPT PSEUDOSECTION: ; EDNS: version 0; flags:; udp: 1232"]}`
		if err != nil || string(got) != want {
			t.Errorf("%v\n%s\nwant\n%s", err, got, want)
		}
	})
}

func TestMessageLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tree()
		defer n.Wait()
		o := options(n)
		o.Limits.Messages = 10
		w := delegation.New(o).Walk(t.Context(), reverse)
		if _, all := n.Sent(""); all != 10 {
			t.Errorf("%d messages", all)
		}
		for _, h := range w.End.Hosts() {
			if f := h.TCP.Recursion; f.Outcome != delegation.NotAsked || f.Reason != "the limit of 10 messages is reached" {
				t.Error(f)
			}
		}
	})
}

func TestHints(t *testing.T) {
	if s := delegation.RootServers(); len(s) != 26 {
		t.Errorf("%d addresses of root servers, want 26", len(s))
	}
	file := filepath.Join(t.TempDir(), "hints")
	for _, tt := range []struct{ text, want string }{
		{". NS a.test.\na.test. A 100.0.0.1\na.test. AAAA 2a00::1\nb.test. A 100.0.0.2\n", "[a.test. (100.0.0.1) a.test. (2a00::1)]"},
		{". NS a.test.\n", "FILE: no root server with an address; a hints file has NS records of the name `.` and A or AAAA records of the servers"},
		{". NS a.test.\na.test. A 100.0.0\n", `FILE:2:11: A at a.test.: "100.0.0" is not an address; write one like 192.0.2.1`},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := delegation.LoadHints(file)
		got := fmt.Sprint(s)
		if err != nil {
			got = strings.Replace(err.Error(), file, "FILE", 1)
		}
		if got != tt.want {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.want)
		}
	}
}
