package synth

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

var testKey = []byte("0123456789abcdef")

// name returns the text of the name of an address.
func (t *Template) name(a netip.Addr) string {
	return strings.TrimSuffix(dname.Name(t.Append(nil, a)).String(), ".")
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ template, prefix, address, want string }{
		{"{dashed}.pool.example.net", "203.0.113.0/24", "203.0.113.7", "203-0-113-7.pool.example.net"},
		{"{padded}.pool.example.net", "203.0.113.0/24", "203.0.113.7", "203-000-113-007.pool.example.net"},
		{"{dotted}.pool.example.net", "203.0.113.0/24", "203.0.113.7", "203.0.113.7.pool.example.net"},
		{"{reversed}.pool.example.net", "203.0.113.0/24", "203.0.113.7", "7.113.0.203.pool.example.net"},
		{"h{hex}.pool.example.net", "203.0.113.0/24", "203.0.113.7", "hcb007107.pool.example.net"},
		{"{hex:last1}.pool.example.net", "203.0.113.0/24", "203.0.113.7", "07.pool.example.net"},
		{"Host-{dashed:host}.Pool.example.net.", "203.0.113.0/24", "203.0.113.7", "host-7.pool.example.net"},
		{"a{dashed:4}b{dashed:3}.example.net", "203.0.0.0/16", "203.0.113.7", "a7b113.example.net"},
		{"{dashed:3-4}.example.net", "203.0.0.0/16", "203.0.113.7", "113-7.example.net"},
		{"{base36}.example.net", "203.0.0.0/16", "203.0.113.7", "mbr.example.net"},
		{"dhcp-{decimal}.example.net", "203.0.112.0/22", "203.0.113.7", "dhcp-263.example.net"},
		{"{compressed}.example.net", "2001:db8::/32", "2001:db8::1:0", "2001-db8--1-0.example.net"},
		{"{compressed}.example.net", "2001:db8::/32", "2001:db8:0:1::", "2001-db8-0-1--0.example.net"},
		{"x.{compressed}.example.net", "::/0", "::1", "x.0--1.example.net"},
		{"{compressed}.example.net", "::/0", "::ffff:1.2.3.4", "0--ffff-102-304.example.net"},
		{"{compressed}.example.net", "::/0", "1:0:0:2:0:0:0:3", "1-0-0-2--3.example.net"},
		{"{compressed}.example.net", "::/0", "1:0:0:2:3:0:0:4", "1--2-3-0-0-4.example.net"},
		{"{compressed}.example.net", "::/0", "1:0:2:3:4:5:6:7", "1-0-2-3-4-5-6-7.example.net"},
		{"{compressed}.example.net", "::/0", "::", "0--0.example.net"},
		{"{dashed}.example.net", "2001:db8::/32", "2001:db8::1:0", "2001-db8-0-0-0-0-1-0.example.net"},
		{"{padded}.example.net", "2001:db8::/32", "2001:db8::1:0", "2001-0db8-0000-0000-0000-0000-0001-0000.example.net"},
		{"{hex}.example.net", "2001:db8::/32", "2001:db8::1:0", "20010db8000000000000000000010000.example.net"},
		{"{hex:host}.example.net", "2001:db8:4000::/36", "2001:db8:4fff::1", "fff00000000000000000001.example.net"},
		{"{reversed:host}.example.net", "2001:db8::/120", "2001:db8::a7", "7.a.example.net"},
		{"{dotted:last2}.example.net", "2001:db8::/96", "2001:db8::a7:1", "a7.1.example.net"},
		{"only.example.net-{dashed}.x", "192.0.2.1/32", "192.0.2.1", "only.example.net-192-0-2-1.x"},
	} {
		template, err := New(c.template, netip.MustParsePrefix(c.prefix), nil)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		if got := template.name(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.template, c.address, got, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ template, prefix, want string }{
		{"pool.example.net", "203.0.113.0/24", "no field"},
		{"{dashed}", "203.0.113.0/24", "no domain behind"},
		{"{dashed.example.net", "203.0.113.0/24", "{ without a }"},
		{"{dashed:3}.example.net", "203.0.113.0/24", "does not show all bits"},
		{"{dashed:last1}.example.net", "203.0.112.0/23", "does not show all bits"},
		{"{dashed:4}{dashed:3}.example.net", "203.0.0.0/16", "followed by what can be a digit"},
		{"{dashed:4}0.example.net", "203.0.113.0/24", "followed by what can be a digit"},
		{"{base36}x.example.net", "203.0.113.0/24", "followed by what can be a digit"},
		{"{permuted}.{dashed}.example.net", "203.0.0.0/16", "no other field"},
		{"{permuted:all}.example.net", "203.0.0.0/16", "write {permuted}"},
		{"{compressed}.example.net", "203.0.0.0/16", "only whole IPv6 addresses"},
		{"{compressed:host}.example.net", "2001:db8::/32", "only whole IPv6 addresses"},
		{"{compressed}-x.example.net", "2001:db8::/32", "the end of its label"},
		{"{dashed:8}{compressed}.example.net", "2001:db8::/32", "followed by what can be a digit"},
		{"{octal}.example.net", "203.0.0.0/16", "not a notation"},
		{"{dashed:5}.example.net", "203.0.0.0/16", "not a part"},
		{"{dashed:3-2}.example.net", "203.0.0.0/16", "not a part"},
		{"{hex}{padded}.example.net", "2001:db8::/32", "labels of up to 71 octets"},
		{"{reversed}." + strings.Repeat("a234567.", 25) + "net", "2001:db8::/32", "names of up to"},
		{"{hex} x.example.net", "2001:db8::/32", "' '"},
		{"a..{hex}.example.net", "2001:db8::/32", "empty label"},
		{"{dashed:1}{dashed:2}{dashed:3}.example.net", "0.0.0.0/0", "3 fields"},
		{"{dashed}.example.net", "203.0.113.7/24", "without host bits"},
		{"{dashed}." + strings.Repeat("a.", 251), "203.0.113.0/24", "511 octets, at most 510 are possible"},
	} {
		if _, err := New(c.template, netip.MustParsePrefix(c.prefix), testKey); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.template, err, c.want)
		}
	}
	if _, err := New("{permuted}.example.net", netip.MustParsePrefix("203.0.113.0/24"), testKey[1:]); err == nil {
		t.Error("a key of 15 octets is accepted")
	}
	// The text may be longer than a name.
	longest, err := New("{dashed:last1}"+strings.Repeat(".a", 125), netip.MustParsePrefix("203.0.113.0/24"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(longest.Append(nil, netip.MustParseAddr("203.0.113.255"))); n != dname.MaxWire {
		t.Errorf("a name of %d octets", n)
	}
}

// naiveName makes the name of an address as the documentation of the fields says, with
// strings only.
func naiveName(template string, p netip.Prefix, a netip.Addr) string {
	var all []string // octets or groups
	if a.Is4() {
		all = strings.Split(a.String(), ".")
	} else {
		for part := range strings.SplitSeq(a.StringExpanded(), ":") {
			if part = strings.TrimLeft(part, "0"); part == "" {
				part = "0"
			}
			all = append(all, part)
		}
	}
	pad := func(s string) string {
		return strings.Repeat("0", map[bool]int{true: 3, false: 4}[a.Is4()]-len(s)) + s
	}
	unit := a.BitLen() / len(all)
	out := ""
	for template != "" {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			return out + template
		}
		out += template[:open]
		end := strings.IndexByte(template, '}')
		notation, part, _ := strings.Cut(template[open+1:end], ":")
		template = template[end+1:]
		units := all
		hex := fmt.Sprintf("%x", a.AsSlice())
		var first, last int
		switch {
		case part == "" || part == "all":
		case part == "host":
			units = all[min(p.Bits(), a.BitLen()-1)/unit:]
			hex = hex[min(p.Bits(), a.BitLen()-1)/4:]
		case strings.HasPrefix(part, "last"):
			fmt.Sscanf(part, "last%d", &last)
			units = all[len(all)-last:]
			hex = hex[len(hex)-last*unit/4:]
		default:
			if n, _ := fmt.Sscanf(part, "%d-%d", &first, &last); n == 1 {
				last = first
			}
			units = all[first-1 : last]
			hex = hex[(first-1)*unit/4 : last*unit/4]
		}
		switch notation {
		case "dashed":
			out += strings.Join(units, "-")
		case "dotted":
			out += strings.Join(units, ".")
		case "padded":
			for i, u := range units {
				if i > 0 {
					out += "-"
				}
				out += pad(u)
			}
		case "reversed":
			if !a.Is4() {
				units = strings.Split(hex, "")
			}
			for i := range units {
				if i > 0 {
					out += "."
				}
				out += units[len(units)-1-i]
			}
		case "hex":
			out += hex
		case "compressed":
			text := strings.ReplaceAll(a.String(), ":", "-")
			if a.Is4In6() { // which the text has in the form of IPv4
				four := a.As16()
				text = fmt.Sprintf("--ffff-%x-%x", uint(four[12])<<8|uint(four[13]), uint(four[14])<<8|uint(four[15]))
			}
			if strings.HasPrefix(text, "-") {
				text = "0" + text
			}
			if strings.HasSuffix(text, "-") {
				text += "0"
			}
			out += text
		case "decimal", "base36":
			n := new(big.Int).SetBytes(a.AsSlice())
			n.And(n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(a.BitLen()-p.Bits())), big.NewInt(1)))
			out += n.Text(map[string]int{"decimal": 10, "base36": 36}[notation])
		}
	}
	return out
}

