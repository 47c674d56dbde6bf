package delegation_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

const soa = " SOA ns.example. host.example. 1 7200 3600 864000 3600\n"

// tree is a network with the way to 2.0.192.in-addr.arpa, whose servers have both address
// families, one of them with a name outside.
func tree() *delegationtest.Network {
	n := &delegationtest.Network{}
	root := delegationtest.NewServer("." + soa + `
. NS a.root.
a.root. A 100.0.0.1
a.root. AAAA 2a00::1
arpa. NS ns.arpa.
ns.arpa. A 100.0.1.1
example. NS ns.example.
ns.example. A 100.0.4.1
`).Host()
	n.Add("100.0.0.1", root)
	n.Add("2a00::1", root)
	n.Add("100.0.1.1", delegationtest.NewServer("arpa."+soa+`
arpa. NS ns.arpa.
ns.arpa. A 100.0.1.1
`, "in-addr.arpa."+soa+`
in-addr.arpa. NS ns.arpa.
192.in-addr.arpa. NS r.registry.example.
`).Host())
	n.Add("100.0.4.1", delegationtest.NewServer("example."+soa+`
example. NS ns.example.
ns.example. A 100.0.4.1
r.registry.example. A 100.0.2.1
r.registry.example. AAAA 2a00::2
b.example. A 100.0.3.2
`).Host())
	registry := delegationtest.NewServer("192.in-addr.arpa." + soa + `
192.in-addr.arpa. NS r.registry.example.
2.0.192.in-addr.arpa. NS a.2.0.192.in-addr.arpa.
2.0.192.in-addr.arpa. NS b.example.
2.0.192.in-addr.arpa. DS 1 13 2 1111111111111111111111111111111111111111111111111111111111111111
a.2.0.192.in-addr.arpa. A 100.0.3.1
a.2.0.192.in-addr.arpa. AAAA 2a00::3
`).Host()
	n.Add("100.0.2.1", registry)
	n.Add("2a00::2", registry)
	own := delegationtest.NewServer("2.0.192.in-addr.arpa." + soa + `
2.0.192.in-addr.arpa. NS a.2.0.192.in-addr.arpa.
2.0.192.in-addr.arpa. NS b.example.
a.2.0.192.in-addr.arpa. A 100.0.3.1
a.2.0.192.in-addr.arpa. AAAA 2a00::3
25.2.0.192.in-addr.arpa. PTR mail.example.
0/25.2.0.192.in-addr.arpa. NS c.0/25.2.0.192.in-addr.arpa.
c.0/25.2.0.192.in-addr.arpa. A 100.0.5.1
26.2.0.192.in-addr.arpa. CNAME 26.0/25.2.0.192.in-addr.arpa.
`).Host()
	n.Add("100.0.3.1", own)
	n.Add("100.0.3.2", own)
	n.Add("2a00::3", own)
	n.Add("100.0.5.1", delegationtest.NewServer("0/25.2.0.192.in-addr.arpa."+soa+`
0/25.2.0.192.in-addr.arpa. NS c.0/25.2.0.192.in-addr.arpa.
c.0/25.2.0.192.in-addr.arpa. A 100.0.5.1
26.0/25.2.0.192.in-addr.arpa. PTR www.example.
`).Host())
	return n
}

func options(n *delegationtest.Network) delegation.Options {
	// Random numbers with two bits set and one clear, so that no name is in lower case, or
	// in upper case, by chance.
	random := func() uint64 { return rand.Uint64()&^2 | 5 }
	return delegation.Options{Network: n, Rand: random, Hints: []delegation.Server{
		{Name: dname.MustParse("a.root"), Addr: netip.MustParseAddrPort("100.0.0.1:53")},
		{Name: dname.MustParse("a.root"), Addr: netip.MustParseAddrPort("[2a00::1]:53")},
	}}
}

// summary returns the facts of a walk in short lines.
func summary(w *delegation.Walk) string {
	var b strings.Builder
	for _, l := range w.Levels {
		fmt.Fprintf(&b, "zone %v", l.Zone)
		if len(l.Referrals) > 0 {
			fmt.Fprintf(&b, ", parent %v:", l.Parent.Zone)
		}
		for _, f := range l.Referrals {
			r := delegation.Read(f, l.Parent.Zone)
			fmt.Fprintf(&b, " %v %v %v", f.Server.Addr.Addr(), f.Transport, r.Kind)
		}
		fmt.Fprintln(&b)
		for _, f := range l.DS {
			fmt.Fprintf(&b, "  DS %v %v: %d\n", f.Server.Addr.Addr(), f.Transport, len(f.Records()))
		}
		for _, s := range l.Servers {
			fmt.Fprintf(&b, "  %v glue %v", s.Name, s.Glue)
			fmt.Fprintf(&b, ", in parent %v, in zone %v\n", s.InParent, s.InZone)
			for _, h := range s.Hosts {
				for _, t := range []delegation.Transport{delegation.UDP, delegation.TCP} {
					a := h.Over(t)
					if a.SOA == nil {
						continue
					}
					fmt.Fprintf(&b, "    %v %v:", h.Server.Addr.Addr(), t)
					for _, f := range []*delegation.Fact{a.SOA, a.NS, a.DNSKEY, a.AAAA, a.Version, a.Recursion} {
						fmt.Fprintf(&b, " %v", delegation.Read(f, l.Zone).Kind)
					}
					fmt.Fprintln(&b)
				}
			}
		}
	}
	for _, a := range w.Aliases {
		fmt.Fprintf(&b, "%v %v to %v\n", a.From, a.Type, a.Target)
	}
	fmt.Fprintf(&b, "end %v %v %s", w.Target, w.Kind, w.Reason)
	return b.String()
}

func TestWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tree()
		defer n.Wait()
		w := delegation.New(options(n)).Walk(t.Context(), dname.MustParse("2.0.192.in-addr.arpa"))
		got := summary(w)
		for _, want := range []string{
			"zone arpa., parent .: 100.0.0.1 UDP referral 100.0.0.1 TCP referral 2a00::1 UDP referral 2a00::1 TCP referral\n",
			"zone in-addr.arpa., parent arpa.: 100.0.1.1 UDP answer 100.0.1.1 TCP answer\n",
			"zone 192.in-addr.arpa., parent in-addr.arpa.: 100.0.1.1 UDP referral",
			"zone 2.0.192.in-addr.arpa., parent 192.in-addr.arpa.: 100.0.2.1 UDP referral 100.0.2.1 TCP referral 2a00::2 UDP referral 2a00::2 TCP referral\n" +
				"  DS 100.0.2.1 UDP: 1\n  DS 100.0.2.1 TCP: 1\n  DS 2a00::2 UDP: 1\n  DS 2a00::2 TCP: 1\n",
			"    100.0.3.1 UDP: answer answer NODATA NODATA error error\n",
			"    100.0.3.2 TCP: answer answer NODATA NODATA error error\n",
			"    2a00::3 TCP: answer answer NODATA NODATA error error\n",
			"end 2.0.192.in-addr.arpa. answer ",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if w.End.Zone.String() != "2.0.192.in-addr.arpa." || w.Took != 0 {
			t.Errorf("end %v after %v", w.End.Zone, w.Took)
		}
		if _, sent := n.Sent(""); sent != w.Messages || sent > 100 {
			t.Errorf("%d messages sent, %d counted, want at most 100", sent, w.Messages)
		}
	})
}

func TestWalkFollowsAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tree()
		defer n.Wait()
		w := delegation.New(options(n)).Walk(t.Context(), dname.MustParse("26.2.0.192.in-addr.arpa"))
		got := summary(w)
		for _, want := range []string{
			"26.2.0.192.in-addr.arpa. CNAME to 26.0/25.2.0.192.in-addr.arpa.\n",
			"zone 0/25.2.0.192.in-addr.arpa., parent 2.0.192.in-addr.arpa.: 100.0.3.1 UDP referral",
			"    100.0.5.1 UDP: answer answer NODATA NODATA error error\n",
			"end 26.0/25.2.0.192.in-addr.arpa. NODATA ",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
	})
}

func TestResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := delegation.New(options(tree()))
		for _, tt := range []struct {
			name string
			t    rr.Type
			want string
		}{
			{"25.2.0.192.in-addr.arpa", rr.TypePTR, "answer from 2.0.192.in-addr.arpa., 0 aliases"},
			{"26.2.0.192.in-addr.arpa", rr.TypePTR, "answer from 0/25.2.0.192.in-addr.arpa., 1 aliases"},
			{"27.2.0.192.in-addr.arpa", rr.TypePTR, "NXDOMAIN from 2.0.192.in-addr.arpa., 0 aliases"},
			{"b.example", rr.TypeAAAA, "NODATA from example., 0 aliases"},
			{"2.0.192.in-addr.arpa", rr.TypeDS, "answer from 192.in-addr.arpa., 0 aliases"},
		} {
			l := c.Resolve(t.Context(), dname.MustParse(tt.name), tt.t)
			if got := fmt.Sprintf("%v from %v, %d aliases", l.Kind, l.Zone, len(l.Aliases)); got != tt.want {
				t.Errorf("%s %v: %s, want %s (%s)", tt.name, tt.t, got, tt.want, l.Reason)
			}
		}
	})
}

