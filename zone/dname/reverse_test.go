package dname

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// Every label of up to three octets out of those that matter.
func TestOctetLabelExhaustive(t *testing.T) {
	alphabet := "0123456789aA/-*\x00\xff:"
	try := func(label string) {
		want, err := strconv.Atoi(label)
		ok := err == nil && want >= 0 && want <= 255 && strconv.Itoa(want) == label
		v, got := OctetLabel([]byte(label))
		if got != ok || ok && int(v) != want {
			t.Errorf("OctetLabel(%q) = %d, %v", label, v, got)
		}
	}
	try("")
	for _, a := range alphabet {
		try(string(a))
		for _, b := range alphabet {
			try(string(a) + string(b))
			for _, c := range alphabet {
				try(string(a) + string(b) + string(c))
			}
		}
	}
	for _, label := range []string{"0000", "1000", "0255", "00", "01", "256", "300", "999"} {
		if _, ok := OctetLabel([]byte(label)); ok {
			t.Errorf("%q counts as an octet", label)
		}
	}
}

func TestNibbleLabelExhaustive(t *testing.T) {
	for c := range 256 {
		v, ok := NibbleLabel([]byte{byte(c)})
		want := strings.IndexByte("0123456789abcdef", Lower(byte(c)))
		if ok != (want >= 0) || ok && int(v) != want {
			t.Errorf("NibbleLabel(%q) = %d, %v", byte(c), v, ok)
		}
	}
	for _, label := range []string{"", "00", "0f", "10"} {
		if _, ok := NibbleLabel([]byte(label)); ok {
			t.Errorf("%q counts as a nibble", label)
		}
	}
}

func TestTree(t *testing.T) {
	nibbles := func(n int) string { return strings.Repeat("F.", n) + "ip6.ARPA." }
	for _, c := range []struct {
		name          string
		family        Family
		address, rest int
	}{
		{".", Forward, 0, 0},
		{"arpa.", Forward, 0, 1},
		{"example.", Forward, 0, 1},
		{"xin-addr.arpa.", Forward, 0, 2},
		{"in-addr.arpa.example.", Forward, 0, 3},
		{"in-addr.arpa.", InAddr, 0, 0},
		{"IN-ADDR.Arpa.", InAddr, 0, 0},
		{"192.in-addr.arpa.", InAddr, 1, 0},
		{"10.2.0.192.in-addr.arpa.", InAddr, 4, 0},
		{"1.10.2.0.192.in-addr.arpa.", InAddr, 4, 1},
		{"10.0/25.2.0.192.in-addr.arpa.", InAddr, 3, 2},
		{"01.2.in-addr.arpa.", InAddr, 1, 1},
		{"2.01.in-addr.arpa.", InAddr, 0, 2},
		{"256.in-addr.arpa.", InAddr, 0, 1},
		{"a.in-addr.arpa.", InAddr, 0, 1},
		{"ip6.arpa.", IP6, 0, 0},
		{nibbles(1), IP6, 1, 0},
		{nibbles(32), IP6, 32, 0},
		{nibbles(33), IP6, 32, 1},
		{"10.f.ip6.arpa.", IP6, 1, 1},
		{"g.ip6.arpa.", IP6, 0, 1},
	} {
		f, address, rest := Tree(MustParse(c.name))
		if f != c.family || address != c.address || rest != c.rest {
			t.Errorf("Tree(%s) = %d, %d, %d; want %d, %d, %d", c.name, f, address, rest, c.family, c.address, c.rest)
		}
	}
}

func TestFromAddr(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.10":        "10.2.0.192.in-addr.arpa.",
		"0.0.0.0":           "0.0.0.0.in-addr.arpa.",
		"255.255.255.255":   "255.255.255.255.in-addr.arpa.",
		"::ffff:192.0.2.10": "10.2.0.192.in-addr.arpa.",
		// RFC 3596 §2.5
		"4321:0:1:2:3:4:567:89ab": "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa.",
		"fe80::1%eth0":            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa.",
	} {
		a := netip.MustParseAddr(addr)
		n := FromAddr(a)
		if n.String() != want {
			t.Errorf("FromAddr(%s) = %v, want %s", addr, n, want)
		}
		if back, ok := ToAddr(n); !ok || back != a.Unmap().WithZone("") {
			t.Errorf("ToAddr(%v) = %v, %v; want %s", n, back, ok, addr)
		}
	}
	if back, ok := ToAddr(MustParse("B.A.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.IP6.arpa.")); !ok || back != netip.MustParseAddr("4321:0:1:2:3:4:567:89ab") {
		t.Errorf("in upper case: %v, %v", back, ok)
	}
	for _, name := range []string{"2.0.192.in-addr.arpa.", "1.10.2.0.192.in-addr.arpa.", "10.2.0.01.in-addr.arpa.", "0/25.2.0.192.in-addr.arpa.",
		"8.b.d.0.1.0.0.2.ip6.arpa.", "in-addr.arpa.", "ip6.arpa.", ".", "example."} {
		if a, ok := ToAddr(MustParse(name)); ok {
			t.Errorf("ToAddr(%s) = %v, want none", name, a)
		}
	}
}

