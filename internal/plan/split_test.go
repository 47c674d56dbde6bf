package plan

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// TestRandomParts: whatever is written in a list of parts is an error that names its line, or makes
// a plan without gaps.
func TestRandomParts(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	word := func() string {
		return pick("ns1.a.example", "ns2.a.example.", "ns.0-63.113.0.203.in-addr.arpa=203.0.113.1", "ns.113.0.203.in-addr.arpa=2001:db8::1", "203.0.113.2",
			"style=slash", "style=rfc4183", "style=address", "style=x", "label=a", `label="a b"`, "label={n}", "label=5", "label=a.b", `label=a\b`, "label=ü", "label=-", "label=*", "label=a'b", "label=[x]", "label=#",
			"dname=rev.example", "dname={first}-{last}.rev.example.", "dname=x.113.0.203.in-addr.arpa", "dname=..", "ds=x", `ds="60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A"`, `"`, "=", "", "# note: [a]")
	}
	made := 0
	for range 600 {
		prefix := netip.MustParsePrefix(pick("203.0.113.0/24", "203.0.112.0/23", "203.0.113.64/26", "2001:db8::/32", "203.0.113.7/32", "0.0.0.0/0", "::/0"))
		var parts []Part
		var spec string
		for range 1 + random.IntN(3) {
			spec = pick("203.0.113.0/26", "203.0.113.64/27", "203.0.113.96/32", "203.0.113.0/24", "2001:DB8:0::/34", "2001:db8:8000::/48", "203.0.113.65/26", "x", "/26", "/33", "/0", "10.0.0.0/8", "::/1") + pick("=", " ", ",", ";", "\t")
			for range random.IntN(4) {
				spec += word() + pick(",", " ", ";")
			}
			list, err := ReadParts(prefix, []string{strings.TrimSuffix(spec, "=")})
			if err != nil {
				if !strings.HasPrefix(err.Error(), "--split ") {
					t.Errorf("%q: %v", spec, err)
				}
				continue
			}
			parts = append(parts, list...)
		}
		p, err := Make(context.Background(), Options{Prefix: prefix, Parts: parts})
		if err != nil {
			continue
		}
		made++
		for _, f := range p.Files {
			if f.Kind != "parent" {
				continue
			}
			apex := dname.MustParse(strings.TrimPrefix(f.Title, "lines for zone "))
			for _, found := range Check(ReadText(apex, "parent", []byte(f.Text)), nil) {
				if found.Rule != "ns-without-address" { // as a note says
					t.Errorf("%v, last %q, seed %d: %v", prefix, spec, *seed, found)
				}
			}
		}
	}
	if made < 30 {
		t.Errorf("%d plans were made", made)
	}
}

func TestNext(t *testing.T) {
	for prefix, want := range map[string]string{
		"203.0.113.0/26": "203.0.113.64", "203.0.113.255/32": "203.0.114.0", "203.0.255.0/24": "203.1.0.0", "255.255.255.255/32": "0.0.0.0",
		"0.0.0.0/1": "128.0.0.0", "2001:db8::/34": "2001:db8:4000::", "2001:db8:ffff::/48": "2001:db9::",
	} {
		if got := next(netip.MustParsePrefix(prefix)); got.String() != want {
			t.Errorf("next(%s) = %v, want %s", prefix, got, want)
		}
	}
}