// TestResolveFails: a lookup without result has the servers of the zone where it ended, with what
// each of them says, and asks for it only once.
func TestResolveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &delegationtest.Network{}
		defer n.Wait()
		n.Add("100.0.0.1", delegationtest.NewServer("."+soa+`. NS a.root.
a.root. A 100.0.0.1
lame.example. NS a.ns.
lame.example. NS b.ns.
lame.example. NS ns.lame.example.
a.ns. A 100.0.3.1
b.ns. A 100.0.3.2
`).Host())
		n.Add("100.0.3.1", delegationtest.NewServer().Host())
		c := delegation.New(options(n))
		name := dname.MustParse("www.lame.example")
		l := c.Resolve(t.Context(), name, rr.TypeA)
		if !l.HasFailed() || l.End == nil || l.End.Zone.String() != "lame.example." || len(l.End.Servers) != 3 {
			t.Fatalf("%v, end %+v", l.Kind, l.End)
		}
		got := ""
		for _, s := range l.End.Servers {
			got += s.Name.String() + ":"
			for _, h := range s.Hosts {
				got += fmt.Sprintf(" %v %s", h.UDP.SOA.Outcome, delegation.Read(h.UDP.SOA, l.End.Zone).Kind)
			}
			got += "\n"
		}
		if want := "a.ns.: answered error\nb.ns.: not asked no response\nns.lame.example.:\n"; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		_, before := n.Sent("")
		if again := c.Resolve(t.Context(), name, rr.TypeA); again.End == nil {
			t.Error("no end by a second lookup")
		}
		if _, sent := n.Sent(""); sent != before || sent > 20 {
			t.Errorf("%d messages by the first lookup, %d by both", before, sent)
		}
	})
}

// TestDifferences walks to a zone of which two servers of the parent, and the zone itself, list
// different servers.
func TestDifferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &delegationtest.Network{}
		defer n.Wait()
		n.Add("100.0.0.1", delegationtest.NewServer("."+soa+". NS a.root.\na.root. A 100.0.0.1\nexample. NS a.example.\na.example. A 100.0.3.1\nexample. NS b.example.\nb.example. A 100.0.3.2\n").Host())
		n.Add("2a00::1", delegationtest.NewServer("."+soa+". NS a.root.\na.root. A 100.0.0.1\nexample. NS a.example.\na.example. A 100.0.3.1\nexample. NS c.example.\nc.example. A 100.0.3.3\n").Host())
		own := delegationtest.NewServer("example." + soa + `
example. NS a.example.
example. NS d.example.
a.example. A 100.0.3.11
b.example. A 100.0.3.2
c.example. CNAME a.example.
d.example. A 100.0.3.4
`).Host()
		for _, a := range []string{"100.0.3.1", "100.0.3.11", "100.0.3.2", "100.0.3.3", "100.0.3.4"} {
			n.Add(a, own)
		}
		c := delegation.New(options(n))
		c.Survey(t.Context(), dname.MustParse("example"), []delegation.NameServer{{Name: dname.MustParse("x.example"), Glue: []netip.Addr{netip.MustParseAddr("100.0.3.1")}}})
		w := c.Walk(t.Context(), dname.MustParse("example"))
		got := summary(w)
		for _, want := range []string{
			"  a.example. glue [100.0.3.1], in parent true, in zone true\n    100.0.3.1 UDP: answer",
			"    100.0.3.11 UDP: answer",
			"  b.example. glue [100.0.3.2], in parent true, in zone false\n    100.0.3.2 UDP: answer",
			"  c.example. glue [100.0.3.3], in parent true, in zone false\n    100.0.3.3 UDP: answer",
			"  d.example. glue [], in parent false, in zone true\n    100.0.3.4 UDP: answer",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if strings.Contains(got, "x.example") {
			t.Errorf("a server of an earlier survey is in\n%s", got)
		}
		for _, s := range w.End.Servers {
			if isAlias := len(s.A.Aliases) > 0; isAlias != (s.Name.String() == "c.example.") {
				t.Errorf("%v has aliases: %v", s.Name, isAlias)
			}
		}
	})
}

// TestDNAME follows a DNAME to a name in another part of the DNS.
func TestDNAME(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := small()
		defer n.Wait()
		n.Add(hostile, delegationtest.NewServer("example."+soa+`
example. NS ns.example.
ns.example. A `+hostile+`
64.example. DNAME 64.rev.other.example.
other.example. NS ns.other.example.
ns.other.example. A 100.0.5.1
`).Host())
		n.Add("100.0.5.1", delegationtest.NewServer("other.example."+soa+"other.example. NS ns.other.example.\nns.other.example. A 100.0.5.1\n65.64.rev.other.example. PTR mail.example.\n").Host())
		w := delegation.New(options(n)).Walk(t.Context(), dname.MustParse("65.64.example"))
		if got := summary(w); !strings.HasSuffix(got, "65.64.example. DNAME to 65.64.rev.other.example.\nend 65.64.rev.other.example. NODATA ") || w.End.Zone.String() != "other.example." {
			t.Error(got)
		}
		l := delegation.New(options(n)).Resolve(t.Context(), dname.MustParse("65.64.example"), rr.TypePTR)
		if l.Kind != delegation.Answer || len(l.Aliases) != 1 || l.Aliases[0].Owner.String() != "64.example." {
			t.Errorf("%v %v %s", l.Kind, l.Aliases, l.Reason)
		}
	})
}
