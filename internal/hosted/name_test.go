package hosted

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// TestNames: literal and escaped forms of a name are one name, and it is listed in one form
// (DomainNameFormat of the Route 53 developer guide).
func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"Example.COM":                     "example.com.",
		"example.com.":                    "example.com.",
		"0/25.2.0.192.in-addr.arpa":       `0\05725.2.0.192.in-addr.arpa.`,
		`0\05725.2.0.192.in-addr.arpa.`:   `0\05725.2.0.192.in-addr.arpa.`,
		"*.example.com":                   `\052.example.com.`,
		`\052.example.com`:                `\052.example.com.`,
		`a\040b.example.com`:              `a\040b.example.com.`,
		`a\056b.example.com`:              `a\056b.example.com.`,
		`\101bc.example.com`:              "abc.example.com.",
		"_dmarc.a-b.example.com":          "_dmarc.a-b.example.com.",
		`\377.example.com`:                `\377.example.com.`,
		".":                               ".",
		strings.Repeat("a", 63) + ".com":  strings.Repeat("a", 63) + ".com.",
		"a!\"#$%&'()*+,-/:;<=>?@[]^_`{|}": `a\041\042\043\044\045\046\047\050\051\052\053\054-\057\072\073\074\075\076\077\100\133\135\136_\140\173\174\175.`,
	} {
		n, err := ParseName(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := FormatName(n); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		if again, err := ParseName(want); err != nil || !again.Equal(n) {
			t.Errorf("%s: reads as %v, %v", want, again, err)
		}
	}
	for in, want := range map[string]string{
		"":                             "the name is empty",
		"a..b":                         "a label is empty",
		".a":                           "a label is empty",
		"..":                           "a label is empty",
		`a\b`:                          `"\\b" is no escape; write a backslash and three octal digits, such as \057`,
		`a\40`:                         `"\\40" is no escape; write a backslash and three octal digits, such as \057`,
		`a\400.com`:                    `"\\400" is no escape; write a backslash and three octal digits, such as \057`,
		`a\`:                           `"\\" is no escape; write a backslash and three octal digits, such as \057`,
		"a b":                          `the octet 32 must be escaped as \040`,
		"bücher.example":               `the octet 195 must be escaped as \303`,
		strings.Repeat("a", 64):        "a label has 64 octets, must have at most 63",
		strings.Repeat("abcdefg.", 32): "the name has 257 octets, must have at most 255",
	} {
		if _, err := ParseName(in); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

// TestOrder: labels from the right, each with its final dot, compared as they are listed.
func TestOrder(t *testing.T) {
	want := []string{"example.com", "0.example.com", `\052.example.com`, "a-b.example.com", "a.example.com", "x.a.example.com", "a0.example.com", "aa.example.com"}
	apex := dname.MustParse("example.com")
	var keys []string
	for _, s := range want {
		n, err := ParseName(s)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, orderKey(n, apex.Labels()))
		if back := nameOfKey(keys[len(keys)-1], apex); !back.Equal(n) {
			t.Errorf("%s: the key %q is %v", s, keys[len(keys)-1], back)
		}
	}
	if sorted := slices.Sorted(slices.Values(keys)); !slices.Equal(sorted, []string{"", "0.", `\052.`, "a-b.", "a.", "a.x.", "a0.", "aa."}) {
		t.Errorf("%q", sorted)
	}
}

// TestOrdered compares the list with a sorted slice over random insertions and removals.
func TestOrdered(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var o ordered
	model := map[string]bool{}
	for i := range 20_000 {
		key := fmt.Sprintf("%05d", r.IntN(6000))
		if i < 5000 {
			key = fmt.Sprintf("%05d", i) // in order
		}
		if i >= 5000 && r.IntN(2) == 0 || i > 15_000 {
			o.remove(key)
			delete(model, key)
		} else {
			o.insert(key)
			model[key] = true
		}
	}
	check := func(o *ordered) {
		t.Helper()
		start := fmt.Sprintf("%05d", r.IntN(6000))
		var want []string
		for k := range model {
			if k >= start {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		if got := slices.Collect(o.from(start)); !slices.Equal(got, want) || o.count != len(model) {
			t.Errorf("from %s: %d of %d, want %d of %d", start, len(got), o.count, len(want), len(model))
		}
		for _, b := range o.blocks {
			if len(b) == 0 || len(b) > maxBlock {
				t.Errorf("a block of %d", len(b))
			}
		}
	}
	check(&o)
	var keys []string
	for k := range model {
		keys = append(keys, k, k)
	}
	check(newOrdered(keys))
}
