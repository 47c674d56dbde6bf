package synth

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

var (
	templatesFlag = flag.Int("templates", 1500, "number of random templates of a test")
	seedFlag      = flag.Uint64("seed", 1, "seed of the tests with random templates")
)

func pick(rng *rand.Rand, list ...string) string { return list[rng.IntN(len(list))] }

// randomText returns the text of a template for addresses of some bits.
func randomText(rng *rand.Rand, size int) string {
	units := 4
	if size == 128 {
		units = 8
	}
	field := func() string {
		n := 1 + rng.IntN(units)
		part := pick(rng, "", "", ":host", ":host", fmt.Sprintf(":last%d", n), fmt.Sprintf(":%d", n), fmt.Sprintf(":%d-%d", n, n+rng.IntN(units-n+1)))
		notation := pick(rng, "dashed", "dotted", "padded", "reversed", "hex", "decimal", "base36", "compressed", "permuted")
		switch notation {
		case "decimal", "base36", "compressed", "permuted":
			part = ""
		}
		return "{" + notation + part + "}"
	}
	text := pick(rng, "", "", "h", "x-", "0", "a.", "1.a") + field()
	if rng.IntN(2) == 0 {
		text += pick(rng, "", "-", ".", "x", "-0-", ".b.", "a") + field()
	}
	return text + pick(rng, "", "", "-", "z", "7", ".5") + pick(rng, ".example.net", ".example.net", ".0.example.net", "."+strings.Repeat("long-label-of-63-octets.", rng.IntN(12))+"net")
}

// randomPrefix returns a prefix, and often one of few addresses.
func randomPrefix(rng *rand.Rand) netip.Prefix {
	size := []int{32, 128}[rng.IntN(2)]
	bits := rng.IntN(size + 1)
	if rng.IntN(2) == 0 {
		bits = size - rng.IntN(9)
	}
	n := number{rng.Uint64(), rng.Uint64()}
	if rng.IntN(3) == 0 {
		n = number{lo: rng.Uint64() & 0xfff}
	}
	return netip.PrefixFrom(n.and(ones(size)).address(size), bits).Masked()
}

// someOf returns all addresses of a small prefix, and some of others, with the first and the last.
func someOf(rng *rand.Rand, p netip.Prefix) (list []netip.Addr) {
	size := p.Addr().BitLen()
	if size-p.Bits() <= 8 {
		for a := p.Addr(); a.IsValid() && p.Contains(a); a = a.Next() {
			list = append(list, a)
		}
		return list
	}
	list = append(list, p.Addr(), numberOf(p.Addr()).or(ones(size-p.Bits())).address(size))
	for range 20 {
		list = append(list, randomAddress(rng, p))
	}
	return list
}

// A template that is accepted has a name for each address, as the documentation says, which fits
// and leads back. One that is refused has a fault, of which there is an example.
func TestRandomTemplates(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seedFlag, 11))
	accepted, refused, spared := 0, map[string]int{}, 0
	for range *templatesFlag {
		p := randomPrefix(rng)
		text := randomText(rng, p.Addr().BitLen())
		template, err := New(text, p, testKey)
		addresses := someOf(rng, p)
		if err != nil {
			class := refusal(t, rng, text, p, addresses, err)
			refused[class]++
			if class == "no example" {
				spared++
			}
			continue
		}
		accepted++
		names := map[string]netip.Addr{}
		for _, a := range addresses {
			name := dname.Name(template.Append(nil, a))
			if _, err := dname.Parse(name.String()); err != nil {
				t.Fatalf("%s in %v: the name of %v: %v", text, p, a, err)
			}
			if want := naiveName(text, p, a); template.permutation == nil && template.name(a) != want {
				t.Fatalf("%s in %v: %v has the name %s, want %s", text, p, a, template.name(a), want)
			}
			if other, ok := names[name.Key()]; ok && other != a {
				t.Fatalf("%s in %v: %v is the name of %v and of %v", text, p, name, a, other)
			}
			names[name.Key()] = a
			if got, m := template.Find(name); m != Exact || got != a {
				t.Fatalf("%s in %v: %v is that of %v (%d), want %v", text, p, name, got, m, a)
			}
		}
	}
	t.Logf("%d templates accepted, refused: %v", accepted, refused)
	if accepted < *templatesFlag/10 || spared > *templatesFlag/5 {
		t.Errorf("%d of %d templates are accepted, %d refused without an example", accepted, *templatesFlag, spared)
	}
}