// Every prefix length: a name exactly on the boundaries, and back.
func TestFromPrefixEveryLength(t *testing.T) {
	for _, addr := range []string{"203.0.113.255", "2001:db8:ffff:1234:5678:9abc:def0:1234"} {
		a := netip.MustParseAddr(addr)
		for bits := range a.BitLen() + 1 {
			p := netip.PrefixFrom(a, bits)
			n, ok := FromPrefix(p)
			if want := bits%Step(p) == 0; ok != want {
				t.Fatalf("FromPrefix(%v): %v", p, ok)
			}
			if !ok {
				continue
			}
			if n.Labels() != bits/Step(p)+2 {
				t.Errorf("FromPrefix(%v) = %v", p, n)
			}
			if back, ok := ToPrefix(n); !ok || back != p.Masked() {
				t.Errorf("ToPrefix(%v) = %v, %v; want %v", n, back, ok, p.Masked())
			}
		}
	}
	if n, ok := FromPrefix(netip.Prefix{}); ok {
		t.Errorf("the zero prefix has the name %v", n)
	}
	if n, _ := FromPrefix(netip.MustParsePrefix("203.0.113.0/24")); n.String() != "113.0.203.in-addr.arpa." {
		t.Errorf("203.0.113.0/24 is %v", n)
	}
	if n, _ := FromPrefix(netip.MustParsePrefix("2001:db8::/32")); n.String() != "8.b.d.0.1.0.0.2.ip6.arpa." {
		t.Errorf("2001:db8::/32 is %v", n)
	}
	if n, _ := FromPrefix(netip.MustParsePrefix("0.0.0.0/0")); n.String() != "in-addr.arpa." {
		t.Errorf("0.0.0.0/0 is %v", n)
	}
}

// Every prefix length splits into neighbours on the next boundary that fill it.
func TestSplitEveryLength(t *testing.T) {
	for _, addr := range []string{"203.0.113.255", "0.0.0.0", "2001:db8:ffff:1234:5678:9abc:def0:1234", "::"} {
		a := netip.MustParseAddr(addr)
		for bits := range a.BitLen() + 1 {
			p := netip.PrefixFrom(a, bits)
			parts := Split(p)
			step := Step(p)
			boundary := (bits + step - 1) / step * step
			if len(parts) != 1<<(boundary-bits) {
				t.Fatalf("Split(%v): %d parts, want %d", p, len(parts), 1<<(boundary-bits))
			}
			if parts[0].Addr() != p.Masked().Addr() {
				t.Errorf("Split(%v) begins with %v", p, parts[0])
			}
			for i, part := range parts {
				if part.Bits() != boundary || part.Masked() != part || !p.Contains(part.Addr()) {
					t.Errorf("Split(%v): part %v", p, part)
				}
				if _, ok := FromPrefix(part); !ok {
					t.Errorf("Split(%v): part %v has no name", p, part)
				}
				if i > 0 && (!parts[i-1].Addr().Less(part.Addr()) || parts[i-1].Overlaps(part)) {
					t.Errorf("Split(%v): %v after %v", p, part, parts[i-1])
				}
			}
			b := Boundary(p)
			if b.Bits() != bits/step*step || !b.Contains(a) || b.Masked() != b {
				t.Errorf("Boundary(%v) = %v", p, b)
			}
		}
	}
	for in, want := range map[string]string{
		"203.0.112.7/22": "[203.0.112.0/24 203.0.113.0/24 203.0.114.0/24 203.0.115.0/24]",
		"2001:db8::/46":  "[2001:db8::/48 2001:db8:1::/48 2001:db8:2::/48 2001:db8:3::/48]",
		"2001:db8::/33":  "[2001:db8::/36 2001:db8:1000::/36 2001:db8:2000::/36 2001:db8:3000::/36 2001:db8:4000::/36 2001:db8:5000::/36 2001:db8:6000::/36 2001:db8:7000::/36]",
		"192.0.2.4/31":   "[192.0.2.4/32 192.0.2.5/32]",
		"203.0.113.0/24": "[203.0.113.0/24]",
	} {
		if got := fmt.Sprint(Split(netip.MustParsePrefix(in))); got != want {
			t.Errorf("Split(%s) = %s, want %s", in, got, want)
		}
	}
}

