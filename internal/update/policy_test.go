package update

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestOwnNames: rules by owner name, by the name of the key and by the address of the client.
// The expected results are those of the rule types that BIND has for the same.
func TestOwnNames(t *testing.T) {
	name := dname.MustParse
	addresses := func(n dname.Name) (netip.Prefix, bool) { return dname.ToPrefix(n) }
	at := func(n string, at, below bool) []Owners { return []Owners{{name(n), at, below}} }
	host := Who{Addr: netip.MustParseAddr("192.0.2.5"), Proven: true}
	forged := Who{Addr: host.Addr}
	mapped := Who{Addr: netip.MustParseAddr("::ffff:192.0.2.5"), Proven: true}
	signed := Who{Addr: host.Addr, Key: name("host.example.com")}
	for _, c := range []struct {
		rule  Rule
		who   Who
		owner string
		why   string // contained in the reason; empty: allowed
	}{
		{Rule{Owners: at("a.example.com", true, false)}, host, "A.example.com", ""},
		{Rule{Owners: at("a.example.com", true, false)}, host, "b.a.example.com", "not among a.example.com."},
		{Rule{Owners: at("example.com", false, true)}, host, "b.a.example.com", ""},
		{Rule{Owners: at("example.com", false, true)}, host, "*.example.com", ""},
		{Rule{Owners: at("example.com", false, true)}, host, "example.com", "not among *.example.com."},
		{Rule{Owners: at("example.com", true, true)}, host, "example.com", ""},
		{Rule{Owners: at("example.com", true, true)}, host, "a.example.com", ""},
		{Rule{Owners: at("example.com", true, true)}, host, "example.net", "not among the subtree example.com."},
		{Rule{Owners: at("example.com", true, true), Types: []rr.Type{rr.TypeA}}, host, "a.example.com", "types A only"},

		{Rule{Self: SelfKey}, signed, "HOST.example.com", ""},
		{Rule{Self: SelfKey}, signed, "x.host.example.com", "its key may change host.example.com. only"},
		{Rule{Self: SelfKey}, host, "host.example.com", "not signed"},
		{Rule{Self: SelfSubtree}, signed, "x.host.example.com", ""},
		{Rule{Self: SelfSubtree}, signed, "example.com", "its key may change the subtree host.example.com. only"},
		{Rule{Self: SelfKey, Key: name("other.example").Key()}, signed, "host.example.com", "no update rule"},

		{Rule{Self: SelfAddress}, host, "5.2.0.192.in-addr.arpa", ""},
		{Rule{Self: SelfAddress}, mapped, "5.2.0.192.in-addr.arpa", ""},
		{Rule{Self: SelfAddress}, host, "6.2.0.192.in-addr.arpa", "its own address only"},
		{Rule{Self: SelfAddress}, host, "2.0.192.in-addr.arpa", "its own address only"},
		{Rule{Self: SelfAddress}, host, "host.example.com", "its own address only"},
		{Rule{Self: SelfAddress}, forged, "5.2.0.192.in-addr.arpa", "over TCP only"},
		{Rule{Self: SelfAddress}, signed, "5.2.0.192.in-addr.arpa", "over TCP only"},
		{Rule{Self: SelfAddress, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30")}}, host, "5.2.0.192.in-addr.arpa", "not in 192.0.2.0/30"},
	} {
		p := &ZonePolicy{Rules: []Rule{c.rule}, Addresses: addresses}
		got := p.Allow(c.who, name(c.owner), rr.TypePTR)
		if (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%+v, %v at %s: %q, want %q", c.rule, c.who, c.owner, got, c.why)
		}
	}
}