var sampleTemplates = []string{
	"{dashed}.pool.example.net", "{dashed:host}.pool.example.net", "{dotted}.pool.example.net", "{dotted:host}-x.pool.example.net",
	"h{padded}.pool.example.net", "{reversed}.pool.example.net", "{reversed:host}.pool.example.net", "ip{hex}.pool.example.net",
	"x{hex:host}y.pool.example.net", "{base36}.pool.example.net", "{dashed:2-4}.{dashed:host}.pool.example.net",
	"a-{dashed:3}.b-{dashed:4}.pool.example.net", "{hex:host}{padded:last2}.net", "{reversed}.{dashed}.example", "h{compressed}.pool.example.net",
	"{compressed}.pool.example.net", "{hex:host}{compressed}.pool.example.net", "dhcp-{decimal}.pool.example.net", "{permuted}.pool.example.net",
}

func randomAddress(rng *rand.Rand, p netip.Prefix) netip.Addr {
	n := number{rng.Uint64(), rng.Uint64()}
	if rng.IntN(3) == 0 {
		n = n.and(number{rng.Uint64() & rng.Uint64(), rng.Uint64() & rng.Uint64() & rng.Uint64()})
	}
	size := p.Addr().BitLen()
	host := ones(size - p.Bits())
	return numberOf(p.Addr()).or(n.and(host)).address(size)
}

