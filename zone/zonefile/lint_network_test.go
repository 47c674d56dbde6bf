package zonefile

import (
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

func key(a netip.Addr) dname.AddressKey {
	k, _ := addressOf(dname.FromAddr(a))
	return k
}

func TestNetworks(t *testing.T) {
	var n networks
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "10.0.0.1", "192.0.2.3", "2001:db8::1", "2001:db8:0:1::1"} {
		n.add(key(netip.MustParseAddr(a)))
	}
	n.sort()
	for prefix, want := range map[string]bool{
		"0.0.0.0/0": true, "10.0.0.0/8": true, "10.0.0.0/24": true, "10.0.0.1/32": false, "10.0.1.0/24": false, "11.0.0.0/8": false,
		"192.0.0.0/16": true, "193.0.0.0/8": false, "9.0.0.0/8": false,
		"::/0": true, "2000::/4": true, "2001:db8::/32": true, "2001:db8::/64": true, "2001:db8:0:1::/64": true, "2001:db8::/60": true,
		"2001:db8:0:2::/64": false, "2001:db9::/32": false, "2001:db8::/68": false, "3000::/4": false, "1000::/4": false,
	} {
		name, _ := dname.FromPrefix(netip.MustParsePrefix(prefix))
		if got := n.mayLieBelow(name); got != want {
			t.Errorf("%s: %v", prefix, got)
		}
	}
}

// TestManyNetworks: repetitions do not count, and beyond maxNetworks nothing is
// known.
func TestManyNetworks(t *testing.T) {
	var n networks
	add := func(i int) {
		n.add(key(netip.AddrFrom4([4]byte{10 + byte(i>>16), byte(i >> 8), byte(i), 1})))
	}
	none, _ := dname.FromPrefix(netip.MustParsePrefix("9.0.0.0/8"))
	for range 3 {
		for i := range maxNetworks {
			add(i)
		}
	}
	n.sort()
	if n.mayLieBelow(none) {
		t.Error("a network below 9.0.0.0/8 was not added")
	}
	for i := range 2 * maxNetworks {
		add(i)
	}
	add(2 * maxNetworks)
	add(2*maxNetworks + 1)
	n.sort()
	if !n.mayLieBelow(none) {
		t.Error("more networks than are kept are all known")
	}
	if len(n.v4) > 0 {
		t.Errorf("%d networks are kept for nothing", len(n.v4))
	}
}
