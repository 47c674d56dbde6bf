package handover

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/rr"
)

// inNetwork returns a request to hand over the model's zone, in a network in memory with a root server
// that has the zone with these records.
func inNetwork(m *model, input, parent string) *Request {
	return in(&delegationtest.Network{}, m, input, parent)
}

func in(network *delegationtest.Network, m *model, input, parent string) *Request {
	for _, a := range m.servers() {
		network.Add(a.String(), &delegationtest.Host{Answer: func(query *dns.Msg, tr delegation.Transport) *dns.Msg {
			return m.serve(a, query, tr == delegation.TCP)
		}})
	}
	var zone strings.Builder
	zone.WriteString(". SOA root.example. a.b. 1 2 3 4 5\n. NS root.example.\nroot.example. A 11.0.0.53\n")
	for n, list := range m.addrs {
		for _, a := range list {
			fmt.Fprintf(&zone, "%s %s %v\n", n, rr.AddressType(a), a)
		}
	}
	network.Add("11.0.0.53", delegationtest.NewServer(zone.String()+parent).Host())
	o := delegation.Options{Network: network, Hints: []delegation.Server{{Addr: netip.MustParseAddrPort("11.0.0.53:53")}}}
	return &Request{Input: input, Servers: m.handover().Servers, Source: func() Source { return NewSource(o) }, Now: time.Now}
}

// TestDelegated compares the zone above with what it is to have.
func TestDelegated(t *testing.T) {
	ds := newModel().sign(0).keys[0].ToDS(dns.SHA256)
	dsText := fmt.Sprintf("7.4.11.in-addr.arpa. DS %d %d %d %s\n", ds.KeyTag, ds.Algorithm, ds.DigestType, strings.ToUpper(ds.Digest))
	const ns = "7.4.11.in-addr.arpa. NS ns1.customer.example.\n7.4.11.in-addr.arpa. NS ns2.customer.example.\n"
	for _, c := range []struct{ name, parent, want string }{
		{"not yet", "", "7.4.11.in-addr.arpa.: ready to be delegated\n7.4.11.in-addr.arpa.: not delegated by . yet\n"},
		{"done", ns + dsText, "7.4.11.in-addr.arpa.: ready to be delegated\n7.4.11.in-addr.arpa.: delegated by ., nothing is missing\n"},
		{"no DS", ns, "7.4.11.in-addr.arpa.: ready to be delegated\n7.4.11.in-addr.arpa.: delegated by ., with differences\n    missing: " + dsText},
		{"another server", strings.Replace(ns, "ns2.", "old.", 1) + dsText + "old.customer.example. A 11.9.0.53\n",
			"7.4.11.in-addr.arpa.: ready to be delegated\n7.4.11.in-addr.arpa.: delegated by ., with differences\n    missing: 7.4.11.in-addr.arpa. NS ns2.customer.example.\n    to be removed: 7.4.11.in-addr.arpa. NS old.customer.example.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := Make(t.Context(), inNetwork(newModel().sign(0), "11.4.7.0/24", c.parent))
				if err != nil {
					t.Fatal(err)
				}
				var out strings.Builder
				if err := r.Report(&out); err != nil || out.String() != c.want {
					t.Errorf("%v, %swant\n%s", err, &out, c.want)
				}
				if !*r.Ready || r.Zones[0].Delegated.Done != (c.name == "done") || r.Zones[0].Parent.String() != "." {
					t.Errorf("%+v", r.Zones[0])
				}
				if rec := strings.Join(r.Zones[0].Records, "\n") + "\n"; rec != ns+dsText {
					t.Errorf("records %s", rec)
				}
			})
		})
	}
}