// Every name leads back to its address, and is what the documentation says.
func TestInverse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	accepted := map[string]bool{}
	for range 3000 {
		size := []int{32, 128}[rng.IntN(2)]
		p := netip.PrefixFrom(number{rng.Uint64(), rng.Uint64()}.and(ones(size)).address(size), rng.IntN(size+1)).Masked()
		text := sampleTemplates[rng.IntN(len(sampleTemplates))]
		template, err := New(text, p, testKey)
		if err != nil {
			continue
		}
		accepted[text] = true
		for range 20 {
			a := randomAddress(rng, p)
			name := dname.Name(template.Append(nil, a))
			if text != "{permuted}.pool.example.net" && template.name(a) != naiveName(text, p, a) {
				t.Fatalf("%s in %v of %v: %s, want %s", text, p, a, template.name(a), naiveName(text, p, a))
			}
			if got, match := template.Find(dname.Name(strings.ToUpper(string(name)))); match != Exact || got != a {
				t.Fatalf("%s in %v: %s is of %v (%d), want %v", text, p, name, got, match, a)
			}
			for up := name.Parent(); !up.IsRoot(); up = up.Parent() {
				if _, match := template.Find(up); match != Above {
					t.Fatalf("%s in %v: %s above %s: %d", text, p, up, name, match)
				}
			}
			if below, err := name.Prepend([]byte("x")); err == nil {
				if _, match := template.Find(below); match != None {
					t.Fatalf("%s in %v: %s exists", text, p, below)
				}
			}
		}
	}
	for _, text := range sampleTemplates {
		if !accepted[text] {
			t.Errorf("%s was never accepted", text)
		}
	}
}

