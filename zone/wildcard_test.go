package zone_test

import "testing"

// Source of synthesis and closest encloser (RFC 4592 §3.3.1).
func TestWildcard(t *testing.T) {
	answers(t, "2.0.192.in-addr.arpa.", `
* PTR pool.example.
10 PTR host.example.
*.20 TXT twenty
a.30 PTR thirty.example.
a.*.40 PTR forty.example.
*.*.50 PTR stars.example.
*.60 CNAME Alias.example.
x.*.60 TXT below
*.70 CNAME 10
0/25 NS ns.customer.example.
`, []literal{
		{"1", "PTR", "success | 1 PTR"},
		{"255", "PTR", "success | 255 PTR"},
		{"01", "PTR", "success | 01 PTR"},
		{"256", "PTR", "success | 256 PTR"},
		{"x.y.z", "PTR", "success | x.y.z PTR"}, // any number of labels
		{"X.1", "PTR", "success | x.1 PTR"},
		{"1", "TXT", "nodata |  | @ SOA"},
		{"1", "ANY", "success | 1 PTR"},
		{"*", "PTR", "success | * PTR"},
		{"10", "TXT", "nodata |  | @ SOA"},     // the name exists
		{"x.10", "PTR", "nxdomain |  | @ SOA"}, // and is the closest encloser, without a wildcard
		{"*.10", "PTR", "nxdomain |  | @ SOA"},
		{"20", "PTR", "nodata |  | @ SOA"}, // an empty non-terminal above a wildcard
		{"x.20", "TXT", "success | x.20 TXT"},
		{"x.20", "PTR", "nodata |  | @ SOA"}, // not the wildcard above
		{"30", "PTR", "nodata |  | @ SOA"},
		{"b.30", "PTR", "nxdomain |  | @ SOA"}, // 30 exists as an empty non-terminal
		{"40", "PTR", "nodata |  | @ SOA"},
		{"*.40", "PTR", "nodata |  | @ SOA"},   // the wildcard is an empty non-terminal
		{"b.40", "PTR", "nodata |  | @ SOA"},   // and the source of synthesis all the same
		{"a.b.40", "PTR", "nodata |  | @ SOA"}, // which a.*.40 is not
		{"a.*.40", "PTR", "success | a.*.40 PTR"},
		{"b.*.40", "PTR", "nxdomain |  | @ SOA"}, // *.40 is the closest encloser
		{"b.*.50", "PTR", "success | b.*.50 PTR"},
		{"b.c.50", "PTR", "nodata |  | @ SOA"},
		{"*.*.50", "PTR", "success | *.*.50 PTR"},
		{"1.60", "PTR", "success | 1.60 CNAME > Alias.example."},
		{"1.60", "CNAME", "success | 1.60 CNAME"},
		{"1.60", "ANY", "success | 1.60 CNAME"},
		{"x.*.60", "TXT", "success | x.*.60 TXT"},
		{"y.*.60", "TXT", "nxdomain |  | @ SOA"},
		{"1.70", "PTR", "success | 1.70 CNAME > 10"},
		{"1.0/25", "PTR", "referral |  | 0/25 NS"}, // the cut is closer
		{`\042`, "PTR", "success | * PTR"},
		{"**", "PTR", "success | ** PTR"},
	})
}

// NS and DNAME at a wildcard, which RFC 4592 §4.2 and §4.4 leave to the letter of
// RFC 1034 §4.3.2 step 3c: what is synthesized from them is data of their type and
// neither a zone cut nor a redirection; below the wildcard's own name they are both.
func TestWildcardOfCutAndDNAME(t *testing.T) {
	answers(t, "2.0.192.in-addr.arpa.", `
*.1 NS ns.example.
*.2 DNAME target.example.
`, []literal{
		{"x.1", "NS", "success | x.1 NS"},
		{"x.1", "PTR", "nodata |  | @ SOA"},
		{"y.x.1", "NS", "success | y.x.1 NS"},
		{"*.1", "NS", "referral |  | *.1 NS"},
		{"x.*.1", "PTR", "referral |  | *.1 NS"},
		{"x.2", "DNAME", "success | x.2 DNAME"},
		{"x.2", "PTR", "nodata |  | @ SOA"},
		{"x.*.2", "PTR", "success | *.2 DNAME, x.*.2 CNAME > x.target.example."},
	})
}
