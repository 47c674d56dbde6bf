package answer

import (
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone/dname"
)

func TestPeers(t *testing.T) {
	key := func(name string) string { return dname.MustParse(name).Key() }
	list := Peers{
		{Prefix: netip.MustParsePrefix("192.0.2.0/24")},
		{Key: key("Anywhere.")},
		{Prefix: netip.MustParsePrefix("2001:db8::/32"), Key: key("both.")},
	}
	for _, c := range []struct {
		address string
		key     string
		want    bool
	}{
		{"192.0.2.1", "", true},
		{"::ffff:192.0.2.1", "", true},
		{"192.0.2.1", "both.", true},
		{"192.0.3.1", "", false},
		{"192.0.3.1", "both.", false},
		{"192.0.3.1", "anywhere.", true},
		{"2001:db8::1", "", false},
		{"2001:db8::1", "other.", false},
		{"2001:db8::1", "BOTH.", true},
		{"2001:db9::1", "both.", false},
	} {
		var k *tsig.Key
		if c.key != "" {
			k = servertest.Key(t, c.key)
		}
		if got := list.Allow(netip.MustParseAddr(c.address), k); got != c.want {
			t.Errorf("%s with key %q: %v", c.address, c.key, got)
		}
	}
	if Peers(nil).Allow(netip.MustParseAddr("192.0.2.1"), servertest.Key(t, "anywhere.")) {
		t.Error("a list of nobody lets somebody in")
	}
}