// Every classless prefix of a /24 in every style, and back.
func TestClasslessEveryPrefix(t *testing.T) {
	for bits := range 33 {
		for first := 0; first < 256; first += 1 << (32 - max(bits, 24)) {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(first)}), bits)
			if IsClassless(p) != (bits > 24 && bits < 32) {
				t.Fatalf("IsClassless(%v): %v", p, IsClassless(p))
			}
			if !IsClassless(p) {
				continue
			}
			last := first + 1<<(32-bits) - 1
			for style, label := range map[Style]string{
				Range: fmt.Sprintf("%d-%d", first, last), Slash: fmt.Sprintf("%d/%d", first, bits), RFC4183: fmt.Sprintf("%d-%d", first, bits),
			} {
				if got := ClasslessLabel(p, style); got != label {
					t.Errorf("ClasslessLabel(%v, %v) = %q, want %q", p, style, got, label)
				}
				n := FromClassless(p, style)
				if n.String() != label+".2.0.192.in-addr.arpa." {
					t.Errorf("FromClassless(%v, %v) = %v", p, style, n)
				}
				want := p
				if style == RFC4183 { // may be a range as well, which wins
					for b := 25; b < 32; b++ {
						if q := netip.PrefixFrom(p.Addr(), b); q.Masked() == q && first+1<<(32-b)-1 == bits {
							want = q
						}
					}
				}
				if back, ok := ToClassless(n); !ok || back != want {
					t.Errorf("ToClassless(%v) = %v, %v; want %v", n, back, ok, want)
				}
			}
		}
	}
	for label, want := range map[string]string{
		"64_26": "192.0.2.64/26", "0-127": "192.0.2.0/25", "0-31": "192.0.2.0/27", "0-28": "192.0.2.0/28", "64-26": "192.0.2.64/26",
		"64-28": "192.0.2.64/28", "24-31": "192.0.2.24/29", "30-31": "192.0.2.30/31", "28-31": "192.0.2.28/30", "16-28": "192.0.2.16/28",
		"0-255": "", "0/24": "", "0/32": "", "1/25": "", "65-26": "", "64/026": "", "064/26": "", "64": "", "64-": "", "-26": "",
		"64-126": "", "1-2": "", "64-26-1": "", "customer": "", "256/25": "", "0-127x": "",
	} {
		p, ok := ToClassless(MustParse(label + ".2.0.192.in-addr.arpa."))
		if ok != (want != "") || ok && p.String() != want {
			t.Errorf("ToClassless of %s: %v, %v; want %q", label, p, ok, want)
		}
	}
	for _, name := range []string{".", "0/25.0.192.in-addr.arpa.", "0/25.1.2.0.192.in-addr.arpa.", "0/25.ip6.arpa.", "0/25.2.0.192.example.", "0/25.0/25.2.0.192.in-addr.arpa."} {
		if p, ok := ToClassless(MustParse(name)); ok {
			t.Errorf("ToClassless(%s) = %v, want none", name, p)
		}
	}
}

func TestStyle(t *testing.T) {
	for _, s := range []Style{Range, Slash, RFC4183} {
		if back, ok := ParseStyle(s.String()); !ok || back != s {
			t.Errorf("ParseStyle(%q) = %v, %v", s.String(), back, ok)
		}
	}
	if _, ok := ParseStyle("Range"); ok {
		t.Error("ParseStyle takes upper case")
	}
}

// FuzzDnameReverse: addresses and prefixes to names and back; names to prefixes
// and back.
func FuzzDnameReverse(f *testing.F) {
	f.Add([]byte{192, 0, 2, 10}, uint8(24), "10.2.0.192.in-addr.arpa.")                                                       // a whole address
	f.Add([]byte{192, 0, 2, 64}, uint8(26), "64/26.2.0.192.in-addr.arpa.")                                                    // classless
	f.Add([]byte("\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), uint8(46), "8.B.d.0.1.0.0.2.ip6.arpa.") // nibbles
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01"), uint8(128), "01.in-addr.arpa.")         // mapped
	f.Add([]byte{0, 0, 0, 0}, uint8(0), "0-127.2.0.192.in-addr.arpa.")                                                        // a range
	f.Fuzz(func(t *testing.T, octets []byte, bits uint8, name string) {
		if a, ok := netip.AddrFromSlice(octets); ok {
			if back, ok := ToAddr(FromAddr(a)); !ok || back != a.Unmap() {
				t.Fatalf("%v: name %v, back %v", a, FromAddr(a), back)
			}
			p := netip.PrefixFrom(a, int(bits))
			if !p.IsValid() {
				return
			}
			for _, part := range Split(p) {
				n, ok := FromPrefix(part)
				back, ok2 := ToPrefix(n)
				if !ok || !ok2 || back != part || !p.Overlaps(part) {
					t.Fatalf("%v: part %v has name %v, which is %v", p, part, n, back)
				}
			}
			if IsClassless(p) {
				for _, s := range []Style{Range, Slash} {
					if back, ok := ToClassless(FromClassless(p, s)); !ok || back != p.Masked() {
						t.Fatalf("%v: %v, which is %v", p, FromClassless(p, s), back)
					}
				}
			}
		}
		n, err := Parse(name)
		if err != nil {
			return
		}
		if p, ok := ToPrefix(n); ok {
			if back, ok := FromPrefix(p); !ok || !back.Equal(n) {
				t.Fatalf("%v is %v, which is %v", n, p, back)
			}
		}
		if p, ok := ToClassless(n); ok && (!IsClassless(p) || p.Masked() != p) {
			t.Fatalf("%v is %v, which is not classless", n, p)
		}
		f, address, rest := Tree(n)
		if f == Forward && (address != 0 || rest != n.Labels()) || f != Forward && address+rest+2 != n.Labels() {
			t.Fatalf("Tree(%v) = %d, %d, %d", n, f, address, rest)
		}
	})
}
