package zone_test

import "testing"

// Empty non-terminals are NODATA (RFC 4592 §2.2.2, RFC 8020) at every depth, and
// depths that are no names are not.
func TestENT(t *testing.T) {
	answers(t, "192.in-addr.arpa.", `
10.2.0 PTR a.example.
100.2.1 PTR b.example.
a.b.c.0/25.3.0 PTR c.example.
200.5 NS ns.example.
`, []literal{
		{"0", "PTR", "nodata |  | @ SOA"},
		{"2.0", "PTR", "nodata |  | @ SOA"},
		{"2.0", "ANY", "nodata |  | @ SOA"},
		{"2.0", "DS", "nodata |  | @ SOA"},
		{"10.2.0", "PTR", "success | 10.2.0 PTR"},
		{"1.2.0", "PTR", "nxdomain |  | @ SOA"}, // shares its first nibble with 10 only in presentation
		{"0.2.0", "PTR", "nxdomain |  | @ SOA"}, // 10 is 0x0a: half an octet is no name
		{"6.2.1", "PTR", "nxdomain |  | @ SOA"}, // 100 is 0x64
		{"96.2.1", "PTR", "nxdomain |  | @ SOA"},
		{"1", "PTR", "nodata |  | @ SOA"},
		{"2", "PTR", "nxdomain |  | @ SOA"},
		{"3.0", "PTR", "nodata |  | @ SOA"},
		{"0/25.3.0", "PTR", "nodata |  | @ SOA"},
		{"c.0/25.3.0", "PTR", "nodata |  | @ SOA"},
		{"b.c.0/25.3.0", "PTR", "nodata |  | @ SOA"},
		{"0/2.3.0", "PTR", "nxdomain |  | @ SOA"},
		{"0/255.3.0", "PTR", "nxdomain |  | @ SOA"},
		{"bb.c.0/25.3.0", "PTR", "nxdomain |  | @ SOA"},
		{"5", "PTR", "nodata |  | @ SOA"}, // a zone cut makes one, too
		{"x.10.2.0", "PTR", "nxdomain |  | @ SOA"},
	})
	answers(t, "b.d.0.1.0.0.2.ip6.arpa.", `
f.e.d.c.8 PTR a.example.
f.e.0.0.8 PTR b.example.
`, []literal{
		{"8", "PTR", "nodata |  | @ SOA"},
		{"c.8", "PTR", "nodata |  | @ SOA"},
		{"C.8", "PTR", "nodata |  | @ SOA"},
		{"D.C.8", "PTR", "nodata |  | @ SOA"},
		{"e.d.c.8", "PTR", "nodata |  | @ SOA"},
		{"f.d.c.8", "PTR", "nxdomain |  | @ SOA"},
		{"dc.8", "PTR", "nxdomain |  | @ SOA"},
		{"0.8", "PTR", "nodata |  | @ SOA"},
		{"00.8", "PTR", "nxdomain |  | @ SOA"},
		{"e.0.0.8", "PTR", "nodata |  | @ SOA"},
		{"F.E.0.0.8", "PTR", "success | f.e.0.0.8 PTR"},
	})
}