// refusal looks for an example of the fault of a template, and returns its kind.
func refusal(t *testing.T, rng *rand.Rand, text string, p netip.Prefix, addresses []netip.Addr, err error) string {
	says := func(s string) bool { return strings.Contains(err.Error(), s) }
	size := p.Addr().BitLen()
	switch {
	case says("no other field"), says("only whole IPv6 addresses"), says("must be the end of its label"):
		return "of the fields"
	case says("empty label"), says("no domain"):
		return "of labels"
	case says("does not show all bits"):
		for _, a := range addresses {
			for bit := range size - p.Bits() {
				b := numberOf(a).xor(ones(1).left(bit)).address(size)
				if naiveName(text, p, a) == naiveName(text, p, b) {
					return "of several addresses"
				}
			}
		}
		t.Errorf("%s in %v: %v, but there is no example", text, p, err)
	case says("can be a digit"):
		names := map[string]bool{}
		for _, a := range addresses {
			names[naiveName(text, p, a)] = true
		}
		if len(names) < len(addresses) {
			return "of several addresses, by digits"
		}
		return "no example"
	case says("octets, at most"), says("label is longer"), says("name is longer"), says("63 octets"), says("255 octets"):
		for range 200 {
			addresses = append(addresses, randomAddress(rng, p))
		}
		for _, a := range addresses {
			name := naiveName(text, p, a)
			if len(name)+2 > dname.MaxWire {
				return "too long"
			}
			for l := range strings.SplitSeq(name, ".") {
				if len(l) > dname.MaxLabel {
					return "too long"
				}
			}
		}
		if strings.Contains(text, "{permuted}") {
			return "too long"
		}
		return "no example"
	default:
		t.Errorf("%s in %v: %v", text, p, err)
	}
	return "?"
}

// No name of a template is that of another one, unless FindConflict says so; and if it does, there
// mostly is such a name.
func TestRandomConflicts(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seedFlag, 12))
	found, real, free := 0, 0, 0
	for range *templatesFlag / 10 {
		var list []*Template
		for len(list) < 2+rng.IntN(4) {
			p := randomPrefix(rng)
			text := randomText(rng, p.Addr().BitLen())
			if len(list) > 0 && rng.IntN(2) == 0 {
				text = list[0].text
			}
			if len(list) > 0 && rng.IntN(3) == 0 { // a part of it, or around it
				q := list[0].prefix
				p = netip.PrefixFrom(randomAddress(rng, q), min(q.Addr().BitLen(), max(0, q.Bits()-2)+rng.IntN(6))).Masked()
			}
			if template, err := New(text, p, testKey); err == nil {
				list = append(list, template)
			}
		}
		owners := map[string]int{}
		collides := false
		for i, template := range list {
			for _, a := range someOf(rng, template.prefix) {
				name := dname.Name(template.Append(nil, a))
				if other, ok := owners[name.Key()]; ok && other != i {
					collides = true
				}
				owners[name.Key()] = i
				for j, other := range list {
					if _, m := other.Find(name); j != i && m == Exact {
						collides = true
					}
				}
			}
		}
		c := FindConflict(list)
		switch {
		case c == nil && collides:
			t.Fatalf("%v: a name of two templates is not found", list)
		case c != nil:
			found++
			if collides {
				real++
			}
			if _, err := dname.Parse(c.Name); err != nil {
				t.Fatalf("%v: example %q: %v", list, c.Name, err)
			}
			continue
		}
		free++
		names := newNames(list)
		for i, template := range list {
			for _, a := range someOf(rng, template.prefix) {
				name := dname.Name(template.Append(nil, a))
				if got, index, m := names.Find(name); m != Exact || got != a || index != i {
					t.Fatalf("%v: %v is %v of %d (%d), want %v of %d", list, name, got, index, m, a, i)
				}
			}
		}
	}
	t.Logf("%d lists without a conflict, %d with one, of which %d have an example", free, found, real)
}
