package audit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/synth"
)

// rule returns the record of a rule as a line of a master file.
func rule(prefix, template string) string {
	r := synth.Rule{Prefix: netip.MustParsePrefix(prefix), TTL: 300, Template: template}
	b := r.Append(nil)
	return fmt.Sprintf("@ TYPE65353 \\# %d %x\n", len(b), b)
}

// TestRanges: what rules make is proved by the rule of the forward zone, without going through the
// addresses, but for names with records of their own; else some addresses are examined.
func TestRanges(t *testing.T) {
	both := rule("192.0.2.128/25", "h{dashed:4}.dsl.example.")
	six := rule("2001:db8::/32", "{dashed}.six.example.") + rule("2001:db8:1::/48", "{dashed}.cut.example.") + rule("2001:db8:2::/48", "{dashed}.out.test.")
	w := newWorld(t, map[string]string{
		"2.0.192.in-addr.arpa.":     both + rule("192.0.2.64/30", "{dashed}.alone.example.") + "200 PTR static.example.\n",
		"8.b.d.0.1.0.0.2.ip6.arpa.": six,
		"example.": both + six + `
h130.dsl A 10.0.0.1
h131.dsl CNAME away.test.
h132.dsl A 192.0.2.132
h133.dsl TXT "no address"
h200.dsl A 10.0.0.1
static A 192.0.2.200
cut NS ns.elsewhere.test.
192-0-2-64.alone A 192.0.2.64
192-0-2-65.alone A 192.0.2.99
192-0-2-66.alone A 192.0.2.66
`})
	w.others = map[string]string{"away.test.": "192.0.2.131", "2001-db8-1-0-0-0-0-0.cut.example.": "lost", "2001-db8-1-0-0-0-0-1.cut.example.": "lost", "2001-db8-1-0-0-0-0-2.cut.example.": "lost"}
	for _, c := range []struct{ scope, want string }{
		{"", `192.0.2.65 mismatch
192.0.2.99 no_name
192.0.2.130 mismatch
2001:db8:1:: not_known
2001:db8:1::1 not_known
2001:db8:1::2 not_known
2001:db8:2:: no_address
2001:db8:2::1 no_address
2001:db8:2::2 no_address
192.0.2.128/25 ok zone example. has the same rule
192.0.2.64/30 mismatch zone example. has no such rule; examined 3 of its addresses
2001:db8::/32 ok zone example. has the same rule
2001:db8:1::/48 not_known zone example. has NS records at cut.example.; examined 3 of its addresses
2001:db8:2::/48 no_address no zone here has the names; examined 3 of its addresses
`},
		{"2.0.192.in-addr.arpa.", `192.0.2.65 mismatch
192.0.2.130 mismatch
192.0.2.128/25 ok zone example. has the same rule
192.0.2.64/30 mismatch zone example. has no such rule; examined 3 of its addresses
`},
		{"130.2.0.192.in-addr.arpa.", "192.0.2.130 mismatch\n"},
		{"140.2.0.192.in-addr.arpa.", ""},
	} {
		var scope Scope
		if c.scope != "" {
			scope.Apex = dname.MustParse(c.scope)
			if w.current.Load().Get(scope.Apex) == nil {
				scope.Name, scope.Apex = scope.Apex, scope.Apex.Parent()
				scope.About = scope.Name.Equal
			}
		}
		r := w.examine(scope)
		var b strings.Builder
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "%v %s\n", f.Address, f.State)
		}
		for _, one := range r.Ranges {
			fmt.Fprintf(&b, "%v %s %s\n", one.Range, one.State, one.Reason)
		}
		if b.String() != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.scope, b.String(), c.want)
		}
		if c.want == "" && r.States[OK] != 1 {
			t.Errorf("%s: %v", c.scope, r.States)
		}
	}
}
