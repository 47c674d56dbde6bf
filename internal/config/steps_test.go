package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/finding"
)

// TestStepsAreLinear: twice the text is about twice the work, for the shapes whose work
// could grow with the square. What is counted is the same in every run.
func TestStepsAreLinear(t *testing.T) {
	list := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, format, i>>16, i>>8&255, i&255)
		}
		return b.String()
	}
	const (
		zones   = "\"zones\": [%s]"
		aKey    = "keys: [{name: k, secret: aaaa}]\n"
		catalog = "defaults: {nameservers: [ns1.example.com], transfer: {allow: [{key: k}]}}\n"
	)
	for _, c := range []struct {
		name string
		text func(n int) string
		ok   bool // there is nothing wrong
	}{
		{"one line", func(n int) string {
			return `{"defaults": {"nameservers": ["ns1.example.com"]}, ` + fmt.Sprintf(zones, list(n, `{"name": "z%d-%d-%d.example"}`)) + "}"
		}, true},
		{"one line that is not ASCII", func(n int) string {
			return `{"defaults": {"nameservers": ["ns1.example.com"]}, "é": 1, ` + fmt.Sprintf(zones, list(n, `{"name": "z%d-%d-%d.example"}`)) + "}"
		}, false},
		{"findings on one line", func(n int) string { return `{` + fmt.Sprintf(zones, list(n, `{"nahme": "%d%d%d"}`)) + "}" }, false},
		{"catalog of names", func(n int) string {
			return aKey + catalog + "catalogs: [{name: cat.invalid, zones: [" + list(n, "z%d-%d-%d.example") + "]}]\nzones: [" + list(n, "{name: z%d-%d-%d.example}") + "]\n"
		}, true},
		{"catalogs", func(n int) string {
			return aKey + catalog + "catalogs: [" + list(n, "{name: cat%d-%d-%d.invalid, zones: all}") + "]\nzones: [{name: a.example}]\n"
		}, true},
		{"access list", func(n int) string { return "zones: []\naccess: {allow: [" + list(n, "10.%d.%d.%d") + "]}\n" }, true},
		{"transfer list", func(n int) string {
			return "defaults: {transfer: {allow: [" + list(n, "10.%d.%d.%d") + "]}}\nzones: []\n"
		}, true},
		{"notify list", func(n int) string {
			return "defaults: {transfer: {notify: [" + list(n, "\"10.%d.%d.%d:53\"") + "]}}\nzones: []\n"
		}, true},
		{"keys", func(n int) string {
			return "keys: [" + list(n, "{name: k%d-%d-%d, secret: aaaa}") + "]\ndefaults: {transfer: {allow: [" + list(n, "{key: k%d-%d-%d}") + "]}}\nzones: []\n"
		}, true},
		{"names of one address", func(n int) string {
			return "defaults: {nameservers: [ns1.example.com]}\nzones: [{prefix: 192.0.2.0/24, ptr: {192.0.2.1: [" + list(n, "h%d-%d-%d.example.com") + "]}}]\n"
		}, true},
		{"files", func(n int) string { return "zones: [{name: a.example, file: [" + list(n, "f%d-%d-%d") + "]}]\n" }, true},
		{"name servers", func(n int) string {
			return "zones: [{name: a.example, nameservers: [" + list(n, "n%d-%d-%d.example.com") + "]}]\n"
		}, true},
	} {
		steps := func(n int) int {
			d := &document{reading: &reading{broken: map[finding.Position]bool{}}, file: "f", dir: "."}
			d.parse([]byte(c.text(n)))
			if c.ok != (d.errors() == 0) {
				t.Fatalf("%s: %v", c.name, d.findings.Sorted())
			}
			return d.steps
		}
		const n = 500
		few, many := steps(n), steps(4*n)
		if few < n/4 || many > 6*few {
			t.Errorf("%s: %d steps for %d items, %d for %d", c.name, few, n, many, 4*n)
		}
	}
}

// TestManyValues: what would take gigabytes as a tree is refused before it is one; each
// value of a file is counted, and an address counts as one.
func TestManyValues(t *testing.T) {
	for _, text := range []string{"x,", "x\n", "{", "- ", "[", "\"x\":"} {
		_, err := Parse("f", []byte("zones: ["+strings.Repeat(text, maxValues)))
		if err == nil || !strings.Contains(err.Error(), "more than 2000000 values") {
			t.Errorf("%q: %.200v", text, err)
		}
	}
	const text = "zones:\n  - prefix: 2001:db8::/32\n    ptr: {2001:db8::1: a.example.com, 2001:db8::2: [b.example.com]}\n"
	if n := countValues([]byte(text)); n < 9 || n > 15 {
		t.Errorf("%d values", n)
	}
}

// TestManyFindings: what is wrong is counted to the end, and listed in a bounded number.
func TestManyFindings(t *testing.T) {
	const n = 50_000
	_, err := Parse("f", []byte("zones: ["+strings.Repeat("x,", n)+"]\n"))
	errs, ok := err.(Errors)
	if count, _ := finding.Count(errs); !ok || len(errs) != finding.MaxListed+1 || count != n {
		t.Fatalf("%d errors, %d listed: %.200v", count, len(errs), err)
	}
}