// TestDelegatedClassless: the zone above a part of a /24 needs a CNAME for each address.
func TestDelegatedClassless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		m.zone = "64-67.7.4.11.in-addr.arpa."
		m.records = map[string][]dns.RR{}
		m.put("@ SOA . . 1 1 1 1 1").put("@ NS ns1.customer.example.").put("@ NS ns2.customer.example.")
		q := inNetwork(m, "11.4.7.64/30", `64-67.7.4.11.in-addr.arpa. NS ns1.customer.example.
64-67.7.4.11.in-addr.arpa. NS ns2.customer.example.
64.7.4.11.in-addr.arpa. CNAME 64.64-67.7.4.11.in-addr.arpa.
65.7.4.11.in-addr.arpa. PTR mail.example.
66.7.4.11.in-addr.arpa. CNAME 66.64-66.7.4.11.in-addr.arpa.
67.7.4.11.in-addr.arpa. CNAME 67.64-67.7.4.11.in-addr.arpa.
`)
		q.For = []string{"isp", "jpnic"}
		r, err := Make(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		d := r.Zones[0].Delegated
		if d.Done || !slices.Equal(d.Missing, []string{
			"65.7.4.11.in-addr.arpa. CNAME 65.64-67.7.4.11.in-addr.arpa.", "66.7.4.11.in-addr.arpa. CNAME 66.64-67.7.4.11.in-addr.arpa.",
		}) || !slices.Equal(d.Extra, []string{"66.7.4.11.in-addr.arpa. CNAME 66.64-66.7.4.11.in-addr.arpa."}) {
			t.Errorf("%+v", d)
		}
		if *r.Ready || r.Documents[0].Refused != nil || r.Documents[1].Refused == nil {
			t.Errorf("JPNIC delegates a part of a /24: %+v", r.Documents)
		}
	})
}

// TestOneFamily: a host without IPv6 tests what it reaches, and names the rest.
func TestOneFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := Make(t.Context(), in(&delegationtest.Network{No6: true}, newModel(), "11.4.7.0/24", ""))
		if err != nil {
			t.Fatal(err)
		}
		z := r.Zones[0]
		if !*r.Ready || len(z.Findings) != 0 || !slices.Equal(z.Untested, []string{
			"ns1.customer.example/2e00:4:7::53: this host has no route to IPv6 addresses", "ns2.customer.example/2e00:6::53: this host has no route to IPv6 addresses",
		}) {
			t.Errorf("%q, %+v", z.Untested, z.Findings)
		}
		var out strings.Builder
		if r.Report(&out); !strings.Contains(out.String(), "warning: not tested, but by the owner of the addresses: ns2.customer.example/2e00:6::53: this host has no route") {
			t.Error(&out)
		}
	})
}

// TestServersOfDelegation: without other servers, those of the delegation are tested.
func TestServersOfDelegation(t *testing.T) {
	for parent, want := range map[string]string{
		"": "no name servers of 11.4.7.0/24 are known to test, and it is not delegated; give them by --ns, or as `nameservers` in the configuration",
		"7.4.11.in-addr.arpa. NS ns1.customer.example.\n7.4.11.in-addr.arpa. NS ns2.customer.example.\n": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			q := inNetwork(newModel(), "11.4.7.0/24", parent)
			q.Servers = nil
			r, err := Make(t.Context(), q)
			if want != "" {
				if err == nil || err.Error() != want {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || !*r.Ready || !r.Zones[0].Delegated.Done || len(r.Zones[0].Records) != 2 {
				t.Errorf("%v, %+v", err, r)
			}
		})
	}
}

