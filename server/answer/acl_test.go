package answer

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestACL(t *testing.T) {
	for _, c := range []struct {
		what        string
		allow, deny []netip.Prefix
		in, out     []string
	}{
		{"the zero list lets everybody in", nil, nil, []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"}, nil},
		{"allow alone", prefixes("192.0.2.0/24", "2001:db8::/32"), nil,
			[]string{"192.0.2.0", "192.0.2.255", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:192.0.2.9"},
			[]string{"192.0.1.255", "192.0.3.0", "2001:db7:ffff::", "2001:db9::", "::c000:201"}},
		{"deny alone", nil, prefixes("192.0.2.64/26"),
			[]string{"192.0.2.63", "192.0.2.128", "0.0.0.0", "255.255.255.255", "::", "2001:db8::1"},
			[]string{"192.0.2.64", "192.0.2.127"}},
		{"deny goes first", prefixes("10.0.0.0/8"), prefixes("10.1.0.0/16", "10.0.0.0/32", "10.255.255.255/32"),
			[]string{"10.0.0.1", "10.0.255.255", "10.2.0.0", "10.255.255.254"},
			[]string{"10.0.0.0", "10.1.0.0", "10.1.255.255", "10.255.255.255", "11.0.0.0"}},
		{"deny everybody", nil, prefixes("0.0.0.0/0", "::/0"), nil, []string{"0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
		{"::/0 says nothing about IPv4", prefixes("::/0"), nil, []string{"::1"}, []string{"127.0.0.1", "::ffff:127.0.0.1"}},
		{"one inside another, given twice", prefixes("10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8"), nil, []string{"10.200.0.1", "10.1.0.1"}, []string{"9.255.255.255"}},
		{"host bits are ignored", prefixes("192.0.2.77/24"), nil, []string{"192.0.2.1"}, []string{"192.0.3.77"}},
	} {
		l := NewACL(c.allow, c.deny)
		for _, a := range c.in {
			if !l.Allows(netip.MustParseAddr(a)) {
				t.Errorf("%s: %s is refused", c.what, a)
			}
		}
		for _, a := range c.out {
			if l.Allows(netip.MustParseAddr(a)) {
				t.Errorf("%s: %s is let in", c.what, a)
			}
		}
	}
}

// Random lists over a few bits, against the rule taken word by word.
func TestACLAgainstItsRule(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	random := func(n int) (out []netip.Prefix) {
		for range rng.IntN(n) {
			if rng.IntN(2) == 0 {
				a := netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(256))})
				out = append(out, netip.PrefixFrom(a, 24+rng.IntN(9)))
			} else {
				a := netip.MustParseAddr("2001:db8::ffff:ffff:ffff:ff00").As16()
				a[15] = byte(rng.IntN(256))
				out = append(out, netip.PrefixFrom(netip.AddrFrom16(a), 60+rng.IntN(69)))
			}
		}
		return out
	}
	holds := func(list []netip.Prefix, a netip.Addr) bool {
		for _, p := range list {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	for range 300 {
		allow, deny := random(5), random(5)
		l := NewACL(allow, deny)
		for i := range 256 {
			six := netip.MustParseAddr("2001:db8::ffff:ffff:ffff:ff00").As16()
			six[15] = byte(i)
			for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), netip.AddrFrom16(six)} {
				want := !holds(deny, a) && (len(allow) == 0 || holds(allow, a))
				if got := l.Allows(a); got != want {
					t.Fatalf("allow %v deny %v: %v: %v, want %v", allow, deny, a, got, want)
				}
			}
		}
	}
}
