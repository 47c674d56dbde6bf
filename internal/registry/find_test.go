package registry

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// TestSelect: an address, a name and the prefix of a zone are one zone, a larger prefix is all
// zones in it.
func TestSelect(t *testing.T) {
	z := New(Options{Config: parsed(t, `
defaults: {nameservers: [ns1.example.com]}
zones:
  - {prefix: 203.0.113.0/24}
  - {prefix: 203.0.113.64/26}
  - {prefix: 203.0.113.128/26, label: office}
  - {prefix: 10.2.0.0/15}
  - {prefix: "2001:db8::/32"}
  - {name: example.com}
`)})
	set := z.Unbuilt()
	for what, want := range map[string]string{
		"203.0.113.0/24":   "[113.0.203.in-addr.arpa.]",
		"203.0.113.25":     "[113.0.203.in-addr.arpa.]",
		"203.0.113.65":     "[64-127.113.0.203.in-addr.arpa.]",
		"203.0.113.64/26":  "[64-127.113.0.203.in-addr.arpa.]",
		"203.0.113.128/26": "[office.113.0.203.in-addr.arpa.]",
		"203.0.113.64/28":  "[64-127.113.0.203.in-addr.arpa.]",
		"203.0.0.0/16":     "[113.0.203.in-addr.arpa. 64-127.113.0.203.in-addr.arpa. office.113.0.203.in-addr.arpa.]",
		"10.2.0.0/15":      "[2.10.in-addr.arpa. 3.10.in-addr.arpa.]",
		"10.0.0.0/8":       "[2.10.in-addr.arpa. 3.10.in-addr.arpa.]",
		"2001:db8:1::/48":  "[8.b.d.0.1.0.0.2.ip6.arpa.]",
		"2000::/8":         "[8.b.d.0.1.0.0.2.ip6.arpa.]",
		"example.com":      "[example.com.]",
		"www.example.com":  "[example.com.]",
		"203.0.113.1/24":   `"203.0.113.1/24" has host bits; write "203.0.113.0/24" for the prefix, or "203.0.113.1/32" for the address`,
		"192.0.2.0/24":     "no zone here holds 192.0.2.0/24; `ptrd status` lists those that are served",
	} {
		list, err := z.Select(set, what, nil)
		var apexes []dname.Name
		for _, part := range list {
			apexes = append(apexes, part.Apex)
		}
		got := fmt.Sprint(apexes)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
}