// TestByResolver: where port 53 of root servers is closed, a resolver is asked for names, and the
// servers of the zone themselves.
func TestByResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		network := &delegationtest.Network{}
		q := in(network, m, "11.4.7.0/24", "")
		network.Add("11.0.0.53", &delegationtest.Host{Answer: func(*dns.Msg, delegation.Transport) *dns.Msg { return nil }})
		network.Add("11.9.9.9", &delegationtest.Host{Answer: func(query *dns.Msg, _ delegation.Transport) *dns.Msg {
			r := m.root(query)
			r.Authoritative, r.RecursionAvailable = false, true
			return r
		}})
		o := delegation.Options{Network: network, Hints: []delegation.Server{{Addr: netip.MustParseAddrPort("11.0.0.53:53")}}}
		q.Source = func() Source { return NewSource(o) }
		r, err := Make(t.Context(), q)
		if err != nil || *r.Ready || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "no root server answers: ") }) {
			t.Errorf("%v, %+v", err, r)
		}
		o.Resolver = netip.MustParseAddrPort("11.9.9.9:53")
		r, err = Make(t.Context(), q)
		if err != nil || !*r.Ready || r.Notes != nil || !strings.HasPrefix(r.Zones[0].Delegated.Reason, "a resolver is asked") {
			t.Errorf("%v, %+v", err, r)
		}
	})
}

// TestRefusedBy: only what the owners in question refuse is an error.
func TestRefusedBy(t *testing.T) {
	tcp := func(c *call) {
		if c.tcp {
			c.reply = nil
		}
	}
	for _, c := range []struct {
		m       *model
		owner   string
		refused string
	}{
		{alter(newModel(), tcp)(), "ripe", "ripe"},
		{alter(newModel(), tcp)(), "jpnic", ""},
		{alter(newModel(), func(c *call) { c.reply.Authoritative = false })(), "jpnic", "jpnic"},
		{alter(newModel(), func(c *call) { c.reply.Authoritative = false })(), "", "ripe arin apnic lacnic afrinic jpnic isp"},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := inNetwork(c.m, "11.4.7.0/24", "")
			if c.owner != "" {
				q.For = []string{c.owner}
			}
			r, err := Make(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.refusing(), " "); got != c.refused || *r.Ready != (c.refused == "") {
				t.Errorf("%q refuses, ready %v, want %q", got, *r.Ready, c.refused)
			}
		})
	}
}

// TestWait waits for a secondary.
func TestWait(t *testing.T) {
	for _, c := range []struct {
		after  time.Duration // until the secondary has the zone
		serial uint32        // of the running server
		behind []string
	}{
		{0, 0, nil},
		{time.Minute, 0, nil},
		{time.Minute, 2026010101, nil},
		{time.Hour, 0, []string{"ns2.customer.example/11.6.0.53 (serial 2026010100, not 2026010101)", "ns2.customer.example/2e00:6::53 (serial 2026010100, not 2026010101)"}},
		{0, 2026010102, []string{
			"ns1.customer.example/11.4.7.53 (serial 2026010101, not 2026010102)", "ns1.customer.example/2e00:4:7::53 (serial 2026010101, not 2026010102)",
			"ns2.customer.example/11.6.0.53 (serial 2026010101, not 2026010102)", "ns2.customer.example/2e00:6::53 (serial 2026010101, not 2026010102)",
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			m := newModel()
			m.alter = func(k *call) {
				if slices.Contains(m.addrs["ns2.customer.example."], k.server) && time.Since(begin) < c.after {
					eachRR(k.reply.Answer, func(r *dns.SOA) { r.Serial = 2026010100 })
				}
			}
			q := inNetwork(m, "11.4.7.0/24", "")
			q.Wait = 5 * time.Minute
			q.Serial = func(*Zone) uint32 { return c.serial }
			said := 0
			q.Progress = func(string) { said++ }
			r, err := Make(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Zones[0].Behind, c.behind) || *r.Ready != (c.behind == nil) {
				t.Errorf("%v: %q", c, r.Zones[0].Behind)
			}
			if took := time.Since(begin); c.behind == nil && (took < c.after || took > c.after+10*time.Second) || c.behind != nil && took < q.Wait {
				t.Errorf("%v: took %v", c, took)
			}
			if want := min(1, len(c.behind)+int(c.after)); said != want {
				t.Errorf("%v: %d lines of progress", c, said)
			}
		})
	}
}