// In ranges small enough to write down, exactly the names of the addresses exist, and what is
// above them.
func TestWholeRange(t *testing.T) {
	for _, text := range sampleTemplates {
		for _, prefix := range []string{"203.0.113.0/24", "203.0.113.64/26", "198.51.100.8/31", "192.0.2.1/32", "203.0.112.0/22", "2001:db8::100/120", "2001:db8::aaa0/125", "2001:db8::/128"} {
			p := netip.MustParsePrefix(prefix)
			template, err := New(text, p, testKey)
			if err != nil {
				continue
			}
			all := map[string]Match{}
			addresses := map[string]netip.Addr{}
			for a := p.Addr(); p.Contains(a); a = a.Next() {
				name := dname.Name(template.Append(nil, a))
				if all[name.Key()] == Exact {
					t.Fatalf("%s in %v: two addresses have the name %s", text, p, name)
				}
				all[name.Key()], addresses[name.Key()] = Exact, a
				for up := name.Parent(); !up.IsRoot() && all[up.Key()] == None; up = up.Parent() {
					all[up.Key()] = Above
				}
			}
			// Neighbours: each name with one octet of its text replaced, removed or added.
			check := func(s string) {
				name, err := dname.Parse(s + ".")
				if err != nil {
					return
				}
				if a, match := template.Find(name); match != all[name.Key()] || match == Exact && a != addresses[name.Key()] {
					t.Fatalf("%s in %v: %s is %d, want %d", text, p, s, match, all[name.Key()])
				}
			}
			rng := rand.New(rand.NewPCG(3, 4))
			for key := range all {
				s := strings.TrimSuffix(dname.Name(key).String(), ".")
				check(s)
				for range 8 {
					i := rng.IntN(len(s))
					c := string("0123456789afxz-."[rng.IntN(16)])
					check(s[:i] + c + s[i+1:])
					check(s[:i] + s[i+1:])
					check(s[:i] + c + s[i:])
				}
			}
		}
	}
}

func TestPermutation(t *testing.T) {
	for width := range 129 {
		p := newPermutation(testKey, netip.PrefixFrom(netip.MustParseAddr("2001:db8::"), 128-width))
		rng := rand.New(rand.NewPCG(5, uint64(width)))
		seen := map[number]bool{}
		count := 200
		if width <= 12 {
			count = 1 << width
		}
		for i := range count {
			n := number{rng.Uint64(), rng.Uint64()}.and(ones(width))
			if width <= 12 {
				n = number{lo: uint64(i)}
			}
			m := p.apply(n)
			if !m.and(ones(width).not()).isZero() || p.invert(m) != n {
				t.Fatalf("%d bits: %x becomes %x and that %x", width, n, m, p.invert(m))
			}
			seen[m] = true
		}
		if width <= 12 && len(seen) != count {
			t.Errorf("%d bits: %d of %d numbers", width, len(seen), count)
		}
	}
	one := newPermutation(testKey, netip.MustParsePrefix("2001:db8::/64"))
	other := newPermutation(testKey, netip.MustParsePrefix("2001:db8:0:1::/64"))
	if one.apply(number{lo: 1}) == other.apply(number{lo: 1}) {
		t.Error("two ranges have the same permutation")
	}
}

