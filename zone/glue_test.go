package zone_test

import "testing"

// Glue: in-domain addresses are required (RFC 9471 §3.1), those elsewhere in the
// zone come along.
func TestGlue(t *testing.T) {
	answers(t, "example.", `
a NS ns.a
a NS NS.A
a NS deep.ns.a
a NS ns.b
a NS ns
a NS ns.other.
a NS missing.a
ns.a A 192.0.2.1
ns.a AAAA 2001:db8::1
ns.a TXT "never answered"
deep.ns.a A 192.0.2.2
b NS ns.a
b NS b
b A 192.0.2.9
ns.b AAAA 2001:db8::2
ns A 192.0.2.3
c NS ns.d
d DNAME elsewhere.
ns.d A 192.0.2.4
m MX 10 ns
m MX 20 ns
m MX 30 ns.a
m MX 40 w.w
s SRV 0 0 53 ns
*.w A 192.0.2.5
n MX 10 cname
cname CNAME ns
@ NS ns
@ NS ns.a
`, []literal{
		{"x.a", "A", "referral |  | a NS | deep.ns.a A!, ns A, ns.a A!, ns.a AAAA!, ns.b AAAA"},
		{"ns.a", "A", "referral |  | a NS | deep.ns.a A!, ns A, ns.a A!, ns.a AAAA!, ns.b AAAA"},
		{"x.b", "A", "referral |  | b NS | b A!, ns.a A, ns.a AAAA"}, // the cut's own owner is in-domain
		{"x.c", "A", "referral |  | c NS"},                           // what a DNAME occludes is no glue
		{"m", "MX", "success | m MX |  | ns A"},                      // once; no glue, no wildcards
		{"s", "SRV", "success | s SRV |  | ns A"},
		{"n", "MX", "success | n MX"},
		{"@", "NS", "success | @ NS |  | ns A"},
	})
}
