package delegation_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/dname"
)

func TestPrint(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*delegationtest.Network, *delegation.Options)
		walk   string
		want   string
	}{
		{"nothing wrong", func(*delegationtest.Network, *delegation.Options) {}, "2.0.192.in-addr.arpa", `
.: 1 server, 2 addresses
arpa.: 1 server, 1 address
in-addr.arpa.: 1 server, 1 address
192.in-addr.arpa.: 1 server, 2 addresses
2.0.192.in-addr.arpa.: 2 servers, 3 addresses
  a.2.0.192.in-addr.arpa. (2a00::3): serial 1
  a.2.0.192.in-addr.arpa. (100.0.3.1): serial 1
  b.example. (100.0.3.2): serial 1
2.0.192.in-addr.arpa. is a zone.
`},
		{"a classless zone without one family", func(n *delegationtest.Network, _ *delegation.Options) { n.No6 = true }, "26.2.0.192.in-addr.arpa", `
.: 1 server, 2 addresses
arpa.: 1 server, 1 address
in-addr.arpa.: 1 server, 1 address
192.in-addr.arpa.: 1 server, 2 addresses
2.0.192.in-addr.arpa.: 2 servers, 3 addresses
  a.2.0.192.in-addr.arpa. (2a00::3): not asked, this host has no route to IPv6 addresses
  a.2.0.192.in-addr.arpa. (100.0.3.1): serial 1
  b.example. (100.0.3.2): serial 1
0/25.2.0.192.in-addr.arpa.: 1 server, 1 address
  c.0/25.2.0.192.in-addr.arpa. (100.0.5.1): serial 1
26.2.0.192.in-addr.arpa. has a CNAME to 26.0/25.2.0.192.in-addr.arpa.
26.0/25.2.0.192.in-addr.arpa. is in the zone 0/25.2.0.192.in-addr.arpa.
`},
		{"wrong servers", func(n *delegationtest.Network, _ *delegation.Options) {
			n.Add("2a00::2", nil)
			n.Add("2a00::3", &delegationtest.Host{Answer: delegationtest.NewServer("other." + soa).Answer, ClosedTCP: true})
			n.Add("100.0.3.2", &delegationtest.Host{Answer: func(request *dns.Msg, _ delegation.Transport) *dns.Msg {
				m := rcode(request, 0)
				m.Ns = []dns.RR{record(". NS a.root.")}
				return m
			}})
		}, "27.2.0.192.in-addr.arpa", `
.: 1 server, 2 addresses
arpa.: 1 server, 1 address
in-addr.arpa.: 1 server, 1 address
192.in-addr.arpa.: 1 server, 2 addresses
2.0.192.in-addr.arpa.: 2 servers, 3 addresses
  r.registry.example. (2a00::2) of 192.in-addr.arpa. over UDP: no answer, no response in time
  r.registry.example. (2a00::2) of 192.in-addr.arpa. over TCP: no answer, no response in time
  a.2.0.192.in-addr.arpa. (2a00::3): over UDP REFUSED, over TCP unreachable, connection refused
  a.2.0.192.in-addr.arpa. (100.0.3.1): serial 1
  b.example. (100.0.3.2): not authoritative, refers upward
27.2.0.192.in-addr.arpa. does not exist in the zone 2.0.192.in-addr.arpa.
`},
		{"no server of the zone", func(n *delegationtest.Network, o *delegation.Options) {
			o.No6 = true
			n.Add("100.0.3.1", &delegationtest.Host{ClosedUDP: true, ClosedTCP: true})
			n.Add("100.0.3.2", &delegationtest.Host{ClosedUDP: true, ClosedTCP: true})
		}, "25.2.0.192.in-addr.arpa", `
.: 1 server, 2 addresses
arpa.: 1 server, 1 address
in-addr.arpa.: 1 server, 1 address
192.in-addr.arpa.: 1 server, 2 addresses
2.0.192.in-addr.arpa.: 2 servers, 3 addresses
  a.2.0.192.in-addr.arpa. (2a00::3): not asked, IPv6 is not used here
  a.2.0.192.in-addr.arpa. (100.0.3.1): unreachable, connection refused
  b.example. (100.0.3.2): unreachable, connection refused
The way to 25.2.0.192.in-addr.arpa. ends: no server of 2.0.192.in-addr.arpa. shows the way.
`},
		{"servers that only one side lists", func(n *delegationtest.Network, _ *delegation.Options) {
			n.Add("100.0.3.1", delegationtest.NewServer("2.0.192.in-addr.arpa."+soa+"2.0.192.in-addr.arpa. NS b.example.\n2.0.192.in-addr.arpa. NS c.nowhere.example.\n").Host())
			n.Add("2a00::3", nil)
			n.Add("100.0.3.2", nil)
		}, "2.0.192.in-addr.arpa", `
.: 1 server, 2 addresses
arpa.: 1 server, 1 address
in-addr.arpa.: 1 server, 1 address
192.in-addr.arpa.: 1 server, 2 addresses
2.0.192.in-addr.arpa.: 3 servers, 3 addresses
  a.2.0.192.in-addr.arpa.: only the parent lists it
  a.2.0.192.in-addr.arpa. (2a00::3): no answer, no response in time
  a.2.0.192.in-addr.arpa. (100.0.3.1): serial 1
  b.example. (100.0.3.2): no answer, no response in time
  c.nowhere.example.: no address
2.0.192.in-addr.arpa. is a zone.
`},
		{"a resolver", func(n *delegationtest.Network, o *delegation.Options) {
			n.Add("100.0.9.1", delegationtest.Resolver(delegation.New(*o)))
			o.Resolver = netip.MustParseAddrPort("100.0.9.1:53")
		}, "25.2.0.192.in-addr.arpa", `
.: 1 server, 2 addresses
arpa.: 1 server, 1 address
in-addr.arpa.: 1 server, 1 address
192.in-addr.arpa.: 1 server, 2 addresses
2.0.192.in-addr.arpa.: 2 servers, 3 addresses
  by the resolver: serial 1
25.2.0.192.in-addr.arpa. is in the zone 2.0.192.in-addr.arpa.
`},
		{"intercepted", func(_ *delegationtest.Network, o *delegation.Options) {
			o.Network = &delegationtest.Network{Any: interceptor(true)}
		}, "25.2.0.192.in-addr.arpa", `
This network intercepts questions to port 53: a.root. (100.0.0.1) over UDP, arpa. NS: answered REFUSED, but not by that server. Ask a resolver by --resolver, or run this elsewhere.
`},
		{"closed", func(_ *delegationtest.Network, o *delegation.Options) { o.Network = &delegationtest.Network{} }, "25.2.0.192.in-addr.arpa", `
No root server answers: this network seems to be closed for questions to port 53. Ask a resolver by --resolver.
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := tree()
				defer n.Wait()
				o := options(n)
				tt.change(n, &o)
				var b strings.Builder
				if err := delegation.New(o).Walk(t.Context(), dname.MustParse(tt.walk)).Print(&b); err != nil || b.String() != tt.want[1:] {
					t.Errorf("%v\n%s\nwant\n%s", err, b.String(), tt.want[1:])
				}
			})
		})
	}
}