func TestMeet(t *testing.T) {
	for _, c := range []struct {
		a, p, b, q string
		want       bool
	}{
		{"{dashed}.example.net", "203.0.113.0/24", "{dashed}.example.net", "198.51.100.0/24", false},
		{"{dashed}.example.net", "203.0.113.0/25", "{dashed}.example.net", "203.0.113.128/25", false},
		{"{dashed}.example.net", "203.0.113.0/24", "{dashed}.example.net", "203.0.113.128/25", true},
		{"{dashed}.example.net", "203.0.113.0/24", "{dashed}.example.net", "2001:db8::/32", false},
		{"{hex}.example.net", "203.0.113.0/24", "{hex}.example.net", "2001:db8::/32", false},
		{"{dashed:host}.example.net", "203.0.113.0/24", "{dashed:host}.example.net", "198.51.100.0/24", true},
		{"{dashed:host}.example.net", "203.0.113.0/24", "{dashed:host}.other.example.net", "198.51.100.0/24", false},
		{"{dashed:host}.a.example.net", "203.0.0.0/16", "{dotted:host}.example.net", "198.51.0.0/16", false},
		{"{compressed}.example.net", "2001:db8::/32", "{compressed}.example.net", "2001:db9::/32", false},
		{"{compressed}.example.net", "2001:db8::/32", "{compressed}.example.net", "2001:db8:1::/48", true},
		{"{compressed}.example.net", "2001:db8::/32", "{dashed}.example.net", "203.0.113.0/24", false},
		{"{compressed}.example.net", "::/0", "{dashed}.example.net", "0.0.0.0/0", false},
		{"{compressed}.example.net", "::/0", "a--{dashed:4}.example.net", "203.0.113.0/24", true},
		{"{compressed}.example.net", "2001:db8::/32", "a--{dashed:4}.example.net", "203.0.113.0/24", false},
		{"{compressed}.example.net", "2001:db8::/32", "{dashed}.example.net", "2001:db9::/32", false},
		{"{compressed}.example.net", "2001:db8::/32", "x{compressed}.example.net", "2001:db8::/32", false},
		{"{permuted}.example.net", "203.0.113.0/24", "{base36}.example.net", "198.51.100.0/24", true},
		{"a-{base36}.example.net", "203.0.113.0/24", "{base36}.example.net", "198.51.100.0/24", false},
	} {
		a, err := New(c.a, netip.MustParsePrefix(c.p), testKey)
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(c.b, netip.MustParsePrefix(c.q), testKey)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := Meet(a, b); ok != c.want {
			t.Errorf("%s of %s and %s of %s: %q, %v", c.a, c.p, c.b, c.q, name, ok)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	for _, text := range sampleTemplates {
		template, err := New(text, netip.MustParsePrefix("2001:db8::/96"), testKey)
		if err != nil {
			continue
		}
		a := netip.MustParseAddr("2001:db8::1234:5678")
		buf := make([]byte, 0, 256)
		if n := testing.AllocsPerRun(100, func() {
			buf = template.Append(buf[:0], a)
			if got, _ := template.Find(buf); got != a {
				t.Error(got)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

// newNames returns Names of templates with any bases.
func newNames(list []*Template) *Names {
	n, all := &Names{}, []int{}
	for i := range list {
		all = append(all, i)
	}
	n.addAll(list, all)
	return n
}

// Names finds what the templates find one by one, also where they are thousands.
func TestManyTemplates(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, text := range sampleTemplates {
		for _, bits := range []int{12, 20, 28} {
			var list []*Template
			for i := range 100 {
				p := netip.PrefixFrom(number{lo: uint64(rng.Uint32())}.address(32), bits).Masked()
				if i%3 == 1 {
					p = netip.PrefixFrom(number{0x20010db8<<32 | rng.Uint64()&0xffff0000, 0}.address(128), 96+bits).Masked()
				}
				template, err := New(text, p, testKey)
				if err != nil {
					continue
				}
				meets := false
				for _, other := range list {
					if _, ok := Meet(template, other); ok {
						meets = true
					}
				}
				if !meets {
					list = append(list, template)
				}
			}
			names := newNames(list)
			if len(names.groups) > 4 && text != "{permuted}.pool.example.net" {
				t.Errorf("%s: %d groups of %d templates", text, len(names.groups), len(list))
			}
			for range 100 {
				if len(list) == 0 {
					break
				}
				i := rng.IntN(len(list))
				a := randomAddress(rng, list[i].prefix)
				name := dname.Name(list[i].Append(nil, a))
				if got, index, m := names.Find(name); m != Exact || got != a || index != i {
					t.Fatalf("%s: %s is %v of %d (%d), want %v of %d", text, name, got, index, m, a, i)
				}
				// What none of them made, or what is above.
				other := dname.Name(list[i].Append(nil, randomAddress(rng, netip.PrefixFrom(list[i].prefix.Addr(), rng.IntN(list[i].prefix.Bits()+1)).Masked())))
				for ; len(other) >= len(list[i].base); other = other.Parent() {
					want := None
					for _, template := range list {
						_, m := template.Find(other)
						want = max(want, m)
					}
					if _, _, m := names.Find(other); m != want {
						t.Fatalf("%s/%d: %s is %d, want %d", text, bits, other, m, want)
					}
				}
			}
		}
	}
}

// FindConflict finds what comparing all pairs finds.
func TestFindConflict(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	found := 0
	for range 400 {
		var list []*Template
		for range 2 + rng.IntN(6) {
			p := netip.PrefixFrom(number{lo: 0xcb007100 + uint64(rng.IntN(1024))}.address(32), 22+rng.IntN(9)).Masked()
			if template, err := New(sampleTemplates[rng.IntN(4)], p, testKey); err == nil {
				list = append(list, template)
			}
		}
		want := false
		for i := range list {
			for j := range i {
				_, meet := Meet(list[i], list[j])
				want = want || meet
			}
		}
		c := FindConflict(list)
		if (c != nil) != want {
			t.Fatalf("%v: %v, want %v", list, c, want)
		}
		if c == nil {
			continue
		}
		found++
		if _, ok := Meet(list[c.A], list[c.B]); !ok {
			t.Fatalf("%v and %v do not meet", list[c.A], list[c.B])
		}
	}
	if found == 0 || found == 400 {
		t.Errorf("%d of 400 lists have a conflict", found)
	}
}

// Ten thousand ranges are compared without comparing all pairs, which would take a minute.
func TestManyConflicts(t *testing.T) {
	const ranges = 10000
	for _, text := range []string{"{dashed}.example.net", "{dashed:host}.c%d.example.net"} {
		var list []*Template
		for i := range ranges {
			s := text
			if strings.Contains(s, "%d") {
				s = fmt.Sprintf(s, i)
			}
			p := netip.PrefixFrom(number{0x20010db8<<32 | uint64(i)<<16, 0}.address(128), 48)
			template, err := New(s, p, nil)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, template)
		}
		if c := FindConflict(list); c != nil {
			t.Errorf("%s: %v", text, c)
		}
		again, err := New(list[ranges-1].text, netip.MustParsePrefix("2001:db8::/48"), nil)
		if err != nil {
			t.Fatal(err)
		}
		above, err := New("{dashed}.net", netip.MustParsePrefix("2001:db8::/48"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c := FindConflict(append(list, above)); c != nil {
			t.Errorf("%s with a form in the domain above: %v", text, c)
		}
		if c := FindConflict(append(list, again)); c == nil || c.B != ranges {
			t.Errorf("%s: no conflict with another range", text)
		}
	}
}

// The cost of a name is bounded, however many templates there are.
func TestMaxForms(t *testing.T) {
	var list []*Template
	for i := range MaxForms + 10 {
		template, err := New(fmt.Sprintf("h%d-{dashed}.example.net", i), netip.MustParsePrefix("203.0.113.0/24"), nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, template)
	}
	n := newNames(list)
	if len(n.groups) != MaxForms || len(n.left) != 10 || n.left[0] != MaxForms {
		t.Errorf("%d groups, %v left", len(n.groups), n.left)
	}
	if _, _, m := n.Find(dname.MustParse("h73-203-0-113-1.example.net.")); m != None {
		t.Errorf("the name of a template that is left is found: %d", m)
	}
}

// A rule that another server sent has no TTL that records cannot have.
func TestRuleTTL(t *testing.T) {
	for _, ttl := range []uint32{0, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		r := Rule{Prefix: netip.MustParsePrefix("192.0.2.0/24"), TTL: ttl, Template: "{dashed}.example.net"}
		if got, err := ParseRule(r.Append(nil)); (err == nil) != (ttl < 1<<31) || err == nil && got != r {
			t.Errorf("TTL %d: %v, %v", ttl, got, err)
		}
	}
}

// The example is the name of an address of both ranges, if the first addresses have one.
func TestConflictExample(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"192.0.2.128/25 dhcp-{dashed:4}.example.net", "192.0.2.0/24 dhcp-{decimal}.example.net", "dhcp-128.example.net."},
		{"2001:db8:1::/48 {hex}.example.net", "2001:db8::/32 {hex}.example.net", "20010db8000100000000000000000000.example.net."},
		{"2001:db8::/32 {hex}.example.net", "2001:db8:1::/48 {hex}.example.net", "20010db8000100000000000000000000.example.net."},
		{"192.0.2.128/25 x{dashed:4}.example.net", "192.0.2.0/25 x{decimal}.example.net", "x000.example.net."}, // only by form
	} {
		var list []*Template
		for _, s := range []string{c.a, c.b} {
			prefix, text, _ := strings.Cut(s, " ")
			m, err := New(text, netip.MustParsePrefix(prefix), nil)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, m)
		}
		found := FindConflict(list)
		if found == nil || found.Name != c.want {
			t.Errorf("%s and %s: %+v, want %s", c.a, c.b, found, c.want)
		}
	}
}

// Each field has the name that the documentation says at prefixes of all critical lengths, and leads back. The part
// after the prefix of a single address is the number 0.
func TestFieldsAtLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seedFlag, 18))
	for _, of := range []struct {
		addr    string
		lengths []int
	}{
		{"255.254.3.129", []int{0, 1, 7, 8, 9, 30, 31, 32}},
		{"fffe:db8:8001:7::ff01", []int{0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 124, 125, 126, 127, 128}},
	} {
		for _, bits := range of.lengths {
			p := netip.PrefixFrom(netip.MustParseAddr(of.addr), bits).Masked()
			for _, notation := range notations {
				for _, part := range []string{"", ":all", ":host"} {
					field := "{" + notation + part + "}"
					isNumber := notation == "decimal" || notation == "base36" || notation == "permuted"
					if isNumber && part == ":all" {
						continue
					}
					template, err := New("x"+field+".example.net", p, testKey)
					if notation == "compressed" && (p.Addr().Is4() || part == ":host") {
						if err == nil {
							t.Errorf("%s in %v is accepted", field, p)
						}
						continue
					}
					if err != nil {
						t.Errorf("%s in %v: %v", field, p, err)
						continue
					}
					for _, a := range someOf(rng, p) {
						name := dname.Name(template.Append(nil, a))
						if want := naiveName(template.String(), p, a); notation != "permuted" && template.name(a) != want {
							t.Errorf("%s in %v: %v has the name %s, want %s", field, p, a, template.name(a), want)
						}
						if isNumber && p.IsSingleIP() && name.String() != "x0.example.net." {
							t.Errorf("%s in %v: %v", field, p, name)
						}
						if got, m := template.Find(name); m != Exact || got != a {
							t.Errorf("%s in %v: %v is that of %v (%d), want %v", field, p, name, got, m, a)
						}
					}
				}
			}
		}
	}
}
